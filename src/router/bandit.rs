//! Bandits: tokens pull experts, and rewards are added to what is known of these.
//!
//! # Source
//! Sutton and Barto 2018, "Reinforcement Learning", chapter 2.

use super::{Step, slots};
use crate::config::{Bandit, Policy};
use crate::error::Error;
use crate::kernels::{AVERAGE, CREDIT, Constants, Dims, PULL};
use crate::labels::Labels;
use crate::layer::{Backward, Batch, Parameters};
use crate::recording::{Dispatch, Grid, Recording};

/// Pulls, slots, rows, weights: four dispatches, and the logit of the shared expert's gate, if it has one.
pub(super) fn record(step: &mut Step, router: &Bandit) {
    let shared_gate = step.switches().shared_gate();
    if shared_gate == 1 {
        step.logits();
    }
    let explore = match router.policy {
        _ if !step.train => 0,
        Policy::EpsilonGreedy { .. } => 1,
        Policy::Ucb { .. } => 2,
        Policy::Thompson { .. } => 3,
    };
    let (b, w) = (step.batch, step.weights);
    let buffers = vec![b.labels.id, w.arms.id, b.router.id, b.expert_of.id, b.chosen.id, b.stats.id];
    let constants = Constants(vec![("EXPLORE", explore), ("SHARED_GATE", shared_gate)]);
    step.dispatch(&PULL, constants, buffers, Grid::over(step.tokens()));
    slots::record(step);
}

/// Counts the batch's pulls and sums their rewards: a dispatch, where there are rewards.
pub(super) fn record_backward(
    rec: &mut Recording,
    dims: Dims,
    (batch, backward): (&Batch, &Backward),
    gradients: &Parameters,
    rewarded: bool,
) {
    rec.clear(gradients.arms);
    if rewarded {
        let (b, w) = (batch, backward);
        let buffers = vec![b.labels.id, b.expert_of.id, b.placement.id, w.reward.id, gradients.arms.id];
        rec.dispatch(Dispatch::plain(&CREDIT, Constants::default(), dims, buffers, Grid::over(b.tokens)));
    }
}

/// Adds what was counted to what is known of `arms` arms: one dispatch.
pub(super) fn record_update(rec: &mut Recording, arms: usize, weights: &Parameters, gradients: &Parameters) {
    let dims = Dims { length: arms as u32, ..Dims::default() };
    rec.dispatch(Dispatch::plain(
        &AVERAGE,
        Constants::default(),
        dims,
        vec![gradients.arms.id, weights.arms.id],
        Grid::linear(arms),
    ));
}

/// The dispatches' uniform, with the settings that bandits' kernels read.
pub(super) fn with_settings(dims: Dims, router: &Bandit) -> Dims {
    let prior = Dims {
        vocabulary: router.vocabulary as u32,
        prior_mean: router.prior_mean,
        prior_weight: router.prior_weight(),
        ..dims
    };
    match router.policy {
        Policy::EpsilonGreedy { epsilon } => Dims { epsilon, ..prior },
        Policy::Ucb { exploration } => Dims { exploration, ..prior },
        Policy::Thompson { noise_std, .. } => Dims { noise: noise_std, ..prior },
    }
}

/// The ids of `tokens` tokens, and then these tokens, sorted by their ids, those of one id in their order.
///
/// # Errors
/// Of [`Labels::of`], for the ids.
pub(super) fn labels(router: &Bandit, given: &Labels, tokens: usize) -> Result<Vec<u32>, Error> {
    let ids = given.of("tokenIds", "bandit", tokens, (router.vocabulary, "router.vocabulary"))?;
    let mut sorted: Vec<u32> = (0..tokens as u32).collect();
    sorted.sort_by_key(|t| ids[*t as usize]);
    Ok([ids, &sorted].concat())
}
