//! slot_scan.wgsl — slots of the blocks, rows of the experts, the tile table and the indirect dispatches, all in one workgroup.
//! Twin: src/kernels/slot_scan.rs   Dispatch: (1, 1, 1)
//! Parts: dims
//!
//! Rows are sorted by expert, then by group, then by slot; the units of the shared expert follow with T rows each.
//! Identities have rows, but no tiles: there is nothing to multiply.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;   // u32[G, blocks, E]: in counts, out the slot a block begins with
@group(0) @binding(2) var<storage, read_write> demanded: array<u32>; // u32[G, E]: assignments before drops
@group(0) @binding(3) var<storage, read_write> starts: array<u32>;   // u32[G, E] row of slot 0, then u32[units] first row of a shared unit
@group(0) @binding(4) var<storage, read_write> offsets: array<u32>;  // u32[E + units + 1]: first row of each expert
@group(0) @binding(5) var<storage, read_write> tiles: array<vec4u>;  // u32[tiles, 4]: whose weights, first row, end row, hidden vec4s
@group(0) @binding(6) var<storage, read_write> grids: array<u32>;    // u32[3, 4]: grids of expert_in, expert_out (and expert_in_backward), expert_out_backward
@group(0) @binding(7) var<storage, read> widths: array<u32>;         // u32[experts + units]: hidden vec4s, of those with weights

override TILE: u32 = 16u;   // rows of a tile

const THREADS = 256u;
const MOST_EXPERTS = 1280u;

var<workgroup> rows_of: array<u32, MOST_EXPERTS>;    // rows of each expert, then its first row
var<workgroup> tiles_of: array<u32, MOST_EXPERTS>;   // its first tile
var<workgroup> totals: vec2u;                        // rows, tiles

/// Whether expert `e` has weights: not where it is one of the identities, which end the experts.
fn multiplies(e: u32) -> bool { return e + dims.identities < dims.experts || e >= dims.experts; }

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
    let units = dims.columns - dims.choices;
    let all = dims.experts + units;
    for (var e = lane; e < all; e += THREADS) {
        if (e >= dims.experts) { rows_of[e] = dims.tokens; continue; }
        var rows = 0u;
        for (var g = 0u; g < dims.groups; g++) {
            var slot = 0u;
            for (var n = 0u; n < dims.blocks; n++) {
                let at = (g * dims.blocks + n) * dims.experts + e;
                let count = counts[at];
                counts[at] = slot;
                slot += count;
            }
            demanded[g * dims.experts + e] = slot;
            starts[g * dims.experts + e] = rows;
            rows += min(slot, dims.slots);
        }
        rows_of[e] = rows;
    }
    workgroupBarrier();
    if (lane == 0u) {
        var row = 0u;
        var tile = 0u;
        for (var e = 0u; e < all; e++) {
            let rows = rows_of[e];
            rows_of[e] = row;
            tiles_of[e] = tile;
            row += rows;
            if (multiplies(e)) { tile += (rows + TILE - 1u) / TILE; }
        }
        totals = vec2u(row, tile);
        offsets[all] = row;
        for (var i = 0u; i < 3u; i++) {
            grids[4u * i] = select(select(dims.column_blocks_hidden, dims.column_blocks_out, i == 1u), dims.column_blocks_in, i == 0u);
            grids[4u * i + 1u] = tile;
            grids[4u * i + 2u] = 1u;
        }
    }
    workgroupBarrier();
    for (var e = lane; e < all; e += THREADS) {
        let first = rows_of[e];
        var end = totals.x;
        if (e + 1u < all) { end = rows_of[e + 1u]; }
        offsets[e] = first;
        if (multiplies(e)) {
            let own = select(e, e - dims.identities, e >= dims.experts);
            let width = widths[own];
            var n = tiles_of[e];
            for (var row = first; row < end; row += TILE) {
                tiles[n] = vec4u(own, row, end, width);
                n++;
            }
        }
        if (e >= dims.experts) {
            starts[dims.groups * dims.experts + e - dims.experts] = first;
        } else {
            for (var g = 0u; g < dims.groups; g++) { starts[g * dims.experts + e] += first; }
        }
    }
}
