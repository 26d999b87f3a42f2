//! Noise on the logits of noisy top-k, its two losses, and the way back.
//!
//! # Source
//! Shazeer et al. 2017, section 4 and appendices A and B; noise of fixed width: Riquelme et al. 2021 (V-MoE), appendix A.

use std::ops::Range;

use super::Setting;
use super::branches::Gates;
use super::losses::{squared_variation, squared_variation_backward};
use super::math::{product, sigmoid, softmax, softmax_backward, times};
use super::routing::noisy_top_k::{Chance, Threshold, chances, density};
use crate::config::{LayerConfig, Noise, NoisyTopK};
use crate::rng::{NOISE_LANE, normal_quantile, open_uniform_f32};
use crate::weights::Weights;

/// The noise that was added to the logits of a batch.
#[derive(Clone, Debug)]
pub(super) struct Noisy {
    /// `[T, E + branches]`: logits without it.
    clean: Vec<f64>,
    /// `[T, E + branches]`: `x · Wₙ`, which the widths come from; empty where they are fixed.
    raw: Vec<f64>,
    /// `[T, E + branches]`: `σ`.
    width: Vec<f64>,
    /// `[T, E + branches]`: `z`.
    draws: Vec<f64>,
}

impl Noisy {
    /// Draws the noise of a batch of logits `clean`: `[T, E + branches]`.
    pub(super) fn draw(
        config: &LayerConfig,
        router: &NoisyTopK,
        setting: Setting,
        weights: &Weights<f64>,
        x: &[f64],
        clean: &[f64],
    ) -> Self {
        let m = config.logits();
        let drawn = |i: usize| {
            let (token, lane) = ((i / m) as u32, NOISE_LANE + (i % m) as u32);
            normal_quantile(f64::from(open_uniform_f32(setting.seed(config), 0, setting.step, token, lane)))
        };
        let draws = match setting.draws {
            Some(given) => given.to_vec(),
            None => (0..clean.len()).map(drawn).collect(),
        };
        let raw: Vec<f64> = match &weights.noise {
            Some(noise) => x.chunks_exact(config.d_model).flat_map(|x| times(noise, x)).collect(),
            None => Vec::new(),
        };
        let width = match router.noise {
            Noise::Learned { epsilon } => raw.iter().map(|n| softplus(*n) + f64::from(epsilon)).collect(),
            Noise::Fixed { std } => vec![f64::from(std) / config.experts as f64; clean.len()],
        };
        Noisy { clean: clean.to_vec(), raw, width, draws }
    }

    /// `[T, E + branches]`: the logits with it.
    pub(super) fn logits(&self) -> Vec<f64> {
        let noise = product(&self.width, &self.draws);
        self.clean.iter().zip(noise).map(|(c, noise)| c + noise).collect()
    }

    /// From the gradient of a token's noisy logits, and what the losses add, to those of its logits and of `x · Wₙ`, which is
    /// empty where nothing is learned.
    pub(super) fn backward(&self, token: usize, d_noisy: &[f64], losses: &Direct) -> (Vec<f64>, Vec<f64>) {
        let row = token * d_noisy.len()..(token + 1) * d_noisy.len();
        let d_clean = d_noisy.iter().zip(&losses.clean[row.clone()]).map(|(d, direct)| d + direct).collect();
        if self.raw.is_empty() {
            return (d_clean, Vec::new());
        }
        let d_raw = row.zip(d_noisy).map(|(i, d)| (d * self.draws[i] + losses.width[i]) * sigmoid(self.raw[i]));
        (d_clean, d_raw.collect())
    }
}

/// Gradients of the losses by logits without noise and by widths, both `[T, E + branches]`, past the noisy logits.
pub(super) struct Direct {
    clean: Vec<f64>,
    width: Vec<f64>,
}

/// What the losses of a batch in groups of `group_tokens` are made from.
pub(super) struct Chosen<'a> {
    pub(super) config: &'a LayerConfig,
    pub(super) router: &'a NoisyTopK,
    pub(super) group_tokens: usize,
    /// Outside training there is none.
    pub(super) noisy: Option<&'a Noisy>,
    /// `[T, E + branches]`, with noise.
    pub(super) logits: &'a [f64],
    /// `[T]` of `[k]`.
    pub(super) chosen: &'a [Vec<usize>],
    /// `[T]` of `[k]`: their weights before drops.
    pub(super) weights: &'a [Vec<f64>],
}

