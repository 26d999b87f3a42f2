//! How likely each expert is to be among a token's `k` best, were the noise on its logit drawn again.
//!
//! # Source
//! Shazeer et al. 2017, appendix A; with one threshold for all experts: Riquelme et al. 2021 (V-MoE), appendix A.

use super::descending;

/// What an expert's logit is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// The `k`-th largest of the other noisy logits: the `k + 1`-th of all for the experts that are chosen (Shazeer).
    OfOthers,
    /// The `k`-th largest of all noisy logits (V-MoE).
    Kth,
}

/// An expert's chance, and what it depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// `Φ(lead)`.
    pub chance: f64,
    /// `(c − θ) / σ`: the logit without noise over the threshold, in widths of its noise.
    pub lead: f64,
    /// The expert whose noisy logit is the threshold `θ`.
    pub over: usize,
}

/// The chances of one token's experts; none if all are chosen anyway.
///
/// - `clean`: `[E]`, logits without noise; `noisy`: `[E]`, with it; `width`: `[E]`, `σ`
pub fn chances(clean: &[f64], noisy: &[f64], width: &[f64], k: usize, threshold: Threshold) -> Option<Vec<Chance>> {
    let order = descending(noisy);
    let (last, next) = (order[k - 1], *order.get(k)?);
    let of = |e: usize| {
        let chosen = order[..k].contains(&e);
        let over = if chosen && threshold == Threshold::OfOthers { next } else { last };
        let lead = (clean[e] - noisy[over]) / width[e];
        Chance { chance: 0.5 * libm::erfc(-lead / std::f64::consts::SQRT_2), lead, over }
    };
    Some((0..clean.len()).map(of).collect())
}

/// The density of the standard normal distribution: the derivative of a chance by its lead.
pub fn density(lead: f64) -> f64 {
    (-0.5 * lead * lead).exp() / (2.0 * std::f64::consts::PI).sqrt()
}
