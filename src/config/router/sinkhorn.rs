//! S-BASE.

use serde::Serialize;

use super::top_k::check_choices;
use super::{Gate, Router, Scoring};
use crate::config::LayerConfig;
use crate::config::check::{check_length, real, whole};
use crate::config::limits::{CHOICES, ITERATIONS};
use crate::config::read::Fields;
use crate::error::Error;

/// Token choice by logits that entropy-regularised optimal transport has balanced: in training, token `t` takes the
/// `k` experts with the largest `h[t, e] + ε·g[e]`, with a price `g` for each expert of a group. Outside training, by `h`.
///
/// # Source
/// Clark et al. 2022, "Unified Scaling Laws for Routed Language Models", S-BASE.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sinkhorn {
    /// Experts chosen by each token, `1..=E`.
    pub k: usize,
    /// Weight `ε` of the plan's entropy: smaller is closer to the best balanced assignment, and takes longer.
    pub epsilon: f32,
    /// At most this many iterations.
    pub iterations: usize,
    /// Stop when no price has moved by this much, in units of `ε`. Where logits are some thousand times `ε` an f32 is coarser
    /// than the default: the solver then runs to `iterations`.
    pub tolerance: f32,
    /// How a choice is weighed.
    pub gate: SinkhornGate,
    /// `[E]`: what part of the tokens each expert is to get, in any unit; `None`: as many each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<Vec<f32>>,
}

/// How a choice is weighed, from the logits as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SinkhornGate {
    /// By the sigmoid of its logit.
    Sigmoid,
    /// By its share in the softmax over all experts.
    Softmax,
}

impl Sinkhorn {
    /// `k` choices, everything else at its default.
    pub fn new(k: usize) -> Self {
        Sinkhorn { k, epsilon: 1.0, iterations: 100, tolerance: 1e-4, gate: SinkhornGate::Sigmoid, shares: None }
    }

    /// `[E]`: the part of the tokens that each of `experts` is to get, of sum 1.
    pub fn columns(&self, experts: usize) -> Vec<f64> {
        match &self.shares {
            None => vec![1.0 / experts as f64; experts],
            Some(shares) => {
                let all: f64 = shares.iter().map(|share| f64::from(*share)).sum();
                shares.iter().map(|share| f64::from(*share) / all).collect()
            }
        }
    }

    /// `[E]`: the logarithm of each.
    pub fn log_shares(&self, experts: usize) -> impl Iterator<Item = f32> {
        self.columns(experts).into_iter().map(|share| libm::log(share) as f32)
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let defaults = Sinkhorn::new(f.required("k", CHOICES)?);
        let gates = [("sigmoid", SinkhornGate::Sigmoid), ("softmax", SinkhornGate::Softmax)];
        let router = Sinkhorn {
            k: defaults.k,
            epsilon: f.number("epsilon")?.map_or(defaults.epsilon, |epsilon| epsilon as f32),
            iterations: f.whole("iterations", ITERATIONS)?.unwrap_or(defaults.iterations),
            tolerance: f.number("tolerance")?.map_or(defaults.tolerance, |tolerance| tolerance as f32),
            gate: f.choice("gate", &gates)?.unwrap_or(defaults.gate),
            shares: f.numbers("shares")?,
        };
        f.finish()?;
        Ok(router)
    }
}

impl Router for Sinkhorn {
    fn choices(&self, _experts: usize) -> usize {
        self.k
    }

    fn gate(&self) -> Option<Gate> {
        let scoring = match self.gate {
            SinkhornGate::Sigmoid => Scoring::Sigmoid,
            SinkhornGate::Softmax => Scoring::Softmax,
        };
        Some(Gate { scoring, ..Gate::SOFTMAX })
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        check_choices(self.k, layer.experts)?;
        let (epsilon, tolerance) = (self.epsilon, self.tolerance);
        real("router.epsilon", f64::from(epsilon), epsilon.is_finite() && epsilon > 0.0, "a finite number above 0")?;
        whole("router.iterations", self.iterations, ITERATIONS)?;
        real("router.tolerance", f64::from(tolerance), tolerance.is_finite() && tolerance >= 0.0, "at least 0")?;
        let Some(shares) = &self.shares else { return Ok(()) };
        check_length("router.shares", shares.len(), layer.experts)?;
        shares.iter().enumerate().try_for_each(|(e, share)| {
            let valid = share.is_finite() && *share > 0.0;
            real(&format!("router.shares[{e}]"), f64::from(*share), valid, "a finite number above 0")
        })
    }
}
