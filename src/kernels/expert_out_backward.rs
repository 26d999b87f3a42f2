//! Backward of the experts' second product and of the activation.

use super::activation::{activate, derivative};
use super::matmul::{Matrix, matmul};
use super::{Access::*, Call, Kernel, Run, Slice, bound, experts_of_tiles};
use crate::shader::{self, Product};

/// `d_hidden = d_out·w2`, through the activation (and gating) to `d_before`.
///
/// - 1 `d_out`: `f32[rows, d]`, 2 w2: `f32[experts + units, d, F]`, 3 `before`: `f32[rows, F | 2F]`, 4 `tiles`: `u32[tiles, 4]`
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
    for Run { expert: e, first, end, width } in experts_of_tiles(tiles.u32(), call.grid[1]) {
        let a = Matrix { data: &d_out.f32()[first * d..end * d], row: d, column: 1 };
        let b = Matrix { data: &weights.f32()[e * d * f..][..d * f], row: f, column: 1 };
        d_hidden.resize((end - first) * width, 0.0);
        matmul(&mut d_hidden, [end - first, width, d], a, b);
        let gated = call.constants.on("GATED");
        let n = if gated { 2 * f } else { f };
        let (before, to) = (&before.f32()[first * n..], &mut d_before.f32_mut()[first * n..end * n]);
        for ((g, u), d) in d_hidden.chunks_exact(width).zip(before.chunks_exact(n)).zip(to.chunks_exact_mut(n)) {
            if gated {
                for ((g, uv), d) in g.chunks_exact(4).zip(u.chunks_exact(8)).zip(d.chunks_exact_mut(8)) {
                    for i in 0..4 {
                        d[i] = g[i] * uv[4 + i] * derivative(kind, uv[i]);
                        d[4 + i] = g[i] * activate(kind, uv[i]);
                    }
                }
            } else {
                for ((g, u), d) in g.iter().zip(u).zip(d) {
                    *d = g * derivative(kind, *u);
                }
            }
        }
    }
}
