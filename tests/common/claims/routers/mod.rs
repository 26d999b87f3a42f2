//! Every router beside plain token choice: against the oracle, on 1 to 64 devices, with the exchanges that it should make.

use std::collections::HashSet;
use std::rc::Rc;

use webmoe::config::{Activation, Base, Capacity, Exchanges, LayerConfig, Order, Priority, RouterConfig, Slots};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::layer::{Op, PayloadKind};
use webmoe::session::{ForwardOptions, Read, Routing};

use super::super::engine::{Passes, layer_of, passes};
use super::super::inputs::{d_output, labels, named, tokens, weights};

pub mod bandit;
pub mod base;
pub mod branches;
pub mod dense_to_sparse;
pub mod domain;
pub mod expert_choice;
pub mod hash;
pub mod language;
pub mod multi_gate;
pub mod noisy_top_k;
pub mod reinforce;
pub mod sinkhorn;
pub mod soft;
pub mod task;
pub mod thor;
pub mod thresholds;
pub mod token_then_expert;
pub mod top_k;

/// A layer of the cheapest experts, with all losses that its router knows and whose gradient it takes.
pub fn layer_with(experts: usize, router: RouterConfig) -> LayerConfig {
    let weighed = ["z", "importance"].into_iter().filter(|name| router.losses().contains(name));
    LayerConfig {
        activation: Activation::Relu,
        loss_weights: weighed.map(|name| (name.to_owned(), 0.3)).collect(),
        ..LayerConfig::new(6, 10, experts, router)
    }
}

/// A few slots, for those who come first.
pub fn bounded(slots: usize) -> Capacity {
    Capacity::Bounded { slots: Slots::Fixed { slots }, priority: Priority::Arrival, order: Order::Rank }
}

/// A few layers of every router, of `experts` experts.
pub fn one_of_each(experts: usize) -> Vec<LayerConfig> {
    let all = [
        top_k::examples,
        noisy_top_k::examples,
        expert_choice::examples,
        base::examples,
        sinkhorn::examples,
        hash::examples,
        token_then_expert::examples,
        thor::examples,
        domain::examples,
        language::examples,
        task::examples,
        multi_gate::examples,
        soft::examples,
        dense_to_sparse::examples,
        reinforce::examples,
        bandit::examples,
    ];
    all.into_iter().flat_map(|examples| examples(experts)).collect()
}

/// A training step of `count` tokens.
pub async fn run(engine: &Rc<Engine>, config: &LayerConfig, count: usize) -> Passes {
    let mut layer = layer_of(engine, config, &weights(config, 6)).await;
    let labels = labels(config, count);
    let options = ForwardOptions { train: true, labels, ..ForwardOptions::default() };
    let (x, d_output) = (tokens(config, 6, count), d_output(config, 6, count));
    passes(&mut layer, &x, &d_output, &options).await.unwrap_or_else(|e| panic!("{e}: {config:?}"))
}

fn routing(passes: &Passes) -> &Routing {
    passes.output.routing.as_ref().expect("routing was read")
}

