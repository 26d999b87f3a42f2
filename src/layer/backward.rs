//! The backward pass and the update.

use super::forward::{
    Move, Turn, activation, record_exchange, record_expert_in, record_identity, record_shuffle, rows,
    with_column_blocks,
};
use super::{Backward, Batch, Parameters, Sizes, record_losses};
use crate::config::LayerConfig;
use crate::kernels::{
    COMBINE_BACKWARD, Constants, Dims, EXPERT_IN_BACKWARD, EXPERT_OUT_BACKWARD, GATHER_TASKS, ROUTER_BACKWARD, SGD,
    WEIGHT_GRADIENT,
};
use crate::recording::{Buffer, BufferId, Dispatch, Grid, Recording};
use crate::router::{self, Switches};
use crate::shader::{Product, Tiling};
use crate::weights::volume;

/// What the last forward pass was, as far as its backward pass must know.
#[derive(Clone, Copy, Debug)]
pub struct Gradient {
    /// Whether it ran in training.
    pub train: bool,
    /// Whether it kept its rows before the activation; if not, they are computed again.
    pub kept: bool,
    /// Whether rewards were given for it, in [`Backward::reward`].
    pub rewarded: bool,
}

/// Records the backward pass of the batch's last forward pass, from `backward.dy` to `backward.dx` and `gradients`.
pub fn record(
    rec: &mut Recording,
    config: &LayerConfig,
    dims: Dims,
    (batch, backward): (&Batch, &Backward),
    (weights, gradients): (&Parameters, &Parameters),
    of: Gradient,
) {
    let s = Sizes::of(config);
    let dims = with_column_blocks(dims, &s, batch.row_tiling);
    let routed = s.routed(dims);
    let plain = |kernel, constants, buffers, grid| Dispatch::plain(kernel, constants, dims, buffers, grid);
    let (b, w) = (batch, backward);
    if !of.kept {
        record_expert_in(rec, config, dims, batch, weights, Some(w.before));
    }

    let caller = w.caller.filter(|_| of.train);
    if w.exchange.is_some() || caller.is_some() {
        rec.clear(w.moved);
    }
    if let Some(caller) = caller {
        record_shuffle(rec, dims, b.places, Turn::There, [caller.given, w.dy], w.moved);
    }

    router::record_output_backward(rec, dims, (batch, backward));
    // from the output to the experts' outputs, and to the weights of the assignments
    let out = b.exchange.as_ref().map_or(b.out, |e| e.home);
    let d_out = w.exchange.as_ref().map_or(w.d_out, |e| e.home);
    let buffers = vec![w.dy.id, out.id, b.placement.id, b.weight.id, w.d_weight.id, d_out.id];
    let assignments = Grid::over(s.carried(b.tokens) * s.columns());
    rec.dispatch(Dispatch { dims: routed, ..plain(&COMBINE_BACKWARD, Constants::default(), buffers, assignments) });
    if w.exchange.is_some() {
        record_exchange(rec, routed, batch, Move::CombineBackward, [d_out, w.d_out], w.moved);
    }

    // through the experts
    let constants = Constants(vec![("GATED", u32::from(config.gated)), ("ACTIVATION", activation(config))]);
    let sizes = Dims { k4: dims.d4, n4: dims.hidden4, ..dims };
    let buffers = vec![w.d_out.id, weights.w_out.id, w.before.id, b.tiles.id, w.d_before.id];
    rec.dispatch(rows(&EXPERT_OUT_BACKWARD, constants, sizes, batch, buffers, 2));
    let sizes = Dims { k4: (s.u / 4) as u32, n4: dims.d4, ..dims };
    let buffers = vec![w.d_before.id, weights.w_in.id, b.tiles.id, w.d_row.id];
    rec.dispatch(rows(&EXPERT_IN_BACKWARD, Constants::default(), sizes, batch, buffers, 1));
    record_identity(rec, dims, &s, batch, false, [w.d_out, w.d_row]);
    let mut d_row = w.d_row;
    if let Some(exchange) = &w.exchange {
        record_exchange(rec, routed, batch, Move::DispatchBackward, [w.d_row, exchange.received], w.moved);
        d_row = exchange.received;
    }

    // the experts' weights
    let weight = WeightGradient { dims, batch, widths: weights.widths };
    weight.record(
        rec,
        (w.d_out.id, s.d),
        (b.hidden.id, s.f),
        false,
        Some((s.weighted(), Hidden::Columns)),
        Constants::default(),
        gradients.w_out,
        gradients.b_out,
    );
    let (x, gather) = b.inputs();
    weight.record(
        rec,
        (w.d_before.id, s.u),
        (x.id, s.d),
        gather,
        Some((s.weighted(), Hidden::Rows)),
        Constants::default(),
        gradients.w_in,
        gradients.b_in,
    );

    // the router
    let weighed = config.loss_weights.values().any(|weight| *weight != 0.0);
    if weighed {
        record_losses(rec, config, dims, batch, of.train);
    } else {
        rec.clear(b.d_share);
    }
    router::record_gate_backward(rec, config, (dims, routed), (batch, backward), of.train, d_row);
    router::record_backward(rec, config, dims, (batch, w.d_logits), router::Backward { train: of.train, weighed });
    router::record_rewards(rec, config, dims, (batch, backward), (weights, gradients), of.rewarded);
    let d_input_logits = if s.policy { w.d_input_logits } else { w.d_logits };
    let noise = Switches(config).input_noise(of.train);
    // to what the router has read, through its weights, and to what the experts have, through their rows
    let to_input = |tiling: Tiling, dims: Dims, d_logits: Buffer<f32>, to: Buffer<f32>| {
        let tile = tiling.tile(Product::Nn);
        let grid = Grid::Direct([(s.d as u32).div_ceil(tile.columns), dims.tokens.div_ceil(tile.rows), 1]);
        let buffers = vec![d_logits.id, weights.router.id, d_row.id, b.placement.id, to.id];
        Dispatch { tiling, dims, ..plain(&ROUTER_BACKWARD, noise.clone(), buffers, grid) }
    };
    let (mut d_logits, mut read) = (w.d_logits, b.x);
    let mut of_router = weight;
    if s.tasks > 0 {
        // the router has read the embeddings of tasks: nothing goes through it to the tokens
        let buffers = vec![b.labels.id, w.d_logits.id, w.d_task_logits.id];
        rec.dispatch(plain(&GATHER_TASKS, Constants::default(), buffers, Grid::over(s.tasks * s.stride / 4)));
        rec.clear(w.d_logits);
        let tasks = Dims { tokens: s.tasks as u32, columns: 0, ..dims };
        rec.dispatch(to_input(b.task_tiling, tasks, w.d_task_logits, gradients.embedding));
        (d_logits, read) = (w.d_task_logits, weights.embedding);
        of_router.dims.tokens = s.tasks as u32;
    }
    rec.dispatch(to_input(b.token_tiling, dims, d_input_logits, w.dx));
    router::record_input_backward(rec, dims, (batch, backward));
    if let Some(caller) = caller {
        record_shuffle(rec, dims, b.places, Turn::Back, [w.dx, caller.told], w.moved);
    }
    of_router.record(
        rec,
        (d_logits.id, s.stride),
        (read.id, s.d),
        false,
        None,
        noise,
        gradients.router,
        gradients.router_bias,
    );
}

