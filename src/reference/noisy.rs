//! Noise on the logits of noisy top-k, its two losses, and the way back.
//!
//! # Source
//! Shazeer et al. 2017, section 4 and appendix A; noise of fixed width: Riquelme et al. 2021 (V-MoE), appendix A.

use super::Setting;
use super::losses::{squared_variation, squared_variation_backward};
use super::math::{product, sigmoid, softmax, softmax_backward, times};
use super::routing::noisy_top_k::{Chance, Threshold, chances, density};
use crate::config::{LayerConfig, Noise, NoisyTopK};
use crate::rng::{NOISE_LANE, normal_quantile, open_uniform_f32};
use crate::weights::Weights;

/// The noise that was added to the logits of a batch.
#[derive(Clone, Debug)]
pub(super) struct Noisy {
    /// `[T, E]`: logits without it.
    clean: Vec<f64>,
    /// `[T, E]`: `x · Wₙ`, which the widths come from; empty where they are fixed.
    raw: Vec<f64>,
    /// `[T, E]`: `σ`.
    width: Vec<f64>,
    /// `[T, E]`: `z`.
    draws: Vec<f64>,
}

impl Noisy {
    /// Draws the noise of a batch of logits `clean`: `[T, E]`.
    pub(super) fn draw(
        config: &LayerConfig,
        router: &NoisyTopK,
        setting: Setting,
        weights: &Weights<f64>,
        x: &[f64],
        clean: &[f64],
    ) -> Self {
        let e = config.experts;
        let drawn = |i: usize| {
            let (token, lane) = ((i / e) as u32, NOISE_LANE + (i % e) as u32);
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
            Noise::Fixed { std } => vec![f64::from(std) / e as f64; clean.len()],
        };
        Noisy { clean: clean.to_vec(), raw, width, draws }
    }

    /// `[T, E]`: the logits with it.
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

/// Gradients of the losses by logits without noise and by widths, both `[T, E]`, past the noisy logits.
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
    /// `[T, E]`, with noise.
    pub(super) logits: &'a [f64],
    /// `[T]` of `[k]`.
    pub(super) chosen: &'a [Vec<usize>],
    /// `[T]` of `[k]`: their weights before drops.
    pub(super) weights: &'a [Vec<f64>],
}

impl Chosen<'_> {
    fn groups(&self) -> std::ops::Range<usize> {
        0..self.chosen.len().checked_div(self.group_tokens).unwrap_or(0)
    }

    fn tokens(&self, group: usize) -> std::ops::Range<usize> {
        group * self.group_tokens..(group + 1) * self.group_tokens
    }

    fn row<'b>(&self, of: &'b [f64], token: usize) -> &'b [f64] {
        &of[token * self.config.experts..(token + 1) * self.config.experts]
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

    /// The chances of a token's experts, where chance decides.
    fn chances(&self, token: usize) -> Option<Vec<Chance>> {
        let noisy = self.noisy?;
        let threshold = match self.router.noise {
            Noise::Learned { .. } => Threshold::OfOthers,
            Noise::Fixed { .. } => Threshold::Kth,
        };
        let (clean, width) = (self.row(&noisy.clean, token), self.row(&noisy.width, token));
        chances(clean, self.row(self.logits, token), width, self.router.k, threshold)
    }

    /// Importance and load of a group's experts. Where chance does not decide, the load is a count.
    fn sums(&self, group: usize) -> [Vec<f64>; 2] {
        let mut sums = [vec![0.0; self.config.experts], vec![0.0; self.config.experts]];
        for token in self.tokens(group) {
            sums[0].iter_mut().zip(self.shares(token)).for_each(|(sum, share)| *sum += share);
            match self.chances(token) {
                Some(chances) => sums[1].iter_mut().zip(chances).for_each(|(sum, of)| *sum += of.chance),
                None => self.chosen[token].iter().for_each(|&e| sums[1][e] += 1.0),
            }
        }
        sums
    }

    /// The losses `importance` and `load`: means over groups of squared coefficients of variation.
    pub(super) fn losses(&self) -> [(&'static str, f64); 2] {
        let mut losses = [("importance", 0.0), ("load", 0.0)];
        for group in self.groups() {
            for (loss, sums) in losses.iter_mut().zip(self.sums(group)) {
                loss.1 += squared_variation(&sums) / self.groups().len() as f64;
            }
        }
        losses
    }

    /// Adds the gradient of the weighted losses by noisy logits to `d_noisy`: `[T, E]`, and returns what goes past them.
    pub(super) fn backward(&self, d_noisy: &mut [f64]) -> Direct {
        let e = self.config.experts;
        let weight = |name: &str| self.config.loss_weights.get(name).map_or(0.0, |weight| f64::from(*weight));
        let mut direct = Direct { clean: vec![0.0; d_noisy.len()], width: vec![0.0; d_noisy.len()] };
        for group in self.groups() {
            let [importance, load] = self.sums(group);
            let by = |name: &str, sums: &[f64]| -> Vec<f64> {
                let share = weight(name) / self.groups().len() as f64;
                squared_variation_backward(sums).into_iter().map(|d| share * d).collect()
            };
            let (d_importance, d_load) = (by("importance", &importance), by("load", &load));
            for token in self.tokens(group) {
                let first = token * e;
                let through_shares = softmax_backward(&self.shares(token), &d_importance);
                let past_noise = matches!(self.router.noise, Noise::Fixed { .. }) && self.noisy.is_some();
                let of_shares = if past_noise { &mut direct.clean } else { &mut *d_noisy };
                of_shares[first..first + e].iter_mut().zip(through_shares).for_each(|(d, through)| *d += through);
                for (i, of) in self.chances(token).into_iter().flatten().enumerate() {
                    let Some(noisy) = self.noisy else { continue };
                    let width = noisy.width[first + i];
                    let d_lead = d_load[i] * density(of.lead) / width;
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
