//! Slots and rows of mixtures.

use super::{Access::*, Call, DROPPED, Kernel, NONE, Slice, bound};
use crate::shader;

/// Slot and row of every mixture at its expert, and of every token at the shared expert; what each row holds.
///
/// - 1 `starts`: `u32[G·E + units]`
/// - 2 `expert_of`: `u32[T + G·M]`, 3 `placement`: `u32[T + G·M, columns, 2]` slot and row or [`DROPPED`],
///   4 `weight`: `f32[T + G·M, columns]`, the gates of tokens as they were, 5 `held`: `u32[rows]`
pub static SEAT: Kernel = Kernel {
    name: "seat",
    source: include_str!("../../shaders/seat.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Write, Write, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [starts, expert_of, placement, weight, held] = bound(slices);
    let dims = call.dims;
    let (tokens, mixtures, columns) = (dims.tokens as usize, dims.mixtures as usize, dims.columns as usize);
    let (groups, experts, slots) = (dims.groups as usize, dims.experts as usize, dims.slots as usize);
    let (starts, expert_of, weight, held) = (starts.u32(), expert_of.u32_mut(), weight.f32_mut(), held.u32_mut());
    let all = tokens + groups * mixtures;
    let placement = &mut placement.u32_mut()[..2 * all * columns];
    placement.fill(DROPPED);
    expert_of[..all].fill(NONE);
    for t in 0..tokens {
        let own = t * columns;
        weight[own] = 0.0;
        for j in 1..columns {
            let row = starts[groups * experts + j - 1] + t as u32;
            placement[2 * (own + j)..][..2].copy_from_slice(&[t as u32, row]);
            held[row as usize] = (own + j) as u32;
        }
    }
    for n in 0..groups * mixtures {
        let (at, m) = (tokens + n, n % mixtures);
        let own = at * columns;
        weight[own..][..columns].fill(0.0);
        if m < experts * slots {
            let (e, slot) = (m / slots, (m % slots) as u32);
            let row = starts[n / mixtures * experts + e] + slot;
            expert_of[at] = e as u32;
            placement[2 * own..][..2].copy_from_slice(&[slot, row]);
            weight[own] = 1.0;
            held[row as usize] = own as u32;
        }
    }
}
