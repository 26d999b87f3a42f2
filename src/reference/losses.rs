//! The auxiliary losses and their gradients.
//!
//! # Source
//! Load balance: Fedus, Zoph, Shazeer 2021 (Switch), eq. 4; for k > 1 by the share of all assignments, or of the first
//! choices as Lepikhin et al. 2020 (GShard); z: Zoph et al. 2022
//! (ST-MoE), eq. 5; importance and load: Shazeer et al. 2017, section 4; second place: the code of Mesh TensorFlow, top-2 gating.

use std::collections::BTreeMap;
use std::ops::Range;

use super::branches::{Gates, split_of};
use super::gate::{shares, shares_backward};
use super::math::{add_scaled, dot, log_sum_exp, scaled, softmax, softmax_backward};
use crate::config::{Gate, LayerConfig, RouterConfig};

/// Keeps the squared coefficient of variation of nothing from dividing by zero.
const EPSILON: f64 = 1e-10;

/// What the losses of `T` tokens in groups of `S` are made from.
pub(super) struct Routed<'a> {
    pub(super) config: &'a LayerConfig,
    /// `S`; 0 if there are no tokens.
    pub(super) group_tokens: usize,
    /// `f64[T, E + branches]`.
    pub(super) logits: &'a [f64],
    /// `f64[T, E]`.
    pub(super) scores: &'a [f64],
    /// `[T]` of `[k]`.
    pub(super) chosen: &'a [Vec<usize>],
    /// `[T]` of `[k]`: which of them are asked.
    pub(super) asked: &'a [Vec<bool>],
}

/// Sums over the tokens of one group, for each expert.
struct GroupSums {
    /// Assignments before drops.
    demanded: Vec<f64>,
    /// First choices, one of every prototype.
    firsts: Vec<f64>,
    /// Sum of the shares `q` of the scores.
    importance: Vec<f64>,
    /// Second choices, whether they are asked or not.
    seconds: Vec<f64>,
    /// Sum of the softmax over all experts but a token's first choice.
    others: Vec<f64>,
}

impl GroupSums {
    /// All assignments before drops; 1 if there are none, to divide by.
    fn assignments(&self) -> f64 {
        self.demanded.iter().sum::<f64>().max(1.0)
    }
}

