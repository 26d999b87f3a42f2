//! Slot, row and weight of every assignment.

use super::{Access::*, Call, DECLINED, DROPPED, Kernel, Slice, bound};
use crate::shader;

/// Slot and row of every assignment, what each row holds, and the final weights.
///
/// - 1 `expert_of`: `u32[T, k]`, 2 `chosen`: `f32[tasks, T, columns]`, 3 `place_in_block`: `u32[T, k]`, 4 `counts`: `u32[G, blocks, E]`,
///   5 `starts`: `u32[G·E + units]`
/// - 6 `placement`: `u32[T, columns, 2]` slot and row or [`DROPPED`], 7 `weight`: `f32[tasks, T, columns]`, 8 `held`: `u32[rows]`
pub static PLACE: Kernel = Kernel {
    name: "place",
    source: include_str!("../../shaders/place.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Read, Read, Write, Write, Write],
    constants: &["BY_TOKEN", "BLOCK", "RENORMALIZE", "RESIDUAL"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [expert_of, chosen, place, counts, starts, placement, weight, held] = bound(slices);
    let dims = call.dims;
    let (k, columns, s) = (dims.choices as usize, dims.columns as usize, dims.group_tokens as usize);
    let (experts, blocks) = (dims.experts as usize, dims.blocks as usize);
    let (chosen, starts, block) = (chosen.f32(), starts.u32(), call.constants.get("BLOCK") as usize);
    let (placement, weight, held) = (placement.u32_mut(), weight.f32_mut(), held.u32_mut());
    let renormalize = call.constants.get("RENORMALIZE");
    for t in 0..dims.tokens as usize {
        let (g, in_group) = (t / s, t % s);
        let mut sum = 0.0;
        for j in 0..k {
            let (own, at) = (t * k + j, t * columns + j);
            let (e, asked) = (expert_of.u32()[own] as usize, expert_of.u32()[own] < DECLINED);
            let p = if call.constants.on("BY_TOKEN") { in_group * k + j } else { j * s + in_group };
            let slot = match asked {
                true => counts.u32()[(g * blocks + p / block) * experts + e] + place.u32()[own],
                false => DROPPED,
            };
            let kept = asked && slot < dims.slots;
            let placed = &mut placement[2 * at..][..2];
            if kept {
                let row = starts[g * experts + e] + slot;
                placed.copy_from_slice(&[slot, row]);
                held[row as usize] = at as u32;
            } else {
                placed.fill(DROPPED);
            }
            if renormalize == 1 || renormalize == 2 && kept {
                sum += chosen[at];
            }
        }
        if renormalize == 0 {
            sum = 1.0;
        }
        let rest = if call.constants.on("RESIDUAL") { 1.0 - chosen[t * columns + k] } else { 1.0 };
        let scale = dims.scale * rest;
        for at in t * columns + k..(t + 1) * columns {
            let row = starts[dims.groups as usize * experts + at - t * columns - k] + t as u32;
            placement[2 * at..][..2].copy_from_slice(&[t as u32, row]);
            held[row as usize] = at as u32;
        }
        for task in 0..dims.tasks as usize {
            let own = (task * dims.tokens as usize + t) * columns;
            for j in 0..k {
                let kept = placement[2 * (t * columns + j) + 1] != DROPPED;
                weight[own + j] = if kept && sum > 0.0 { scale * chosen[own + j] / sum } else { 0.0 };
            }
            weight[own + k..own + columns].copy_from_slice(&chosen[own + k..own + columns]);
        }
    }
}
