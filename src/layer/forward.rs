//! The forward pass: 8 dispatches on one device, 10 on a mesh, whatever the number of experts and devices; identities add one.

use super::{Batch, Parameters, Sizes};
use crate::config::{Activation, LayerConfig};
use crate::kernels::{
    COMBINE, Constants, Dims, EXCHANGE, EXCHANGE_SPAN, EXPERT_IN, EXPERT_OUT, IDENTITY, LOSS_SUMS, LOSSES, OTHERS,
    SHUFFLE,
};
use crate::recording::{Buffer, BufferId, Dispatch, Grid, Recording};
use crate::router::{self, Switches};
use crate::shader::{Product, Tiling};

/// How a forward pass is to be run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass {
    /// As in training.
    pub train: bool,
    /// The router's random numbers lie in its buffer already.
    pub drawn: bool,
    /// Where to keep what backward needs.
    pub keep: Option<Buffer<f32>>,
}

/// Records a forward pass of `batch.x` to `batch.y`.
pub fn record(rec: &mut Recording, config: &LayerConfig, dims: Dims, batch: &Batch, weights: &Parameters, pass: Pass) {
    record_routing(rec, config, dims, batch, weights, pass);
    let s = Sizes::of(config);
    let dims = with_column_blocks(dims, &s, batch.row_tiling);
    let routed = s.routed(dims);
    if let Some(exchange) = &batch.exchange {
        record_exchange(rec, routed, batch, Move::Dispatch, [batch.x, exchange.received], batch.moved);
    }
    record_expert_in(rec, config, dims, batch, weights, pass.keep);
    let buffers = vec![batch.hidden.id, weights.w_out.id, weights.b_out.id, batch.tiles.id, batch.out.id];
    let constants = Constants(vec![("BIAS", u32::from(config.bias))]);
    let dims_out = Dims { k4: dims.hidden4, n4: dims.d4, ..dims };
    rec.dispatch(rows(&EXPERT_OUT, constants, dims_out, batch, buffers, 1));
    let (x, gather) = batch.inputs();
    record_identity(rec, dims, &s, batch, gather, [x, batch.out]);
    let mut out = batch.out;
    if let Some(exchange) = &batch.exchange {
        record_exchange(rec, routed, batch, Move::Combine, [batch.out, exchange.home], batch.moved);
        out = exchange.home;
    }
    let buffers = vec![out.id, batch.placement.id, batch.weight.id, batch.y.id];
    let elements = Grid::linear(s.outputs * s.carried(batch.tokens) * s.d / 4);
    rec.dispatch(Dispatch::plain(&COMBINE, Constants::default(), routed, buffers, elements));
    router::record_output(rec, dims, batch);
    if let Some(caller) = batch.caller.filter(|_| pass.train) {
        record_shuffle(rec, dims, batch.places, Turn::Back, [batch.y, caller.told], batch.moved);
    }
}

/// Records the first part of a forward pass: who goes where, in which slot and row, with what weight; before it the shuffle, if
/// there is one.
pub fn record_routing(
    rec: &mut Recording,
    config: &LayerConfig,
    dims: Dims,
    batch: &Batch,
    weights: &Parameters,
    pass: Pass,
) {
    let dims = with_column_blocks(dims, &Sizes::of(config), batch.row_tiling);
    let Pass { train, drawn, .. } = pass;
    let caller = batch.caller.filter(|_| train);
    if batch.exchange.is_some() || caller.is_some() || config.router.handshake().is_some() {
        rec.clear(batch.moved);
    }
    if let Some(caller) = caller {
        record_shuffle(rec, dims, batch.places, Turn::There, [caller.given, batch.x], batch.moved);
    }
    router::record(router::Step { rec, config, dims, batch, weights, train, drawn });
}

/// Records the experts' first product; alone it recomputes what a forward pass did not keep.
pub(super) fn record_expert_in(
    rec: &mut Recording,
    config: &LayerConfig,
    dims: Dims,
    batch: &Batch,
    weights: &Parameters,
    keep: Option<Buffer<f32>>,
) {
    let s = Sizes::of(config);
    let (x, gather) = batch.inputs();
    let constants = Constants(vec![
        ("GATHER", u32::from(gather)),
        ("GATED", u32::from(config.gated)),
        ("BIAS", u32::from(config.bias)),
        ("KEEP", u32::from(keep.is_some())),
        ("ACTIVATION", activation(config)),
    ]);
    let buffers = vec![
        x.id,
        batch.held.id,
        weights.w_in.id,
        weights.b_in.id,
        batch.tiles.id,
        batch.hidden.id,
        keep.unwrap_or(batch.unused).id,
    ];
    let dims = Dims { k4: dims.d4, n4: (s.u / 4) as u32, ..dims };
    rec.dispatch(rows(&EXPERT_IN, constants, dims, batch, buffers, 0));
}

/// Records the copies that the identities make of their rows, if there are any; `gather`: of the tokens of their rows.
pub(super) fn record_identity(
    rec: &mut Recording,
    dims: Dims,
    s: &Sizes,
    batch: &Batch,
    gather: bool,
    [from, to]: [Buffer<f32>; 2],
) {
    if s.identities == 0 {
        return;
    }
    let constants = Constants(vec![("GATHER", u32::from(gather))]);
    let buffers = vec![from.id, batch.held.id, batch.offsets.id, to.id];
    rec.dispatch(Dispatch::plain(&IDENTITY, constants, dims, buffers, Grid::linear(s.identity_rows(&dims) * s.d / 4)));
}

