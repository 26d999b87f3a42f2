//! Mixtures of several tasks over the same experts.
//!
//! # Source
//! Ma et al. 2018 (MMoE).

use super::choose::Choices;
use super::math::{add_outer, add_scaled, add_transposed_times, dot, softmax, softmax_backward};
use super::shared::Input;
use super::{Forward, Gradients, Setting, expert, gate, losses, plan, routing, shared, traffic};
use crate::config::{LayerConfig, MultiGate};
use crate::error::Error;
use crate::weights::Weights;

/// What the tasks of one token take: `[tasks]` of the experts, and of the gates of all experts.
struct Gated {
    taken: Vec<Vec<usize>>,
    gates: Vec<Vec<f64>>,
}

fn gated(router: &MultiGate, h: &[f64]) -> Gated {
    let of_task = h.chunks_exact(h.len() / router.tasks);
    let taken = of_task.clone().map(|h| routing::best(h, router.taken(h.len()))).collect();
    Gated { taken, gates: of_task.map(softmax).collect() }
}

impl Gated {
    /// The experts that any task took, by number.
    fn asked(&self) -> Vec<usize> {
        let mut asked = self.taken.concat();
        asked.sort_unstable();
        asked.dedup();
        asked
    }

    /// What an expert weighs in a task.
    fn weight(&self, task: usize, expert: usize) -> f64 {
        if self.taken[task].contains(&expert) { self.gates[task][expert] } else { 0.0 }
    }
}

/// `output`: `f64[tasks, T, d]`; `routing.weights`: `f64[tasks, T, k]`.
pub(super) fn forward(
    router: &MultiGate,
    config: &LayerConfig,
    weights: &Weights<f64>,
    x: &[f64],
    setting: Setting,
) -> Result<Forward, Error> {
    let (d, tokens) = (config.d_model, x.len() / config.d_model);
    let group_tokens = config.tokens_per_group(tokens)?;
    let capacity = config.slots(group_tokens, setting.train);
    let logits = gate::logits(weights, x, d);
    let of_tokens: Vec<Gated> = logits.chunks_exact(config.router_rows()).map(|h| gated(router, h)).collect();
    let chosen: Vec<Vec<usize>> = of_tokens.iter().map(Gated::asked).collect();
    let undivided: Vec<Vec<f64>> = chosen.iter().map(|chosen| vec![1.0; chosen.len()]).collect();
    // who is served first may hang on a token's largest gate of any task
    let best: Vec<f64> = of_tokens.iter().flat_map(|gated| largest(&gated.gates, config.experts)).collect();
    let choices = Choices::by_tokens(chosen.clone());
    let asked: Vec<Vec<bool>> = chosen.iter().map(|chosen| vec![true; chosen.len()]).collect();
    let wishes = plan::Wishes { choices: &choices, asked: &asked, raw_weights: &undivided, scores: &best };
    let mut routing = plan::plan(config, group_tokens, capacity, setting, &wishes);
    let noise = vec![1.0; x.len()];

    let k = config.k();
    let mut output = vec![0.0; router.tasks * x.len()];
    routing.weights = vec![0.0; router.tasks * tokens * k];
    for (at, y) in output.chunks_exact_mut(d).enumerate() {
        let (task, token) = (at / tokens, at % tokens);
        let x = &x[token * d..(token + 1) * d];
        for (j, &e) in chosen[token].iter().enumerate().filter(|(j, _)| routing.kept[token * k + j]) {
            let weight = of_tokens[token].weight(task, e);
            routing.weights[at * k + j] = weight;
            add_scaled(y, weight, &expert::forward(config, weights, e, x));
        }
        shared::add_forward(config, weights, Input { x, noise: &noise[..d] }, y);
    }
    let scores = of_tokens.iter().flat_map(|gated| gated.gates.concat()).collect();
    let losses =
        losses::Routed { config, group_tokens, logits: &[], scores: &[], chosen: &chosen, asked: &asked }.values();
    let moves = traffic::Moves { tokens, capacity, kept: routing.kept_pairs().collect() };
    let traffic = traffic::forward(config, &moves, &[]);
    Ok(Forward {
        shuffled: None,
        output,
        logits,
        scores,
        baseline: Vec::new(),
        routing,
        losses,
        traffic,
        capacity,
        thresholds: None,
        noise,
        noisy: None,
        temperature: 1.0,
        tasks: None,
        chosen,
        asked,
        raw_weights: undivided,
    })
}

/// The largest gate of each of `experts` experts in any task.
fn largest(gates: &[Vec<f64>], experts: usize) -> impl Iterator<Item = f64> + '_ {
    (0..experts).map(|e| gates.iter().map(|gates| gates[e]).fold(0.0, f64::max))
}

/// From `d_output`: `f64[tasks, T, d]`.
pub(super) fn backward(
    router: &MultiGate,
    config: &LayerConfig,
    weights: &Weights<f64>,
    x: &[f64],
    forward: &Forward,
    d_output: &[f64],
) -> Gradients {
    let (d, k, e) = (config.d_model, config.k(), config.experts);
    let tokens = forward.routing.tokens;
    let mut dx = vec![0.0; x.len()];
    let mut dh = Vec::new();
    let mut grads = Weights::build(config, |_, len| vec![0.0; len]);
    for token in 0..tokens {
        let (x, dx) = (&x[token * d..(token + 1) * d], &mut dx[token * d..(token + 1) * d]);
        let gated = gated(router, &forward.logits[token * router.tasks * e..(token + 1) * router.tasks * e]);
        let dy = |task: usize| &d_output[(task * tokens + token) * d..][..d];
        let mut d_gates = vec![vec![0.0; e]; router.tasks];
        let kept = |(j, _): &(usize, &usize)| forward.routing.kept[token * k + j];
        for (_, &expert) in forward.chosen[token].iter().enumerate().filter(kept) {
            let f = expert::forward(config, weights, expert, x);
            let mut d_out = vec![0.0; d];
            for (task, d_gates) in d_gates.iter_mut().enumerate() {
                if gated.taken[task].contains(&expert) {
                    d_gates[expert] = dot(dy(task), &f);
                    add_scaled(&mut d_out, gated.gates[task][expert], dy(task));
                }
            }
            expert::backward(config, weights, expert, x, &d_out, &mut grads, dx);
        }
        let mut d_shared = vec![0.0; d];
        (0..router.tasks).for_each(|task| add_scaled(&mut d_shared, 1.0, dy(task)));
        let input = Input { x, noise: &forward.noise[..d] };
        shared::add_backward(config, weights, input, &d_shared, 0.0, &mut grads, dx);
        let d_logits: Vec<f64> =
            gated.gates.iter().zip(&d_gates).flat_map(|(gates, d)| softmax_backward(gates, d)).collect();
        add_outer(&mut grads.router, &d_logits, x);
        if let Some(bias) = &mut grads.router_bias {
            add_scaled(bias, 1.0, &d_logits);
        }
        add_transposed_times(dx, &weights.router, &d_logits);
        dh.extend(d_logits);
    }
    let moves = traffic::Moves { tokens, capacity: forward.capacity, kept: forward.routing.kept_pairs().collect() };
    Gradients { x: dx, logits: dh, weights: grads, traffic: traffic::backward(config, &moves) }
}
