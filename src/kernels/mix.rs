//! Mixtures of tokens.

use super::matmul::{Matrix, matmul};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader::{self, Product};

/// `rows[T + g·M + m] = Σ_t share[t, m] · rows[t]`, over the tokens of group `g`.
///
/// - 1 logits, shares over tokens, shares over slots: `f32[3, T, stride]`, of which SHARES says which
/// - 2 `rows`: `f32[T + G·M, d]`, tokens, then mixtures, written
///
/// # Source
/// Puigcerver et al. 2023, section 2.1.
pub static MIX: Kernel = Kernel {
    name: "mix",
    source: include_str!("../../shaders/mix.wgsl"),
    parts: &[&shader::DIMS],
    product: Some(Product::Tn),
    bindings: &[Read, Write],
    constants: &["SHARES"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, rows] = bound(slices);
    let dims = call.dims;
    let (tokens, s, d) = (dims.tokens as usize, dims.group_tokens as usize, 4 * dims.d4 as usize);
    let (stride, m) = (dims.stride as usize, dims.mixtures as usize);
    let shares = &router.f32()[call.constants.get("SHARES") as usize * tokens * stride..];
    let (of_tokens, mixtures) = rows.f32_mut().split_at_mut(tokens * d);
    for g in 0..dims.groups as usize {
        let a = Matrix { data: &shares[g * s * stride..][..s * stride], row: 1, column: stride };
        let b = Matrix { data: &of_tokens[g * s * d..][..s * d], row: d, column: 1 };
        matmul(&mut mixtures[g * m * d..][..m * d], [m, d, s], a, b);
    }
}
