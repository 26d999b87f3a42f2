//! Soft mixtures: experts get mixtures of a group's tokens, and tokens mixtures of what experts make of them.
//!
//! A mixture is routed as a token is, always to the expert of its slot: rows, exchanges and products are those of any router. Only the
//! tokens' arrays `x`, `y` and their gradients have the mixtures behind the tokens.
//!
//! # Source
//! Puigcerver et al. 2023 (Soft MoE).

use super::Step;
use crate::kernels::{
    COLUMN_BACKWARD, COLUMN_SCORES, COMBINE, Constants, Dims, MIX, MIXTURE_BACKWARD, MIXTURE_SCORES, OVER_SLOTS,
    OVER_TOKENS, SEAT, SHARE_GRADIENT, UNMIX,
};
use crate::layer::{Backward, Batch};
use crate::recording::{Buffer, Dispatch, Grid, Recording};
use crate::router::{Switches, slots};
use crate::shader::Product;

/// Logits, both kinds of shares, mixtures, slots and rows: six dispatches.
pub(super) fn record(step: &mut Step) {
    step.logits();
    let b = step.batch;
    let constants = Constants(vec![("SHARED_GATE", step.switches().shared_gate())]);
    let buffers = vec![b.router.id, b.stats.id, b.weight.id];
    step.dispatch(&MIXTURE_SCORES, constants, buffers, Grid::over(step.tokens()));
    let columns = columns(step.dims);
    step.rec.dispatch(Dispatch::plain(
        &COLUMN_SCORES,
        Constants::default(),
        columns,
        vec![b.router.id],
        of_columns(columns),
    ));
    record_mix(step.rec, step.dims, b, OVER_TOKENS, b.x);
    step.rec.upload(b.counts, vec![step.dims.slots; (step.dims.groups * step.dims.experts) as usize]);
    slots::record_scan(step);
    let buffers = vec![b.starts.id, b.expert_of.id, b.placement.id, b.weight.id, b.held.id];
    let all = step.tokens() + (step.dims.groups * step.dims.mixtures) as usize;
    step.dispatch(&SEAT, Constants::default(), buffers, Grid::over(all));
}

/// Mixtures of the outputs, added to what the shared expert gives the tokens: one dispatch.
pub(super) fn record_output(rec: &mut Recording, dims: Dims, b: &Batch) {
    record_unmix(rec, dims, b, OVER_SLOTS, b.y);
}

/// Gradients of the experts' outputs, from that of the layer's: one dispatch.
pub(super) fn record_output_backward(rec: &mut Recording, dims: Dims, (b, w): (&Batch, &Backward)) {
    record_mix(rec, dims, b, OVER_SLOTS, w.dy);
}

/// Gradients of the logits, from those of the experts' inputs, which lie in `d_row` as the exchange left them; these lie behind
/// the tokens of `w.dx` afterwards. Five dispatches.
pub(super) fn record_logits_backward(
    rec: &mut Recording,
    (dims, routed): (Dims, Dims),
    (b, w): (&Batch, &Backward),
    switches: &Switches,
    d_row: Buffer<f32>,
) {
    let buffers = vec![d_row.id, b.placement.id, b.weight.id, w.dx.id];
    let all = Grid::linear((routed.tokens * routed.d4) as usize);
    rec.dispatch(Dispatch::plain(&COMBINE, Constants::default(), routed, buffers, all));
    record_share_gradient(rec, dims, b, OVER_TOKENS, [b.x, w.dx, w.d_logits]);
    record_share_gradient(rec, dims, b, OVER_SLOTS, [w.dy, b.y, w.d_shares]);
    let columns = columns(dims);
    let buffers = vec![b.router.id, b.stats.id, w.d_logits.id];
    rec.dispatch(Dispatch::plain(&COLUMN_BACKWARD, Constants::default(), columns, buffers, of_columns(columns)));
    let buffers = vec![b.router.id, w.d_shares.id, b.weight.id, w.d_weight.id, w.d_logits.id];
    let constants = Constants(vec![("SHARED_GATE", switches.shared_gate())]);
    rec.dispatch(Dispatch::plain(&MIXTURE_BACKWARD, constants, dims, buffers, Grid::over(b.tokens)));
}

/// What the tokens' gradient has through the mixtures: one dispatch.
pub(super) fn record_input_backward(rec: &mut Recording, dims: Dims, (b, w): (&Batch, &Backward)) {
    record_unmix(rec, dims, b, OVER_TOKENS, w.dx);
}

/// The uniform of kernels that see a slot where others see an expert.
fn columns(dims: Dims) -> Dims {
    Dims { experts: dims.experts * dims.slots, ..dims }
}

fn of_columns(columns: Dims) -> Grid {
    Grid::Direct([columns.experts, columns.groups, 1])
}

fn record_mix(rec: &mut Recording, dims: Dims, b: &Batch, shares: u32, rows: Buffer<f32>) {
    let tile = b.row_tiling.tile(Product::Tn);
    let across = [(4 * dims.d4).div_ceil(tile.columns), dims.mixtures.div_ceil(tile.rows), dims.groups];
    let buffers = vec![b.router.id, rows.id];
    rec.dispatch(Dispatch {
        tiling: b.row_tiling,
        ..Dispatch::plain(&MIX, of(shares), dims, buffers, Grid::Direct(across))
    });
}

fn record_unmix(rec: &mut Recording, dims: Dims, b: &Batch, shares: u32, rows: Buffer<f32>) {
    let tile = b.token_tiling.tile(Product::Nn);
    let across = [(4 * dims.d4).div_ceil(tile.columns), dims.group_tokens.div_ceil(tile.rows), dims.groups];
    let buffers = vec![b.router.id, rows.id];
    rec.dispatch(Dispatch {
        tiling: b.token_tiling,
        ..Dispatch::plain(&UNMIX, of(shares), dims, buffers, Grid::Direct(across))
    });
}

fn record_share_gradient(
    rec: &mut Recording,
    dims: Dims,
    b: &Batch,
    shares: u32,
    [tokens, mixtures, to]: [Buffer<f32>; 3],
) {
    let tile = b.token_tiling.tile(Product::Nt);
    let across = [dims.mixtures.div_ceil(tile.columns), dims.group_tokens.div_ceil(tile.rows), dims.groups];
    let buffers = vec![b.router.id, tokens.id, mixtures.id, to.id];
    let dispatch = Dispatch::plain(&SHARE_GRADIENT, of(shares), dims, buffers, Grid::Direct(across));
    rec.dispatch(Dispatch { tiling: b.token_tiling, ..dispatch });
}

fn of(shares: u32) -> Constants {
    Constants(vec![("SHARES", shares)])
}
