//! Backward of combine.

use super::{Access::*, Call, DROPPED, Kernel, Slice, bound};
use crate::shader;

/// `d_weight[t, j] = ⟨dy[t], out⟩` and `d_out = weight[t, j] · dy[t]`.
///
/// - 1 `dy`: `f32[T, d]`, 2 `out`: `f32[rows, d]`, 3 `placement`: `u32[T, columns, 2]`,
///   4 `weight`: `f32[T, columns]`
/// - 5 `d_weight`: `f32[T, columns]`, 0 where dropped, 6 `d_out`: shaped as `out`
pub static COMBINE_BACKWARD: Kernel = Kernel {
    name: "combine_backward",
    source: include_str!("../../shaders/combine_backward.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Read, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [dy, out, placement, weight, d_weight, d_out] = bound(slices);
    let (columns, d) = (call.dims.columns as usize, 4 * call.dims.d4 as usize);
    for a in 0..call.dims.tokens as usize * columns {
        let row = placement.u32()[2 * a + 1];
        if row == DROPPED {
            d_weight.f32_mut()[a] = 0.0;
            continue;
        }
        let row = row as usize;
        let (dy, w) = (&dy.f32()[a / columns * d..][..d], weight.f32()[a]);
        d_weight.f32_mut()[a] = dy.iter().zip(&out.f32()[row * d..][..d]).map(|(g, o)| g * o).sum();
        d_out.f32_mut()[row * d..][..d].iter_mut().zip(dy).for_each(|(o, g)| *o = w * g);
    }
}
