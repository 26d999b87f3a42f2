//! Token choice: every token takes its k best experts.
//!
//! # Source
//! Shazeer et al. 2017; Lepikhin et al. 2020 (GShard); Fedus, Zoph, Shazeer 2021 (Switch: k = 1, `renormalize: "none"`).

use super::{Step, as_floats, slots};
use crate::config::TopK;
use crate::kernels::{Constants, ROUTE};
use crate::recording::{Buffer, Grid};

/// For [`record_scores`]: the choices are made afterwards.
pub(super) const CHOSEN_LATER: u32 = 1;
/// For [`record_scores`]: the choices were made before, and get their scores.
pub(super) const CHOSEN_BEFORE: u32 = 2;

/// Logits, choices, slots, rows, weights: five dispatches.
pub(super) fn record(step: &mut Step, router: &TopK) {
    step.logits();
    let biased = u32::from(router.selection_bias.is_some());
    record_choices(step, biased, as_floats(step.weights.constants));
    slots::record(step);
}

/// Scores and the best experts of every token; `biased` and `bias` as in `route`. One dispatch.
pub(super) fn record_choices(step: &mut Step, biased: u32, bias: Buffer<f32>) {
    let policy = step.switches().policy(step.train);
    record_choices_by(step, policy, biased, bias);
}

/// [`record_choices`] by another policy than the router's own.
pub(super) fn record_choices_by(step: &mut Step, policy: u32, biased: u32, bias: Buffer<f32>) {
    // of a router with noise they are in the logits by now
    let given = step.drawn && !step.config.router.adds_noise();
    let constants = step.switches().route(0, biased, policy, given);
    record_route(step, constants, bias);
}

/// Scores where it is not by them that tokens choose; `unchosen`: [`CHOSEN_LATER`] or [`CHOSEN_BEFORE`]. One dispatch.
pub(super) fn record_scores(step: &mut Step, unchosen: u32) {
    let policy = step.switches().policy(step.train);
    let constants = step.switches().route(unchosen, 0, policy, false);
    record_route(step, constants, step.batch.prices);
}

fn record_route(step: &mut Step, constants: Constants, bias: Buffer<f32>) {
    let b = step.batch;
    let buffers = vec![b.router.id, bias.id, b.expert_of.id, b.chosen.id, b.stats.id, b.noisy.noise.id];
    step.dispatch(&ROUTE, constants, buffers, Grid::over(step.tokens()));
}
