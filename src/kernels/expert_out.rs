//! The experts' second product.

use super::matmul::{Matrix, matmul};
use super::{Access::*, Call, Kernel, Run, Slice, bound, experts_of_tiles};
use crate::shader::{self, Product};

/// `out = hidden·w2ᵀ + b2`.
///
/// - 1 `hidden`: `f32[rows, F]`, 2 w2: `f32[experts + units, d, F]`, 3 b2: `f32[experts + units, d]`, 4 `tiles`: `u32[tiles, 4]`
/// - 5 `out`: `f32[rows, d]`
pub static EXPERT_OUT: Kernel = Kernel {
    name: "expert_out",
    source: include_str!("../../shaders/expert_out.wgsl"),
    parts: &[&shader::DIMS],
    product: Some(Product::Nt),
    bindings: &[Read, Read, Read, Read, Write],
    constants: &["BIAS"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [hidden, weights, bias, tiles, out] = bound(slices);
    let (f, d) = (4 * call.dims.k4 as usize, 4 * call.dims.n4 as usize);
    for Run { expert: e, first, end, width } in experts_of_tiles(tiles.u32(), call.grid[1]) {
        let a = Matrix { data: &hidden.f32()[first * f..end * f], row: f, column: 1 };
        let b = Matrix { data: &weights.f32()[e * d * f..][..d * f], row: 1, column: f };
        let out = &mut out.f32_mut()[first * d..end * d];
        matmul(out, [end - first, d, width], a, b);
        if call.constants.on("BIAS") {
            let bias = &bias.f32()[e * d..][..d];
            out.chunks_exact_mut(d).for_each(|o| o.iter_mut().zip(bias).for_each(|(o, b)| *o += b));
        }
    }
}
