//! Routers: each records how a batch's choices are made, one file a router; what follows a choice is the same for all.
//!
//! A router leaves behind `expert_of` and `chosen`, and either lets [`slots`] find the places or finds them itself.

mod bandit;
mod base;
mod dense_to_sparse;
mod domain;
mod expert_choice;
mod hash;
mod lookup;
mod matching;
mod multi_gate;
mod noisy_top_k;
mod reinforce;
mod shares;
mod shuffle;
mod sinkhorn;
mod slots;
mod soft;
mod solver;
mod switches;
mod task;
mod thor;
mod thresholds;
mod token_then_expert;
mod top_k;

pub use shuffle::shuffled;
pub use solver::{Solver, report_words, rounds, state_words};
pub use switches::Switches;

use switches::{ABOVE, COVER};

use crate::config::{Draws, LayerConfig, RouterConfig};
use crate::error::Error;
use crate::kernels::{Constants, Dims, GATE_BACKWARD, Kernel, MULTI_GATE_BACKWARD, ROUTER_LOGITS};
use crate::labels::Labels;
use crate::layer::{self, Batch, Parameters};
use crate::recording::{Buffer, BufferId, Dispatch, Grid, Recording};
use crate::shader::{Product, Tiling};

/// A forward pass that is being recorded, as far as routing goes.
pub(crate) struct Step<'a> {
    /// Where to.
    pub rec: &'a mut Recording,
    /// The layer.
    pub config: &'a LayerConfig,
    /// Of the batch.
    pub dims: Dims,
    /// Its buffers.
    pub batch: &'a Batch,
    /// The layer's weights.
    pub weights: &'a Parameters,
    /// Whether as in training.
    pub train: bool,
    /// Whether the router's random numbers lie in their buffer already.
    pub drawn: bool,
}

/// What must be known of a pass to go back through a router.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backward {
    /// Whether the forward pass ran in training.
    pub train: bool,
    /// Whether any loss weighs something.
    pub weighed: bool,
}

impl Step<'_> {
    fn switches(&self) -> Switches<'_> {
        Switches(self.config)
    }

    fn tokens(&self) -> usize {
        self.dims.tokens as usize
    }

    fn dispatch(&mut self, kernel: &'static Kernel, constants: Constants, buffers: Vec<BufferId>, grid: Grid) {
        let dims = self.dims;
        self.rec.dispatch(Dispatch::plain(kernel, constants, dims, buffers, grid));
    }

    /// Logits of the experts, and of the shared expert's gate.
    fn logits(&mut self) {
        let b = self.batch;
        self.logits_of(self.dims.tokens, b.token_tiling, b.x, b.router);
    }

    /// Logits of any `rows` rows.
    fn logits_of(&mut self, rows: u32, tiling: Tiling, of: Buffer<f32>, to: Buffer<f32>) {
        let dims = Dims { tokens: rows, ..self.dims };
        let tile = tiling.tile(Product::Nt);
        let grid = Grid::Direct([dims.stride.div_ceil(tile.columns), rows.div_ceil(tile.rows), 1]);
        let buffers = vec![of.id, self.weights.router.id, self.weights.router_bias.id, to.id];
        let constants = self.switches().input_noise(self.train);
        self.rec.dispatch(Dispatch { kernel: &ROUTER_LOGITS, constants, tiling, dims, buffers, grid });
    }
}

/// Records a batch's routing: choices, slots, rows, weights. Five dispatches for token choice.
pub(crate) fn record(mut step: Step) {
    match &step.config.router {
        RouterConfig::TopK(router) => top_k::record(&mut step, router),
        RouterConfig::NoisyTopK(router) => noisy_top_k::record(&mut step, router),
        RouterConfig::ExpertChoice(router) => expert_choice::record(&mut step, router),
        RouterConfig::Base(router) => base::record(&mut step, router),
        RouterConfig::Sinkhorn(router) => sinkhorn::record(&mut step, router),
        RouterConfig::Hash(_) | RouterConfig::Domain(_) | RouterConfig::Language(_) => lookup::record(&mut step),
        RouterConfig::TokenThenExpert(router) => token_then_expert::record(&mut step, router),
        RouterConfig::Thor(_) => thor::record(&mut step),
        RouterConfig::Task(_) => task::record(&mut step),
        RouterConfig::MultiGate(_) => multi_gate::record(&mut step),
        RouterConfig::Soft(_) => soft::record(&mut step),
        RouterConfig::DenseToSparse(router) => dense_to_sparse::record(&mut step, router),
        RouterConfig::Reinforce(_) => reinforce::record(&mut step),
        RouterConfig::Bandit(router) => bandit::record(&mut step, router),
    }
}

