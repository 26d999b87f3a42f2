//! Backward of combine.

use super::{Access::*, Call, DROPPED, Kernel, Slice, bound};
use crate::shader;

/// `d_weight[t, j] = ⟨dy[t], out⟩` for each task, and `d_out = weight[t, j] · dy[t]`, summed over tasks.
///
/// - 1 `dy`: `f32[tasks, T, d]`, 2 `out`: `f32[rows, d]`, 3 `placement`: `u32[T, columns, 2]`,
///   4 `weight`: `f32[tasks, T, columns]`
/// - 5 `d_weight`: `f32[tasks, T, columns]`, 0 where dropped, 6 `d_out`: shaped as `out`
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
    let (tokens, tasks) = (call.dims.tokens as usize, call.dims.tasks as usize);
    let (d_weight, d_out) = (d_weight.f32_mut(), d_out.f32_mut());
    for a in 0..tokens * columns {
        let row = placement.u32()[2 * a + 1];
        for task in 0..tasks {
            let own = task * tokens * columns + a;
            if row == DROPPED {
                d_weight[own] = 0.0;
                continue;
            }
            let at = row as usize * d;
            let (dy, w) = (&dy.f32()[(task * tokens + a / columns) * d..][..d], weight.f32()[own]);
            d_weight[own] = dy.iter().zip(&out.f32()[at..][..d]).map(|(g, o)| g * o).sum();
            let d_out = d_out[at..][..d].iter_mut().zip(dy);
            d_out.for_each(|(o, g)| *o = if task == 0 { w * g } else { *o + w * g });
        }
    }
}
