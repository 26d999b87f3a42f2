//! Routing learned from rewards: a policy that is drawn from, and its gradient.
//!
//! # Source
//! Williams 1992 (REINFORCE).

use super::{Step, slots};
use crate::config::{Baseline, Reinforce};
use crate::kernels::{ACT, ADVANTAGE, Constants, Dims, POLICY_BACKWARD};
use crate::layer::{Backward, Batch, Parameters};
use crate::recording::{Dispatch, Grid, Recording};

/// Logits, actions, slots, rows, weights: five dispatches.
pub(super) fn record(step: &mut Step) {
    step.logits();
    let b = step.batch;
    let buffers = vec![b.router.id, b.expert_of.id, b.chosen.id, b.stats.id];
    let constants = Constants(vec![("SAMPLED", u32::from(step.train)), ("SHARED_GATE", step.switches().shared_gate())]);
    step.dispatch(&ACT, constants, buffers, Grid::over(step.tokens()));
    slots::record(step);
}

/// Adds the policy's gradient to that of the auxiliary losses: a dispatch, or two where there is a reward.
pub(super) fn record_backward(
    rec: &mut Recording,
    router: &Reinforce,
    dims: Dims,
    (batch, backward): (&Batch, &Backward),
    weights: &Parameters,
    rewarded: bool,
) {
    let (b, w) = (batch, backward);
    let baseline = match router.baseline {
        Baseline::None => 0,
        Baseline::Ema => 1,
        Baseline::Linear => 2,
    };
    if rewarded {
        let constants = Constants(vec![("BASELINE", baseline), ("NORMALIZE", u32::from(router.normalize))]);
        let buffers = vec![w.reward.id, b.placement.id, b.router.id, weights.memory.id, w.advantage.id];
        rec.dispatch(Dispatch::plain(&ADVANTAGE, constants, dims, buffers, Grid::Direct([1, 1, 1])));
    } else {
        rec.clear(w.advantage);
    }
    let constants = Constants(vec![("BASELINE", baseline), ("STOP", u32::from(router.stop_gradient))]);
    let buffers = vec![b.router.id, b.stats.id, b.expert_of.id, w.advantage.id, w.d_logits.id, w.d_input_logits.id];
    rec.dispatch(Dispatch::plain(&POLICY_BACKWARD, constants, dims, buffers, Grid::over(b.tokens)));
}
