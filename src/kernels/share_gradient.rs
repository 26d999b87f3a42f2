//! Gradients of the shares of mixtures.

use super::matmul::{Matrix, matmul_within};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader::{self, Product};

/// Every share times its gradient: `share[t, m] · ⟨tokens[t], mixtures[T + g·M + m]⟩`.
///
/// - 1 logits, shares over tokens, shares over slots: `f32[3, T, stride]`, of which SHARES says which
/// - 2 tokens and 3 mixtures: `f32[T + G·M, d]`, each in its part of such an array
/// - 4 `found`: `f32[T, stride]`, the first `M` of a row written
pub static SHARE_GRADIENT: Kernel = Kernel {
    name: "share_gradient",
    source: include_str!("../../shaders/share_gradient.wgsl"),
    parts: &[&shader::DIMS],
    product: Some(Product::Nt),
    bindings: &[Read, Read, Read, Write],
    constants: &["SHARES"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, of_tokens, mixtures, found] = bound(slices);
    let dims = call.dims;
    let (tokens, s, d) = (dims.tokens as usize, dims.group_tokens as usize, 4 * dims.d4 as usize);
    let (stride, m) = (dims.stride as usize, dims.mixtures as usize);
    let shares = &router.f32()[call.constants.get("SHARES") as usize * tokens * stride..];
    for g in 0..dims.groups as usize {
        let a = Matrix { data: &of_tokens.f32()[g * s * d..][..s * d], row: d, column: 1 };
        let b = Matrix { data: &mixtures.f32()[(tokens + g * m) * d..][..m * d], row: 1, column: d };
        let found = &mut found.f32_mut()[g * s * stride..][..s * stride];
        matmul_within(found, stride, [s, m, d], a, b);
        for (found, shares) in found.chunks_exact_mut(stride).zip(shares[g * s * stride..].chunks_exact(stride)) {
            found[..m].iter_mut().zip(shares).for_each(|(found, share)| *found *= share);
        }
    }
}
