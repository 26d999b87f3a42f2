//! The layer in f64, slow and obvious, written from the papers: what every faster form of it is measured against.
//!
//! Nothing here knows of kernels, buffers or engines. `T` tokens, `d` model width, `E` experts, `k` choices, `G` groups,
//! `N` devices; arrays are row-major.

pub mod bandit;
mod branches;
mod choose;
pub mod divergence;
mod expert;
mod gate;
mod gumbel;
mod lookup;
mod losses;
mod math;
mod multi_gate;
mod noisy;
mod plan;
pub mod policy;
pub mod routing;
mod shared;
mod shuffle;
mod slots;
mod soft;
mod traffic;

use std::collections::BTreeMap;

use self::branches::Gates;
use self::losses::Routed;
use self::math::{add_outer, add_scaled, add_transposed_times, dot, product, scaled, times};
use self::noisy::{Chosen, Noisy};
pub use self::plan::Routing;
use self::policy::Rewards;
use self::shared::Input;
use self::shuffle::Shuffle;
pub use self::traffic::{Exchange, Op, Pass, Traffic};
use crate::config::{DenseGate, Gate, LayerConfig, RouterConfig, Sinkhorn};
use crate::error::Error;
use crate::labels::Labels;
use crate::rng::{DROPOUT_LANE, JITTER_LANE, of_pass, uniform_f32};
use crate::weights::{LayerWeights, Weights};

/// Everything a forward pass finds out.
#[derive(Clone, Debug)]
pub struct Forward {
    /// `[T, d]`: the sum over kept experts, and the shared expert; `[tasks, T, d]` where each task has a gate.
    pub output: Vec<f64>,
    /// `[T, E + branches]`: with noise and temperature, where they count in the weights.
    pub logits: Vec<f64>,
    /// `[T, E]`: softmax over all experts, or sigmoids; with branches, shares of these times shares inside;
    /// `[T, E, slots]` where slots hold mixtures of tokens, as are the logits.
    pub scores: Vec<f64>,
    /// `[T]`: what a linear baseline expects of the rewards; empty without one.
    pub baseline: Vec<f64>,
    /// The plan.
    pub routing: Routing,
    /// The auxiliary losses by name, not weighted.
    pub losses: BTreeMap<&'static str, f64>,
    /// The forward exchanges.
    pub traffic: Traffic,
    /// Slots of each expert in each group; `None` if dropless.
    pub capacity: Option<usize>,
    /// `[E]`: the thresholds that the pass leaves, of a router whose experts have some.
    pub thresholds: Option<Vec<f64>>,
    /// `[T, d]`: what the router's input was multiplied by.
    noise: Vec<f64>,
    /// What was added to the logits.
    noisy: Option<Noisy>,
    /// `[T]`: tasks, where the router has read their embeddings in place of tokens.
    tasks: Option<Vec<usize>>,
    /// What the logits were divided by.
    temperature: f64,
    /// `[T]` of `[k]`: experts.
    chosen: Vec<Vec<usize>>,
    /// `[T]` of `[k]`: whether each of them is asked for a place; those that are not still weigh.
    asked: Vec<Vec<bool>>,
    /// `[T]` of `[k]`: weights before any is divided, scaled or dropped.
    raw_weights: Vec<Vec<f64>>,
    /// Where the tokens were shuffled: how, and the pass over them as they stood.
    shuffled: Option<Box<(Shuffle, Forward)>>,
}

/// The gradients of the loss, `⟨output, d_output⟩` and the weighted auxiliary losses.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// `[T, d]`.
    pub x: Vec<f64>,
    /// `[T, E + branches]`: with their noise.
    pub logits: Vec<f64>,
    /// Those of the weights.
    pub weights: Weights<f64>,
    /// The backward exchanges.
    pub traffic: Traffic,
}

/// How a forward pass is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting<'a> {
    /// Training: its capacity factor, and exploration.
    pub train: bool,
    /// The step, for random numbers.
    pub step: u32,
    /// Which pass of the step, where there are several: it draws for itself.
    pub pass: u32,
    /// `[T, k]`: choices made elsewhere, best first, in place of the router's own.
    pub choices: Option<&'a [usize]>,
    /// What is known of the tokens, for routers that go by it.
    pub labels: Option<&'a Labels>,
    /// Random numbers drawn elsewhere, in place of the router's own, of the shape of its [`Draws`](crate::config::Draws).
    pub draws: Option<&'a [f64]>,
}

