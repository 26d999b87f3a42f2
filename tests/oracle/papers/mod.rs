//! What the papers on token choice promise of their settings: Switch, ST-MoE, V-MoE. GShard's second choices are in `choices`.

mod st_moe;
mod switch;
mod v_moe;

use webmoe::config::{Capacity, LayerConfig, Order, Priority, Slots, TopK};
use webmoe::rng::uniform_f32;

use crate::common::families::combine;

/// Logits in [-2, 2), others for every seed; the first expert is liked more by `lead`.
pub fn logits(seed: u64, tokens: usize, experts: usize, lead: f32) -> Vec<f32> {
    let one = |i: usize| {
        4.0 * uniform_f32(seed, 0, 0, i as u32, 0) - 2.0 + if i.is_multiple_of(experts) { lead } else { 0.0 }
    };
    (0..tokens * experts).map(one).collect()
}

/// A layer whose logits are its tokens, with some places an expert.
pub fn layer(experts: usize, router: TopK, slots: usize, priority: Priority) -> LayerConfig {
    let capacity = Capacity::Bounded { slots: Slots::Fixed { slots }, priority, order: Order::Rank };
    LayerConfig { capacity, ..combine::config(experts, router) }
}
