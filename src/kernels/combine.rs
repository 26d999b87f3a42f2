//! Outputs of the tokens.

use super::{Access::*, Call, DROPPED, Kernel, Slice, bound};
use crate::shader;

/// `y[t] = Σ_j weight[t, j] · out` for every task, in the order of `j`; dropped assignments add nothing.
///
/// - 1 `out`: `f32[rows, d]`, 2 `placement`: `u32[T, columns, 2]`, 3 `weight`: `f32[tasks, T, columns]`
/// - 4 `y`: `f32[tasks, T, d]`
pub static COMBINE: Kernel = Kernel {
    name: "combine",
    source: include_str!("../../shaders/combine.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR],
    product: None,
    bindings: &[Read, Read, Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [out, placement, weight, y] = bound(slices);
    let (columns, d) = (call.dims.columns as usize, 4 * call.dims.d4 as usize);
    let (placement, weight) = (placement.u32(), weight.f32());
    let tokens = call.dims.tokens as usize;
    for (own, y) in y.f32_mut().chunks_exact_mut(d).take(call.dims.tasks as usize * tokens).enumerate() {
        y.fill(0.0);
        for (j, a) in (own * columns..(own + 1) * columns).enumerate() {
            let row = placement[2 * (own % tokens * columns + j) + 1];
            if row == DROPPED {
                continue;
            }
            y.iter_mut().zip(&out.f32()[row as usize * d..][..d]).for_each(|(y, o)| *y += weight[a] * o);
        }
    }
}
