//! Token choice.
//!
//! # Source
//! Fedus, Zoph, Shazeer 2021 (Switch), the appendix on exploration: argmax or samples of the softmax; draws without replacement:
//! Gumbel 1954. Group limits and the selection bias: DeepSeek-AI 2024 (DeepSeek-V3).

use super::Draws;
use crate::config::{Exploration, TopK};
use crate::reference::routing;
use crate::rng::DRAW_LANE;

/// The `k` experts a token chooses, best first; of equal ones the lower first. Of drawn ones the first drawn first.
///
/// Plain scores have the order of their logits, which do not round to equal ones where the scores do.
pub(super) fn chosen(router: &TopK, h: &[f64], scores: &[f64], draws: Draws) -> Vec<usize> {
    if router.exploration == Exploration::Sample && draws.setting.train {
        return routing::best(&perturbed(h, draws), router.k);
    }
    if router.goes_by_logits() {
        return routing::best(h, router.k);
    }
    let bias = |e: usize| router.selection_bias.as_ref().map_or(0.0, |bias| f64::from(bias[e]));
    let biased: Vec<f64> = scores.iter().enumerate().map(|(e, s)| s + bias(e)).collect();
    let size = scores.len() / router.expert_groups;
    let group_scores: Vec<f64> = biased
        .chunks_exact(size)
        .map(|group| routing::best(group, 2.min(size)).into_iter().map(|i| group[i]).sum())
        .collect();
    let open = routing::best(&group_scores, router.group_limit);
    let within: Vec<f64> = biased
        .iter()
        .enumerate()
        .map(|(e, s)| if open.contains(&(e / size)) { *s } else { f64::NEG_INFINITY })
        .collect();
    routing::best(&within, router.k)
}

/// Logits whose largest are draws from their softmax.
fn perturbed(h: &[f64], draws: Draws) -> Vec<f64> {
    h.iter().zip(DRAW_LANE..).map(|(h, lane)| h + draws.gumbel(lane)).collect()
}
