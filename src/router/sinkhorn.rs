//! Token choice by balanced logits.
//!
//! # Source
//! Clark et al. 2022 (S-BASE).

use super::{Step, slots, top_k};
use crate::config::Sinkhorn;
use crate::kernels::{Constants, SINKHORN_EXPERTS, SINKHORN_TOKENS};
use crate::recording::Grid;

/// Five dispatches, and in training two for each iteration of the solver, which finds a price for each expert before the
/// tokens choose. Iterations after the one that converged run no workgroup.
pub(super) fn record(step: &mut Step, router: &Sinkhorn) {
    step.logits();
    let b = step.batch;
    if step.train {
        step.rec.clear(b.prices);
        step.rec.clear(b.solver);
        b.round_grids.iter().for_each(|grids| step.rec.clear(*grids));
        let (tokens, experts) = (Grid::over(step.tokens()), Grid::Direct([step.dims.experts, step.dims.groups, 1]));
        for iteration in 0..router.iterations as u32 {
            step.dims.iteration = iteration;
            let [written, next] = b.grids_of_round(iteration);
            let grid = |half: u32, known: Grid| match iteration {
                0 => known,
                _ => Grid::written(written, 2 * iteration + half),
            };
            let buffers = vec![b.router.id, b.prices.id, b.solver.id, b.stats.id];
            step.dispatch(&SINKHORN_TOKENS, Constants::default(), buffers, grid(0, tokens));
            let buffers = vec![b.router.id, b.stats.id, b.prices.id, b.solver.id, next.id, step.weights.constants.id];
            step.dispatch(&SINKHORN_EXPERTS, Constants::default(), buffers, grid(1, experts));
        }
    }
    top_k::record_choices(step, if step.train { 2 } else { 0 }, b.prices);
    slots::record(step);
}