/// Records gradients of weights and biases.
struct WeightGradient<'a> {
    dims: Dims,
    batch: &'a Batch,
    widths: Buffer<u32>,
}

/// Which side of an expert's weights `[rows, columns]` its hidden units are: the number of GROUPED in `weight_gradient`.
#[derive(Clone, Copy)]
enum Hidden {
    Rows = 1,
    Columns = 2,
}

impl WeightGradient<'_> {
    /// `a`: gradient of the product and its width; `c`: what the weights were applied to and its width; `experts`: how many, and
    /// where their hidden units are, or `None` for the router, whose rows are the tokens.
    #[expect(clippy::too_many_arguments, reason = "two operands, two results and how they are read")]
    fn record(
        &self,
        rec: &mut Recording,
        a: (BufferId, usize),
        c: (BufferId, usize),
        gather: bool,
        experts: Option<(usize, Hidden)>,
        noise: Constants,
        d_w: Buffer<f32>,
        d_bias: Buffer<f32>,
    ) {
        let tiling = self.batch.row_tiling;
        let tile = tiling.tile(Product::Tn);
        let (count, grouped) = experts.map_or((1, 0), |(count, hidden)| (count, hidden as u32));
        let switches = vec![("GATHER", u32::from(gather)), ("GROUPED", grouped)];
        let blocks = |n: usize, of: u32| (n as u32).div_ceil(of);
        rec.dispatch(Dispatch {
            kernel: &WEIGHT_GRADIENT,
            constants: Constants(switches.into_iter().chain(noise.0).collect()),
            tiling,
            dims: Dims { m4: (a.1 / 4) as u32, n4: (c.1 / 4) as u32, ..self.dims },
            buffers: vec![a.0, c.0, self.batch.held.id, self.batch.offsets.id, d_w.id, d_bias.id, self.widths.id],
            grid: Grid::Direct([blocks(c.1, tile.columns), blocks(a.1, tile.rows), count as u32]),
        });
    }
}

