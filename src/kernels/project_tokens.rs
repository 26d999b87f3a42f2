//! Shares of which no token has too many.

use super::sinkhorn_tokens::log_sum_exp;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Second half of an iteration towards bounded shares: a token has at most `b` in all, and 1 of any expert.
///
/// - 1 `shares`: `f32[2, T, stride]`: what the bound of 1 took, and the logarithms of the shares, 2 `taken`: `f32[T]`, what that of `b`
///   took of each logarithm
///
/// # Source
/// Zhou et al. 2022, section 3.3: Dykstra's algorithm, on logarithms.
pub static PROJECT_TOKENS: Kernel = Kernel {
    name: "project_tokens",
    source: include_str!("../../shaders/project_tokens.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [shares, taken] = bound(slices);
    let dims = call.dims;
    let (experts, stride, first) = (dims.experts as usize, dims.stride as usize, dims.iteration == 0);
    let (by_one, shares) = shares.f32_mut().split_at_mut(dims.tokens as usize * stride);
    for (t, taken) in taken.f32_mut()[..dims.tokens as usize].iter_mut().enumerate() {
        let (by_one, shares) = (&mut by_one[t * stride..][..experts], &mut shares[t * stride..][..experts]);
        let back = if first { 0.0 } else { *taken };
        let step = ((dims.nominees as f32).ln() - (back + log_sum_exp(shares))).min(0.0);
        *taken = -step;
        for (share, by_one) in shares.iter_mut().zip(by_one) {
            let whole = *share + (back + step) + if first { 0.0 } else { *by_one };
            *share = whole.min(0.0);
            *by_one = whole.max(0.0);
        }
    }
}
