//! Shares of mixtures in the tokens' outputs.

use super::activation::{exp, sigmoid};
use super::route::finite;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Which of the router's arrays holds the shares of the tokens in mixtures: each slot's softmax over a group's tokens.
pub const OVER_TOKENS: u32 = 1;
/// The same of the shares of the mixtures in the tokens' outputs: each token's softmax over all slots.
pub const OVER_SLOTS: u32 = 2;

/// What each mixture is of a token's output.
///
/// - 1 logits, shares over tokens, shares over slots: `f32[3, T, stride]`, the last written; 2 `stats`: `f32[T, 4]`
/// - 3 `weight`: `f32[T + G·M, columns]`, the shared expert's gate of tokens written
///
/// # Source
/// Puigcerver et al. 2023, section 2.1.
pub static MIXTURE_SCORES: Kernel = Kernel {
    name: "mixture_scores",
    source: include_str!("../../shaders/mixture_scores.wgsl"),
    parts: &[&shader::DIMS, &shader::FINITE],
    product: None,
    bindings: &[Write, Write, Write],
    constants: &["SHARED_GATE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, stats, weight] = bound(slices);
    let dims = call.dims;
    let (tokens, stride, slots) = (dims.tokens as usize, dims.stride as usize, (dims.experts * dims.slots) as usize);
    let (k, columns) = (dims.choices as usize, dims.columns as usize);
    let (logits, shares) = router.f32_mut().split_at_mut(OVER_SLOTS as usize * tokens * stride);
    for t in 0..tokens {
        let (row, shares) = (&mut logits[t * stride..][..stride], &mut shares[t * stride..][..slots]);
        row[..slots].iter_mut().for_each(|h| *h = finite(*h));
        let largest = row[..slots].iter().copied().fold(f32::MIN, f32::max);
        shares.iter_mut().zip(&*row).for_each(|(share, h)| *share = exp(h - largest));
        let sum: f32 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
        stats.f32_mut()[4 * t..][..4].copy_from_slice(&[largest + sum.ln(), 1.0 / sum, 0.0, 0.0]);
        let gate = if call.constants.on("SHARED_GATE") { sigmoid(finite(row[dims.gate_at as usize])) } else { 1.0 };
        weight.f32_mut()[t * columns..][k..columns].fill(gate);
    }
}
