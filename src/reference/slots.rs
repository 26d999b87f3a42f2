//! Places in the experts' buffers: who is served, who is turned away.
//!
//! # Source
//! Lepikhin et al. 2020 (GShard), Algorithm 1: first choices before second ones, in order of arrival; batch priority:
//! Riquelme et al. 2021 (V-MoE).

use super::Setting;
use crate::config::{LayerConfig, Order, Priority};
use crate::rng::{PRIORITY_LANE, hash_u32};

/// What decides who comes first in one group of `S` tokens.
pub(super) struct Group<'a> {
    /// Index in the batch of the group's first token.
    pub(super) first_token: usize,
    /// Choices of each token, best first: `[S]` of `[k]`.
    pub(super) chosen: &'a [Vec<usize>],
    /// Which of them are asked.
    pub(super) asked: &'a [Vec<bool>],
    /// Their weights before any drop.
    pub(super) weights: &'a [Vec<f64>],
    /// Best score of each token over all experts: `[S]`.
    pub(super) best_scores: &'a [f64],
}

/// Serves what a group's tokens ask for one by one, each expert with at most `slots` places (`None`: any number).
///
/// Returns the place of each assignment, `[S]` of `[k]`, `None` where the expert was full or was not asked.
pub(super) fn serve(
    config: &LayerConfig,
    group: &Group,
    slots: Option<usize>,
    setting: Setting,
) -> Vec<Vec<Option<usize>>> {
    let mut places: Vec<Vec<Option<usize>>> = group.chosen.iter().map(|chosen| vec![None; chosen.len()]).collect();
    let mut filled = vec![0; config.experts];
    for (token, rank) in queue(config, group, setting) {
        let expert = group.chosen[token][rank];
        if slots.is_none_or(|slots| filled[expert] < slots) {
            places[token][rank] = Some(filled[expert]);
            filled[expert] += 1;
        }
    }
    places
}

/// All assignments `(token, rank)` of a group in the order in which they are served.
fn queue(config: &LayerConfig, group: &Group, setting: Setting) -> Vec<(usize, usize)> {
    let (priority, order) = config.slot_order();
    let mut tokens: Vec<usize> = (0..group.chosen.len()).collect();
    match priority {
        Priority::Arrival | Priority::Weight => {}
        Priority::Batch => tokens.sort_by(|&a, &b| group.best_scores[b].total_cmp(&group.best_scores[a])),
        Priority::Random => tokens.sort_by_key(|&token| {
            let token = (group.first_token + token) as u32;
            hash_u32(setting.seed(config), 0, setting.step, token, PRIORITY_LANE)
        }),
    }
    let mut queue: Vec<(usize, usize)> = match order {
        Order::Rank => (0..config.k()).flat_map(|rank| tokens.iter().map(move |&token| (token, rank))).collect(),
        Order::Token => tokens.iter().flat_map(|&token| (0..config.k()).map(move |rank| (token, rank))).collect(),
    };
    queue.retain(|(token, rank)| group.asked[*token].get(*rank) == Some(&true));
    if priority == Priority::Weight {
        queue.sort_by(|a, b| group.weights[b.0][b.1].total_cmp(&group.weights[a.0][a.1]).then(a.0.cmp(&b.0)));
    }
    queue
}