/// Records the auxiliary losses of the batch, and their derivative with the weights in `dims`; `train`: of a pass in training.
pub fn record_losses(rec: &mut Recording, config: &LayerConfig, dims: Dims, batch: &Batch, train: bool) {
    if config.router.losses().is_empty() {
        return;
    }
    let of_scores = router::dims_of_scores(dims, &config.router);
    let plain = |kernel, constants, buffers, grid| Dispatch::plain(kernel, constants, of_scores, buffers, grid);
    let b = batch;
    if config.second_place() {
        let buffers = vec![b.router.id, b.expert_of.id, b.stats.id];
        rec.dispatch(plain(&OTHERS, Constants::default(), buffers, Grid::over(b.tokens)));
    }
    let sums = Grid::over((dims.groups * dims.experts) as usize);
    let constants = Constants(vec![("SECOND", u32::from(config.second_place()))]);
    let buffers = vec![b.router.id, b.stats.id, b.expert_of.id, b.sums.id];
    rec.dispatch(plain(&LOSS_SUMS, constants, buffers, sums));
    let buffers = vec![b.sums.id, b.demanded.id, b.stats.id, b.losses.id, b.d_share.id];
    let constants = Switches(config).losses();
    rec.dispatch(plain(&LOSSES, constants, buffers, Grid::Direct([dims.groups, 1, 1])));
    router::record_losses(rec, config, dims, batch, train);
}

/// The number of ACTIVATION in `shaders/shared/activation.wgsl`.
pub(super) fn activation(config: &LayerConfig) -> u32 {
    match config.activation {
        Activation::Relu => 0,
        Activation::Gelu => 1,
        Activation::GeluTanh => 2,
        Activation::Silu => 3,
    }
}

/// Column blocks of the experts' products, which `slot_scan` writes into their grids.
pub(super) fn with_column_blocks(dims: Dims, s: &Sizes, tiling: Tiling) -> Dims {
    let (nt, nn) = (tiling.tile(Product::Nt).columns as usize, tiling.tile(Product::Nn).columns as usize);
    assert_eq!(nt, nn, "expert_out and expert_in_backward share a grid");
    Dims {
        column_blocks_in: s.u.div_ceil(nt) as u32,
        column_blocks_out: s.d.div_ceil(nt) as u32,
        column_blocks_hidden: s.f.div_ceil(nn) as u32,
        ..dims
    }
}

/// A product over all rows; `grid`: which of the grids that `slot_scan` wrote.
pub(super) fn rows(
    kernel: &'static crate::kernels::Kernel,
    constants: Constants,
    dims: Dims,
    batch: &Batch,
    buffers: Vec<BufferId>,
    grid: u32,
) -> Dispatch {
    let grid = Grid::Indirect { buffer: batch.grids.id, word: 4 * grid };
    Dispatch { kernel, constants, tiling: batch.row_tiling, dims, buffers, grid }
}

/// The four exchanges of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Dispatch,
    Combine,
    CombineBackward,
    DispatchBackward,
}

/// Which way a shuffle goes: the first or the last exchange of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    There,
    Back,
}

/// Records the exchange between the virtual devices that takes rows from the caller's order to that of routing, or back; `moved`:
/// the counters of its pass.
pub(super) fn record_shuffle(
    rec: &mut Recording,
    dims: Dims,
    places: Buffer<u32>,
    turn: Turn,
    [from, to]: [Buffer<f32>; 2],
    moved: Buffer<u32>,
) {
    let back = u32::from(turn == Turn::Back);
    let dims = Dims { counter_base: (2 + back) * dims.devices * dims.devices, ..dims };
    let buffers = vec![places.id, from.id, to.id, moved.id];
    let elements = Grid::linear((dims.tokens * dims.d4) as usize);
    rec.dispatch(Dispatch::plain(&SHUFFLE, Constants(vec![("BACK", back)]), dims, buffers, elements));
}

/// Records one exchange between the virtual devices; `moved`: the counters of its pass.
pub(super) fn record_exchange(
    rec: &mut Recording,
    dims: Dims,
    batch: &Batch,
    what: Move,
    [from, to]: [Buffer<f32>; 2],
    moved: Buffer<u32>,
) {
    let to_experts = matches!(what, Move::Dispatch | Move::CombineBackward);
    let second = matches!(what, Move::Combine | Move::DispatchBackward);
    let dims = Dims { counter_base: u32::from(second) * dims.devices * dims.devices, ..dims };
    let assignments = dims.tokens * dims.columns;
    let per_token = u32::from(what == Move::Dispatch);
    let constants = Constants(vec![("TO_EXPERTS", u32::from(to_experts)), ("PER_TOKEN", per_token)]);
    let buffers = vec![batch.placement.id, batch.expert_of.id, from.id, to.id, moved.id];
    let pieces = Grid::Direct([assignments.div_ceil(64), dims.d4.div_ceil(EXCHANGE_SPAN), 1]);
    rec.dispatch(Dispatch::plain(&EXCHANGE, constants, dims, buffers, pieces));
}
