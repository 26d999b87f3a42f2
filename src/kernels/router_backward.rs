//! Gradient of the layer's input.

use super::input_noise::{input_factor, is_noisy};
use super::matmul::{Matrix, matmul};
use super::{Access::*, Call, DROPPED, Kernel, Slice, bound};
use crate::shader::{self, Product};

/// `dx[t] = (d_logits[t]·router) ⊙ noise + Σ_j` the `j`-th assignment's row.
///
/// - 1 `d_logits`: `f32[T, stride]`, 2 `router`: `f32[stride, d]`, 3 `d_row`: `f32[rows, d]`,
///   4 `placement`: `u32[T, columns, 2]`
/// - 5 `dx`: `f32[T, d]`
pub static ROUTER_BACKWARD: Kernel = Kernel {
    name: "router_backward",
    source: include_str!("../../shaders/router_backward.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG, &shader::INPUT_NOISE],
    product: Some(Product::Nn),
    bindings: &[Read, Read, Read, Read, Write],
    constants: &["JITTER", "DROPOUT"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [d_logits, router, d_row, placement, dx] = bound(slices);
    let (tokens, columns) = (call.dims.tokens as usize, call.dims.columns as usize);
    let (stride, d) = (call.dims.stride as usize, 4 * call.dims.d4 as usize);
    let dx = &mut dx.f32_mut()[..tokens * d];
    let b = Matrix { data: router.f32(), row: d, column: 1 };
    matmul(dx, [tokens, d, stride], Matrix { data: d_logits.f32(), row: stride, column: 1 }, b);
    for (t, dx) in dx.chunks_exact_mut(d).enumerate() {
        if is_noisy(call) {
            dx.iter_mut().zip(0..).for_each(|(x, i)| *x *= input_factor(call, t as u32, i));
        }
        for a in t * columns..(t + 1) * columns {
            let row = placement.u32()[2 * a + 1];
            if row != DROPPED {
                dx.iter_mut().zip(&d_row.f32()[row as usize * d..][..d]).for_each(|(x, r)| *x += r);
            }
        }
    }
}
