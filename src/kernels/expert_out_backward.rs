//! Backward of the experts' second product and of the activation.

use super::activation::{activate, derivative};
use super::matmul::{Matrix, matmul};
use super::{Access::*, Call, Kernel, Slice, bound, experts_of_tiles};
use crate::shader::{self, Product};

/// `d_hidden = d_out·w2`, through the activation (and gating) to `d_before`.
///
/// - 1 `d_out`: `f32[rows, d]`, 2 w2: `f32[E + units, d, F]`, 3 `before`: `f32[rows, F | 2F]`, 4 `tiles`: `u32[tiles, 4]`
/// - 5 `d_before`: `f32[rows, F | 2F]`
pub static EXPERT_OUT_BACKWARD: Kernel = Kernel {
    name: "expert_out_backward",
    source: include_str!("../../shaders/expert_out_backward.wgsl"),
    parts: &[&shader::DIMS, &shader::ACTIVATION],
    product: Some(Product::Nn),
    bindings: &[Read, Read, Read, Read, Write],
    constants: &["GATED", "ACTIVATION"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [d_out, weights, before, tiles, d_before] = bound(slices);
    let (d, f) = (4 * call.dims.k4 as usize, 4 * call.dims.n4 as usize);
    let kind = call.constants.get("ACTIVATION");
    let mut d_hidden = Vec::new();
    for (e, first, end) in experts_of_tiles(tiles.u32(), call.grid[1]) {
        let a = Matrix { data: &d_out.f32()[first * d..end * d], row: d, column: 1 };
        let b = Matrix { data: &weights.f32()[e * d * f..][..d * f], row: f, column: 1 };
        d_hidden.resize((end - first) * f, 0.0);
        matmul(&mut d_hidden, [end - first, f, d], a, b);
        if call.constants.on("GATED") {
            let (before, to) = (&before.f32()[2 * first * f..], &mut d_before.f32_mut()[2 * first * f..2 * end * f]);
            for ((g, uv), d) in d_hidden.chunks_exact(4).zip(before.chunks_exact(8)).zip(to.chunks_exact_mut(8)) {
                for i in 0..4 {
                    d[i] = g[i] * uv[4 + i] * derivative(kind, uv[i]);
                    d[4 + i] = g[i] * activate(kind, uv[i]);
                }
            }
        } else {
            let to = &mut d_before.f32_mut()[first * f..end * f];
            for ((g, u), d) in d_hidden.iter().zip(&before.f32()[first * f..]).zip(to) {
                *d = g * derivative(kind, *u);
            }
        }
    }
}
