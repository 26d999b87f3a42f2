//! Same seed, same bits.

use std::rc::Rc;

use webmoe::config::{Activation, Capacity, LayerConfig, Order, Priority, RouterConfig, SharedExpert, Slots, TopK};
use webmoe::engine::Engine;
use webmoe::session::ForwardOptions;

use super::super::engine::{another, layer, passes};
use super::super::inputs::{bits, d_output, named, tokens};

/// A layer in which everything is random that can be: first weights, jitter, who is served.
fn config(seed: u64) -> LayerConfig {
    let slots = Slots::Fixed { slots: 4 };
    LayerConfig {
        activation: Activation::Silu,
        gated: true,
        capacity: Capacity::Bounded { slots, priority: Priority::Random, order: Order::Rank },
        shared_expert: Some(SharedExpert { d_ff: 9, gate: true }),
        loss_weights: [("loadBalance".to_owned(), 0.1), ("z".to_owned(), 0.1)].into(),
        groups: 4,
        devices: 2,
        seed,
        ..LayerConfig::new(20, 17, 8, RouterConfig::TopK(TopK { jitter: 0.2, ..TopK::new(2) }))
    }
}

/// The bits of everything that three training steps give, and of the weights after them.
async fn three_steps(engine: &Rc<Engine>, seed: u64) -> Vec<(String, Vec<u32>)> {
    let config = config(seed);
    let mut layer = layer(engine, &config).await;
    let mut all = Vec::new();
    for step in 0..3 {
        let (x, d_output) = (tokens(&config, step, 64), d_output(&config, step, 64));
        let options = ForwardOptions { train: true, step: step as u32, ..ForwardOptions::default() };
        let step_bits = passes(&mut layer, &x, &d_output, &options).await.expect("a layer that runs").bits();
        all.extend(step_bits.into_iter().map(|(name, bits)| (format!("step {step}: {name}"), bits)));
        layer.apply_sgd(0.05).await.expect("there are gradients");
    }
    let weights = layer.weights().await.expect("weights can be read");
    all.extend(named(&weights).into_iter().map(|(name, values)| (format!("after training: {name}"), bits(&values))));
    all
}

pub async fn the_same_seed_gives_the_same_bits_on_another_engine(engine: &Rc<Engine>) {
    let here = three_steps(engine, 5).await;
    let there = three_steps(&another(engine).await, 5).await;
    for ((name, here), (_, there)) in here.iter().zip(&there) {
        assert!(here == there, "{name} has other bits");
    }
    assert_eq!(here.len(), there.len());
    assert!(here == three_steps(engine, 5).await, "and the same again on the engine that has run before");
}

pub async fn another_seed_gives_other_weights_and_outputs(engine: &Rc<Engine>) {
    let (one, other) = (three_steps(engine, 5).await, three_steps(engine, 6).await);
    for name in ["step 0: output", "step 0: w1", "after training: router", "after training: sharedW2"] {
        let find = |all: &[(String, Vec<u32>)]| all.iter().find(|(n, _)| n == name).map(|(_, bits)| bits.clone());
        assert!(find(&one).is_some_and(|bits| !bits.is_empty()), "{name} is there");
        assert_ne!(find(&one), find(&other), "{name}");
    }
}
