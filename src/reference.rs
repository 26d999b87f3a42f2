//! The layer in f64, slow and obvious, written from the papers: what every faster form of it is measured against.
//!
//! Nothing here knows of kernels, buffers or engines. `T` tokens, `d` model width, `E` experts, `k` choices, `G` groups,
//! `N` devices; arrays are row-major.

mod expert;
mod gate;
mod losses;
mod math;
mod slots;
mod traffic;

use std::collections::BTreeMap;

use self::expert::Expert;
use self::losses::Routed;
use self::math::{add_outer, add_scaled, add_transposed_times, dot, sigmoid, times};
pub use self::traffic::{Exchange, Op, Pass, Traffic};
use crate::config::{LayerConfig, Renormalize, RouterConfig, TopK};
use crate::error::Error;
use crate::rng::{JITTER_LANE, uniform_f32};
use crate::weights::{LayerWeights, Weights};

/// What became of every token's choices.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// `T`.
    pub tokens: usize,
    /// Columns of the arrays below: `k`.
    pub slots: usize,
    /// `[T, k]`: experts, best first.
    pub experts: Vec<i32>,
    /// `[T, k]`: the gate values used in the output; 0 where dropped.
    pub weights: Vec<f64>,
    /// `[T, k]`: place in the expert's buffer of the token's group, in the order of service; -1 where dropped.
    pub positions: Vec<i32>,
    /// `[T, k]`: whether the expert had a place.
    pub kept: Vec<bool>,
    /// `[E]`: assignments before drops.
    pub demanded: Vec<u32>,
    /// `[E]`: assignments kept.
    pub load: Vec<u32>,
}

/// Everything a forward pass finds out.
#[derive(Clone, Debug)]
pub struct Forward {
    /// `[T, d]`: the sum over kept experts, and the shared expert.
    pub output: Vec<f64>,
    /// `[T, E]`.
    pub logits: Vec<f64>,
    /// `[T, E]`: softmax over all experts, or sigmoids.
    pub scores: Vec<f64>,
    /// The plan.
    pub routing: Routing,
    /// The auxiliary losses by name, not weighted.
    pub losses: BTreeMap<&'static str, f64>,
    /// The forward exchanges.
    pub traffic: Traffic,
    /// Slots of each expert in each group; `None` if dropless.
    pub capacity: Option<usize>,
    /// `[T, d]`: what the jitter multiplied the router's input by.
    jitter: Vec<f64>,
    /// `[T]` of `[k]`: experts.
    chosen: Vec<Vec<usize>>,
    /// `[T]` of `[k]`: weights before any is divided, scaled or dropped.
    raw_weights: Vec<Vec<f64>>,
}

/// The gradients of the loss, `⟨output, d_output⟩` and the weighted auxiliary losses.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// `[T, d]`.
    pub x: Vec<f64>,
    /// `[T, E]`.
    pub logits: Vec<f64>,
    /// Those of the weights.
    pub weights: Weights<f64>,
    /// The backward exchanges.
    pub traffic: Traffic,
}

/// How a forward pass is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting<'a> {
    /// Training: its capacity factor, and jitter.
    pub train: bool,
    /// The step, for random numbers.
    pub step: u32,
    /// `[T, k]`: choices made elsewhere, best first, in place of the router's own.
    pub choices: Option<&'a [usize]>,
}

