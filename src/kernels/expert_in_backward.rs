//! Backward of the experts' first product.

use super::matmul::{Matrix, matmul};
use super::{Access::*, Call, Kernel, Run, Slice, bound, experts_of_tiles};
use crate::shader::{self, Product};

/// `d_row = d_before·w1` (and `·w3`).
///
/// - 1 `d_before`: `f32[rows, F | 2F]`, 2 weights: `f32[experts + units, F | 2F, d]`, 3 `tiles`: `u32[tiles, 4]`
/// - 4 `d_row`: `f32[rows, d]`
pub static EXPERT_IN_BACKWARD: Kernel = Kernel {
    name: "expert_in_backward",
    source: include_str!("../../shaders/expert_in_backward.wgsl"),
    parts: &[&shader::DIMS],
    product: Some(Product::Nn),
    bindings: &[Read, Read, Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [d_before, weights, tiles, d_row] = bound(slices);
    let (n, d) = (4 * call.dims.k4 as usize, 4 * call.dims.n4 as usize);
    let halves = n / (4 * call.dims.hidden4 as usize);
    for Run { expert: e, first, end, width } in experts_of_tiles(tiles.u32(), call.grid[1]) {
        let a = Matrix { data: &d_before.f32()[first * n..end * n], row: n, column: 1 };
        let b = Matrix { data: &weights.f32()[e * n * d..][..n * d], row: d, column: 1 };
        matmul(&mut d_row.f32_mut()[first * d..end * d], [end - first, d, width * halves], a, b);
    }
}