impl Setting<'_> {
    /// The first step of training.
    pub const TRAIN: Setting<'static> =
        Setting { train: true, step: 0, pass: 0, choices: None, labels: None, draws: None };

    /// What random numbers of the pass begin with.
    fn seed(&self, config: &LayerConfig) -> u64 {
        of_pass(config.seed, self.pass)
    }
}

/// Runs the layer forward on `x`: `f32[T, d]`.
///
/// # Errors
/// Weights that do not fit the layer, an input that is not whole tokens, tokens that cannot be split.
pub fn forward(config: &LayerConfig, weights: &LayerWeights, x: &[f32], setting: Setting) -> Result<Forward, Error> {
    weights.check(config)?;
    forward_exact(config, &widen_weights(config, weights), &widen(x), setting)
}

/// Runs the layer backward after [`forward`], from `d_output`: `f32[T, d]`.
///
/// # Errors
/// Weights that do not fit the layer, or lengths that do not fit the forward pass.
pub fn backward(
    config: &LayerConfig,
    weights: &LayerWeights,
    x: &[f32],
    forward: &Forward,
    d_output: &[f32],
) -> Result<Gradients, Error> {
    weights.check(config)?;
    backward_exact(config, &widen_weights(config, weights), &widen(x), forward, &widen(d_output))
}

/// [`forward`] on f64 weights and tokens, which it takes on trust to have the layer's shapes.
///
/// # Errors
/// An input that is not whole tokens, tokens that cannot be split.
pub fn forward_exact(
    config: &LayerConfig,
    weights: &Weights<f64>,
    x: &[f64],
    setting: Setting,
) -> Result<Forward, Error> {
    let d = config.d_model;
    if !x.len().is_multiple_of(d) {
        return Err(Error::PartialToken { what: "x".to_owned(), got: x.len(), d_model: d });
    }
    if let RouterConfig::MultiGate(router) = &config.router {
        return multi_gate::forward(router, config, weights, x, setting);
    }
    if let RouterConfig::Soft(router) = &config.router {
        return soft::forward(router, config, weights, x, setting);
    }
    let group_tokens = config.tokens_per_group(x.len() / d)?;
    match Shuffle::of(config, x.len() / d, setting) {
        Some(shuffle) => {
            let routed = forward_in_order(config, weights, &shuffle.there(x), setting, group_tokens)?;
            Ok(shuffle.told(config, routed))
        }
        None => forward_in_order(config, weights, x, setting, group_tokens),
    }
}

