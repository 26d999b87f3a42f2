//! Experts choose tokens: exact counts, bounds, and how the bounded forms relate.

use webmoe::reference::routing::expert_choice::{Dykstra, capped, choose, dykstra, dykstra_shares, greedy};
use webmoe::reference::routing::token_then_expert::{Key, Nominate, Rule, blocking_pairs, deferred};
use webmoe::reference::routing::{Infeasible, Plan, Scores, over_experts, over_tokens};

use super::{assert_sound, normal, reordered, restored, shuffled, skewed, tied};
use crate::common::optimum::optimum;

/// (T, E, c, b) that are possible, some only just.
const SIZES: [(usize, usize, usize, usize); 10] = [
    (8, 2, 4, 1),
    (12, 4, 3, 1),
    (16, 4, 8, 2),
    (15, 5, 6, 2),
    (9, 3, 6, 2),
    (6, 6, 3, 3),
    (64, 8, 16, 2),
    (7, 3, 2, 1),
    (5, 4, 5, 4),
    (37, 64, 1, 2),
];

/// Experts of the token that has most.
fn held(plan: &Plan) -> usize {
    plan.experts.iter().map(Vec::len).max().unwrap_or(0)
}

#[test]
fn every_expert_has_exactly_c_tokens() {
    for (tokens, experts, c, _) in SIZES {
        for values in [normal(1, tokens, experts), tied(1, tokens, experts), vec![0.5; tokens * experts]] {
            let plan = choose(Scores::new(&values, experts), c).expect("c of T");
            assert_sound(&plan, experts);
            assert_eq!(plan.load(experts), vec![c; experts]);
        }
    }
}

#[test]
fn a_token_has_as_many_experts_as_the_factor_on_average() {
    for (tokens, experts, factor) in [(64, 8, 2.0), (64, 8, 0.5), (30, 5, 1.0), (12, 4, 4.0)] {
        let values = normal(10, tokens, experts);
        let c = (tokens as f64 * factor / experts as f64) as usize;
        let plan = choose(Scores::new(&values, experts), c).expect("c of T");
        let mut histogram = vec![0; experts + 1];
        plan.experts.iter().for_each(|chosen| histogram[chosen.len()] += 1);
        let mean = histogram.iter().enumerate().map(|(j, count)| (j * count) as f64).sum::<f64>() / tokens as f64;
        assert_eq!(mean, factor, "{tokens}×{experts}: {histogram:?}");
    }
}

#[test]
fn an_expert_takes_nobody_before_a_better_one() {
    let values = normal(2, 30, 5);
    let scores = Scores::new(&values, 5);
    let buffers = choose(scores, 7).expect("7 of 30").buffers(5);
    for (expert, buffer) in buffers.iter().enumerate() {
        let mut column = scores.column(expert);
        column.sort_by(|a, b| b.total_cmp(a));
        let taken: Vec<f64> = buffer.iter().map(|&token| scores.at(token, expert)).collect();
        assert_eq!(taken, column[..7], "slots are ranks");
    }
}

#[test]
fn with_as_many_places_as_tokens_everybody_goes_everywhere() {
    let values = normal(3, 9, 4);
    let plan = choose(Scores::new(&values, 4), 9).expect("all of them");
    assert_eq!(plan.pairs().len(), 36);
    assert_sound(&plan, 4);
}

#[test]
fn of_equal_scores_the_lower_token_is_taken() {
    let plan = choose(Scores::new(&[1.0; 12], 3), 2).expect("2 of 4");
    assert_eq!(plan.buffers(3), [[0, 1]; 3]);
    let zeros = [-0.0, 0.0, -0.0];
    assert_eq!(choose(Scores::new(&zeros, 1), 2).expect("2 of 3").buffers(1), [[0, 1]], "zero has no sign here");
    let twins: Vec<f64> = normal(4, 6, 3).chunks_exact(3).flat_map(|row| [row, row].concat()).collect();
    let scores = Scores::new(&twins, 3);
    for buffer in choose(scores, 5).expect("5 of 12").buffers(3) {
        assert_eq!(buffer[1], buffer[0] + 1, "twins come one after the other");
        assert!(buffer[0] % 2 == 0 && buffer[4] % 2 == 0, "and the cut takes the first of two");
    }
}

#[test]
fn nan_is_chosen_last_and_does_not_spread() {
    let values = [f64::NAN, 1.0, -2.0, f64::NAN, 0.0, 3.0];
    assert_eq!(choose(Scores::new(&values, 1), 4).expect("4 of 6").buffers(1), [[5, 1, 4, 2]]);
    let p = over_experts(Scores::new(&[f64::NAN, 1.0, 1.0, f64::NAN, f64::NAN, f64::NAN], 3));
    assert_eq!(p, [0.0, 0.5, 0.5, 0.0, 0.0, 0.0]);
}