/// A pass that stops before the experts routes as a whole one does, in fewer dispatches; what it did not compute is refused.
pub async fn routing_alone_is_that_of_a_whole_pass(engine: &Rc<Engine>) {
    for config in one_of_each(8) {
        let weights = weights(&config, 6);
        let mut layer = layer_of(engine, &config, &weights).await;
        let (x, labels) = (tokens(&config, 6, 32), labels(&config, 32));
        let whole = ForwardOptions { train: true, labels: labels.clone(), ..ForwardOptions::default() };
        let routing = ForwardOptions { train: true, labels, ..ForwardOptions::routing() };
        let dispatches = || engine.counters().dispatches;
        let before = dispatches();
        let want = layer.forward(&x, &whole).await.expect("a layer that runs");
        // a pass in training may leave thresholds for the next
        layer.set_weights(named(&weights)).await.expect("weights of the layer's shapes");
        let between = dispatches();
        let got = layer.forward(&x, &routing).await.expect("a router that runs");
        assert!(dispatches() - between < between - before, "{:?}: no expert runs", config.router);
        assert_eq!(got.routing, want.routing, "{:?}", config.router);
        let losses = got.losses.expect("losses were read");
        assert_eq!(losses.len(), want.losses.as_ref().map_or(0, Vec::len), "{:?}", config.router);
        for ((name, got), (_, want)) in losses.iter().zip(want.losses.iter().flatten()) {
            assert_eq!(got.to_bits(), want.to_bits(), "{name} of {:?}", config.router);
        }
        assert!(got.output.is_none() && got.traffic.is_none());
        let error = layer.backward(&x, &[]).await.expect_err("there is no output whose gradient this could be");
        assert!(matches!(error, Error::OutOfOrder { .. }), "{error}");
        for read in [Read::Output, Read::Traffic] {
            let options = ForwardOptions { read: vec![read], ..routing.clone() };
            let error = layer.forward(&x, &options).await.expect_err("what no pass without experts has");
            assert!(error.to_string().contains("routeOnly"), "{error}");
        }
    }
}

pub async fn devices_change_nothing_for_any_router(engine: &Rc<Engine>) {
    for (config, first) in with_first_of_kind(one_of_each(8)) {
        devices_change_nothing(engine, config, if first { &[2, 4, 8] } else { &[8] }).await;
    }
    for (config, first) in with_first_of_kind(one_of_each(64)) {
        if first {
            devices_change_nothing(engine, config, &[64]).await;
        }
    }
}

/// Layers, and whether each is the first of its kind of router.
fn with_first_of_kind(layers: Vec<LayerConfig>) -> impl Iterator<Item = (LayerConfig, bool)> {
    let mut seen = HashSet::new();
    layers.into_iter().map(move |config| {
        let first = seen.insert(std::mem::discriminant(&config.router));
        (config, first)
    })
}

/// As many groups as there are experts, two tokens each, on one device and on several.
async fn devices_change_nothing(engine: &Rc<Engine>, config: LayerConfig, numbers: &[usize]) {
    let alone = LayerConfig { groups: config.experts, ..config };
    let tokens = 2 * alone.groups;
    let one = run(engine, &alone, tokens).await;
    for &devices in numbers {
        let many = run(engine, &LayerConfig { devices, ..alone.clone() }, tokens).await;
        assert_eq!(routing(&many), routing(&one), "the plan on {devices} devices: {:?}", alone.router);
        for ((name, many), (_, one)) in many.bits().into_iter().zip(one.bits()) {
            assert!(many == one, "{name} on {devices} devices has other bits than on one: {:?}", alone.router);
        }
    }
}

/// What rows are exchanged for in the forward and in the backward pass of a training step.
fn exchanges(router: &RouterConfig) -> [Vec<Op>; 2] {
    match router {
        RouterConfig::Base(Base { shuffle: true, .. }) => [
            vec![Op::Shuffle, Op::Dispatch, Op::Combine, Op::Unshuffle],
            vec![Op::Unshuffle, Op::Combine, Op::Dispatch, Op::Shuffle],
        ],
        _ if router.exchange() == Exchanges::None => [Vec::new(), Vec::new()],
        _ => [vec![Op::Dispatch, Op::Combine], vec![Op::Combine, Op::Dispatch]],
    }
}

pub async fn every_router_moves_rows_as_often_as_it_should(engine: &Rc<Engine>) {
    for config in one_of_each(8) {
        let got = run(engine, &LayerConfig { groups: 4, devices: 4, ..config.clone() }, 64).await;
        for (traffic, wanted) in [&got.output.traffic, &got.gradients.traffic].iter().zip(exchanges(&config.router)) {
            let traffic = traffic.as_ref().expect("traffic was read");
            let rows: Vec<_> = traffic.iter().filter(|t| t.kind == PayloadKind::Payload).map(|t| t.op).collect();
            assert_eq!(rows, wanted, "{:?}", config.router);
        }
    }
}