/// A forward pass that routes the tokens in the order in which they come.
fn forward_in_order(
    config: &LayerConfig,
    weights: &Weights<f64>,
    x: &[f64],
    setting: Setting,
    group_tokens: usize,
) -> Result<Forward, Error> {
    let (d, e, m) = (config.d_model, config.experts, config.logits());
    let tokens = x.len() / d;
    let (gate, split) = (config.router.gate(), branches::split_of(config));
    let capacity = config.slots(group_tokens, setting.train);

    let noise: Vec<f64> = (0..x.len()).map(|i| input_factor(config, setting, i / d, i % d)).collect();
    let tasks = lookup::tasks(config, setting.labels.unwrap_or(&Labels::NONE), tokens)?;
    let (mut logits, mut baseline) = (Vec::with_capacity(tokens * m), Vec::new());
    for token in (0..tokens).filter(|_| config.router.learned()) {
        let read = router_input(weights, d, tasks.as_deref(), &x[token * d..], token);
        let mut h = times(&weights.router, &product(read, &noise[token * d..(token + 1) * d]));
        if let Some(bias) = &weights.router_bias {
            add_scaled(&mut h, 1.0, bias);
        }
        logits.extend(scaled(1.0 / f64::from(config.router.temperature()), &h[..m]));
        baseline.extend(h.get(m));
    }
    let noisy = match &config.router {
        RouterConfig::NoisyTopK(router) if setting.train => {
            Some(Noisy::draw(config, router, setting, weights, x, &logits))
        }
        _ => None,
    };
    if let Some(noisy) = &noisy {
        logits = noisy.logits();
    }
    let (mut temperature, mut softened) = (1.0, None);
    if let RouterConfig::DenseToSparse(router) = &config.router
        && setting.train
    {
        let soft = gumbel::soften(config, router, setting, &logits);
        if router.gate == DenseGate::Gumbel {
            temperature = router.temperature(setting.step);
            logits.clone_from(&soft);
        }
        softened = Some(soft);
    }
    let scores: Vec<f64> = match &gate {
        Some(_) if config.router.over_tokens() => {
            let of_group = |h: &[f64]| routing::over_tokens(routing::Scores::new(h, e));
            logits.chunks((group_tokens * e).max(1)).flat_map(of_group).collect()
        }
        Some(gate) => {
            let of_token = |h| split.map_or_else(|| gate::scores(gate, h), |split| Gates::all(split, h).weights());
            logits.chunks_exact(m).flat_map(of_token).collect()
        }
        None => Vec::new(),
    };
    let choices = match setting.choices {
        Some(choices) => choose::Choices::by_tokens(choices.chunks_exact(config.k()).map(<[usize]>::to_vec).collect()),
        None => {
            let by = softened.as_ref().unwrap_or(&logits);
            choose::choices(config, setting, (tokens, group_tokens), weights, by, &scores)?
        }
    };
    let weigh = |(token, chosen): (usize, &Vec<usize>)| match &gate {
        Some(gate) if config.router.weighs() => {
            let (h, scores) = (&logits[token * m..(token + 1) * m], &scores[token * e..(token + 1) * e]);
            match split {
                Some(split) => Gates::of(split, h, chosen).weights(),
                None => gate::raw_weights(gate, h, scores, chosen),
            }
        }
        _ => choices.weights.as_ref().map_or_else(|| vec![1.0; chosen.len()], |weights| weights[token].clone()),
    };
    let raw_weights: Vec<Vec<f64>> = choices.experts.iter().enumerate().map(weigh).collect();

    let asked = choose::asked(config, setting, &raw_weights);
    let wishes = plan::Wishes { choices: &choices, asked: &asked, raw_weights: &raw_weights, scores: &scores };
    let mut routing = plan::plan(config, group_tokens, capacity, setting, &wishes);
    let moves = traffic::Moves { tokens, capacity, kept: routing.kept_pairs().collect() };
    let named = choices.named.unwrap_or_default();
    let thresholds = choices.thresholds;
    let traffic = traffic::forward(config, &moves, &named);
    let chosen = choices.experts;

    let mut output = vec![0.0; x.len()];
    for (token, (x, y)) in x.chunks_exact(d).zip(output.chunks_exact_mut(d)).enumerate() {
        let input = Input { x, noise: &noise[token * d..(token + 1) * d] };
        let rest = shared::rest(config, weights, input);
        routing.weights[token * config.k()..(token + 1) * config.k()].iter_mut().for_each(|weight| *weight *= rest);
        for (j, &chosen) in chosen[token].iter().enumerate() {
            let at = token * config.k() + j;
            if routing.kept[at] {
                add_scaled(y, routing.weights[at], &expert::forward(config, weights, chosen, x));
            }
        }
        shared::add_forward(config, weights, input, y);
    }

    let mut losses =
        Routed { config, group_tokens, logits: &logits, scores: &scores, chosen: &chosen, asked: &asked }.values();
    if let RouterConfig::NoisyTopK(router) = &config.router {
        let (logits, noisy) = (&logits, noisy.as_ref());
        let of = Chosen { config, router, group_tokens, noisy, logits, chosen: &chosen, weights: &raw_weights };
        losses.extend(of.losses());
    }
    Ok(Forward {
        output,
        logits,
        scores,
        baseline,
        routing,
        losses,
        traffic,
        capacity,
        thresholds,
        noise,
        noisy,
        tasks,
        temperature,
        chosen,
        asked,
        raw_weights,
        shuffled: None,
    })
}

/// [`backward`] on f64 weights and tokens, which it takes on trust to be those of the forward pass.
///
/// # Errors
/// A `d_output` of another length than the output.
pub fn backward_exact(
    config: &LayerConfig,
    weights: &Weights<f64>,
    x: &[f64],
    forward: &Forward,
    d_output: &[f64],
) -> Result<Gradients, Error> {
    backward_rewarded(config, weights, x, forward, d_output, None)
}