/// Runs the layer forward on `x`: `f32[T, d]`.
///
/// # Errors
/// Weights that do not fit the layer, an input that is not whole tokens, tokens that cannot be split.
pub fn forward(
    config: &LayerConfig,
    weights: &LayerWeights,
    x: &[f32],
    train: bool,
    step: u32,
) -> Result<Forward, Error> {
    weights.check(config)?;
    forward_exact(config, &widen_weights(config, weights), &widen(x), Setting { train, step, choices: None })
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
    let (d, e) = (config.d_model, config.experts);
    if !x.len().is_multiple_of(d) {
        return Err(Error::PartialToken { what: "x".to_owned(), got: x.len(), d_model: d });
    }
    let tokens = x.len() / d;
    let group_tokens = config.tokens_per_group(tokens)?;
    let router = top_k(config);
    let capacity = config.slots(group_tokens, setting.train);

    let jitter: Vec<f64> = (0..x.len()).map(|i| jitter_factor(config, setting, i / d, i % d)).collect();
    let mut logits = Vec::with_capacity(tokens * e);
    for (x, jitter) in x.chunks_exact(d).zip(jitter.chunks_exact(d)) {
        let mut h = times(&weights.router, &product(x, jitter));
        if let Some(bias) = &weights.router_bias {
            add_scaled(&mut h, 1.0, bias);
        }
        logits.extend(h);
    }
    let scores: Vec<f64> = logits.chunks_exact(e).flat_map(|h| gate::scores(router, h)).collect();
    let rows = || logits.chunks_exact(e).zip(scores.chunks_exact(e));
    let chosen: Vec<Vec<usize>> = match setting.choices {
        Some(choices) => choices.chunks_exact(router.k).map(<[usize]>::to_vec).collect(),
        None => rows().map(|(_, scores)| gate::choose(router, scores)).collect(),
    };
    let raw_weights: Vec<Vec<f64>> =
        rows().zip(&chosen).map(|((h, scores), chosen)| gate::raw_weights(router, h, scores, chosen)).collect();

    let places = serve_groups(config, group_tokens, capacity, setting.step, &scores, &chosen, &raw_weights);
    let routing = routing(config, &chosen, &raw_weights, &places);

    let mut output = vec![0.0; x.len()];
    for (token, (x, y)) in x.chunks_exact(d).zip(output.chunks_exact_mut(d)).enumerate() {
        for (j, &chosen) in chosen[token].iter().enumerate() {
            if places[token][j].is_some() {
                let out = expert(config, weights, chosen).forward(config.activation, x);
                add_scaled(y, routing.weights[token * router.k + j], &out);
            }
        }
        if let Some(shared) = shared_expert(weights) {
            let gate = weights.shared_gate.as_ref().map_or(1.0, |gate| sigmoid(dot(gate, x)));
            add_scaled(y, gate, &shared.forward(config.activation, x));
        }
    }

    let losses = Routed { router, experts: e, group_tokens, logits: &logits, scores: &scores, chosen: &chosen }.values();
    let traffic = traffic::traffic(config, Pass::Forward, tokens, capacity, kept_pairs(&routing));
    Ok(Forward { output, logits, scores, routing, losses, traffic, capacity, jitter, chosen, raw_weights })
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
    let (d, e, k) = (config.d_model, config.experts, config.k());
    let (tokens, router) = (forward.routing.tokens, top_k(config));
    if d_output.len() != tokens * d {
        let (got, wanted) = (d_output.len(), tokens * d);
        return Err(Error::WrongLength { what: "dOutput".to_owned(), got, wanted, shape: format!("[{tokens}, {d}]") });
    }
    let (logits, scores, chosen) = (&forward.logits, &forward.scores, &forward.chosen);
    let group_tokens = config.tokens_per_group(tokens)?;
    let mut dh = Routed { router, experts: e, group_tokens, logits, scores, chosen }.backward(&config.loss_weights);
    let mut dx = vec![0.0; x.len()];
    let mut grads = Weights::build(config, |_, len| vec![0.0; len]);

    for token in 0..tokens {
        let (x, dy) = (&x[token * d..(token + 1) * d], &d_output[token * d..(token + 1) * d]);
        let dx = &mut dx[token * d..(token + 1) * d];
        let kept = &forward.routing.kept[token * k..(token + 1) * k];
        let mut dw = vec![0.0; k];
        for (j, &chosen) in chosen[token].iter().enumerate().filter(|(j, _)| kept[*j]) {
            let expert = expert(config, weights, chosen);
            dw[j] = dot(dy, &expert.forward(config.activation, x));
            let dy = scaled(forward.routing.weights[token * k + j], dy);
            expert.backward(config.activation, x, &dy, &mut expert_mut(config, &mut grads, chosen), dx);
        }
        let a = &forward.raw_weights[token];
        let da = gate::weights_backward(router, a, kept, &dw);
        let scores = &scores[token * e..(token + 1) * e];
        let dh = &mut dh[token * e..(token + 1) * e];
        add_scaled(dh, 1.0, &gate::raw_weights_backward(router, scores, &chosen[token], a, &da));

        let jitter = &forward.jitter[token * d..(token + 1) * d];
        add_outer(&mut grads.router, dh, &product(x, jitter));
        if let Some(bias) = &mut grads.router_bias {
            add_scaled(bias, 1.0, dh);
        }
        let mut d_input = vec![0.0; d];
        add_transposed_times(&mut d_input, &weights.router, dh);
        add_scaled(dx, 1.0, &product(&d_input, jitter));
        shared_backward(config, weights, x, dy, &mut grads, dx);
    }
    let traffic = traffic::traffic(config, Pass::Backward, tokens, forward.capacity, kept_pairs(&forward.routing));
    Ok(Gradients { x: dx, logits: dh, weights: grads, traffic })
}

