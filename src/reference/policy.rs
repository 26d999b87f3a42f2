//! Routing learned from rewards.
//!
//! # Source
//! Williams 1992 (REINFORCE); drawing by noisy logits: Gumbel 1954.

use super::math::{log_sum_exp, softmax};
use crate::config::{Baseline, Reinforce};

/// The action of `z = h / τ`: the best expert, or, with noise of the Gumbel distribution for each, one drawn by `softmax(z)`.
pub fn action(z: &[f64], noise: Option<&dyn Fn(usize) -> f64>) -> usize {
    let noisy: Vec<f64> = z.iter().enumerate().map(|(e, z)| z + noise.map_or(0.0, |noise| noise(e))).collect();
    super::routing::best(&noisy, 1)[0]
}

/// A running mean that begins with nothing: what the rewards are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunningMean {
    sum: f64,
    weight: f64,
}

impl RunningMean {
    /// The mean so far, 0 of nothing.
    pub fn value(self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }

    /// With one more value, which the next `1 / (1 − decay)` or so will outweigh.
    pub fn with(self, value: f64, decay: f64) -> Self {
        RunningMean { sum: decay * self.sum + (1.0 - decay) * value, weight: decay * self.weight + (1.0 - decay) }
    }
}

/// How the tokens of a batch fared.
#[derive(Clone, Copy, Debug)]
pub struct Rewards<'a> {
    /// `f64[T]`.
    pub of_tokens: &'a [f64],
    /// Of the batches before.
    pub before: RunningMean,
}

/// What a token's reward says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Advantage {
    /// How much better than expected.
    pub(super) value: f64,
    /// Reward less baseline, where it is linear in the token: what it has to learn.
    pub(super) apart: f64,
}

/// Of all tokens; 0 for those not `served`. `linear`: `f64[T]`, what the linear baseline expects.
pub(super) fn advantages(router: &Reinforce, rewards: Rewards, served: &[bool], linear: &[f64]) -> Vec<Advantage> {
    let expected = |t: usize| match router.baseline {
        Baseline::None => 0.0,
        Baseline::Ema => rewards.before.value(),
        Baseline::Linear => linear[t],
    };
    let apart: Vec<f64> = (0..served.len()).map(|t| rewards.of_tokens[t] - expected(t)).collect();
    let mean = |of: &dyn Fn(f64) -> f64| {
        let values: Vec<f64> = apart.iter().zip(served).filter(|(_, served)| **served).map(|(a, _)| of(*a)).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    let middle = mean(&|a| a);
    let deviation = mean(&|a| (a - middle).powi(2)).sqrt() + 1e-8;
    let of = |(apart, served): (&f64, &bool)| match (*served, router.normalize) {
        (false, _) => Advantage::default(),
        (true, false) => Advantage { value: *apart, apart: *apart },
        (true, true) => Advantage { value: (apart - middle) / deviation, apart: *apart },
    };
    apart.iter().zip(served).map(of).collect()
}

/// The gradient by `z` of one token's part in `−mean A·ln π(a) − β·mean H(π)` over `tokens` tokens.
pub(super) fn backward(router: &Reinforce, z: &[f64], action: usize, advantage: f64, tokens: usize) -> Vec<f64> {
    let (pi, lse) = (softmax(z), log_sum_exp(z));
    let entropy: f64 = -pi.iter().zip(z).map(|(p, z)| p * (z - lse)).sum::<f64>();
    let by = |e: usize| {
        let of_log = f64::from(u8::from(e == action)) - pi[e];
        let of_entropy = -pi[e] * (z[e] - lse + entropy);
        -(advantage * of_log + f64::from(router.entropy) * of_entropy) / tokens as f64
    };
    (0..z.len()).map(by).collect()
}
