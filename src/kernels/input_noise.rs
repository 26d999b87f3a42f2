//! Twin of `shaders/shared/input_noise.wgsl`.

use super::{Call, Dims};
use crate::rng::{DROPOUT_LANE, JITTER_LANE, uniform_f32};

/// `x`: `f32[T, d]` times the factors, if there are any.
pub(super) fn noisy(call: &Call, x: &[f32]) -> Option<Vec<f32>> {
    let d = 4 * call.dims.d4 as usize;
    let factor = |i: usize| input_factor(call, (i / d) as u32, (i % d) as u32);
    is_noisy(call).then(|| x.iter().enumerate().map(|(i, x)| x * factor(i)).collect())
}

/// Whether there are factors.
pub(super) fn is_noisy(call: &Call) -> bool {
    call.constants.on("JITTER") || call.constants.on("DROPOUT")
}

/// Factor of element `i` of `token`.
pub(super) fn input_factor(call: &Call, token: u32, i: u32) -> f32 {
    let Dims { seed_lo, seed_hi, step, jitter, dropout, .. } = *call.dims;
    let seed = u64::from(seed_hi) << 32 | u64::from(seed_lo);
    let uniform = |lane: u32| uniform_f32(seed, 0, step, token, lane + i);
    let factor = if call.constants.on("JITTER") { 1.0 + jitter * (2.0 * uniform(JITTER_LANE) - 1.0) } else { 1.0 };
    match call.constants.on("DROPOUT") {
        true if uniform(DROPOUT_LANE) < dropout => 0.0,
        true => factor / (1.0 - dropout),
        false => factor,
    }
}