#[test]
fn names_do_not_matter() {
    for seed in 0..5 {
        let values = normal(seed, 24, 6);
        let scores = Scores::new(&values, 6);
        let (tokens, experts) = (shuffled(seed, 24), shuffled(seed + 50, 6));
        let other = reordered(scores, &tokens, &experts);
        let other = Scores::new(&other, 6);
        let plans = |s: Scores| [choose(s, 8).expect("possible"), capped(s, 8, 2).expect("possible"), greedy(s, 8, 2)];
        for (plan, other) in plans(scores).iter().zip(&plans(other)) {
            assert_eq!(plan.pairs(), restored(other, &tokens, &experts));
        }
    }
}

#[test]
fn over_tokens_a_column_is_ranked_by_its_logits_and_over_experts_it_is_not() {
    let values = skewed(6, 40, 5);
    let logits = Scores::new(&values, 5);
    let [tokens, experts] = [over_tokens(logits), over_experts(logits)];
    let by = |values: &[f64]| choose(Scores::new(values, 5), 8).expect("8 of 40").pairs();
    assert_eq!(by(&tokens), by(&values));
    assert_ne!(by(&experts), by(&values));
    for expert in 0..5 {
        let sum: f64 = Scores::new(&tokens, 5).column(expert).iter().sum();
        assert!((sum - 1.0).abs() < 1e-12, "over tokens every column sums to 1: {sum}");
    }
}

#[test]
fn bounded_plans_keep_both_bounds_exactly() {
    for (tokens, experts, c, b) in SIZES {
        for seed in 0..20 {
            for values in [normal(seed, tokens, experts), skewed(seed, tokens, experts), tied(seed, tokens, experts)] {
                let p = over_experts(Scores::new(&values, experts));
                let plan = capped(Scores::new(&p, experts), c, b).expect("possible");
                assert_sound(&plan, experts);
                assert_eq!(plan.load(experts), vec![c; experts], "{tokens}×{experts}");
                assert!(held(&plan) <= b, "{tokens}×{experts}: {} experts for a token", held(&plan));
            }
        }
    }
}

#[test]
fn experts_that_greed_leaves_short_are_repaired_one_exchange_a_place() {
    let mut short = 0;
    for seed in 0..50 {
        let values = normal(seed, 6, 3);
        let scores = Scores::new(&values, 3);
        let (before, after) = (greedy(scores, 4, 2), capped(scores, 4, 2).expect("12 of 12"));
        let missing: usize = 12 - before.pairs().len();
        short += usize::from(missing > 0);
        let kept = before.pairs().iter().filter(|pair| after.pairs().contains(pair)).count();
        assert_eq!(after.pairs().len(), 12);
        assert!(kept + 2 * missing >= before.pairs().len(), "with three experts a chain moves at most two pairs");
        assert!(missing > 0 || before == after, "nothing to repair, nothing changed");
    }
    assert!(short > 0, "some were short");
}

#[test]
fn a_repair_takes_the_shortest_chain() {
    // Greed: 0→0, 1→0 fills expert 0; expert 1 takes 0 and 1 as well, and both are full; expert 2 is left with 2 alone.
    let scores = [9.0, 8.0, 1.0, 9.5, 8.5, 0.5, 0.1, 0.2, 0.3];
    let scores = Scores::new(&scores, 3);
    assert_eq!(greedy(scores, 2, 2).buffers(3), [vec![1, 0], vec![1, 0], vec![2]]);
    // Of tokens 0 and 1 expert 2 scores 0 higher; expert 0 holds it, gives it up and takes token 2 instead.
    assert_eq!(capped(scores, 2, 2).expect("6 of 6").buffers(3), [[1, 2], [1, 0], [0, 2]]);
}

#[test]
fn a_bound_of_all_experts_is_no_bound() {
    let values = normal(8, 20, 4);
    let scores = Scores::new(&values, 4);
    assert_eq!(capped(scores, 10, 4), choose(scores, 10));
    assert_eq!(capped(scores, 10, 9), choose(scores, 10));
}

#[test]
fn greed_comes_close_to_the_optimum() {
    for seed in 0..4 {
        let p = over_experts(Scores::new(&skewed(seed, 64, 8), 8));
        let p = Scores::new(&p, 8);
        let (best, _) = optimum(p, 16, 2);
        let got = capped(p, 16, 2).expect("possible").total(p);
        assert!(got <= best + 1e-9 && got >= 0.97 * best, "seed {seed}: {got} of {best}");
    }
}

#[test]
fn greed_is_deferred_acceptance_where_both_sides_rank_by_one_score() {
    for (tokens, experts, c, b) in SIZES {
        for seed in 0..4 {
            for values in [normal(seed, tokens, experts), tied(seed, tokens, experts), vec![1.0; tokens * experts]] {
                let logits = Scores::new(&values, experts);
                let p = over_experts(logits);
                let rule = Rule { nominate: Nominate::top(experts), key: Key::Prob, slots: c };
                let plan = greedy(Scores::new(&p, experts), c, b);
                assert_eq!(plan.buffers(experts), deferred(logits, rule, b).buffers(experts), "{tokens}×{experts}");
                assert_eq!(blocking_pairs(logits, rule, b, &plan), 0);
            }
        }
    }
}

