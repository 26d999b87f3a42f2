//! Experts that return their token as it is.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// `to[row] = from[row]` over the rows of the identities, or the row's token with GATHER.
///
/// - 1 from: `f32[T, d]`, or `f32[rows, d]` without GATHER, 2 `held`: `u32[rows]`, 3 `offsets`: `u32[E + units + 1]`
/// - 4 to: `f32[rows, d]`
pub static IDENTITY: Kernel = Kernel {
    name: "identity",
    source: include_str!("../../shaders/identity.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR],
    product: None,
    bindings: &[Read, Read, Read, Write],
    constants: &["GATHER"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [from, held, offsets, to] = bound(slices);
    let (d, experts) = (4 * call.dims.d4 as usize, call.dims.experts as usize);
    let first = offsets.u32()[experts - call.dims.identities as usize] as usize;
    for row in first..offsets.u32()[experts] as usize {
        let gathers = call.constants.on("GATHER");
        let source = if gathers { (held.u32()[row] / call.dims.columns) as usize } else { row };
        to.f32_mut()[row * d..][..d].copy_from_slice(&from.f32()[source * d..][..d]);
    }
}