/// Records what the layer's output takes from the experts' beyond their weighted sum, if experts get mixtures of tokens.
pub(crate) fn record_output(rec: &mut Recording, dims: Dims, batch: &Batch) {
    if dims.mixtures > 0 {
        soft::record_output(rec, dims, batch);
    }
}

/// Records the way back of [`record_output`].
pub(crate) fn record_output_backward(rec: &mut Recording, dims: Dims, of: (&Batch, &layer::Backward)) {
    if dims.mixtures > 0 {
        soft::record_output_backward(rec, dims, of);
    }
}

/// Records what the input's gradient has through mixtures, if experts get them, beside what [`record_gate_backward`] leads to.
pub(crate) fn record_input_backward(rec: &mut Recording, dims: Dims, of: (&Batch, &layer::Backward)) {
    if dims.mixtures > 0 {
        soft::record_input_backward(rec, dims, of);
    }
}

/// Records the way back to the logits that the router chose by; `d_row`: gradients of the rows that went to the experts, at home.
pub(crate) fn record_gate_backward(
    rec: &mut Recording,
    config: &LayerConfig,
    (dims, routed): (Dims, Dims),
    (b, w): (&Batch, &layer::Backward),
    train: bool,
    d_row: Buffer<f32>,
) {
    let switches = Switches(config);
    let (kernel, constants, buffers) = match &config.router {
        RouterConfig::Soft(_) => {
            return soft::record_logits_backward(rec, (dims, routed), (b, w), &switches, d_row);
        }
        RouterConfig::MultiGate(_) => {
            let buffers = vec![b.router.id, b.expert_of.id, b.chosen.id, w.d_weight.id, w.d_logits.id];
            (&MULTI_GATE_BACKWARD, switches.multi_gate_backward(), buffers)
        }
        _ => {
            let buffers = vec![
                b.router.id,
                b.stats.id,
                b.expert_of.id,
                b.chosen.id,
                b.placement.id,
                w.d_weight.id,
                b.d_share.id,
                w.d_logits.id,
            ];
            (&GATE_BACKWARD, switches.gate_backward(train), buffers)
        }
    };
    let dims = dims_of_scores(dims, &config.router);
    rec.dispatch(Dispatch::plain(kernel, constants, dims, buffers, Grid::over(b.tokens)));
}

/// Records what a batch's rewards teach: the gradient of a policy by its logits, or what a bandit counts.
///
/// `rewarded`: the rewards lie in [`layer::Backward::reward`].
pub(crate) fn record_rewards(
    rec: &mut Recording,
    config: &LayerConfig,
    dims: Dims,
    of: (&Batch, &layer::Backward),
    (weights, gradients): (&Parameters, &Parameters),
    rewarded: bool,
) {
    match &config.router {
        RouterConfig::Reinforce(router) => reinforce::record_backward(rec, router, dims, of, weights, rewarded),
        RouterConfig::Bandit(_) => bandit::record_backward(rec, dims, of, gradients, rewarded),
        _ => {}
    }
}

/// Records the part of an update that is no descent: a bandit learns what its backward passes have counted.
pub(crate) fn record_update(rec: &mut Recording, config: &LayerConfig, weights: &Parameters, gradients: &Parameters) {
    if let RouterConfig::Bandit(router) = &config.router {
        bandit::record_update(rec, router.vocabulary * config.experts, weights, gradients);
    }
}

/// Records the losses that the router makes of more than its scores, and their derivative; `train`: of a pass in training.
pub(crate) fn record_losses(rec: &mut Recording, config: &LayerConfig, dims: Dims, batch: &Batch, train: bool) {
    if let RouterConfig::NoisyTopK(router) = &config.router {
        noisy_top_k::record_losses(rec, router, dims, batch, train);
    }
}

