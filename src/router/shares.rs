//! Shares of a soft plan that keeps bounds on experts and on tokens, by which experts then rank tokens.
//!
//! # Source
//! Zhou et al. 2022, section 3.3: Dykstra's algorithm, here on logarithms.

use super::{Step, matching};
use crate::kernels::{CROWDED, Constants, PROJECT_EXPERTS, PROJECT_TOKENS};
use crate::recording::Grid;

/// Goes back to every bound so many times: two dispatches each.
pub(super) fn record(step: &mut Step, iterations: usize) {
    // of experts that take nobody there are no shares
    let iterations = if step.dims.slots == 0 { 0 } else { iterations as u32 };
    let (b, c) = (step.batch, step.batch.choice);
    let (columns, tokens) = (matching::of_experts(step), Grid::over(step.tokens()));
    for iteration in 0..iterations {
        step.dims.iteration = iteration;
        step.dispatch(&PROJECT_EXPERTS, Constants::default(), vec![b.router.id, c.shares.id], columns);
        step.dispatch(&PROJECT_TOKENS, Constants::default(), vec![c.shares.id, c.taken.id], tokens);
    }
    step.dims.iteration = 0;
}

/// Counts the tokens that more experts took than the bound allows. One dispatch.
pub(super) fn record_crowded(step: &mut Step) {
    let c = step.batch.choice;
    let tokens = Grid::over(step.tokens());
    step.dispatch(&CROWDED, Constants::default(), vec![c.pairs.id, c.progress.id], tokens);
}