fn top_k(config: &LayerConfig) -> &TopK {
    let RouterConfig::TopK(router) = &config.router;
    router
}

/// What multiplies feature `i` of a token on its way into the router.
fn jitter_factor(config: &LayerConfig, setting: Setting, token: usize, i: usize) -> f64 {
    let jitter = f64::from(top_k(config).jitter);
    if !setting.train || jitter == 0.0 {
        return 1.0;
    }
    let u = uniform_f32(config.seed, 0, setting.step, token as u32, JITTER_LANE + i as u32);
    1.0 + jitter * (2.0 * f64::from(u) - 1.0)
}

fn serve_groups(
    config: &LayerConfig,
    group_tokens: usize,
    capacity: Option<usize>,
    step: u32,
    scores: &[f64],
    chosen: &[Vec<usize>],
    raw_weights: &[Vec<f64>],
) -> Vec<Vec<Option<usize>>> {
    let router = top_k(config);
    let all_kept = vec![true; router.k];
    let undropped: Vec<Vec<f64>> = raw_weights
        .iter()
        .map(|a| if router.renormalize == Renormalize::PreDrop { gate::weights(router, a, &all_kept) } else { a.clone() })
        .collect();
    let best_scores: Vec<f64> =
        scores.chunks_exact(config.experts).map(|s| s.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect();
    let mut places = Vec::with_capacity(chosen.len());
    for group in 0..chosen.len().checked_div(group_tokens).unwrap_or(0) {
        let tokens = group * group_tokens..(group + 1) * group_tokens;
        let group = slots::Group {
            first_token: tokens.start,
            chosen: &chosen[tokens.clone()],
            weights: &undropped[tokens.clone()],
            best_scores: &best_scores[tokens],
        };
        places.extend(slots::serve(config, &group, capacity, step));
    }
    places
}

fn routing(
    config: &LayerConfig,
    chosen: &[Vec<usize>],
    raw_weights: &[Vec<f64>],
    places: &[Vec<Option<usize>>],
) -> Routing {
    let mut routing = Routing {
        tokens: chosen.len(),
        slots: config.k(),
        experts: chosen.iter().flatten().map(|&e| e as i32).collect(),
        weights: Vec::new(),
        positions: places.iter().flatten().map(|place| place.map_or(-1, |place| place as i32)).collect(),
        kept: places.iter().flatten().map(Option::is_some).collect(),
        demanded: vec![0; config.experts],
        load: vec![0; config.experts],
    };
    for ((chosen, a), places) in chosen.iter().zip(raw_weights).zip(places) {
        let kept: Vec<bool> = places.iter().map(Option::is_some).collect();
        routing.weights.extend(gate::weights(top_k(config), a, &kept));
        for (&e, kept) in chosen.iter().zip(kept) {
            routing.demanded[e] += 1;
            routing.load[e] += u32::from(kept);
        }
    }
    routing
}

/// The served (token, expert) pairs.
fn kept_pairs(routing: &Routing) -> impl Iterator<Item = (usize, usize)> + '_ {
    let pair = |i: usize| (i / routing.slots, routing.experts[i] as usize);
    (0..routing.kept.len()).filter(|&i| routing.kept[i]).map(pair)
}

