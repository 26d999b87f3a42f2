//! One all2all between the virtual devices that only reorders tokens.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Moves every token's row to its place in another order, or back (BACK), and counts each row that moves.
///
/// - 1 `places`: `u32[T]`, where each token stands in the other order, 2 `from`: `f32[T, d]`
/// - 3 `to`: `f32[T, d]`, 4 `moved`: `u32[exchanges, N, N]`, rows from device i to device j
///
/// # Source
/// Lewis et al. 2021, "BASE Layers", section 3.2.
pub static SHUFFLE: Kernel = Kernel {
    name: "shuffle",
    source: include_str!("../../shaders/shuffle.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR],
    product: None,
    bindings: &[Read, Read, Write, Write],
    constants: &["BACK"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [places, from, to, moved] = bound(slices);
    let (dims, d) = (call.dims, 4 * call.dims.d4 as usize);
    let local = (dims.tokens / dims.devices) as usize;
    for (t, place) in places.u32()[..dims.tokens as usize].iter().enumerate() {
        let place = *place as usize;
        let (here, there) = if call.constants.on("BACK") { (place, t) } else { (t, place) };
        to.f32_mut()[there * d..][..d].copy_from_slice(&from.f32()[here * d..][..d]);
        let pair = here / local * dims.devices as usize + there / local;
        moved.u32_mut()[dims.counter_base as usize + pair] += 1;
    }
}
