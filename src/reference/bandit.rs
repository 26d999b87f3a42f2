//! A bandit for each token id, whose arms are the experts.
//!
//! # Source
//! Sutton and Barto 2018, "Reinforcement Learning", chapter 2 (ε-greedy); Auer et al. 2002, "Finite-time Analysis of the Multiarmed
//! Bandit Problem" (UCB1); Thompson 1933, with normal rewards as in Russo et al. 2018, "A Tutorial on Thompson Sampling".

use super::{Forward, routing};
use crate::config::{Bandit, Policy};
use crate::weights::Weights;

/// What is known of an arm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Arm {
    /// How often it was pulled.
    pub pulls: f64,
    /// The mean of the rewards.
    pub mean: f64,
}

impl Arm {
    /// After the reward of one more pull, or the sum of those of several.
    fn with(self, pulls: f64, sum: f64) -> Self {
        let all = self.pulls + pulls;
        Arm { pulls: all, mean: (self.pulls * self.mean + sum) / all }
    }

    /// Mean and standard deviation of what it may be worth.
    ///
    /// Before any reward that is normal, of mean `m` and deviation `s`; a reward is normal around it, of deviation `r`. Precisions add
    /// up: `1/s² + n/r²`, and the means are weighed by them.
    pub fn posterior(self, m: f64, s: f64, r: f64) -> (f64, f64) {
        let (before, since) = (1.0 / (s * s), self.pulls / (r * r));
        let precision = before + since;
        ((before * m + since * self.mean) / precision, precision.sqrt().recip())
    }
}

/// What chance says to one token, in training.
pub struct Chance<'a> {
    /// From 0 to 1: whether to explore.
    pub explores: f64,
    /// Any of the arms.
    pub any: usize,
    /// A standard normal number for each arm.
    pub normal: &'a dyn Fn(usize) -> f64,
}

/// The arm that a token pulls, of those of its id; without chance, outside training, the one that most is expected of.
pub fn pull(router: &Bandit, arms: &[Arm], chance: Option<Chance>) -> usize {
    let prior = f64::from(router.prior_mean);
    let known = |arm: &Arm| if arm.pulls > 0.0 { arm.mean } else { prior };
    let best = |keys: Vec<f64>| routing::best(&keys, 1)[0];
    match (router.policy, chance) {
        (Policy::EpsilonGreedy { epsilon }, Some(chance)) if chance.explores < f64::from(epsilon) => chance.any,
        (Policy::Ucb { exploration }, Some(_)) => {
            let all: f64 = arms.iter().map(|arm| arm.pulls).sum();
            let never = arms.iter().position(|arm| arm.pulls == 0.0);
            let bound = |arm: &Arm| arm.mean + f64::from(exploration) * (all.ln() / arm.pulls).sqrt();
            never.unwrap_or_else(|| best(arms.iter().map(bound).collect()))
        }
        (Policy::Thompson { prior_std, noise_std }, chance) => {
            let worth = |(e, arm): (usize, &Arm)| {
                let (mean, std) = arm.posterior(prior, f64::from(prior_std), f64::from(noise_std));
                mean + std * chance.as_ref().map_or(0.0, |chance| (chance.normal)(e))
            };
            best(arms.iter().enumerate().map(worth).collect())
        }
        (Policy::EpsilonGreedy { .. } | Policy::Ucb { .. }, _) => best(arms.iter().map(known).collect()),
    }
}

/// The arms of an id, of a layer of `experts` experts.
pub(super) fn arms(weights: &Weights<f64>, experts: usize, id: usize) -> Vec<Arm> {
    let of_id = |values: &Option<Vec<f64>>| values.as_ref().map(|values| values[id * experts..][..experts].to_vec());
    let (pulls, means) = (of_id(&weights.bandit_pulls), of_id(&weights.bandit_means));
    let pairs = pulls.into_iter().flatten().zip(means.into_iter().flatten());
    pairs.map(|(pulls, mean)| Arm { pulls, mean }).collect()
}

/// Adds the rewards `f64[T]` of a batch to what the layer's `weights` know of the arms that its tokens, of the ids `[T]`, pulled:
/// for each arm the sum over those of its tokens that were served.
pub fn learn(weights: &mut Weights<f64>, forward: &Forward, ids: &[u32], rewards: &[f64]) {
    let experts = forward.routing.load.len();
    let (Some(pulls), Some(means)) = (&mut weights.bandit_pulls, &mut weights.bandit_means) else { return };
    let mut sums = vec![(0.0, 0.0); pulls.len()];
    for (t, id) in ids.iter().enumerate().filter(|(t, _)| forward.routing.kept[*t]) {
        let sum = &mut sums[*id as usize * experts + forward.routing.experts[t] as usize];
        *sum = (sum.0 + 1.0, sum.1 + rewards[t]);
    }
    for (arm, (count, sum)) in sums.into_iter().enumerate().filter(|(_, (count, _))| *count > 0.0) {
        let known = Arm { pulls: pulls[arm], mean: means[arm] }.with(count, sum);
        (pulls[arm], means[arm]) = (known.pulls, known.mean);
    }
}
