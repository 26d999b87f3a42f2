//! What mixtures give to tokens.

use super::matmul::{Matrix, matmul};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader::{self, Product};

/// `rows[t] += Σ_m share[t, m] · rows[T + g·M + m]`, over the mixtures of the token's group `g`.
///
/// - 1 logits, shares over tokens, shares over slots: `f32[3, T, stride]`, of which SHARES says which
/// - 2 `rows`: `f32[T + G·M, d]`, tokens, added to, then mixtures
///
/// # Source
/// Puigcerver et al. 2023, section 2.1.
pub static UNMIX: Kernel = Kernel {
    name: "unmix",
    source: include_str!("../../shaders/unmix.wgsl"),
    parts: &[&shader::DIMS],
    product: Some(Product::Nn),
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
    let mut given = vec![0.0; s * d];
    for g in 0..dims.groups as usize {
        let a = Matrix { data: &shares[g * s * stride..][..s * stride], row: stride, column: 1 };
        let b = Matrix { data: &mixtures[g * m * d..][..m * d], row: d, column: 1 };
        matmul(&mut given, [s, d, m], a, b);
        of_tokens[g * s * d..].iter_mut().zip(&given).for_each(|(to, given)| *to += given);
    }
}
