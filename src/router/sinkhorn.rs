//! Token choice by balanced logits.
//!
//! # Source
//! Clark et al. 2022 (S-BASE).

use super::{Step, slots, top_k};
use crate::config::Sinkhorn;
use crate::kernels::{Constants, SINKHORN_EXPERTS, SINKHORN_TOKENS};
use crate::recording::Grid;

/// Five dispatches, and in training two for each iteration of the solver, which finds a price for each expert before the
/// tokens choose. Iterations after the one that converged return at once.
pub(super) fn record(step: &mut Step, router: &Sinkhorn) {
    step.logits();
    let b = step.batch;
    if step.train {
        step.rec.clear(b.prices);
        step.rec.clear(b.solver);
        let (tokens, experts) = (Grid::over(step.tokens()), Grid::Direct([step.dims.experts, step.dims.groups, 1]));
        for iteration in 0..router.iterations as u32 {
            step.dims.iteration = iteration;
            let buffers = vec![b.router.id, b.prices.id, b.solver.id, b.stats.id];
            step.dispatch(&SINKHORN_TOKENS, Constants::default(), buffers, tokens);
            let buffers = vec![b.router.id, b.stats.id, b.prices.id, b.solver.id];
            step.dispatch(&SINKHORN_EXPERTS, Constants::default(), buffers, experts);
        }
    }
    top_k::record_choices(step, if step.train { 2 } else { 0 }, b.prices);
    slots::record(step);
}
