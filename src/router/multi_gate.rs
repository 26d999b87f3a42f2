//! Multi-gate mixtures: one gate a task over the same experts.
//!
//! # Source
//! Ma et al. 2018 (MMoE).

use super::{Step, slots};
use crate::kernels::{Constants, MULTI_GATE};
use crate::recording::Grid;

/// Logits, gates, slots, rows, weights: five dispatches.
pub(super) fn record(step: &mut Step) {
    step.logits();
    let b = step.batch;
    let buffers = vec![b.router.id, b.expert_of.id, b.chosen.id, b.stats.id];
    let constants = Constants(vec![("SHARED_GATE", step.switches().shared_gate())]);
    step.dispatch(&MULTI_GATE, constants, buffers, Grid::over(step.tokens()));
    slots::record(step);
}