/// The dispatches' uniform of what is made of scores, and of its derivative: without the weights of losses that the router goes on
/// with itself.
pub(crate) fn dims_of_scores(dims: Dims, router: &RouterConfig) -> Dims {
    match router {
        RouterConfig::NoisyTopK(router) if router.branches.is_some() => Dims { importance: 0.0, z: 0.0, ..dims },
        RouterConfig::NoisyTopK(_) => Dims { importance: 0.0, ..dims },
        _ => dims,
    }
}

/// Records the way back from the logits that the router chose by to those that it began with.
pub(crate) fn record_backward(
    rec: &mut Recording,
    config: &LayerConfig,
    dims: Dims,
    (batch, d_logits): (&Batch, Buffer<f32>),
    of: Backward,
) {
    match &config.router {
        RouterConfig::NoisyTopK(router) => {
            noisy_top_k::record_backward(rec, router, dims, (batch, d_logits), of);
        }
        router if router.over_tokens() => matching::record_backward(rec, dims, (batch, d_logits)),
        _ => {}
    }
}

/// The dispatches' uniform, with the settings that only the router's own kernels read.
pub(crate) fn with_settings(dims: Dims, router: &RouterConfig, train: bool) -> Dims {
    let dims = match router.thresholds() {
        Some(thresholds) => {
            let quota = router.quota(dims.group_tokens as usize, dims.experts as usize) as u32;
            Dims { quota, decay: thresholds.decay, ..dims }
        }
        None => dims,
    };
    match router {
        RouterConfig::TopK(router) => {
            let (expert_groups, group_limit) = (router.expert_groups as u32, router.group_limit as u32);
            let threshold = router.top_p.or(router.min_score).unwrap_or(router.second_threshold);
            Dims { expert_groups, group_limit, threshold, ..dims }
        }
        RouterConfig::DenseToSparse(router) => {
            Dims { temperature: router.temperature(dims.step) as f32, threshold: router.threshold, ..dims }
        }
        RouterConfig::NoisyTopK(router) => Dims { noise: noisy_top_k::width(router, dims.experts), ..dims },
        RouterConfig::ExpertChoice(router) => match router.projects(dims.experts as usize) {
            // however small the logarithm of a share is, the expert ranks the token
            Some((most, dykstra)) => {
                Dims { nominees: most as u32, epsilon: dykstra.entropy_weight, threshold: f32::MIN, ..dims }
            }
            None => dims,
        },
        RouterConfig::Base(router) => Dims { iterations: router.iterations as u32, ..dims },
        RouterConfig::Sinkhorn(router) => {
            Dims { iterations: router.iterations as u32, tolerance: router.tolerance, epsilon: router.epsilon, ..dims }
        }
        RouterConfig::Hash(router) => Dims { vocabulary: router.vocabulary() as u32, ..dims },
        RouterConfig::Reinforce(router) => {
            Dims { temperature: router.temperature, decay: router.decay, entropy: router.entropy, ..dims }
        }
        RouterConfig::Bandit(router) => bandit::with_settings(dims, router),
        RouterConfig::MultiGate(router) => Dims { nominees: router.taken(dims.experts as usize) as u32, ..dims },
        RouterConfig::Soft(_) => dims,
        RouterConfig::Thor(router) => Dims { nominees: router.drawn(dims.experts as usize, train) as u32, ..dims },
        RouterConfig::Domain(_) => Dims { vocabulary: dims.experts, ..dims },
        RouterConfig::Language(router) => {
            let languages = router.table.as_ref().map_or(dims.experts, |table| table.len() as u32);
            Dims { vocabulary: languages, ..dims }
        }
        RouterConfig::Task(router) => Dims { vocabulary: router.tasks as u32, ..dims },
        RouterConfig::TokenThenExpert(router) => {
            Dims { nominees: router.nominate as u32, threshold: router.threshold, ..dims }
        }
    }
}

/// Whether experts rank tokens by the shares of a soft plan, which takes buffers.
pub fn projects(config: &LayerConfig) -> bool {
    matches!(&config.router, RouterConfig::ExpertChoice(router) if router.projects(config.experts).is_some())
}

