//! Token choice by balanced logits.
//!
//! # Source
//! Clark et al. 2022 (S-BASE).

use super::{Step, slots, solves, top_k};
use crate::config::Sinkhorn;
use crate::kernels::{Constants, SINKHORN};
use crate::recording::Grid;

/// In training the solver finds a price for each expert before the tokens choose: six dispatches, else five.
pub(super) fn record(step: &mut Step, _router: &Sinkhorn) {
    step.logits();
    let b = step.batch;
    let balanced = solves(step.config, step.train);
    if balanced {
        let buffers = vec![b.router.id, b.prices.id, b.stats.id, b.solver.id];
        step.dispatch(&SINKHORN, Constants::default(), buffers, Grid::Direct([step.dims.groups, 1, 1]));
    }
    top_k::record_choices(step, if balanced { 2 } else { 0 }, b.prices);
    slots::record(step);
}
