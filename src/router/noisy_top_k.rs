//! Token choice by noisy logits.
//!
//! # Source
//! Shazeer et al. 2017; noise of fixed width: Riquelme et al. 2021 (V-MoE).

use super::{Backward, Step, slots, top_k};
use crate::config::{Noise, NoisyTopK};
use crate::kernels::{
    BRANCHES_BACKWARD, Constants, Dims, NOISE, NOISY_BACKWARD, NOISY_LOGITS, NOISY_LOSSES, NOISY_ODDS, NOISY_SUMS,
    ROUTE_BRANCHES,
};
use crate::layer::Batch;
use crate::recording::{Buffer, Dispatch, Grid, Recording};

/// Five dispatches, and in training two before the choice: random numbers, unless they are given, and logits with noise.
pub(super) fn record(step: &mut Step, router: &NoisyTopK) {
    step.logits();
    if step.train {
        record_noise(step, kind(router, true));
    }
    if router.branches.is_some() {
        let b = step.batch;
        let constants = Constants(vec![("SHARED_GATE", step.switches().shared_gate())]);
        let buffers = vec![b.router.id, b.expert_of.id, b.chosen.id, b.stats.id];
        step.dispatch(&ROUTE_BRANCHES, constants, buffers, Grid::over(step.tokens()));
    } else {
        top_k::record_choices(step, 0, step.batch.prices);
    }
    slots::record(step);
}

/// Random numbers, unless they are given, and logits with noise of a `kind`: the number of NOISE in `shaders/shared/noisy.wgsl`.
pub(super) fn record_noise(step: &mut Step, kind: u32) {
    let b = step.batch;
    let logits = Grid::linear(step.tokens() * step.config.logits());
    if !step.drawn {
        let constants = Constants(vec![("GUMBEL", u32::from(kind == GUMBEL))]);
        step.dispatch(&NOISE, constants, vec![b.noisy.noise.id], logits);
    }
    let buffers = vec![b.noisy.noise.id, b.router.id, b.noisy.clean.id];
    step.dispatch(&NOISY_LOGITS, Constants(vec![("NOISE", kind)]), buffers, logits);
}

/// Importance and load from what would happen if the noise were drawn again: three dispatches.
pub(super) fn record_losses(rec: &mut Recording, router: &NoisyTopK, dims: Dims, b: &Batch, train: bool) {
    let n = &b.noisy;
    let constants = Constants(vec![("NOISE", kind(router, train)), ("SELECTED", selected(router))]);
    let buffers = vec![b.router.id, n.clean.id, b.expert_of.id, b.chosen.id, n.odds.id, n.runner_up.id];
    rec.dispatch(Dispatch::plain(&NOISY_ODDS, constants, dims, buffers, Grid::over(b.tokens)));
    let of_logits = Grid::Direct([dims.logits, dims.groups, 1]);
    rec.dispatch(Dispatch::plain(&NOISY_SUMS, Constants::default(), dims, vec![n.odds.id, n.sums.id], of_logits));
    let buffers = vec![n.sums.id, b.losses.id, n.d_odds.id];
    rec.dispatch(Dispatch::plain(
        &NOISY_LOSSES,
        Constants::default(),
        dims,
        buffers,
        Grid::Direct([dims.groups, 1, 1]),
    ));
}

/// From the gradient of the logits with noise to that of all that made them: one dispatch, and with branches one before it.
pub(super) fn record_backward(
    rec: &mut Recording,
    router: &NoisyTopK,
    dims: Dims,
    (b, d_logits): (&Batch, Buffer<f32>),
    of: Backward,
) {
    let n = &b.noisy;
    let losses = ("LOSSES", u32::from(of.weighed));
    if router.branches.is_some() {
        let buffers = vec![b.router.id, b.expert_of.id, b.chosen.id, b.d_share.id, n.d_odds.id, d_logits.id];
        rec.dispatch(Dispatch::plain(&BRANCHES_BACKWARD, Constants(vec![losses]), dims, buffers, Grid::over(b.tokens)));
    }
    let constants = Constants(vec![("NOISE", kind(router, of.train)), losses]);
    let buffers =
        vec![b.router.id, n.noise.id, n.clean.id, b.expert_of.id, n.odds.id, n.runner_up.id, n.d_odds.id, d_logits.id];
    rec.dispatch(Dispatch::plain(&NOISY_BACKWARD, constants, dims, buffers, Grid::over(b.tokens)));
}

/// The number of NOISE for Gumbel noise and a temperature.
pub(super) const GUMBEL: u32 = 3;

/// The width of fixed noise, or the least one of learned noise.
pub(super) fn width(router: &NoisyTopK, experts: u32) -> f32 {
    match router.noise {
        Noise::Learned { epsilon } => epsilon,
        Noise::Fixed { std } => std / experts as f32,
    }
}

/// The number of NOISE in `shaders/shared/noisy.wgsl`.
fn kind(router: &NoisyTopK, train: bool) -> u32 {
    match router.noise {
        _ if !train => 0,
        Noise::Learned { .. } => 1,
        Noise::Fixed { .. } => 2,
    }
}

fn selected(router: &NoisyTopK) -> u32 {
    u32::from(matches!(router.noise, Noise::Learned { .. }))
}
