//! The losses of noisy top-k.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

const EPSILON: f32 = 1e-10;

/// The losses `importance` and `load` of every group, and the derivative of their weighted sum.
///
/// - 1 `sums`: `f32[G, E, 2]`
/// - 2 `losses`: `f32[G, 5]`, the last two written, 3 `d_odds`: `f32[G, E, 2]`
///
/// # Source
/// Shazeer et al. 2017, section 4.
pub static NOISY_LOSSES: Kernel = Kernel {
    name: "noisy_losses",
    source: include_str!("../../shaders/noisy_losses.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [sums, losses, d_odds] = bound(slices);
    let (groups, row) = (call.dims.groups as usize, 2 * call.dims.experts as usize);
    let experts = call.dims.experts as f32;
    for g in 0..groups {
        for (i, weight) in [call.dims.importance, call.dims.load].into_iter().enumerate() {
            let of = |sums: &[f32]| sums[g * row..][..row].iter().skip(i).step_by(2).copied().collect::<Vec<f32>>();
            let sums = of(sums.f32());
            let mean = sums.iter().sum::<f32>() / experts;
            let variance = sums.iter().map(|s| (s - mean) * (s - mean)).sum::<f32>() / experts;
            let below = mean * mean + EPSILON;
            losses.f32_mut()[6 * g + 3 + i] = variance / below;
            let weight = weight / groups as f32;
            for (d, s) in d_odds.f32_mut()[g * row + i..][..row - i].iter_mut().step_by(2).zip(sums) {
                *d = weight * 2.0 / experts * ((s - mean) / below - variance * mean / (below * below));
            }
        }
    }
}
