//! Expert choice: every expert takes its best tokens.
//!
//! # Source
//! Zhou et al. 2022.

use super::{Step, slots, top_k};
use crate::config::ExpertChoice;
use crate::kernels::{Constants, EXPERT_CHOICE, TAKEN};
use crate::recording::Grid;

/// Logits, scores, the experts' choices, the same by token, rows, weights: six dispatches.
pub(super) fn record(step: &mut Step, _router: &ExpertChoice) {
    step.logits();
    let b = step.batch;
    top_k::record_choices(step, 0, b.prices);
    let buffers = vec![b.router.id, b.taken.id, b.counts.id];
    let grid = Grid::Direct([step.dims.experts, step.dims.groups, 1]);
    step.dispatch(&EXPERT_CHOICE, Constants::default(), buffers, grid);
    let buffers = vec![b.taken.id, b.router.id, b.expert_of.id, b.chosen.id, b.place_in_block.id];
    step.dispatch(&TAKEN, Constants::default(), buffers, Grid::over(step.tokens()));
    slots::record_seated(step);
}
