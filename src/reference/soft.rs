//! Mixtures of tokens for experts, and of experts' outputs for tokens.
//!
//! # Source
//! Puigcerver, Riquelme, Mustafa, Houlsby 2023 (Soft MoE), section 2.1.

use super::math::{add_outer, add_scaled, add_transposed_times, dot, softmax, softmax_backward};
use super::shared::Input;
use super::{Forward, Gradients, Routing, Setting, expert, gate, shared, traffic};
use crate::config::{LayerConfig, Soft};
use crate::error::Error;
use crate::weights::Weights;

/// The tokens of one group, `f64[S, d]`, by their logits `f64[S, n]` for all `n` slots.
struct Group<'a> {
    x: Vec<&'a [f64]>,
    /// `[n]` of `[S]`: what each token is of a slot's input.
    dispatch: Vec<Vec<f64>>,
    /// `[S]` of `[n]`: what each slot's output is of a token's.
    combine: Vec<Vec<f64>>,
}

impl<'a> Group<'a> {
    fn new(x: &'a [f64], logits: &[f64], d: usize) -> Self {
        let x: Vec<&[f64]> = x.chunks_exact(d).collect();
        let slots = logits.len() / x.len();
        let column = |m: usize| logits.iter().skip(m).step_by(slots).copied().collect::<Vec<f64>>();
        Group {
            dispatch: (0..slots).map(|m| softmax(&column(m))).collect(),
            combine: logits.chunks_exact(slots).map(softmax).collect(),
            x,
        }
    }

    /// The input of a slot.
    fn input(&self, slot: usize) -> Vec<f64> {
        let mut input = vec![0.0; self.x[0].len()];
        self.dispatch[slot].iter().zip(&self.x).for_each(|(share, x)| add_scaled(&mut input, *share, x));
        input
    }

    /// The experts' outputs, slot by slot.
    fn outputs(&self, router: &Soft, config: &LayerConfig, weights: &Weights<f64>) -> Vec<Vec<f64>> {
        let of_slot = |slot: usize| expert::forward(config, weights, slot / router.slots, &self.input(slot));
        (0..self.dispatch.len()).map(of_slot).collect()
    }
}

/// The groups of a batch, in their order.
fn groups<'a>(config: &LayerConfig, x: &'a [f64], logits: &'a [f64]) -> impl Iterator<Item = Group<'a>> {
    let d = config.d_model;
    let (x_size, h_size) = (x.len() / config.groups, logits.len() / config.groups);
    let of_group = move |(x, logits): (&'a [f64], &'a [f64])| Group::new(x, logits, d);
    x.chunks_exact(x_size.max(1)).zip(logits.chunks_exact(h_size.max(1))).map(of_group)
}

/// `scores`: `f64[T, E·slots]`, what each token is of each slot's input.
pub(super) fn forward(
    router: &Soft,
    config: &LayerConfig,
    weights: &Weights<f64>,
    x: &[f64],
    setting: Setting,
) -> Result<Forward, Error> {
    let (d, e, tokens) = (config.d_model, config.experts, x.len() / config.d_model);
    let capacity = config.slots(config.tokens_per_group(tokens)?, setting.train);
    let logits = gate::logits(weights, x, d);
    let noise = vec![1.0; d];
    let (mut output, mut scores, mut of_experts) = (Vec::new(), Vec::new(), Vec::new());
    for group in groups(config, x, &logits) {
        let outputs = group.outputs(router, config, weights);
        for (t, x) in group.x.iter().enumerate() {
            let mut y = vec![0.0; d];
            group.combine[t].iter().zip(&outputs).for_each(|(share, out)| add_scaled(&mut y, *share, out));
            shared::add_forward(config, weights, Input { x, noise: &noise }, &mut y);
            output.extend(y);
            scores.extend(group.dispatch.iter().map(|shares| shares[t]));
            of_experts.extend(group.combine[t].chunks_exact(router.slots).map(|shares| shares.iter().sum::<f64>()));
        }
    }
    let routing = Routing {
        tokens,
        slots: e,
        experts: (0..tokens * e).map(|i| (i % e) as i32).collect(),
        weights: of_experts,
        positions: vec![-1; tokens * e],
        kept: vec![true; tokens * e],
        demanded: vec![tokens as u32; e],
        load: vec![tokens as u32; e],
    };
    Ok(Forward {
        output,
        logits,
        scores,
        baseline: Vec::new(),
        routing,
        losses: Default::default(),
        traffic: traffic::forward(config, &moves(router, config, capacity), &[]),
        capacity,
        noise,
        noisy: None,
        tasks: None,
        temperature: 1.0,
        chosen: Vec::new(),
        asked: Vec::new(),
        raw_weights: Vec::new(),
        thresholds: None,
        shuffled: None,
    })
}