/// Some of a token's logits, of which it chooses some.
struct Contest {
    /// Which of them.
    logits: Range<usize>,
    /// How many are chosen.
    k: usize,
}

/// Sums over the tokens of one group.
struct Sums {
    /// `[E]`.
    importance: Vec<f64>,
    /// `[E + branches]`: how many tokens are expected; of an expert in a branch, of those that chose the branch.
    expected: Vec<f64>,
    /// `[branches]`: tokens that chose each of them.
    visitors: Vec<f64>,
    /// What an expert has of the tokens of its branch if these are spread evenly.
    even: f64,
}

impl Sums {
    /// The branch of expert `e`, if there are any: what is expected of it, and its visitors.
    fn branch_of(&self, e: usize) -> Option<(usize, f64)> {
        let (experts, branches) = (self.importance.len(), self.visitors.len());
        let branch = e * branches / experts;
        (branches > 0).then(|| (experts + branch, self.visitors[branch]))
    }

    /// `[E]`: in a branch `Load_primary_i · Load_i(X⁽ⁱ⁾)_j / |X⁽ⁱ⁾|`; if no token chose it, `Load_primary_i` spread evenly.
    fn load(&self) -> Vec<f64> {
        let of = |e: usize| match self.branch_of(e) {
            None => self.expected[e],
            Some((branch, 0.0)) => self.expected[branch] * self.even,
            Some((branch, visitors)) => self.expected[branch] * self.expected[e] / visitors,
        };
        (0..self.importance.len()).map(of).collect()
    }

    /// `[E + branches]`: the gradient of what is expected from the gradient of the loads.
    fn load_backward(&self, d_load: &[f64]) -> Vec<f64> {
        let mut d = vec![0.0; self.expected.len()];
        for (e, d_load) in d_load.iter().enumerate() {
            match self.branch_of(e) {
                None => d[e] = *d_load,
                Some((branch, 0.0)) => d[branch] += d_load * self.even,
                Some((branch, visitors)) => {
                    d[e] = d_load * self.expected[branch] / visitors;
                    d[branch] += d_load * self.expected[e] / visitors;
                }
            }
        }
        d
    }
}