/// [`backward_exact`] with what the tokens' rewards add for a router that learns from them.
///
/// # Errors
/// A `d_output` of another length than the output.
pub fn backward_rewarded(
    config: &LayerConfig,
    weights: &Weights<f64>,
    x: &[f64],
    forward: &Forward,
    d_output: &[f64],
    rewards: Option<Rewards>,
) -> Result<Gradients, Error> {
    if let Some((shuffle, routed)) = forward.shuffled.as_deref().filter(|_| d_output.len() == x.len()) {
        let (x, d_output) = (shuffle.there(x), shuffle.there(d_output));
        return Ok(shuffle.told_back(config, backward_exact(config, weights, &x, routed, &d_output)?));
    }
    let (d, e, m, k) = (config.d_model, config.experts, config.logits(), config.k());
    let (tokens, gate, split) = (forward.routing.tokens, config.router.gate(), branches::split_of(config));
    if d_output.len() != forward.output.len() {
        let (got, wanted) = (d_output.len(), forward.output.len());
        return Err(Error::WrongLength { what: "dOutput".to_owned(), got, wanted, shape: format!("[{tokens}, {d}]") });
    }
    if let RouterConfig::MultiGate(router) = &config.router {
        return Ok(multi_gate::backward(router, config, weights, x, forward, d_output));
    }
    if let RouterConfig::Soft(router) = &config.router {
        return Ok(soft::backward(router, config, weights, x, forward, d_output));
    }
    let Forward { logits, scores, chosen, asked, .. } = forward;
    let group_tokens = config.tokens_per_group(tokens)?;
    let mut loss_weights = config.loss_weights.clone();
    if let RouterConfig::NoisyTopK(_) = &config.router {
        loss_weights.remove("importance");
    }
    let mut dh = Routed { config, group_tokens, logits, scores, chosen, asked }.backward(&loss_weights);
    let past_noise = match &config.router {
        RouterConfig::NoisyTopK(router) => {
            let (noisy, weights) = (forward.noisy.as_ref(), &forward.raw_weights);
            Some(Chosen { config, router, group_tokens, noisy, logits, chosen, weights }.backward(&mut dh))
        }
        _ => None,
    };
    let mut dx = vec![0.0; x.len()];
    let advantages = match (&config.router, rewards) {
        (RouterConfig::Reinforce(router), Some(rewards)) => {
            policy::advantages(router, rewards, &forward.routing.kept, &forward.baseline)
        }
        _ => vec![policy::Advantage::default(); tokens],
    };
    let mut grads = Weights::build_gradients(config, |_, len| vec![0.0; len]);
    // of scores that are shares of a column, whose gradient takes all tokens of a group
    let mut d_scores = vec![0.0; if config.router.over_tokens() { scores.len() } else { 0 }];

    for token in 0..tokens {
        let (x, dy) = (&x[token * d..(token + 1) * d], &d_output[token * d..(token + 1) * d]);
        let noise = &forward.noise[token * d..(token + 1) * d];
        let input = Input { x, noise };
        let dx = &mut dx[token * d..(token + 1) * d];
        let kept = &forward.routing.kept[token * k..][..chosen[token].len()];
        let mut dw = vec![0.0; kept.len()];
        for (j, &chosen) in chosen[token].iter().enumerate().filter(|(j, _)| kept[*j]) {
            dw[j] = dot(dy, &expert::forward(config, weights, chosen, x));
            let dy = scaled(forward.routing.weights[token * k + j], dy);
            expert::backward(config, weights, chosen, x, &dy, &mut grads, dx);
        }
        let a = &forward.raw_weights[token];
        let d_rest = dot(&dw, &gate::weights(gate.as_ref().unwrap_or(&Gate::SOFTMAX), a, kept));
        shared::add_backward(config, weights, input, dy, d_rest, &mut grads, dx);
        let Some(gate) = &gate else { continue };
        let dw = scaled(shared::rest(config, weights, input), &dw);
        let da = gate::weights_backward(gate, a, kept, &dw);
        if config.router.over_tokens() {
            chosen[token].iter().zip(da).for_each(|(chosen, da)| d_scores[token * e + chosen] = da);
        } else {
            let (h, scores) = (&logits[token * m..(token + 1) * m], &scores[token * e..(token + 1) * e]);
            let dh = &mut dh[token * m..(token + 1) * m];
            if config.router.weighs() {
                let through_weights = match split {
                    Some(split) => Gates::of(split, h, &chosen[token]).backward(&da),
                    None => gate::raw_weights_backward(gate, scores, &chosen[token], a, &da),
                };
                add_scaled(dh, 1.0, &through_weights);
            }
            if let RouterConfig::Reinforce(router) = &config.router {
                add_scaled(dh, 1.0, &policy::backward(router, h, chosen[token][0], advantages[token].value, tokens));
            }
            dh.iter_mut().for_each(|d| *d /= f64::from(config.router.temperature()));
        }
    }
    let groups = scores.chunks((group_tokens * e).max(1)).zip(d_scores.chunks((group_tokens * e).max(1)));
    let through_columns = groups.flat_map(|(scores, d_scores)| gate::over_tokens_backward(scores, d_scores, e));
    dh.iter_mut().zip(through_columns).for_each(|(dh, d)| *dh += d);

    for token in (0..tokens).filter(|_| gate.is_some()) {
        let (x, dh) = (&x[token * d..(token + 1) * d], &dh[token * m..(token + 1) * m]);
        let dx = &mut dx[token * d..(token + 1) * d];
        let noise = &forward.noise[token * d..(token + 1) * d];

        let (d_clean, d_raw) = match (&forward.noisy, &past_noise) {
            (Some(noisy), Some(losses)) => noisy.backward(token, dh, losses),
            _ => (scaled(1.0 / forward.temperature, dh), Vec::new()),
        };
        let input = product(router_input(weights, d, forward.tasks.as_deref(), x, token), noise);
        let d_baseline = (!forward.baseline.is_empty()).then(|| -2.0 * advantages[token].apart / tokens as f64);
        let d_rows: Vec<f64> = d_clean.iter().copied().chain(d_baseline).collect();
        add_outer(&mut grads.router, &d_rows, &input);
        if let Some(bias) = &mut grads.router_bias {
            add_scaled(bias, 1.0, &d_rows);
        }
        if matches!(&config.router, RouterConfig::Reinforce(router) if router.stop_gradient) {
            continue;
        }
        let mut d_input = vec![0.0; d];
        add_transposed_times(&mut d_input, &weights.router, &d_clean);
        if let (Some(width), Some(d_width)) = (&weights.noise, &mut grads.noise) {
            add_outer(d_width, &d_raw, &input);
            add_transposed_times(&mut d_input, width, &d_raw);
        }
        let d_read = match (&forward.tasks, &mut grads.task_embedding) {
            (Some(tasks), Some(d_embedding)) => &mut d_embedding[tasks[token] * d..][..d],
            _ => &mut *dx,
        };
        add_scaled(d_read, 1.0, &product(&d_input, noise));
    }
    let moves = traffic::Moves { tokens, capacity: forward.capacity, kept: forward.routing.kept_pairs().collect() };
    let traffic = traffic::backward(config, &moves);
    Ok(Gradients { x: dx, logits: dh, weights: grads, traffic })
}

