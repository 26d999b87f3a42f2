//! From dense to sparse.

use serde::Serialize;

use super::{Draws, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::{real, whole};
use crate::config::limits::STEPS;
use crate::config::read::Fields;
use crate::error::Error;

/// Tokens go to nearly all experts at first, and in the end to one: in training, `g = softmax((h + Gumbel noise) / τ)`, and a
/// token takes every expert with `g` above a threshold, while the temperature `τ` falls from step to step. From some step on
/// it takes the largest `g` alone, and outside training the largest `h`.
///
/// Steps are those of `forward`.
///
/// # Source
/// Nie et al. 2021, "EvoMoE: An Evolutional Mixture-of-Experts Training Framework via Dense-To-Sparse Gate".
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DenseToSparse {
    /// Temperature at step 0.
    pub start_temperature: f32,
    /// Temperature from step `steps` on.
    pub end_temperature: f32,
    /// How the temperature falls in between.
    pub schedule: Schedule,
    /// Steps until it has fallen.
    pub steps: usize,
    /// The step from which a token takes one expert only.
    pub hard_after: usize,
    /// What `g` must exceed, below `1/E`, so that there is always one that does.
    pub threshold: f32,
    /// How a choice is weighed.
    pub gate: DenseGate,
}

/// How a temperature falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Schedule {
    /// By the same factor in every step.
    Exponential,
    /// By the same amount.
    Linear,
}

/// How a choice is weighed; no weight is divided by the sum of those chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DenseGate {
    /// By its `g`, noise and temperature included: the gradient goes through the Gumbel softmax.
    Gumbel,
    /// By its share in the softmax over all logits as they are.
    Softmax,
}

impl DenseToSparse {
    /// From temperature 1 to 0.5 in `steps` steps, then one expert a token: everything else at its default.
    pub fn new(steps: usize) -> Self {
        DenseToSparse {
            start_temperature: 1.0,
            end_temperature: 0.5,
            schedule: Schedule::Exponential,
            steps,
            hard_after: steps,
            threshold: 1e-3,
            gate: DenseGate::Gumbel,
        }
    }

    /// The temperature `τ` of a step of training.
    pub fn temperature(&self, step: u32) -> f64 {
        let (start, end) = (f64::from(self.start_temperature), f64::from(self.end_temperature));
        match (f64::from(step) / self.steps as f64, self.schedule) {
            (progress, _) if progress >= 1.0 => end,
            (progress, Schedule::Exponential) => start * libm::pow(end / start, progress),
            (progress, Schedule::Linear) => start + (end - start) * progress,
        }
    }

    /// Whether a token takes one expert only in a step of training.
    pub fn is_hard(&self, step: u32) -> bool {
        step as usize >= self.hard_after
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let defaults = DenseToSparse::new(f.required("steps", STEPS)?);
        let schedules = [("exponential", Schedule::Exponential), ("linear", Schedule::Linear)];
        let gates = [("gumbel", DenseGate::Gumbel), ("softmax", DenseGate::Softmax)];
        let mut number = |name, default: f32| f.number(name).map(|given| given.map_or(default, |given| given as f32));
        let router = DenseToSparse {
            start_temperature: number("startTemperature", defaults.start_temperature)?,
            end_temperature: number("endTemperature", defaults.end_temperature)?,
            threshold: number("threshold", defaults.threshold)?,
            schedule: f.choice("schedule", &schedules)?.unwrap_or(defaults.schedule),
            steps: defaults.steps,
            hard_after: f.whole("hardAfter", 0..=*STEPS.end())?.unwrap_or(defaults.hard_after),
            gate: f.choice("gate", &gates)?.unwrap_or(defaults.gate),
        };
        f.finish()?;
        Ok(router)
    }
}

impl Router for DenseToSparse {
    fn choices(&self, experts: usize) -> usize {
        experts
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::SOFTMAX)
    }

    fn adds_noise(&self) -> bool {
        true
    }

    fn draws(&self, train: bool) -> Option<Draws> {
        train.then_some(Draws::Gumbel)
    }

    /// `loadBalance` is `E² · mean(mean weight · share of tokens)` over experts: shares of all tokens, not of all choices.
    fn losses(&self) -> &'static [&'static str] {
        &["loadBalance", "importance", "load"]
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        let (start, end, threshold) = (self.start_temperature, self.end_temperature, self.threshold);
        let finite = start.is_finite() && start > 0.0;
        real("router.startTemperature", f64::from(start), finite, "a finite number above 0")?;
        let falls = end > 0.0 && end <= start;
        real(
            "router.endTemperature",
            f64::from(end),
            falls,
            &format!("above 0 and at most startTemperature = {start}"),
        )?;
        whole("router.steps", self.steps, STEPS)?;
        whole("router.hardAfter", self.hard_after, 0..=*STEPS.end())?;
        let reached = (0.0..1.0 / layer.experts as f32).contains(&threshold);
        let wanted = format!("at least 0 and below 1/experts = 1/{}, which some expert always reaches", layer.experts);
        real("router.threshold", f64::from(threshold), reached, &wanted)
    }
}
