//! One all2all between the virtual devices.

use super::{Access::*, Call, DROPPED, Kernel, Slice, bound};
use crate::shader;

/// `vec4f`s of a row that one invocation moves.
pub const SPAN: u32 = 16;

/// Moves rows between the tokens' home buffers and the experts' buffers, and counts each routed row that moves.
///
/// - 1 `placement`: `u32[T, columns, 2]`, 2 `expert_of`: `u32[T, k]`, 3 `from`: `f32[T | rows, d]`
/// - 4 `to`: `f32[rows, d]`, 5 `moved`: `u32[exchanges, N, N]`, rows from device i to device j
pub static EXCHANGE: Kernel = Kernel {
    name: "exchange",
    source: include_str!("../../shaders/exchange.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Write, Write],
    constants: &["TO_EXPERTS", "PER_TOKEN"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [placement, expert_of, from, to, moved] = bound(slices);
    let dims = call.dims;
    let (k, columns, d, n) =
        (dims.choices as usize, dims.columns as usize, 4 * dims.d4 as usize, dims.devices as usize);
    // mixtures come after the tokens, which then stay
    let (tokens, mixtures) = (dims.tokens as usize, (dims.groups * dims.mixtures) as usize);
    let routed = if mixtures > 0 { mixtures } else { tokens };
    let (placement, to_experts) = (placement.u32(), call.constants.on("TO_EXPERTS"));
    for at in 0..tokens * columns {
        let row = placement[2 * at + 1];
        if row == DROPPED {
            continue;
        }
        let (t, j, row) = (at / columns, at % columns, row as usize);
        let source = if call.constants.on("PER_TOKEN") { t } else { row };
        to.f32_mut()[row * d..][..d].copy_from_slice(&from.f32()[source * d..][..d]);
        if j < k {
            let home = (t - (tokens - routed)) / (routed / n);
            let away = expert_of.u32()[t * k + j] as usize / (dims.experts as usize / n);
            let pair = if to_experts { home * n + away } else { away * n + home };
            moved.u32_mut()[dims.counter_base as usize + pair] += 1;
        }
    }
}
