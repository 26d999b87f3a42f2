//! Twin of `shaders/shared/noisy.wgsl`.

use super::Dims;
use super::activation::exp;
use super::route::finite;

/// NOISE: of learned width.
pub(super) const LEARNED: u32 = 1;
/// NOISE: of fixed width.
pub(super) const FIXED: u32 = 2;
/// NOISE: Gumbel, and a temperature.
pub(super) const GUMBEL: u32 = 3;

const LEAST_WIDTH: f32 = 1e-30;
const LARGEST_LEAD: f32 = 13.0;

/// `ln(1 + exp(n))`, however small.
fn softplus(n: f32) -> f32 {
    let small = exp(-n.abs());
    n.max(0.0) + if small < 1e-3 { small - 0.5 * small * small } else { (1.0 + small).ln() }
}

/// The width of the noise whose learned part is `n`.
pub(super) fn learned_width(dims: &Dims, n: f32) -> f32 {
    (softplus(finite(n)) + dims.noise).max(LEAST_WIDTH)
}

/// How far a logit is above a threshold, in widths of its noise.
pub(super) fn lead(clean: f32, threshold: f32, width: f32) -> f32 {
    ((clean - threshold) / width).clamp(-LARGEST_LEAD, LARGEST_LEAD)
}
