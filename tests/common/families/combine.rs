//! A layer that shows its combine weights: routing fixtures give logits instead of tokens and a router.
//!
//! With `d = E`, the identity as router and tokens for logits, the logits are exactly the tokens. With expert `e`
//! giving the `e`-th unit vector whatever goes in, the output is the dense `[T, E]` matrix of combine weights, and the
//! gradient of the tokens is the gradient of the logits.

use webmoe::config::{Capacity, LayerConfig, Order, Priority, RouterConfig, Slots, TopK};
use webmoe::weights::{LayerWeights, Weights};

use super::super::case::Case;

/// A case of `logits`: `[T, E]`, with the cotangent of the combine weights, or zeros.
pub fn case(id: &str, config: LayerConfig, logits: Vec<f32>, cotangent: Option<Vec<f32>>) -> Case {
    let d_output = cotangent.unwrap_or_else(|| vec![0.0; logits.len()]);
    let weights = weights(&config);
    Case { id: id.to_owned(), config, weights, x: logits, d_output, train: true, draws: None, expect: Vec::new() }
}

/// The layer of such a case, of tokens that choose.
pub fn config(experts: usize, router: TopK) -> LayerConfig {
    config_of(experts, RouterConfig::TopK(router))
}

/// The layer of such a case.
pub fn config_of(experts: usize, router: RouterConfig) -> LayerConfig {
    LayerConfig { bias: true, ..LayerConfig::new(experts, 4, experts, router) }
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
    Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank }
}

fn weights(config: &LayerConfig) -> LayerWeights {
    let identity = |e: usize| (0..e * e).map(|i| if i / e == i % e { 1.0 } else { 0.0 }).collect();
    Weights::build(config, |name, len| match name {
        "router" | "b2" => identity(config.experts),
        _ => vec![0.0; len],
    })
}