/// What the router looks up while it routes, as words: it lies beside the weights and is never trained.
pub fn constants(config: &LayerConfig) -> Vec<u32> {
    match &config.router {
        RouterConfig::TopK(router) => router.selection_bias.iter().flatten().map(|bias| bias.to_bits()).collect(),
        RouterConfig::Sinkhorn(router) => router.log_shares(config.experts).map(f32::to_bits).collect(),
        RouterConfig::Hash(router) => router.tables.concat(),
        RouterConfig::Domain(_) => (0..config.experts as u32).collect(),
        RouterConfig::Language(router) => router.experts_of(config.experts),
        RouterConfig::NoisyTopK(_)
        | RouterConfig::ExpertChoice(_)
        | RouterConfig::Base(_)
        | RouterConfig::Thor(_)
        | RouterConfig::TokenThenExpert(_)
        | RouterConfig::Task(_)
        | RouterConfig::MultiGate(_)
        | RouterConfig::Soft(_)
        | RouterConfig::DenseToSparse(_)
        | RouterConfig::Reinforce(_)
        | RouterConfig::Bandit(_) => Vec::new(),
    }
}

/// Words of [`Batch::labels`] for each token: 0 where nothing need be said of it.
pub fn label_words(config: &LayerConfig) -> usize {
    match &config.router {
        RouterConfig::Domain(router) if router.mixture.is_some() => config.experts,
        RouterConfig::Bandit(_) => 2,
        RouterConfig::Hash(_)
        | RouterConfig::Thor(_)
        | RouterConfig::Domain(_)
        | RouterConfig::Language(_)
        | RouterConfig::Task(_) => 1,
        _ => 0,
    }
}

/// What goes into [`Batch::labels`] for `tokens` tokens, for a router that goes by what is said of them.
///
/// # Errors
/// Of [`Labels::of`] and of the router: labels that do not go with it.
pub fn labels(config: &LayerConfig, given: &Labels, tokens: usize, train: bool) -> Result<Option<Vec<u32>>, Error> {
    match &config.router {
        RouterConfig::Hash(router) => hash::labels(router, given, tokens).map(Some),
        RouterConfig::Thor(router) => Ok(Some(thor::labels(router, given, tokens, train))),
        RouterConfig::Domain(router) => domain::labels(config, router, given, tokens).map(Some),
        RouterConfig::Language(router) => {
            let (label, table) = (router.label(), router.experts_of(config.experts));
            let known = if router.table.is_some() { "the length of router.table" } else { "the number of experts" };
            lookup::named(config, given, tokens, (label, "language", known), &table).map(Some)
        }
        RouterConfig::Bandit(router) => bandit::labels(router, given, tokens).map(Some),
        RouterConfig::Task(router) => {
            given.of("task", "task", tokens, (router.tasks, "router.tasks")).map(|tasks| Some(tasks.to_vec()))
        }
        _ => Ok(None),
    }
}

/// The random numbers `given` for a pass over `tokens` tokens, if they fit: of the shape of the router's [`Draws`]. None if
/// only passes of the other kind use any, in training or outside.
///
/// # Errors
/// [`Error::InvalidArgument`] if the router never uses any or one is not of its range, [`Error::WrongLength`] or
/// [`Error::NonFinite`].
pub fn draws<'a>(
    config: &LayerConfig,
    given: Option<&'a [f32]>,
    tokens: usize,
    train: bool,
) -> Result<Option<&'a [f32]>, Error> {
    let Some(draws) = given else { return Ok(None) };
    let (what, used) = ("draws".to_owned(), config.router.draws(train));
    let Some(kind) = used.or_else(|| config.router.draws(!train)) else {
        let wanted = "left out: this router takes none".to_owned();
        return Err(Error::InvalidArgument { what, got: "given".to_owned(), wanted });
    };
    let of_token = kind.of_token(config);
    let (got, wanted) = (draws.len(), tokens * of_token);
    if got != wanted {
        return Err(Error::WrongLength { what, got, wanted, shape: format!("[{tokens}, {of_token}]") });
    }
    if let Some(index) = draws.iter().position(|draw| !draw.is_finite()) {
        return Err(Error::NonFinite { what, index, value: draws[index].to_string() });
    }
    match draws.iter().position(|draw| kind == Draws::Uniform && !(0.0..=1.0).contains(draw)) {
        Some(index) => {
            let (got, wanted) = (format!("{} at {index}", draws[index]), "numbers from 0 to 1".to_owned());
            Err(Error::InvalidArgument { what, got, wanted })
        }
        None => Ok(given.filter(|_| used.is_some())),
    }
}

/// The buffer of constants, as one of floats.
fn as_floats(buffer: Buffer<u32>) -> Buffer<f32> {
    Buffer::new(buffer.id, buffer.len)
}