/// Records `weights −= learning_rate · gradients` for everything that the layer trains, and what a bandit learns.
pub fn record_sgd(
    rec: &mut Recording,
    config: &LayerConfig,
    weights: &Parameters,
    gradients: &Parameters,
    learning_rate: f32,
) {
    descend(rec, config, weights, gradients, learning_rate, 0);
    router::record_update(rec, config, weights, gradients);
}

/// Records `weights −= learning_rate · gradients` for everything that is learned, and for the first `arms` numbers of what a bandit
/// counts, which only add up: in an update there are none.
fn descend(
    rec: &mut Recording,
    config: &LayerConfig,
    weights: &Parameters,
    gradients: &Parameters,
    learning_rate: f32,
    arms: usize,
) {
    let s = Sizes::of(config);
    let mut update = |weights: Buffer<f32>, gradient: Buffer<f32>, length: usize| {
        let dims = Dims { learning_rate, length: length as u32, ..Dims::default() };
        let buffers = vec![gradient.id, weights.id];
        rec.dispatch(Dispatch::plain(&SGD, Constants::default(), dims, buffers, Grid::linear(length)));
    };
    update(weights.router, gradients.router, weights.router.len);
    if s.tasks > 0 {
        update(weights.embedding, gradients.embedding, s.tasks * s.d);
    }
    if config.router_bias {
        update(weights.router_bias, gradients.router_bias, config.router_rows());
    }
    update(weights.w_in, gradients.w_in, weights.w_in.len);
    update(weights.w_out, gradients.w_out, weights.w_out.len);
    if config.bias {
        // the shared expert has no biases: its units come after the experts
        update(weights.b_in, gradients.b_in, (s.experts - s.identities) * s.u);
        update(weights.b_out, gradients.b_out, (s.experts - s.identities) * s.d);
    }
    if arms > 0 {
        update(weights.arms, gradients.arms, arms);
    }
}

/// Records `gradients += others` for everything that the layer trains, and for a bandit's pulls and rewards: an update by a rate of -1.
pub fn record_sum(rec: &mut Recording, config: &LayerConfig, gradients: &Parameters, others: &Parameters) {
    descend(rec, config, gradients, others, -1.0, volume(&[2, config.router.remembered(), config.experts]));
}
