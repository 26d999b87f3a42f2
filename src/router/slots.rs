//! From choices to slots, rows and weights.

use super::Step;
use crate::kernels::{BLOCK, Constants, PLACE, SLOT_COUNT, SLOT_COUNT_BY_KEY, SLOT_SCAN};
use crate::recording::Grid;

/// Assignments of a block where a group is one block, however many it has.
const WHOLE_GROUP: u32 = u32::MAX;

/// Seats the tokens' choices, in the order that the layer's capacity asks for. Three dispatches.
pub(super) fn record(step: &mut Step) {
    let b = step.batch;
    if step.switches().by_key() {
        let constants = step.switches().slot_count_by_key();
        let buffers = vec![b.expert_of.id, b.chosen.id, b.stats.id, b.place_in_block.id, b.counts.id, b.lines.id];
        let experts = Grid::Direct([step.dims.experts, step.dims.groups, 1]);
        step.dispatch(&SLOT_COUNT_BY_KEY, constants, buffers, experts);
        record_rows(step, WHOLE_GROUP);
    } else {
        step.rec.clear(b.counts);
        let assignments = Grid::over(step.tokens() * step.dims.choices as usize);
        let constants = step.switches().slot_count();
        let buffers = vec![b.expert_of.id, b.place_in_block.id, b.counts.id];
        step.dispatch(&SLOT_COUNT, constants, buffers, assignments);
        record_rows(step, BLOCK);
    }
}

/// Rows and weights of assignments whose slots are known. Two dispatches.
pub(super) fn record_seated(step: &mut Step) {
    record_rows(step, WHOLE_GROUP);
}

/// First rows, the tile table and the products' grids, from how many ask each expert. One dispatch.
pub(super) fn record_scan(step: &mut Step) {
    let b = step.batch;
    let buffers =
        vec![b.counts.id, b.demanded.id, b.starts.id, b.offsets.id, b.tiles.id, b.grids.id, step.weights.widths.id];
    let constants = Constants(vec![("TILE", b.row_tiling.rows())]);
    step.dispatch(&SLOT_SCAN, constants, buffers, Grid::Direct([1, 1, 1]));
}

fn record_rows(step: &mut Step, block: u32) {
    record_scan(step);
    let b = step.batch;
    let buffers = vec![
        b.expert_of.id,
        b.chosen.id,
        b.place_in_block.id,
        b.counts.id,
        b.starts.id,
        b.placement.id,
        b.weight.id,
        b.held.id,
    ];
    let constants = step.switches().place(block);
    step.dispatch(&PLACE, constants, buffers, Grid::over(step.tokens()));
}
