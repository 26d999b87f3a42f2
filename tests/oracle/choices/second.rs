//! What GShard may do with a second choice.

use webmoe::config::{Capacity, LayerConfig, Order, Priority, Renormalize, SecondPolicy, Slots, TopK};
use webmoe::reference::{Forward, Setting};
use webmoe::rng::uniform_f32;

use super::{assert_drawn, layer, repeated, run, softmax};
use crate::common::close::{Tol, assert_close};

const ROW: [f32; 4] = [0.5, -0.7, 1.2, 0.1];
const TOKENS: usize = 8192;
const TOL: Tol = Tol { abs: 1e-12, rel: 0.0 };

fn top_2(second_policy: SecondPolicy, renormalize: Renormalize) -> TopK {
    TopK { second_policy, eval_second_policy: second_policy, renormalize, ..TopK::new(2) }
}

fn noise(len: usize) -> Vec<f32> {
    (0..len as u32).map(|i| 4.0 * uniform_f32(17, 0, 0, i, 0) - 2.0).collect()
}

/// Whether each token asked its second choice.
fn seconds(forward: &Forward) -> Vec<bool> {
    forward.routing.experts.chunks_exact(2).map(|row| row[1] >= 0).collect()
}

/// `p₂ / (p₁ + p₂)` of a row of logits.
fn share(row: &[f32]) -> f64 {
    let mut p = softmax(row);
    p.sort_by(|a, b| b.total_cmp(a));
    p[1] / (p[0] + p[1])
}

#[test]
fn a_second_choice_is_kept_with_the_probability_of_its_share_over_the_threshold() {
    // shares of 0.05 to 0.5, below and above the threshold
    for second_threshold in [0.2, 0.5, 1.0] {
        for logit in [3.0, 1.5, 0.7, 0.2, 0.0] {
            let row = [logit, 0.0, -5.0];
            let router = TopK { second_threshold, ..top_2(SecondPolicy::Random, Renormalize::PreDrop) };
            let forward = run(&layer(3, router), &repeated(&row, TOKENS), Setting::TRAIN);
            let asked = seconds(&forward).into_iter().filter(|asked| *asked).count();
            let chance = (share(&row) / f64::from(second_threshold)).min(1.0);
            match chance < 1.0 {
                true => assert_drawn(&[asked, TOKENS - asked], &[chance, 1.0 - chance]),
                false => assert_eq!(asked, TOKENS, "a share of {} or more is always asked", share(&row)),
            }
        }
    }
}

#[test]
fn the_draws_of_a_step_are_its_own_and_those_of_inference_too() {
    let router = top_2(SecondPolicy::Random, Renormalize::PreDrop);
    let at = |setting| seconds(&run(&layer(4, router.clone()), &repeated(&ROW, 64), setting));
    assert_eq!(at(Setting { step: 1, ..Setting::TRAIN }), at(Setting { step: 1, ..Setting::default() }));
    assert_ne!(at(Setting { step: 1, ..Setting::TRAIN }), at(Setting { step: 2, ..Setting::TRAIN }));
}

#[test]
fn a_policy_of_its_own_holds_outside_training() {
    let router = TopK { eval_second_policy: SecondPolicy::All, ..top_2(SecondPolicy::None, Renormalize::None) };
    let logits = noise(64);
    let asked = |setting| seconds(&run(&layer(4, router.clone()), &logits, setting));
    assert_eq!((asked(Setting::TRAIN), asked(Setting::default())), (vec![false; 16], vec![true; 16]));
}

#[test]
fn a_threshold_keeps_the_second_choices_above_it() {
    let logits = noise(400);
    let router = TopK { second_threshold: 0.3, ..top_2(SecondPolicy::Threshold, Renormalize::PostDrop) };
    let asked = seconds(&run(&layer(4, router), &logits, Setting::TRAIN));
    let want: Vec<bool> = logits.chunks_exact(4).map(|row| share(row) > f64::from(0.3_f32)).collect();
    assert_eq!(asked, want);
    assert!(want.contains(&true) && want.contains(&false));
}

