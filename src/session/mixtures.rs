//! Who went where, of a router with which nobody does: experts had mixtures of tokens.

use super::types::Routing;
use crate::config::LayerConfig;
use crate::layer::Sizes;

/// Every token with all experts, in the order of their numbers, each weighed by what its slots are of the token's output;
/// `shares`: `f32[T, stride]`. No token has a place of its own.
pub(super) fn routing(config: &LayerConfig, s: &Sizes, shares: &[f32]) -> Routing {
    let (experts, slots) = (config.experts, config.router.mixtures());
    let tokens = shares.len() / s.stride;
    let of_slots = shares.chunks_exact(s.stride).flat_map(|token| token[..experts * slots].chunks_exact(slots));
    let weights = of_slots.map(|own| own.iter().sum()).collect();
    let all = vec![tokens as u32; experts];
    Routing {
        tokens,
        slots: experts,
        experts: (0..experts as i32).collect::<Vec<_>>().repeat(tokens),
        weights,
        positions: vec![-1; tokens * experts],
        kept: vec![1; tokens * experts],
        demanded: all.clone(),
        load: all,
    }
}
