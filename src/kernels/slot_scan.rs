//! Slots, rows, the tile table and the indirect dispatches.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Most experts, units of the shared expert included: what the workgroup's memory holds.
pub const MOST_EXPERTS: usize = 1280;

/// Slots of the blocks, rows of the experts, the tile table and the grids of the expert products.
///
/// - 1 `counts`: `u32[G, blocks, E]`, 2 `demanded`: `u32[G, E]`, 3 `starts`: `u32[G·E + units]`
/// - 4 `offsets`: `u32[E + units + 1]`, 5 `tiles`: `u32[tiles, 4]`, 6 `grids`: `u32[3, 4]`
/// - 7 `widths`: `u32[experts + units]`, of those with weights
pub static SLOT_SCAN: Kernel = Kernel {
    name: "slot_scan",
    source: include_str!("../../shaders/slot_scan.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Write, Write, Write, Write, Write, Write, Read],
    constants: &["TILE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [counts, demanded, starts, offsets, tiles, grids, widths] = bound(slices);
    let dims = call.dims;
    let (groups, experts, blocks) = (dims.groups as usize, dims.experts as usize, dims.blocks as usize);
    let (counts, demanded, starts) = (counts.u32_mut(), demanded.u32_mut(), starts.u32_mut());
    let (offsets, tiles, tile) = (offsets.u32_mut(), tiles.u32_mut(), call.constants.get("TILE"));
    let all = experts + (dims.columns - dims.choices) as usize;
    let (mut row, mut count) = (0, 0);
    for e in 0..all {
        offsets[e] = row;
        let first = row;
        if e < experts {
            for g in 0..groups {
                let mut slot = 0;
                for n in 0..blocks {
                    slot += std::mem::replace(&mut counts[(g * blocks + n) * experts + e], slot);
                }
                demanded[g * experts + e] = slot;
                starts[g * experts + e] = row;
                row += slot.min(dims.slots);
            }
        } else {
            starts[groups * experts + e - experts] = row;
            row += dims.tokens;
        }
        let identities = dims.identities as usize;
        let own = match e {
            e if e + identities < experts => e,
            e if e < experts => continue,
            e => e - identities,
        };
        for begin in (first..row).step_by(tile as usize) {
            tiles[4 * count..][..4].copy_from_slice(&[own as u32, begin, row, widths.u32()[own]]);
            count += 1;
        }
    }
    offsets[all] = row;
    let across = [dims.column_blocks_in, dims.column_blocks_out, dims.column_blocks_hidden];
    for (grid, x) in grids.u32_mut().chunks_exact_mut(4).zip(across) {
        grid[..3].copy_from_slice(&[x, count as u32, 1]);
    }
}
