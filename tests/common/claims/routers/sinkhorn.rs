//! Token choice by balanced logits.

use std::rc::Rc;

use webmoe::config::{LayerConfig, RouterConfig, SharedExpert, Sinkhorn, SinkhornGate};
use webmoe::engine::Engine;
use webmoe::session::ForwardOptions;

use super::super::super::engine::layer_of;
use super::super::super::inputs::{tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![layer_with(experts, sinkhorn(2)), LayerConfig { capacity: bounded(2), ..layer_with(experts, sinkhorn(1)) }]
}

fn sinkhorn(k: usize) -> RouterConfig {
    // as many iterations on every engine, so that rounding decides nothing
    RouterConfig::Sinkhorn(Sinkhorn { iterations: 12, tolerance: 0.0, ..Sinkhorn::new(k) })
}

pub async fn sinkhorn_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let softmax = |k| {
        let RouterConfig::Sinkhorn(router) = sinkhorn(k) else { unreachable!("that is what it makes") };
        RouterConfig::Sinkhorn(Sinkhorn { gate: SinkhornGate::Softmax, epsilon: 0.3, ..router })
    };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("Sinkhorn, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("one choice", layer_with(5, sinkhorn(1)), 37),
            trial("three choices of softmax", layer_with(7, softmax(3)), 70),
            Trial { train: false, ..trial("outside training", layer_with(5, sinkhorn(2)), 37) },
            trial("one expert", layer_with(1, sinkhorn(1)), 9),
            trial("all experts", layer_with(4, sinkhorn(4)), 9),
            trial("more experts than threads", layer_with(130, sinkhorn(2)), 16),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer_with(4, sinkhorn(2)) }, 64),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, sinkhorn(2)) }, 64),
        ],
    )
    .await;
}

pub async fn prices_even_out_what_the_tokens_ask_for(engine: &Rc<Engine>) {
    let skewed = |router| {
        let mut config = LayerConfig { router_bias: true, ..layer_with(8, router) };
        config.loss_weights.clear();
        config
    };
    let load = async |router: RouterConfig| {
        let config = skewed(router);
        let mut given = weights(&config, 6);
        given.router_bias = Some((0..8).map(|e| 0.5 * e as f32).collect());
        let mut layer = layer_of(engine, &config, &given).await;
        let options = ForwardOptions { train: true, ..ForwardOptions::default() };
        let output = layer.forward(&tokens(&config, 6, 512), &options).await.expect("a layer that runs");
        output.routing.expect("routing was read").load.into_iter().max()
    };
    let plain = load(RouterConfig::TopK(webmoe::config::TopK::new(1))).await;
    let balanced = load(RouterConfig::Sinkhorn(Sinkhorn { epsilon: 0.1, iterations: 50, ..Sinkhorn::new(1) })).await;
    assert!(plain > Some(128), "one expert is asked by twice its share and more: {plain:?}");
    assert!(balanced < Some(77), "none gets a fifth more than its share of 64: {balanced:?}");
}
