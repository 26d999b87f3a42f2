//! The golden example, by hand.

use webmoe::reference::routing::base::auction;
use webmoe::reference::routing::expert_choice::{capped, choose};
use webmoe::reference::routing::sinkhorn::{self, balance};
use webmoe::reference::routing::token_then_expert::{Key, Nominate, Rule, deferred, once};
use webmoe::reference::routing::{Scores, no_token_left_behind, over_experts};

use super::GOLDEN;
use crate::common::close::{Tol, assert_close};
use crate::common::optimum::optimum;

fn logits() -> Scores<'static> {
    Scores::new(&GOLDEN, 3)
}

fn rule(m: usize) -> Rule {
    Rule { nominate: Nominate::top(m), key: Key::Prob, slots: 2 }
}

#[test]
fn experts_choose_their_two_surest_tokens() {
    let p = over_experts(logits());
    let plan = choose(Scores::new(&p, 3), 2).expect("two of six");
    assert_eq!(plan.buffers(3), [[5, 0], [4, 2], [3, 4]]);
    assert!(plan.experts[1].is_empty(), "nobody takes token 1");
    assert_eq!(plan.experts[4], [1, 2], "token 4 goes to two, the better one first");
    assert_eq!(plan.slots[4], [0, 1]);
}

#[test]
fn with_one_expert_a_token_the_third_expert_takes_what_is_left() {
    // Down the probabilities: 5→0 .8156, 0→0 .6652 (full), 4→1 .4640, 3→2 .4218, 2→1 .4156 (full), then 1→2 .0486.
    let p = over_experts(logits());
    let plan = capped(Scores::new(&p, 3), 2, 1).expect("six places for six tokens");
    assert_eq!(plan.buffers(3), [[5, 0], [4, 2], [3, 1]]);
}

#[test]
fn two_nominations_lead_to_the_same_plan_as_all_of_them() {
    let p = over_experts(logits());
    let all = choose(Scores::new(&p, 3), 2).expect("two of six");
    assert_eq!(once(logits(), rule(2)), all);
}

#[test]
fn one_nomination_keeps_the_two_surest_of_each_expert() {
    assert_eq!(once(logits(), rule(1)).buffers(3), [vec![5, 0], vec![4], vec![]]);
}

#[test]
fn deferred_acceptance_leaves_token_1_between_two_full_experts() {
    let plan = deferred(logits(), rule(2), 1);
    assert_eq!(plan.buffers(3), [vec![5, 0], vec![4, 2], vec![3]]);
    assert!(plan.experts[1].is_empty());
}

#[test]
fn no_token_is_left_behind_after_three_rounds() {
    let plan = no_token_left_behind::route(logits(), 3, 2);
    assert_eq!(plan.experts, [[0], [0], [1], [2], [1], [2]]);
    let buffers = plan.buffers(3);
    assert_eq!((&buffers[0], &buffers[2]), (&vec![0, 1], &vec![3, 5]), "in order of arrival within a round");
    assert_eq!(buffers[1], [4, 2], "token 4 came in the first round");
}

#[test]
fn the_best_balanced_assignment_has_a_total_of_11_1() {
    let (total, pairs) = optimum(logits(), 2, 1);
    assert_close("optimum", &[total], &[11.1], 1, Tol { abs: 1e-12, rel: 0.0 });
    assert_eq!(pairs, [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (5, 0)]);
    let assignment = auction(logits(), 1000);
    assert_eq!(assignment.experts, [0, 1, 1, 2, 2, 0]);
    assert_close("auction", &[assignment.total(logits())], &[11.1], 1, Tol { abs: 1e-12, rel: 0.0 });
    assert!(!assignment.repaired);
}

#[test]
fn sinkhorn_prices_make_the_argmax_nearly_balanced() {
    let settings = sinkhorn::Settings { eps: 1.0, iterations: 1000, tolerance: 1e-12 };
    let balanced = balance(logits(), None, settings);
    let mean = balanced.g.iter().sum::<f64>() / 3.0;
    let centred: Vec<f64> = balanced.g.iter().map(|g| g - mean).collect();
    assert_close("g", &centred, &[-0.6869, 0.1304, 0.5565], 3, Tol { abs: 5e-5, rel: 0.0 });
    assert_eq!(balanced.choices(logits(), 1.0, 1), [[0], [1], [1], [2], [1], [0]], "loads 2, 3 and 1");
}
