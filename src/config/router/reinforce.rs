//! Routing learned from rewards.

use serde::Serialize;

use super::{Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::real;
use crate::config::read::Fields;
use crate::error::Error;

/// One expert a token, learned by REINFORCE: in training expert `a` is drawn from `π = softmax(h / τ)`, outside training the best
/// is taken. The output is the expert's, not scaled, so that no gradient reaches the router through it; instead the caller tells
/// with `backward` how well each token fared.
///
/// The loss is `−mean A·ln π(a) − β·mean H(π)`: `A` is the reward less a baseline, 0 for a token that was turned away, and `H` the
/// entropy.
///
/// # Source
/// Williams 1992 (REINFORCE); Clark et al. 2022 (RL-R); Bengio et al. 2015; Rosenbaum et al. 2017.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reinforce {
    /// `τ`, which the logits are divided by, above 0.
    pub temperature: f32,
    /// What is taken off the rewards: it changes how much their gradient varies, not its mean.
    pub baseline: Baseline,
    /// How much of the running mean each batch keeps, in [0, 1); for [`Baseline::Ema`].
    pub decay: f32,
    /// `β`, weight of the entropy; above 0 the draws stay mixed.
    pub entropy: f32,
    /// Whether the advantages of a batch are brought to mean 0 and variance 1. The mean then has a token's own reward in it,
    /// which biases the gradient slightly.
    pub normalize: bool,
    /// Whether the router's gradient stops at the router, and does not reach the layer's input.
    pub stop_gradient: bool,
}

/// What rewards are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Baseline {
    /// Nothing.
    None,
    /// The running mean of the batches before, kept on the device; 0 before the first.
    Ema,
    /// A linear function of the token, in one more row of the router, which learns the reward by the mean squared error.
    Linear,
}

impl Reinforce {
    /// Everything at its default: temperature 1, a running mean as the baseline, no entropy.
    pub fn new() -> Self {
        Reinforce {
            temperature: 1.0,
            baseline: Baseline::Ema,
            decay: 0.9,
            entropy: 0.0,
            normalize: false,
            stop_gradient: true,
        }
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let defaults = Reinforce::new();
        let baselines = [("none", Baseline::None), ("ema", Baseline::Ema), ("linear", Baseline::Linear)];
        let router = Reinforce {
            temperature: f.number("temperature")?.map_or(defaults.temperature, |temperature| temperature as f32),
            baseline: f.choice("baseline", &baselines)?.unwrap_or(defaults.baseline),
            decay: f.number("decay")?.map_or(defaults.decay, |decay| decay as f32),
            entropy: f.number("entropy")?.map_or(defaults.entropy, |entropy| entropy as f32),
            normalize: f.flag("normalize")?.unwrap_or(defaults.normalize),
            stop_gradient: f.flag("stopGradient")?.unwrap_or(defaults.stop_gradient),
        };
        f.finish()?;
        Ok(router)
    }
}

impl Default for Reinforce {
    fn default() -> Self {
        Reinforce::new()
    }
}

impl Router for Reinforce {
    fn choices(&self, _experts: usize) -> usize {
        1
    }

    fn rows(&self, experts: usize) -> usize {
        experts + usize::from(self.baseline == Baseline::Linear)
    }

    fn scored(&self, experts: usize) -> usize {
        experts
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::SOFTMAX)
    }

    fn weighs(&self) -> bool {
        false
    }

    fn temperature(&self) -> f32 {
        self.temperature
    }

    fn check(&self, _layer: &LayerConfig) -> Result<(), Error> {
        let number = |field: &str, value: f32, valid: bool, wanted: &str| real(field, f64::from(value), valid, wanted);
        let Reinforce { temperature, decay, entropy, .. } = *self;
        let above = temperature.is_finite() && temperature > 0.0;
        number("router.temperature", temperature, above, "a finite number above 0")?;
        number("router.decay", decay, (0.0..1.0).contains(&decay), "at least 0 and below 1")?;
        number("router.entropy", entropy, entropy.is_finite(), "a finite number")
    }
}
