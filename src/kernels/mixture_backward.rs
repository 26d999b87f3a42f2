//! Backward of the softmax over slots.

use super::mixture_scores::OVER_SLOTS;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Adds to the gradient of the logits what goes through each token's softmax over slots, and the shared expert's gate.
///
/// - 1 logits, shares over tokens, shares over slots: `f32[3, T, stride]`, 2 `d_shares`: `f32[T, stride]`, each share over slots times
///   its gradient, 3 `weight`: `f32[T + G·M, columns]`, 4 `d_weight`: shaped as `weight`
/// - 5 `d_logits`: `f32[T, stride]`, in what goes through the softmax over tokens
pub static MIXTURE_BACKWARD: Kernel = Kernel {
    name: "mixture_backward",
    source: include_str!("../../shaders/mixture_backward.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Read, Write],
    constants: &["SHARED_GATE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, d_shares, weight, d_weight, d_logits] = bound(slices);
    let dims = call.dims;
    let (tokens, stride, slots) = (dims.tokens as usize, dims.stride as usize, (dims.experts * dims.slots) as usize);
    let (k, columns) = (dims.choices as usize, dims.columns as usize);
    let shares = &router.f32()[OVER_SLOTS as usize * tokens * stride..];
    for t in 0..tokens {
        let d_logits = &mut d_logits.f32_mut()[t * stride..][..stride];
        let (shares, d_shares) = (&shares[t * stride..][..slots], &d_shares.f32()[t * stride..][..slots]);
        let inner: f32 = d_shares.iter().sum();
        let through = shares.iter().zip(d_shares).map(|(share, d)| d - share * inner);
        d_logits.iter_mut().zip(through).for_each(|(d, through)| *d += through);
        d_logits[slots..].fill(0.0);
        if call.constants.on("SHARED_GATE") {
            let (s, d_gate) = (weight.f32()[t * columns + k], &d_weight.f32()[t * columns..][k..columns]);
            d_logits[dims.gate_at as usize] = s * (1.0 - s) * d_gate.iter().sum::<f32>();
        }
    }
}
