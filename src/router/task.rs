//! Task routing: the router reads the embedding of a token's task.
//!
//! # Source
//! Kudugunta et al. 2021.

use super::{Step, as_floats, slots, top_k};
use crate::kernels::{Constants, SPREAD};
use crate::recording::Grid;

/// Logits of every task, spread over its tokens; choices, slots, rows, weights: six dispatches.
pub(super) fn record(step: &mut Step) {
    let (b, w) = (step.batch, step.weights);
    step.logits_of(step.dims.vocabulary, b.task_tiling, w.embedding, b.task_logits);
    let buffers = vec![b.labels.id, b.task_logits.id, b.router.id];
    let grid = Grid::linear(step.tokens() * step.dims.stride as usize / 4);
    step.dispatch(&SPREAD, Constants::default(), buffers, grid);
    top_k::record_choices(step, 0, as_floats(w.constants));
    slots::record(step);
}
