//! How much work a pass is: dispatches and readbacks, by the engine's own counters.

use std::rc::Rc;

use webmoe::config::{
    Activation, Capacity, Exploration, LayerConfig, Order, Priority, Renormalize, RouterConfig, Scoring, SecondPolicy,
    SharedExpert, Slots, TopK,
};
use webmoe::engine::{Counters, Engine};
use webmoe::session::ForwardOptions;

use super::super::engine::{ALL_GRADIENTS, layer};
use super::super::inputs::tokens;

fn small(experts: usize, devices: usize, router: TopK) -> LayerConfig {
    LayerConfig {
        activation: Activation::Relu,
        devices,
        groups: devices,
        ..LayerConfig::new(4, 4, experts, RouterConfig::TopK(router))
    }
}

fn since(before: Counters, after: Counters) -> Counters {
    Counters {
        dispatches: after.dispatches - before.dispatches,
        submits: after.submits - before.submits,
        readbacks: after.readbacks - before.readbacks,
        ..after
    }
}

/// What a second forward pass of 64 tokens that reads nothing adds to the counters.
async fn forward_costs(engine: &Rc<Engine>, config: &LayerConfig) -> Counters {
    let mut layer = layer(engine, config).await;
    let x = tokens(config, 2, 64);
    let options = ForwardOptions { train: true, step: 1, read: Vec::new(), ..ForwardOptions::default() };
    layer.forward(&x, &options).await.expect("a layer that runs");
    let before = engine.counters();
    layer.forward(&x, &options).await.expect("a layer that runs");
    since(before, engine.counters())
}

pub async fn a_forward_pass_that_reads_nothing_is_eight_dispatches_or_ten_on_a_mesh(engine: &Rc<Engine>) {
    for (experts, devices) in [(4, 1), (64, 1), (512, 1), (64, 8), (512, 8), (64, 64), (512, 64)] {
        let costs = forward_costs(engine, &small(experts, devices, TopK::new(2))).await;
        let label = format!("{experts} experts on {devices} devices");
        assert_eq!(costs.dispatches, if devices == 1 { 8 } else { 10 }, "{label}");
        assert_eq!((costs.readbacks, costs.submits), (0, 1), "{label}");
    }
}

pub async fn no_setting_of_the_router_adds_a_dispatch(engine: &Rc<Engine>) {
    let bounded = |priority, order| Capacity::Bounded { slots: Slots::Fixed { slots: 5 }, priority, order };
    let full = TopK {
        scoring: Scoring::Sigmoid,
        renormalize: Renormalize::PostDrop,
        selection_bias: Some(vec![0.1; 8]),
        expert_groups: 4,
        group_limit: 2,
        scale: 2.0,
        jitter: 0.1,
        dropout: 0.1,
        ..TopK::new(3)
    };
    for devices in [1, 8] {
        for priority in [Priority::Arrival, Priority::Batch, Priority::Weight, Priority::Random] {
            for (order, shared, router) in [
                (Order::Rank, None, TopK::new(2)),
                (Order::Token, Some(SharedExpert { d_ff: 9, gate: true }), full.clone()),
                (Order::Rank, None, TopK { exploration: Exploration::Sample, ..TopK::new(2) }),
                (Order::Rank, None, TopK { second_policy: SecondPolicy::Random, ..TopK::new(2) }),
                (Order::Rank, None, TopK { top_p: Some(0.5), ..TopK::new(4) }),
                (Order::Rank, None, TopK { prototypes: 4, ..TopK::new(1) }),
            ] {
                let config = LayerConfig {
                    capacity: bounded(priority, order),
                    shared_expert: shared,
                    router_bias: true,
                    ..small(8, devices, router)
                };
                let costs = forward_costs(engine, &config).await;
                assert_eq!(costs.dispatches, if devices == 1 { 8 } else { 10 }, "{config:?}");
                assert_eq!(costs.readbacks, 0, "{config:?}");
            }
        }
    }
}

pub async fn everything_comes_back_in_one_readback(engine: &Rc<Engine>) {
    for devices in [1, 4] {
        let config = small(8, devices, TopK::new(2));
        let mut layer = layer(engine, &config).await;
        let x = tokens(&config, 2, 64);
        let before = engine.counters();
        layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
        assert_eq!(since(before, engine.counters()).readbacks, 1, "forward on {devices} devices");
        let before = engine.counters();
        layer.backward(&x, &ALL_GRADIENTS).await.expect("backward runs");
        assert_eq!(since(before, engine.counters()).readbacks, 1, "backward on {devices} devices");
        let before = engine.counters();
        layer.backward(&x, &[]).await.expect("backward runs");
        layer.apply_sgd(0.1).await.expect("there are gradients");
        assert_eq!(since(before, engine.counters()).readbacks, 0, "a step that reads nothing, on {devices} devices");
    }
}