#[test]
fn the_papers_mode_fills_every_expert_and_reports_whom_it_gave_too_much() {
    let mut some_over = false;
    for seed in 0..3 {
        let p = over_experts(Scores::new(&skewed(seed, 64, 8), 8));
        let p = Scores::new(&p, 8);
        for (lambda, iterations) in [(0.1, 100), (0.01, 100), (0.001, 100), (0.01, 1000)] {
            let (plan, over) = dykstra(p, 16, 2, Dykstra { lambda, iterations }).expect("possible");
            assert_sound(&plan, 8);
            assert_eq!(plan.load(8), [16; 8], "λ {lambda}");
            assert_eq!(over, plan.experts.iter().filter(|chosen| chosen.len() > 2).count());
            some_over |= over > 0;
        }
    }
    assert!(some_over, "the bound is not kept");
}

#[test]
fn the_papers_shares_keep_all_constraints_and_solve_the_problem() {
    for (seed, lambda) in [(0, 0.2), (1, 0.2), (2, 0.05)] {
        let p = over_experts(Scores::new(&skewed(seed, 32, 4), 4));
        let p = Scores::new(&p, 4);
        let ln = dykstra_shares(p, 16, 2, Dykstra { lambda, iterations: 20_000 }).expect("possible");
        let a: Vec<f64> = ln.iter().map(|ln| ln.exp()).collect();
        let a = Scores::new(&a, 4);
        for expert in 0..4 {
            let sum: f64 = a.column(expert).iter().sum();
            assert!((sum - 16.0).abs() < 1e-6, "seed {seed}: expert {expert} has {sum}");
        }
        for token in 0..32 {
            let sum: f64 = a.row(token).iter().sum();
            assert!(sum < 2.0 + 1e-6 && a.row(token).iter().all(|&a| a <= 1.0), "seed {seed}: token {token} has {sum}");
        }
        // A whole optimum has no entropy, so the shares' total is short of it by at most λ times theirs.
        let total: f64 = a.values().iter().zip(p.values()).map(|(a, s)| a * s).sum();
        let entropy: f64 = a.values().iter().zip(&ln).map(|(a, ln)| -a * ln).sum();
        let best = optimum(p, 16, 2).0;
        assert!(total <= best + 1e-6 && total + lambda * entropy >= best - 1e-6, "seed {seed}: {total} of {best}");
    }
}

#[test]
fn the_papers_mode_without_a_bound_is_plain_choice() {
    let p = over_experts(Scores::new(&normal(5, 24, 4), 4));
    let p = Scores::new(&p, 4);
    let (plan, over) = dykstra(p, 8, 4, Dykstra { lambda: 0.05, iterations: 50 }).expect("possible");
    assert_eq!((plan.pairs(), over), (choose(p, 8).expect("8 of 24").pairs(), 0));
}

#[test]
fn what_is_impossible_is_refused() {
    let values = normal(9, 6, 3);
    let scores = Scores::new(&values, 3);
    let refused = |per_expert, per_token| Infeasible { tokens: 6, experts: 3, per_expert, per_token };
    assert_eq!(choose(scores, 7), Err(refused(7, 3)), "more than there are");
    assert_eq!(capped(scores, 3, 1), Err(refused(3, 1)), "9 places, 6 tokens");
    assert_eq!(capped(scores, 7, 9), Err(refused(7, 9)), "no token twice");
    let settings = Dykstra { lambda: 0.1, iterations: 10 };
    assert_eq!(dykstra(scores, 5, 2, settings), Err(refused(5, 2)));
    assert_eq!(
        refused(5, 2).to_string(),
        "3 experts cannot take 5 of 6 tokens each with at most 2 experts a token; \
         ask for fewer tokens an expert or allow more experts a token"
    );
}

#[test]
fn nothing_is_chosen_from_nothing() {
    let none = Scores::new(&[], 3);
    let settings = Dykstra { lambda: 0.1, iterations: 10 };
    assert!(choose(none, 0).expect("nothing").experts.is_empty());
    assert!(capped(none, 0, 0).expect("nothing").experts.is_empty());
    assert!(dykstra(none, 0, 1, settings).expect("nothing").0.experts.is_empty());
    assert!(choose(none, 1).is_err());
    let some = Scores::new(&[1.0; 6], 3);
    assert_eq!(capped(some, 0, 0).expect("nobody wants anything").pairs(), []);
    assert_eq!(dykstra(some, 0, 0, settings).expect("nobody wants anything").0.pairs(), []);
}
