//! Bandits.

use std::f32::consts::SQRT_2;

use serde::Serialize;

use super::{Chooses, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::{invalid, real, whole};
use crate::config::limits::{ARMS, VOCABULARY};
use crate::config::read::Fields;
use crate::error::Error;

/// A bandit for each token id, whose arms are the experts: a token pulls one, and the caller tells with `backward` what it was
/// worth. How often each expert was pulled by each id, and its mean reward, are the layer's arrays `banditPulls` and
/// `banditMeans`; nothing else is learned, and no gradient reaches them. They change with the step (`applyGradients`), by the
/// rewards of the backward passes before it and whatever the learning rate, so that all tokens of a batch go by what was known
/// before. A token that was turned away teaches nothing.
///
/// Outside training a token pulls the expert of which it expects most: the best mean, `prior_mean` where there is none yet. Of equal
/// ones the lower.
///
/// # Source
/// Sutton and Barto 2018, "Reinforcement Learning", chapter 2; as routing: Bengio et al. 2015, Clark et al. 2022.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bandit {
    /// What is pulled in training.
    #[serde(flatten)]
    pub policy: Policy,
    /// Ids that there are, each with what it knows of every expert.
    pub vocabulary: usize,
    /// What is expected of an expert that was never pulled.
    pub prior_mean: f32,
}

/// How a bandit explores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "policy")]
pub enum Policy {
    /// Any expert with probability `epsilon`, all equally likely; else the best.
    EpsilonGreedy {
        /// From 0 to 1.
        epsilon: f32,
    },
    /// The best `mean + exploration · √(ln N / n)`, of an expert that was pulled `n` times of the id's `N`; first of all those
    /// that were never pulled (UCB1, Auer et al. 2002).
    Ucb {
        /// From 0 on; √2 for rewards from 0 to 1, in the paper.
        exploration: f32,
    },
    /// The best of one draw for each expert of what it may be worth, by its rewards so far: a normal distribution, since rewards and
    /// what is expected before any are taken for normal (Thompson 1933; Russo et al. 2018, section 4).
    Thompson {
        /// Standard deviation of what an expert is worth, around the mean expected before any reward.
        prior_std: f32,
        /// Standard deviation of a reward, around what its expert is worth.
        noise_std: f32,
    },
}

impl Policy {
    /// Explores a tenth of the time.
    pub const EPSILON_GREEDY: Policy = Policy::EpsilonGreedy { epsilon: 0.1 };
    /// As in the paper.
    pub const UCB: Policy = Policy::Ucb { exploration: SQRT_2 };
    /// Everything of the standard deviation 1.
    pub const THOMPSON: Policy = Policy::Thompson { prior_std: 1.0, noise_std: 1.0 };
}

impl Bandit {
    /// One that expects 0 of experts that it does not know.
    pub fn new(policy: Policy, vocabulary: usize) -> Self {
        Bandit { policy, vocabulary, prior_mean: 0.0 }
    }

    /// How many rewards the mean expected before any counts as.
    pub fn prior_weight(&self) -> f32 {
        match self.policy {
            Policy::EpsilonGreedy { .. } | Policy::Ucb { .. } => 0.0,
            Policy::Thompson { prior_std, noise_std } => (noise_std / prior_std).powi(2),
        }
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let kinds = [("epsilonGreedy", Policy::EPSILON_GREEDY), ("ucb", Policy::UCB), ("thompson", Policy::THOMPSON)];
        let mut policy = f.choice("policy", &kinds)?.unwrap_or(Policy::EPSILON_GREEDY);
        let mut given = |field, value: &mut f32| -> Result<(), Error> {
            if let Some(given) = f.number(field)? {
                *value = given as f32;
            }
            Ok(())
        };
        match &mut policy {
            Policy::EpsilonGreedy { epsilon } => given("epsilon", epsilon)?,
            Policy::Ucb { exploration } => given("exploration", exploration)?,
            Policy::Thompson { prior_std, noise_std } => {
                given("priorStd", prior_std)?;
                given("noiseStd", noise_std)?;
            }
        }
        let mut prior_mean = 0.0;
        given("priorMean", &mut prior_mean)?;
        let router = Bandit { policy, vocabulary: f.required("vocabulary", VOCABULARY)?, prior_mean };
        f.finish()?;
        Ok(router)
    }
}

impl Router for Bandit {
    fn choices(&self, _experts: usize) -> usize {
        1
    }

    fn gate(&self) -> Option<Gate> {
        None
    }

    fn chooses(&self) -> Chooses {
        Chooses::Labels
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        whole("router.vocabulary", self.vocabulary, VOCABULARY)?;
        let most = ARMS / layer.experts;
        if self.vocabulary > most {
            let wanted = format!("at most {most}, since there is room for {ARMS} pairs of an id and an expert");
            return Err(invalid("router.vocabulary", self.vocabulary, &wanted));
        }
        let number = |field: &str, value: f32, valid: bool, wanted: &str| real(field, f64::from(value), valid, wanted);
        let finite = |field: &str, value: f32| number(field, value, value.is_finite(), "a finite number");
        // so that their squares and the quotients of these are numbers, far from 0
        let deviation =
            |field: &str, value: f32| number(field, value, (1e-6..=1e6).contains(&value), "from 0.000001 to 1000000");
        finite("router.priorMean", self.prior_mean)?;
        match self.policy {
            Policy::EpsilonGreedy { epsilon: e } => {
                number("router.epsilon", e, (0.0..=1.0).contains(&e), "from 0 to 1")
            }
            Policy::Ucb { exploration: c } => {
                number("router.exploration", c, c.is_finite() && c >= 0.0, "a finite number from 0 on")
            }
            Policy::Thompson { prior_std, noise_std } => {
                deviation("router.priorStd", prior_std)?;
                deviation("router.noiseStd", noise_std)
            }
        }
    }
}