impl Chosen<'_> {
    fn groups(&self) -> Range<usize> {
        0..self.chosen.len().checked_div(self.group_tokens).unwrap_or(0)
    }

    fn tokens(&self, group: usize) -> Range<usize> {
        group * self.group_tokens..(group + 1) * self.group_tokens
    }

    fn row<'b>(&self, of: &'b [f64], token: usize) -> &'b [f64] {
        let m = self.config.logits();
        &of[token * m..(token + 1) * m]
    }

    /// `[E]`: what a token adds to the importance of experts: its weights, or the shares of its logits without noise.
    fn shares(&self, token: usize) -> Vec<f64> {
        match self.router.noise {
            Noise::Learned { .. } => {
                let mut shares = vec![0.0; self.config.experts];
                self.chosen[token].iter().zip(&self.weights[token]).for_each(|(&e, weight)| shares[e] = *weight);
                shares
            }
            Noise::Fixed { .. } => softmax(self.row(self.noisy.map_or(self.logits, |noisy| &noisy.clean), token)),
        }
    }

    /// The gradient of a token's logits from the gradient of its [`Chosen::shares`].
    fn shares_backward(&self, token: usize, d_shares: &[f64]) -> Vec<f64> {
        match self.router.branches {
            None => softmax_backward(&self.shares(token), d_shares),
            Some(split) => {
                let d: Vec<f64> = self.chosen[token].iter().map(|&e| d_shares[e]).collect();
                Gates::of(split, self.row(self.logits, token), &self.chosen[token]).backward(&d)
            }
        }
    }

    /// The branches that a token has chosen, by number; none where there are none.
    fn branches(&self, token: usize) -> Vec<usize> {
        let (experts, branches) = (self.config.experts, self.config.router.branches());
        (0..branches).filter(|i| self.chosen[token].iter().any(|e| e * branches / experts == *i)).collect()
    }

    fn contests(&self, token: usize) -> Vec<Contest> {
        let (experts, k) = (self.config.experts, self.router.k);
        let Some(split) = self.router.branches else { return vec![Contest { logits: 0..experts, k }] };
        let size = experts / split.branches;
        let inside = |i: usize| Contest { logits: i * size..(i + 1) * size, k };
        let among = Contest { logits: experts..experts + split.branches, k: split.branch_k };
        [among].into_iter().chain(self.branches(token).into_iter().map(inside)).collect()
    }

    /// The chances of a token's logits, where chance decides: which logit, and over which.
    fn chances(&self, token: usize) -> Vec<(usize, Chance)> {
        let Some(noisy) = self.noisy else { return Vec::new() };
        let threshold = match self.router.noise {
            Noise::Learned { .. } => Threshold::OfOthers,
            Noise::Fixed { .. } => Threshold::Kth,
        };
        let of_contest = |Contest { logits, k }: Contest| {
            let own = |of| &self.row(of, token)[logits.clone()];
            let chances = chances(own(&noisy.clean), own(self.logits), own(&noisy.width), k, threshold);
            let first = logits.start;
            let placed = move |(i, of): (usize, Chance)| (first + i, Chance { over: first + of.over, ..of });
            chances.into_iter().flatten().enumerate().map(placed).collect::<Vec<_>>()
        };
        self.contests(token).into_iter().flat_map(of_contest).collect()
    }

    /// Where chance does not decide, it is certain who is chosen.
    fn sums(&self, group: usize) -> Sums {
        let (experts, branches) = (self.config.experts, self.config.router.branches());
        let (importance, visitors) = (vec![0.0; experts], vec![0.0; branches]);
        let even = (self.router.k * branches) as f64 / experts as f64;
        let mut sums = Sums { importance, expected: vec![0.0; experts + branches], visitors, even };
        for token in self.tokens(group) {
            sums.importance.iter_mut().zip(self.shares(token)).for_each(|(sum, share)| *sum += share);
            let mut expected = vec![0.0; experts + branches];
            self.chosen[token].iter().for_each(|&e| expected[e] = 1.0);
            for i in self.branches(token) {
                expected[experts + i] = 1.0;
                sums.visitors[i] += 1.0;
            }
            self.chances(token).into_iter().for_each(|(i, of)| expected[i] = of.chance);
            sums.expected.iter_mut().zip(expected).for_each(|(sum, expected)| *sum += expected);
        }
        sums
    }

    /// The losses `importance` and `load`: means over groups of squared coefficients of variation.
    pub(super) fn losses(&self) -> [(&'static str, f64); 2] {
        let mut losses = [("importance", 0.0), ("load", 0.0)];
        for group in self.groups() {
            let sums = self.sums(group);
            for (loss, values) in losses.iter_mut().zip([&sums.importance, &sums.load()]) {
                loss.1 += squared_variation(values) / self.groups().len() as f64;
            }
        }
        losses
    }

    /// Adds the gradient of the weighted losses by noisy logits to `d_noisy`: `[T, E + branches]`, and returns what goes past them.
    pub(super) fn backward(&self, d_noisy: &mut [f64]) -> Direct {
        let m = self.config.logits();
        let weight = |name: &str| self.config.loss_weights.get(name).map_or(0.0, |weight| f64::from(*weight));
        let mut direct = Direct { clean: vec![0.0; d_noisy.len()], width: vec![0.0; d_noisy.len()] };
        for group in self.groups() {
            let sums = self.sums(group);
            let by = |name: &str, sums: &[f64]| -> Vec<f64> {
                let share = weight(name) / self.groups().len() as f64;
                squared_variation_backward(sums).into_iter().map(|d| share * d).collect()
            };
            let d_importance = by("importance", &sums.importance);
            let d_expected = sums.load_backward(&by("load", &sums.load()));
            for token in self.tokens(group) {
                let first = token * m;
                let through_shares = self.shares_backward(token, &d_importance);
                let past_noise = matches!(self.router.noise, Noise::Fixed { .. }) && self.noisy.is_some();
                let of_shares = if past_noise { &mut direct.clean } else { &mut *d_noisy };
                of_shares[first..first + m].iter_mut().zip(through_shares).for_each(|(d, through)| *d += through);
                for (i, of) in self.chances(token) {
                    let Some(noisy) = self.noisy else { continue };
                    let width = noisy.width[first + i];
                    let d_lead = d_expected[i] * density(of.lead) / width;
                    direct.clean[first + i] += d_lead;
                    d_noisy[first + of.over] -= d_lead;
                    direct.width[first + i] -= d_lead * of.lead;
                }
            }
        }
        direct
    }
}

/// `ln(1 + exp(x))`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