#[test]
fn with_no_second_choices_the_assignment_is_that_of_switch() {
    let slots = Slots::Fixed { slots: 9 };
    let capacity = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank };
    let logits = noise(160);
    let route = |router| run(&LayerConfig { capacity: capacity.clone(), ..layer(4, router) }, &logits, Setting::TRAIN);
    let switch = route(TopK::new(1));
    let alone = |renormalize| route(top_2(SecondPolicy::None, renormalize));
    let plan = |forward: &Forward, slots: usize| -> Vec<(i32, i32)> {
        let first = |i: usize| (forward.routing.experts[i * slots], forward.routing.positions[i * slots]);
        (0..40).map(first).collect()
    };
    let share_of_first = |(row, weight): (&[f32], &f64)| if *weight > 0.0 { 1.0 - share(row) } else { 0.0 };
    let pre_drop: Vec<f64> = logits.chunks_exact(4).zip(&switch.routing.weights).map(share_of_first).collect();
    let kept: Vec<f64> = switch.routing.kept.iter().map(|kept| f64::from(u8::from(*kept))).collect();
    for (renormalize, want) in [
        (Renormalize::None, &switch.routing.weights),
        (Renormalize::PreDrop, &pre_drop),
        (Renormalize::PostDrop, &kept),
    ] {
        let forward = alone(renormalize);
        assert_eq!(plan(&forward, 2), plan(&switch, 1), "{renormalize:?}");
        assert_eq!(
            (&forward.routing.demanded, &forward.routing.load),
            (&switch.routing.demanded, &switch.routing.load)
        );
        assert_eq!(forward.losses["loadBalance"], switch.losses["loadBalance"], "{renormalize:?}");
        let weights: Vec<f64> = forward.routing.weights.chunks_exact(2).map(|row| row[0]).collect();
        assert_close(&format!("weights, {renormalize:?}"), &weights, want, 1, TOL);
    }
    assert!(switch.routing.kept.contains(&false), "some are dropped");
}

#[test]
fn a_second_choice_that_is_not_asked_holds_no_slot() {
    // both tokens like expert 0 best and expert 1 next; a third token comes for expert 1, which has one place
    let logits = [2.0, 1.0, -9.0, 2.0, 1.0, -9.0, 1.0, 2.0, -9.0];
    let slots = Slots::Fixed { slots: 1 };
    let capacity = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Token };
    let positions = |policy| {
        let config = LayerConfig { capacity: capacity.clone(), ..layer(3, top_2(policy, Renormalize::PreDrop)) };
        run(&config, &logits, Setting::TRAIN).routing.positions
    };
    assert_eq!(positions(SecondPolicy::All), [0, 0, -1, -1, -1, -1], "the first token takes both places");
    assert_eq!(positions(SecondPolicy::None), [0, -1, -1, -1, 0, -1], "the third is served by expert 1");
}

#[test]
fn a_sampled_second_choice_follows_the_softmax_without_the_first() {
    let forward =
        run(&layer(4, top_2(SecondPolicy::Sampling, Renormalize::PreDrop)), &repeated(&ROW, TOKENS), Setting::TRAIN);
    assert!(forward.routing.experts.chunks_exact(2).all(|row| row[0] == 2), "the first is the best");
    let counts: Vec<usize> =
        [0, 1, 3].map(|e| forward.routing.experts.chunks_exact(2).filter(|row| row[1] == e).count()).into();
    let p = softmax(&ROW);
    assert_drawn(&counts, &[0, 1, 3].map(|e: usize| p[e] / (1.0 - p[2])));
}

#[test]
fn all_but_the_first_choice_are_drawn_or_declined_where_there_are_more_than_two() {
    let logits = noise(4 * 400);
    let route = |second_policy| {
        let router = TopK { second_threshold: 0.3, ..TopK { k: 3, ..top_2(second_policy, Renormalize::PreDrop) } };
        run(&layer(4, router), &logits, Setting::TRAIN)
    };
    let best = route(SecondPolicy::All).routing.experts;
    for policy in [SecondPolicy::Sampling, SecondPolicy::Random, SecondPolicy::Threshold, SecondPolicy::None] {
        let experts = route(policy).routing.experts;
        for (row, best) in experts.chunks_exact(3).zip(best.chunks_exact(3)) {
            assert_eq!(row[0], best[0], "{policy:?}");
            let asked: Vec<i32> = row.iter().copied().filter(|e| *e >= 0).collect();
            assert!((1..asked.len()).all(|i| !asked[..i].contains(&asked[i])), "{policy:?}: an expert twice: {row:?}");
            let sampled = policy == SecondPolicy::Sampling;
            assert!(sampled || row.iter().zip(best).all(|(e, best)| [*best, -1].contains(e)), "{policy:?}: {row:?}");
        }
        assert_ne!(experts, best, "{policy:?}");
    }
}