/// What moves: the slots' inputs, each from its group to its expert.
fn moves(router: &Soft, config: &LayerConfig, capacity: Option<usize>) -> traffic::Moves {
    let slots = capacity.unwrap_or(router.slots);
    let all = config.groups * config.experts * slots;
    let expert = |at: usize| at / slots % config.experts;
    traffic::Moves { tokens: all, capacity, kept: (0..all).map(|at| (at, expert(at))).collect() }
}

/// The gradients from `d_output`: `f64[T, d]`.
pub(super) fn backward(
    router: &Soft,
    config: &LayerConfig,
    weights: &Weights<f64>,
    x: &[f64],
    forward: &Forward,
    d_output: &[f64],
) -> Gradients {
    let d = config.d_model;
    let mut grads = Weights::build(config, |_, len| vec![0.0; len]);
    let (mut d_x, mut d_logits) = (Vec::new(), Vec::new());
    let mut d_outputs = d_output.chunks_exact(d);
    for group in groups(config, x, &forward.logits) {
        let slots = group.dispatch.len();
        let dy: Vec<&[f64]> = d_outputs.by_ref().take(group.x.len()).collect();
        let outputs = group.outputs(router, config, weights);
        let mut dx = vec![vec![0.0; d]; group.x.len()];
        let mut dh: Vec<Vec<f64>> = group
            .combine
            .iter()
            .zip(&dy)
            .map(|(shares, dy)| softmax_backward(shares, &outputs.iter().map(|out| dot(out, dy)).collect::<Vec<_>>()))
            .collect();
        for slot in 0..slots {
            let mut d_out = vec![0.0; d];
            group.combine.iter().zip(&dy).for_each(|(shares, dy)| add_scaled(&mut d_out, shares[slot], dy));
            let mut d_input = vec![0.0; d];
            let expert = slot / router.slots;
            expert::backward(config, weights, expert, &group.input(slot), &d_out, &mut grads, &mut d_input);
            let shares = &group.dispatch[slot];
            let d_shares: Vec<f64> = group.x.iter().map(|x| dot(x, &d_input)).collect();
            for (t, d_logit) in softmax_backward(shares, &d_shares).into_iter().enumerate() {
                dh[t][slot] += d_logit;
                add_scaled(&mut dx[t], shares[t], &d_input);
            }
        }
        for (t, x) in group.x.iter().enumerate() {
            add_outer(&mut grads.router, &dh[t], x);
            if let Some(bias) = &mut grads.router_bias {
                add_scaled(bias, 1.0, &dh[t]);
            }
            add_transposed_times(&mut dx[t], &weights.router, &dh[t]);
            let input = Input { x, noise: &forward.noise };
            shared::add_backward(config, weights, input, dy[t], 0.0, &mut grads, &mut dx[t]);
        }
        d_x.extend(dx.concat());
        d_logits.extend(dh.concat());
    }
    let moves = moves(router, config, forward.capacity);
    Gradients { x: d_x, logits: d_logits, weights: grads, traffic: traffic::backward(config, &moves) }
}