impl Routed<'_> {
    fn groups(&self) -> usize {
        self.chosen.len().checked_div(self.group_tokens).unwrap_or(0)
    }

    fn gate(&self) -> Gate {
        self.config.router.gate().unwrap_or(Gate::SOFTMAX)
    }

    /// What a token has of `of`: `[T, ..]`.
    fn row<'b>(&self, of: &'b [f64], token: usize) -> &'b [f64] {
        let width = of.len() / self.chosen.len();
        &of[token * width..(token + 1) * width]
    }

    /// Runs of a token's logits that a softmax is taken over: all experts, or those of each prototype; or the branches, and the
    /// experts of each, as far as there is any choice.
    fn softmaxes(&self) -> Vec<Range<usize>> {
        let (experts, branches) = (self.config.experts, self.config.router.branches());
        let runs = |count: usize| (0..count).map(move |n| n * experts / count..(n + 1) * experts / count);
        match branches {
            0 => runs(self.gate().prototypes).collect(),
            _ => {
                let levels = runs(branches).chain(std::iter::once(experts..experts + branches));
                levels.filter(|run| run.len() > 1).collect()
            }
        }
    }

    /// The gradient of a token's logits from the gradient `dq` of its shares.
    fn through_shares(&self, token: usize, dq: &[f64]) -> Vec<f64> {
        match split_of(self.config) {
            Some(split) => Gates::all(split, self.row(self.logits, token)).backward(dq),
            None => shares_backward(&self.gate(), self.row(self.scores, token), dq),
        }
    }

    fn sums(&self, group: usize) -> GroupSums {
        let zeros = vec![0.0; self.config.experts];
        let [demanded, firsts, importance, seconds, others] = std::array::from_fn(|_| zeros.clone());
        let mut sums = GroupSums { demanded, firsts, importance, seconds, others };
        for token in group * self.group_tokens..(group + 1) * self.group_tokens {
            for (rank, &e) in self.chosen[token].iter().enumerate() {
                sums.demanded[e] += if self.asked[token][rank] { 1.0 } else { 0.0 };
                sums.firsts[e] += if rank < self.gate().prototypes { 1.0 } else { 0.0 };
            }
            if !self.scores.is_empty() {
                let shares = shares(&self.gate(), self.row(self.scores, token));
                sums.importance.iter_mut().zip(shares).for_each(|(sum, q)| *sum += q);
            }
            if self.config.second_place() {
                sums.seconds[self.chosen[token][1]] += 1.0;
                add_scaled(&mut sums.others, 1.0, &self.others(token));
            }
        }
        sums
    }

    /// A token's softmax over all experts but its first choice, which has 0.
    fn others(&self, token: usize) -> Vec<f64> {
        let first = self.chosen[token][0];
        let mut h = self.row(self.logits, token).to_vec();
        h[first] = f64::NEG_INFINITY;
        softmax(&h)
    }

    /// What counts of assignments are shares of in `loadBalance`: of all, or, where a token may take any number of experts, of its
    /// tokens (Nie et al. 2021).
    fn whole(&self, sums: &GroupSums) -> f64 {
        match self.config.router {
            RouterConfig::DenseToSparse(_) => self.group_tokens as f64,
            _ => sums.assignments(),
        }
    }

    /// Every loss by its name, not weighted:
    /// - `loadBalance`: `E Σ_e f_e P_e`, the mean over groups; `f` the share of the assignments, `P` the mean share of
    ///   the scores; 1 when balanced
    /// - `loadBalanceFirst`: the same with `f` the share of the first choices (GShard)
    /// - `z`: the mean over tokens, and their softmaxes, of the squared log-sum-exp of the logits
    /// - `importance`: the squared coefficient of variation of `Σ_t q_te`, the mean over groups
    /// - `load`: the same of the demanded counts
    /// - `secondPlace`: `E Σ_e f_e P_e`, the mean over groups; `f` the share of the second choices, asked or not, `P` the mean
    ///   of the softmax over all experts but a token's first choice
    pub(super) fn values(&self) -> BTreeMap<&'static str, f64> {
        let (groups, tokens) = (self.groups() as f64, self.chosen.len() as f64);
        let mut values: BTreeMap<_, _> = self.config.losses().map(|name| (name, 0.0)).collect();
        let mut add = |name: &'static str, value: f64| {
            values.entry(name).and_modify(|sum| *sum += value);
        };
        for group in 0..self.groups() {
            let sums = self.sums(group);
            let (s, e) = (self.group_tokens as f64, self.config.experts as f64);
            let balance = |counts: &[f64], of: f64| e * dot(counts, &sums.importance) / of / s;
            add("loadBalance", balance(&sums.demanded, self.whole(&sums)) / groups);
            add("loadBalanceFirst", balance(&sums.firsts, s * self.gate().prototypes as f64) / groups);
            add("secondPlace", e * dot(&sums.seconds, &sums.others) / (s * s) / groups);
            add("importance", squared_variation(&sums.importance) / groups);
            add("load", squared_variation(&sums.demanded) / groups);
        }
        for token in 0..self.logits.len() / self.config.logits() {
            let (h, softmaxes) = (self.row(self.logits, token), self.softmaxes());
            for run in &softmaxes {
                add("z", log_sum_exp(&h[run.clone()]).powi(2) / softmaxes.len() as f64 / tokens);
            }
        }
        values
    }

    /// The gradient of the logits, `f64[T, E + branches]`, of the weighted sum of the losses; the demanded counts are constants.
    pub(super) fn backward(&self, loss_weights: &BTreeMap<String, f32>) -> Vec<f64> {
        let weight = |name: &str| loss_weights.get(name).map_or(0.0, |weight| f64::from(*weight));
        let (groups, tokens, e) = (self.groups() as f64, self.chosen.len() as f64, self.config.experts as f64);
        let s = self.group_tokens as f64;
        let mut dh = Vec::with_capacity(self.logits.len());
        if self.logits.is_empty() {
            return dh;
        }
        for group in 0..self.groups() {
            let sums = self.sums(group);
            let variation = squared_variation_backward(&sums.importance);
            let dq: Vec<f64> = (0..self.config.experts)
                .map(|i| {
                    let balance = weight("loadBalance") * sums.demanded[i] / self.whole(&sums)
                        + weight("loadBalanceFirst") * sums.firsts[i] / (s * self.gate().prototypes as f64);
                    (e / s * balance + weight("importance") * variation[i]) / groups
                })
                .collect();
            let d_others = scaled(weight("secondPlace") * e / (s * s) / groups, &sums.seconds);
            for token in group * self.group_tokens..(group + 1) * self.group_tokens {
                let mut d = self.through_shares(token, &dq);
                let softmaxes = self.softmaxes();
                for run in &softmaxes {
                    let h = &self.row(self.logits, token)[run.clone()];
                    let dz = weight("z") * 2.0 / (tokens * softmaxes.len() as f64) * log_sum_exp(h);
                    add_scaled(&mut d[run.clone()], dz, &softmax(h));
                }
                if self.config.second_place() {
                    add_scaled(&mut d, 1.0, &softmax_backward(&self.others(token), &d_others));
                }
                dh.extend(d);
            }
        }
        dh
    }
}

/// `CV² = Var / (mean² + 1e-10)`, with the population variance.
pub(super) fn squared_variation(x: &[f64]) -> f64 {
    let (mean, variance) = moments(x);
    variance / (mean * mean + EPSILON)
}

/// The gradient of [`squared_variation`].
pub(super) fn squared_variation_backward(x: &[f64]) -> Vec<f64> {
    let (mean, variance) = moments(x);
    let (n, below) = (x.len() as f64, mean * mean + EPSILON);
    x.iter().map(|x| 2.0 / n * ((x - mean) / below - variance * mean / (below * below))).collect()
}

fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n)
}
