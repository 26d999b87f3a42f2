//! A layer that shows its combine weights: routing fixtures give logits instead of tokens and a router.
//!
//! With `d = E`, the identity as router and tokens for logits, the logits are exactly the tokens. With expert `e`
//! giving the `e`-th unit vector whatever goes in, the output is the dense `[T, E]` matrix of combine weights, and the
//! gradient of the tokens is the gradient of the logits.

use webmoe::config::{Capacity, LayerConfig, RouterConfig, Slots, TopK};
use webmoe::weights::{LayerWeights, Weights};

use super::super::case::Case;

/// A case of `logits`: `[T, E]`, with the cotangent of the combine weights, or zeros.
pub fn case(id: &str, config: LayerConfig, logits: Vec<f32>, cotangent: Option<Vec<f32>>) -> Case {
    let d_output = cotangent.unwrap_or_else(|| vec![0.0; logits.len()]);
    let weights = weights(&config);
    Case { id: id.to_owned(), config, weights, x: logits, d_output, train: true, expect: Vec::new() }
}

/// The layer of such a case.
pub fn config(experts: usize, router: TopK) -> LayerConfig {
    LayerConfig { bias: true, ..LayerConfig::new(experts, 4, experts, RouterConfig::TopK(router)) }
}

/// Asserts that the layer finds the number of slots that was recorded.
pub fn assert_capacity(id: &str, config: &LayerConfig, tokens: usize, recorded: usize) {
    assert_eq!(config.slots(tokens, true), Some(recorded), "{id}: capacity");
}

/// Exactly so many slots.
pub fn fixed(slots: usize) -> Slots {
    Slots::Fixed { slots }
}

/// A bounded buffer with the default priority, by a number of slots.
pub fn bounded(slots: Slots) -> Capacity {
    use webmoe::config::{Order, Priority};
    Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank }
}

fn weights(config: &LayerConfig) -> LayerWeights {
    let identity = |e: usize| (0..e * e).map(|i| if i / e == i % e { 1.0 } else { 0.0 }).collect();
    Weights::build(config, |name, len| match name {
        "router" | "b2" => identity(config.experts),
        _ => vec![0.0; len],
    })
}

/// The gradient of `E Σ_e f_e P_e` with `f` counting first choices only, for `logits`: `[T, E]`.
///
/// Some projects balance first choices where the layer balances all of them. Their recorded gradients hold this term,
/// which is taken out before comparing.
///
/// # Source
/// Fedus, Zoph, Shazeer 2021 (Switch), eq. 4, differentiated.
pub fn first_choice_balance_gradient(logits: &[f32], experts: usize) -> Vec<f64> {
    let probabilities: Vec<Vec<f64>> = logits
        .chunks_exact(experts)
        .map(|row| {
            let exps: Vec<f64> = row.iter().map(|&h| f64::from(h).exp()).collect();
            let sum: f64 = exps.iter().sum();
            exps.into_iter().map(|e| e / sum).collect()
        })
        .collect();
    let tokens = probabilities.len() as f64;
    let mut share = vec![0.0; experts];
    for p in &probabilities {
        let first = (1..experts).fold(0, |best, e| if p[e] > p[best] { e } else { best });
        share[first] += 1.0 / tokens;
    }
    let gradient = |p: &Vec<f64>| {
        let mean: f64 = p.iter().zip(&share).map(|(p, f)| p * f).sum();
        p.iter().zip(&share).map(|(p, f)| experts as f64 / tokens * p * (f - mean)).collect::<Vec<_>>()
    };
    probabilities.iter().flat_map(gradient).collect()
}
