//! From all experts to one.
//!
//! # Source
//! Nie et al. 2021 (EvoMoE).

use super::{ABOVE, COVER, Step, noisy_top_k, slots, top_k};
use crate::config::{DenseGate, DenseToSparse};
use crate::kernels::{Constants, REWEIGH};
use crate::recording::Grid;

/// A part of all scores that any one of them covers, if it is a token's best.
const ANY_PART: f32 = 1e-30;

/// Five dispatches; in training two before the choice, for noise and temperature, and one after it where the weights do without.
pub(super) fn record(step: &mut Step, router: &DenseToSparse) {
    step.logits();
    let b = step.batch;
    if step.train {
        noisy_top_k::record_noise(step, noisy_top_k::GUMBEL);
    }
    if step.train && !router.is_hard(step.dims.step) {
        top_k::record_choices_by(step, ABOVE, 0, b.prices);
    } else {
        step.dims.threshold = ANY_PART;
        top_k::record_choices_by(step, COVER, 0, b.prices);
    }
    if step.train && router.gate == DenseGate::Softmax {
        let buffers = vec![b.noisy.clean.id, b.expert_of.id, b.router.id, b.chosen.id, b.stats.id];
        step.dispatch(&REWEIGH, Constants::default(), buffers, Grid::over(step.tokens()));
    }
    slots::record(step);
}