#[test]
fn the_order_of_one_groups_tokens_leaves_the_other_groups_alone() {
    for policy in [SecondPolicy::All, SecondPolicy::Sampling, SecondPolicy::Random, SecondPolicy::Threshold] {
        let slots = Slots::Fixed { slots: 5 };
        let capacity = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank };
        let config = LayerConfig { groups: 2, capacity, ..layer(4, top_2(policy, Renormalize::PreDrop)) };
        let logits = noise(4 * 32);
        let (first, second) = logits.split_at(4 * 16);
        let turned: Vec<f32> = first.chunks_exact(4).rev().flatten().copied().collect();
        let [straight, other] =
            [logits.clone(), [&turned, second].concat()].map(|logits| run(&config, &logits, Setting::TRAIN));
        let plan = |forward: &Forward, of: std::ops::Range<usize>| {
            (forward.routing.experts[of.clone()].to_vec(), forward.routing.positions[of].to_vec())
        };
        assert_eq!(plan(&straight, 32..64), plan(&other, 32..64), "{policy:?}");
        assert_ne!(plan(&straight, 0..32), plan(&other, 0..32), "{policy:?}");
    }
}

#[test]
fn the_balance_loss_of_uniform_scores_is_one_whoever_is_asked() {
    for policy in [SecondPolicy::All, SecondPolicy::None, SecondPolicy::Random, SecondPolicy::Sampling] {
        let forward = run(&layer(4, top_2(policy, Renormalize::PreDrop)), &[0.0; 64], Setting::TRAIN);
        let got = [forward.losses["loadBalance"], forward.losses["loadBalanceFirst"]];
        assert_close(&format!("{policy:?}"), &got, &[1.0, 1.0], 1, TOL);
    }
}

/// The loss of second places on a layer's tokens.
fn second_place(config: LayerConfig, logits: &[f32]) -> f64 {
    let config = LayerConfig { loss_weights: [("secondPlace".to_owned(), 0.0)].into(), ..config };
    run(&config, logits, Setting::TRAIN).losses["secondPlace"]
}

#[test]
fn the_loss_of_second_places_looks_at_neither_policies_nor_drops() {
    let logits = noise(4 * 32);
    let of = |policy| layer(4, top_2(policy, Renormalize::PreDrop));
    let all = second_place(of(SecondPolicy::All), &logits);
    for policy in [SecondPolicy::None, SecondPolicy::Random, SecondPolicy::Threshold] {
        assert_eq!(second_place(of(policy), &logits), all, "{policy:?}");
    }
    assert_ne!(second_place(of(SecondPolicy::Sampling), &logits), all, "others are second");
    let slots = Slots::Fixed { slots: 3 };
    let capacity = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank };
    assert_eq!(second_place(LayerConfig { capacity, ..of(SecondPolicy::All) }, &logits), all, "drops");
}

#[test]
fn the_loss_of_second_places_is_one_where_every_expert_is_second_alike() {
    // token t has its first choice far above the others, and its second a little
    let row = |t: usize| -> Vec<f32> {
        (0..4)
            .map(|e| {
                if e == t % 4 {
                    9.0
                } else if e == (t + 1) % 4 {
                    1.0
                } else {
                    0.0
                }
            })
            .collect()
    };
    let even: Vec<f32> = (0..8).flat_map(row).collect();
    let router = || top_2(SecondPolicy::All, Renormalize::PreDrop);
    assert_close("even", &[second_place(layer(4, router()), &even)], &[1.0], 1, TOL);
    // all tokens alike: expert 1 is second for all, with the share e / (e + 2)
    let want = 4.0 * 1.0_f64.exp() / (1.0_f64.exp() + 2.0);
    assert_close("alike", &[second_place(layer(4, router()), &row(0).repeat(8))], &[want], 1, TOL);
}

#[test]
fn the_loss_of_second_places_is_the_mean_over_groups() {
    let logits = noise(4 * 32);
    let router = || layer(4, top_2(SecondPolicy::All, Renormalize::PreDrop));
    let halves = logits.split_at(logits.len() / 2);
    let want = (second_place(router(), halves.0) + second_place(router(), halves.1)) / 2.0;
    let got = second_place(LayerConfig { groups: 2, ..router() }, &logits);
    assert_close("two groups", &[got], &[want], 1, TOL);
}

#[test]
fn a_first_choice_that_is_surer_changes_no_second_place() {
    let logits = noise(4 * 32);
    let surer: Vec<f32> = logits
        .chunks_exact(4)
        .flat_map(|row| {
            let most = row.iter().copied().fold(f32::MIN, f32::max);
            row.iter().map(|h| if *h == most { h + 2.0 } else { *h }).collect::<Vec<f32>>()
        })
        .collect();
    let [here, there] =
        [&logits, &surer].map(|logits| second_place(layer(4, top_2(SecondPolicy::All, Renormalize::None)), logits));
    assert_close("surer", &[there], &[here], 1, TOL);
}
