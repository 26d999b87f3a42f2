//! THOR: experts at random.
//!
//! # Source
//! Zuo et al. 2021.

use super::{Step, slots};
use crate::config::{Draw, Thor};
use crate::kernels::{Constants, DRAW};
use crate::labels::Labels;
use crate::recording::Grid;

/// Draws, slots, rows, weights: four dispatches, and the logit of the shared expert's gate, if it has one.
pub(super) fn record(step: &mut Step) {
    let shared_gate = step.switches().shared_gate();
    if shared_gate == 1 {
        step.logits();
    }
    let b = step.batch;
    let buffers = vec![b.labels.id, b.router.id, b.expert_of.id, b.chosen.id, b.stats.id];
    step.dispatch(&DRAW, Constants(vec![("SHARED_GATE", shared_gate)]), buffers, Grid::over(step.tokens()));
    slots::record(step);
}

/// The draw that each of `tokens` tokens takes part in: those of one number have the same experts.
pub(super) fn labels(router: &Thor, given: &Labels, tokens: usize, train: bool) -> Vec<u32> {
    let together = match router.draw(train) {
        Draw::Token | Draw::Ensemble => 1,
        Draw::Sentence => given.sequence(tokens),
        Draw::Batch => tokens.max(1),
    };
    (0..tokens).map(|t| (t / together) as u32).collect()
}
