//! noisy.wgsl — noise on a logit: how wide it is, and how far the logit is above a threshold in such widths.

override NOISE: u32 = 0u;   // 0: none, 1: of learned width, 2: of fixed width, 3: Gumbel, and a temperature

const LEAST_WIDTH = 1e-30;   // divides every logit without NaN
const LARGEST_LEAD = 13.0;   // beyond it chances are 0 or 1 in f32, and their density 0

/// ln(1 + exp(n)), however small.
fn softplus(n: f32) -> f32 {
    let small = exp(-abs(n));
    return max(n, 0.0) + select(log(1.0 + small), small - 0.5 * small * small, small < 1e-3);
}

/// The width of the noise whose learned part is `n`.
fn learned_width(n: f32) -> f32 { return max(softplus(finite(n)) + dims.noise, LEAST_WIDTH); }

fn lead(clean: f32, threshold: f32, width: f32) -> f32 {
    return clamp((clean - threshold) / width, -LARGEST_LEAD, LARGEST_LEAD);
}
