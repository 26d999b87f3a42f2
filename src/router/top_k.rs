//! Token choice: every token takes its k best experts.
//!
//! # Source
//! Shazeer et al. 2017; Lepikhin et al. 2020 (GShard); Fedus, Zoph, Shazeer 2021 (Switch: k = 1, `renormalize: "none"`).

use super::Switches;
use crate::kernels::{BLOCK, Constants, Dims, PLACE, ROUTE, ROUTER_LOGITS, SLOT_COUNT, SLOT_COUNT_BY_KEY, SLOT_SCAN};
use crate::layer::{Batch, Parameters};
use crate::recording::{Dispatch, Grid, Recording};
use crate::shader::{Product, Tiling};

/// Assignments of a block where a group is one block, however many it has.
const WHOLE_GROUP: u32 = u32::MAX;

/// Records a batch's routing: logits, choices, slots, rows, weights. Five dispatches.
pub fn record(rec: &mut Recording, switches: &Switches, dims: Dims, batch: &Batch, weights: &Parameters, train: bool) {
    let b = batch;
    let tokens = dims.tokens as usize;
    let plain =
        |kernel, constants, buffers, grid| Dispatch { kernel, constants, tiling: Tiling::Direct, dims, buffers, grid };

    let tiling = b.token_tiling;
    let tile = tiling.tile(Product::Nt);
    let grid = Grid::Direct([dims.stride.div_ceil(tile.columns), dims.tokens.div_ceil(tile.rows), 1]);
    let buffers = vec![b.x.id, weights.router.id, weights.router_bias.id, b.router.id];
    rec.dispatch(Dispatch { tiling, ..plain(&ROUTER_LOGITS, switches.jitter(train), buffers, grid) });

    let buffers = vec![b.router.id, weights.selection_bias.id, b.expert_of.id, b.chosen.id, b.stats.id];
    rec.dispatch(plain(&ROUTE, switches.route(), buffers, Grid::over(tokens)));

    rec.clear(b.counts);
    let assignments = Grid::over(tokens * dims.choices as usize);
    let block = if switches.by_key() {
        let buffers = vec![b.expert_of.id, b.chosen.id, b.stats.id, b.place_in_block.id, b.counts.id];
        rec.dispatch(plain(&SLOT_COUNT_BY_KEY, switches.slot_count_by_key(), buffers, assignments));
        WHOLE_GROUP
    } else {
        let buffers = vec![b.expert_of.id, b.place_in_block.id, b.counts.id];
        rec.dispatch(plain(&SLOT_COUNT, switches.slot_count(), buffers, assignments));
        BLOCK
    };

    let buffers = vec![b.counts.id, b.demanded.id, b.starts.id, b.offsets.id, b.tiles.id, b.grids.id];
    let constants = Constants(vec![("TILE", b.row_tiling.rows())]);
    rec.dispatch(plain(&SLOT_SCAN, constants, buffers, Grid::Direct([1, 1, 1])));

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
    rec.dispatch(plain(&PLACE, switches.place(block), buffers, Grid::over(tokens)));
}