/// `[d]`: what the router reads: the token `x`, or the embedding of its task.
fn router_input<'a>(
    weights: &'a Weights<f64>,
    d: usize,
    tasks: Option<&[usize]>,
    x: &'a [f64],
    token: usize,
) -> &'a [f64] {
    match (tasks, &weights.task_embedding) {
        (Some(tasks), Some(embedding)) => &embedding[tasks[token] * d..][..d],
        _ => &x[..d],
    }
}

/// How long the solver of a layer looks for its prices.
fn sinkhorn_settings(router: &Sinkhorn) -> routing::sinkhorn::Settings {
    let (eps, tolerance) = (f64::from(router.epsilon), f64::from(router.tolerance));
    routing::sinkhorn::Settings { eps, iterations: router.iterations, tolerance }
}

/// What multiplies feature `i` of a token on its way into the router: jitter and dropout, in training.
fn input_factor(config: &LayerConfig, setting: Setting, token: usize, i: usize) -> f64 {
    if !setting.train {
        return 1.0;
    }
    let uniform =
        |lane: u32| f64::from(uniform_f32(setting.seed(config), 0, setting.step, token as u32, lane + i as u32));
    let (jitter, dropout) = (f64::from(config.router.jitter()), f64::from(config.router.dropout()));
    let jittered = if jitter > 0.0 { 1.0 + jitter * (2.0 * uniform(JITTER_LANE) - 1.0) } else { 1.0 };
    let dropped = dropout > 0.0 && uniform(DROPOUT_LANE) < dropout;
    if dropped { 0.0 } else { jittered / (1.0 - dropout) }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn widen_weights(config: &LayerConfig, weights: &LayerWeights) -> Weights<f64> {
    Weights::build(config, |name, _| widen(weights.get(name).unwrap_or_default()))
}