/// The arrays of routed expert `e`.
fn expert<'a>(config: &LayerConfig, weights: &'a Weights<f64>, e: usize) -> Expert<&'a [f64]> {
    let (d, f) = (config.d_model, config.d_ff);
    let part = |array: &'a [f64], size: usize| &array[e * size..(e + 1) * size];
    Expert {
        w1: part(&weights.w1, f * d),
        w2: part(&weights.w2, d * f),
        w3: weights.w3.as_deref().map(|w3| part(w3, f * d)),
        b1: weights.b1.as_deref().map(|b1| part(b1, f)),
        b2: weights.b2.as_deref().map(|b2| part(b2, d)),
        b3: weights.b3.as_deref().map(|b3| part(b3, f)),
    }
}

/// The gradients of routed expert `e`.
fn expert_mut<'a>(config: &LayerConfig, grads: &'a mut Weights<f64>, e: usize) -> Expert<&'a mut [f64]> {
    let (d, f) = (config.d_model, config.d_ff);
    fn part(array: &mut [f64], e: usize, size: usize) -> &mut [f64] {
        &mut array[e * size..(e + 1) * size]
    }
    Expert {
        w1: part(&mut grads.w1, e, f * d),
        w2: part(&mut grads.w2, e, d * f),
        w3: grads.w3.as_deref_mut().map(|w3| part(w3, e, f * d)),
        b1: grads.b1.as_deref_mut().map(|b1| part(b1, e, f)),
        b2: grads.b2.as_deref_mut().map(|b2| part(b2, e, d)),
        b3: grads.b3.as_deref_mut().map(|b3| part(b3, e, f)),
    }
}

/// The arrays of the shared expert, which has no biases.
fn shared_expert(weights: &Weights<f64>) -> Option<Expert<&[f64]>> {
    let (w1, w2) = (weights.shared_w1.as_deref()?, weights.shared_w2.as_deref()?);
    Some(Expert { w1, w2, w3: weights.shared_w3.as_deref(), b1: None, b2: None, b3: None })
}

fn shared_backward(
    config: &LayerConfig,
    weights: &Weights<f64>,
    x: &[f64],
    dy: &[f64],
    grads: &mut Weights<f64>,
    dx: &mut [f64],
) {
    let Some(shared) = shared_expert(weights) else { return };
    let mut scale = 1.0;
    if let (Some(gate), Some(d_gate)) = (&weights.shared_gate, &mut grads.shared_gate) {
        scale = sigmoid(dot(gate, x));
        let d_logit = dot(dy, &shared.forward(config.activation, x)) * scale * (1.0 - scale);
        add_scaled(d_gate, d_logit, x);
        add_scaled(dx, d_logit, gate);
    }
    if let (Some(w1), Some(w2)) = (grads.shared_w1.as_deref_mut(), grads.shared_w2.as_deref_mut()) {
        let mut grads = Expert { w1, w2, w3: grads.shared_w3.as_deref_mut(), b1: None, b2: None, b3: None };
        shared.backward(config.activation, x, &scaled(scale, dy), &mut grads, dx);
    }
}

fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

fn scaled(s: f64, x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| s * x).collect()
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn widen_weights(config: &LayerConfig, weights: &LayerWeights) -> Weights<f64> {
    Weights::build(config, |name, _| widen(weights.get(name).unwrap_or_default()))
}
