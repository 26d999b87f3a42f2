//! The plan of a batch: every token's choices, served group by group, and their final weights.

use super::{gate, slots, top_k};
use crate::config::{LayerConfig, Renormalize};

/// What became of every token's choices.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// `T`.
    pub tokens: usize,
    /// Columns of the arrays below: `k`.
    pub slots: usize,
    /// `[T, k]`: experts, best first.
    pub experts: Vec<i32>,
    /// `[T, k]`: the gate values used in the output; 0 where dropped.
    pub weights: Vec<f64>,
    /// `[T, k]`: place in the expert's buffer of the token's group, in the order of service; -1 where dropped.
    pub positions: Vec<i32>,
    /// `[T, k]`: whether the expert had a place.
    pub kept: Vec<bool>,
    /// `[E]`: assignments before drops.
    pub demanded: Vec<u32>,
    /// `[E]`: assignments kept.
    pub load: Vec<u32>,
}

impl Routing {
    /// The served (token, expert) pairs.
    pub(super) fn kept_pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let pair = |i: usize| (i / self.slots, self.experts[i] as usize);
        (0..self.kept.len()).filter(|&i| self.kept[i]).map(pair)
    }
}

/// Serves the choices of all groups of `group_tokens` tokens and weighs what was kept.
///
/// - `capacity`: slots of each expert in each group; `None` if dropless
/// - `scores`: `f64[T, E]`; `chosen`, `raw_weights`: `[T]` of `[k]`
pub(super) fn plan(
    config: &LayerConfig,
    group_tokens: usize,
    capacity: Option<usize>,
    step: u32,
    scores: &[f64],
    chosen: &[Vec<usize>],
    raw_weights: &[Vec<f64>],
) -> Routing {
    let router = top_k(config);
    let undropped: Vec<Vec<f64>> = match router.renormalize {
        Renormalize::PreDrop => raw_weights.iter().map(|a| gate::weights(router, a, &vec![true; router.k])).collect(),
        Renormalize::None | Renormalize::PostDrop => raw_weights.to_vec(),
    };
    let best_scores: Vec<f64> =
        scores.chunks_exact(config.experts).map(|s| s.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect();
    let mut routing = Routing {
        tokens: chosen.len(),
        slots: router.k,
        experts: chosen.iter().flatten().map(|&e| e as i32).collect(),
        weights: Vec::new(),
        positions: Vec::new(),
        kept: Vec::new(),
        demanded: vec![0; config.experts],
        load: vec![0; config.experts],
    };
    for group in 0..chosen.len().checked_div(group_tokens).unwrap_or(0) {
        let tokens = group * group_tokens..(group + 1) * group_tokens;
        let group = slots::Group {
            first_token: tokens.start,
            chosen: &chosen[tokens.clone()],
            weights: &undropped[tokens.clone()],
            best_scores: &best_scores[tokens.clone()],
        };
        for (token, places) in tokens.zip(slots::serve(config, &group, capacity, step)) {
            let kept: Vec<bool> = places.iter().map(Option::is_some).collect();
            routing.weights.extend(gate::weights(router, &raw_weights[token], &kept));
            routing.positions.extend(places.iter().map(|place| place.map_or(-1, |place| place as i32)));
            for (&e, &kept) in chosen[token].iter().zip(&kept) {
                routing.demanded[e] += 1;
                routing.load[e] += u32::from(kept);
            }
            routing.kept.extend(kept);
        }
    }
    routing
}
