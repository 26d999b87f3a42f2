//! Routing that looks beyond one token: against other projects' results, the golden example, exact optima and arithmetic.

mod base;
mod branches;
mod dense_to_sparse;
mod draw;
mod expert_choice;
mod golden;
mod noisy_top_k;
mod optimum;
mod recorded;
mod sinkhorn;
mod thresholds;
mod token_then_expert;
mod trades;

use webmoe::reference::routing::{Plan, Scores};
use webmoe::rng::uniform_f32;

/// Six tokens and three experts, small enough to do by hand.
pub const GOLDEN: [f64; 18] =
    [2.0, 1.0, 0.0, 3.0, 2.5, 0.5, 1.5, 1.4, 0.2, 2.2, 0.1, 2.0, 0.3, 0.9, 0.4, 2.8, 0.0, 1.0];

/// Normal scores `[tokens, experts]`, others for every seed.
pub fn normal(seed: u64, tokens: usize, experts: usize) -> Vec<f64> {
    let uniform = |i: usize, lane| f64::from(uniform_f32(seed, 0, 0, i as u32, lane));
    let one = |i| (-2.0 * (1.0 - uniform(i, 0)).ln()).sqrt() * (std::f64::consts::TAU * uniform(i, 1)).cos();
    (0..tokens * experts).map(one).collect()
}

/// Normal scores, some experts liked better than others by all tokens.
pub fn skewed(seed: u64, tokens: usize, experts: usize) -> Vec<f64> {
    let offsets = normal(seed + 1000, 1, experts);
    normal(seed, tokens, experts).iter().enumerate().map(|(i, score)| score + offsets[i % experts]).collect()
}

/// Whole numbers from 0 to 2: ties everywhere.
pub fn tied(seed: u64, tokens: usize, experts: usize) -> Vec<f64> {
    let one = |i| (3.0 * f64::from(uniform_f32(seed, 0, 0, i as u32, 2))).floor();
    (0..tokens * experts).map(one).collect()
}

/// `0..n` in some other order.
pub fn shuffled(seed: u64, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| {
        uniform_f32(seed, 0, 0, a as u32, 3).total_cmp(&uniform_f32(seed, 0, 0, b as u32, 3)).then(a.cmp(&b))
    });
    order
}

/// The scores with token `tokens[i]` at row `i` and expert `experts[j]` at column `j`.
pub fn reordered(scores: Scores, tokens: &[usize], experts: &[usize]) -> Vec<f64> {
    tokens.iter().flat_map(|&t| experts.iter().map(move |&e| scores.at(t, e))).collect()
}

/// The pairs of a plan of reordered scores under their old names, sorted.
pub fn restored(plan: &Plan, tokens: &[usize], experts: &[usize]) -> Vec<(usize, usize)> {
    let mut pairs: Vec<_> = plan.pairs().into_iter().map(|(t, e)| (tokens[t], experts[e])).collect();
    pairs.sort_unstable();
    pairs
}

/// Both views of a plan agree: no expert twice, slots from the first on without gaps.
#[track_caller]
pub fn assert_sound(plan: &Plan, experts: usize) {
    let mut slots = vec![Vec::new(); experts];
    for (chosen, places) in plan.experts.iter().zip(&plan.slots) {
        assert_eq!(chosen.len(), places.len());
        let mut distinct = chosen.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), chosen.len(), "an expert twice: {chosen:?}");
        chosen.iter().zip(places).for_each(|(&expert, &slot)| slots[expert].push(slot));
    }
    for mut slots in slots {
        slots.sort_unstable();
        assert_eq!(slots, (0..slots.len()).collect::<Vec<_>>());
    }
}
