//! Tokens name experts and experts take tokens, in one look or in rounds: what all routers in which experts choose have in common.

use super::{Step, slots, top_k};
use crate::kernels::{CHOOSE, Constants, LINE_UP, NOMINATE, TAKEN};
use crate::recording::Grid;

/// Scores; then the experts' choice; then rows and weights.
pub(super) fn record(step: &mut Step) {
    step.logits();
    top_k::record_choices(step, 0, step.batch.prices);
    record_choice(step);
    record_taken(step);
    slots::record_seated(step);
}

/// One look: every expert takes its best tokens. Three dispatches.
fn record_choice(step: &mut Step) {
    let (b, c) = (step.batch, step.batch.choice);
    step.rec.clear(b.counts);
    let pairs = Grid::linear(step.tokens() * step.dims.experts as usize);
    step.dispatch(&NOMINATE, Constants::default(), vec![b.router.id, b.counts.id, c.pairs.id, c.keys.id], pairs);
    let of_experts = Grid::Direct([step.dims.experts, step.dims.groups, 1]);
    let buffers = vec![c.keys.id, c.pairs.id, b.counts.id, c.progress.id];
    step.dispatch(&CHOOSE, Constants::default(), buffers, of_experts);
    let buffers = vec![c.keys.id, c.pairs.id, c.lines.id, c.progress.id, b.solver.id, c.last_keys.id];
    step.dispatch(&LINE_UP, Constants::default(), buffers, of_experts);
}

/// The experts' choices by token.
fn record_taken(step: &mut Step) {
    let b = step.batch;
    let buffers = vec![b.choice.pairs.id, b.router.id, b.expert_of.id, b.chosen.id, b.place_in_block.id];
    step.dispatch(&TAKEN, Constants::default(), buffers, Grid::over(step.tokens()));
}
