//! Token choice by noisy logits.

use serde::Serialize;

use super::top_k::check_choices;
use super::{Draws, Gate, Router, SoftmaxOver};
use crate::config::LayerConfig;
use crate::config::check::real;
use crate::config::limits::CHOICES;
use crate::config::read::Fields;
use crate::error::Error;

/// Token choice by logits with noise: in training token `t` takes the `k` experts with the largest `H = c + σ ⊙ z`, where `c`
/// are the logits and `z` is standard normal; outside training by `c`. The noise spreads tokens that are not sure yet, and makes
/// it a matter of chance who is chosen, so that the expected load of an expert has a gradient: the loss `load`.
///
/// Learned noise is weighed by a softmax over the chosen `H`; noise of fixed width by their shares in the softmax over all `H`.
///
/// # Source
/// Shazeer et al. 2017, "Outrageously Large Neural Networks", section 2.1 and appendix A; noise of fixed width: Riquelme et al.
/// 2021 (V-MoE), appendix A.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoisyTopK {
    /// Experts chosen by each token, `1..=E`. With learned noise and `k = 1` a weight is always 1, and the router learns from its
    /// losses alone.
    pub k: usize,
    /// Where `σ` comes from.
    #[serde(flatten)]
    pub noise: Noise,
}

/// The width `σ` of the noise on a logit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "noise")]
pub enum Noise {
    /// `softplus(x · Wₙ) + epsilon`, with weights `noise` of the layer (Shazeer et al. 2017).
    Learned {
        /// It can fall no lower, however sure a token is.
        #[serde(rename = "noiseEpsilon")]
        epsilon: f32,
    },
    /// `std / E` (V-MoE).
    Fixed {
        /// Width times `E`.
        #[serde(rename = "noiseStd")]
        std: f32,
    },
}

impl NoisyTopK {
    /// `k` choices with learned noise, everything else at its default.
    pub fn new(k: usize) -> Self {
        NoisyTopK { k, noise: Noise::Learned { epsilon: 0.01 } }
    }

    /// `k` choices with noise of the width `1/E`, as V-MoE has it.
    pub fn fixed(k: usize) -> Self {
        NoisyTopK { k, noise: Noise::Fixed { std: 1.0 } }
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let k = f.required("k", CHOICES)?;
        let kinds = [("learned", NoisyTopK::new(k)), ("fixed", NoisyTopK::fixed(k))];
        let mut router = f.choice("noise", &kinds)?.unwrap_or(NoisyTopK::new(k));
        let (field, width) = match &mut router.noise {
            Noise::Learned { epsilon } => ("noiseEpsilon", epsilon),
            Noise::Fixed { std } => ("noiseStd", std),
        };
        if let Some(given) = f.number(field)? {
            *width = given as f32;
        }
        f.finish()?;
        Ok(router)
    }
}

impl Router for NoisyTopK {
    fn choices(&self, _experts: usize) -> usize {
        self.k
    }

    fn gate(&self) -> Option<Gate> {
        Some(match self.noise {
            Noise::Learned { .. } => Gate { softmax_over: SoftmaxOver::Selected, ..Gate::SOFTMAX },
            Noise::Fixed { .. } => Gate::SOFTMAX,
        })
    }

    fn adds_noise(&self) -> bool {
        true
    }

    fn draws(&self, train: bool) -> Option<Draws> {
        train.then_some(Draws::Normal)
    }

    fn learns_noise(&self) -> bool {
        matches!(self.noise, Noise::Learned { .. })
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        check_choices(self.k, layer.experts)?;
        match self.noise {
            Noise::Learned { epsilon: e } => {
                real("router.noiseEpsilon", f64::from(e), e.is_finite() && e >= 0.0, "a finite number from 0 on")
            }
            Noise::Fixed { std } => {
                real("router.noiseStd", f64::from(std), std.is_finite() && std > 0.0, "a finite number above 0")
            }
        }
    }
}
