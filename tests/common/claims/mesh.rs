//! The mesh of virtual devices: the same results, and every byte counted.

use std::rc::Rc;

use webmoe::config::{
    Activation, Capacity, CapacityPer, LayerConfig, Order, Priority, Renormalize, Rounding, RouterConfig, SharedExpert,
    Slots, TopK,
};
use webmoe::engine::Engine;
use webmoe::labels::Labels;
use webmoe::layer::{Op, Pass, Traffic};
use webmoe::reference::{self, Setting};
use webmoe::session::{BackwardRead, ForwardOptions};

use super::super::engine::{ALL_GRADIENTS, Passes, layer_of, passes};
use super::super::inputs::{bits, d_output, tokens, weights};
use super::super::trial::traffic_differences;

const TRAIN: ForwardOptions = ForwardOptions {
    train: true,
    step: 0,
    pass: 0,
    labels: Labels::NONE,
    draws: None,
    route_only: false,
    read: Vec::new(),
};

fn slots(slots: Slots) -> Capacity {
    Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank }
}

/// Dropless, and with drops: 64 routing groups and experts, so that up to 64 devices divide them.
fn layers(devices: usize) -> [LayerConfig; 2] {
    let router = TopK { renormalize: Renormalize::PostDrop, ..TopK::new(3) };
    let dropless = LayerConfig {
        activation: Activation::Relu,
        shared_expert: Some(SharedExpert { d_ff: 13, gate: true }),
        loss_weights: [("loadBalance".to_owned(), 0.3), ("z".to_owned(), 0.1)].into(),
        groups: 64,
        devices,
        ..LayerConfig::new(10, 7, 64, RouterConfig::TopK(router))
    };
    let bounded = LayerConfig { capacity: slots(Slots::Fixed { slots: 1 }), ..dropless.clone() };
    [dropless, bounded]
}

async fn run(engine: &Rc<Engine>, config: &LayerConfig, count: usize) -> Passes {
    let (x, d_output) = (tokens(config, 4, count), d_output(config, 4, count));
    let mut layer = layer_of(engine, config, &weights(config, 4)).await;
    let options = ForwardOptions { train: true, ..ForwardOptions::default() };
    passes(&mut layer, &x, &d_output, &options).await.expect("a layer that runs")
}

pub async fn devices_change_neither_output_nor_losses_nor_gradients(engine: &Rc<Engine>) {
    for (alone, label) in layers(1).iter().zip(["dropless", "bounded"]) {
        let one = run(engine, alone, 256).await;
        let dropped = one.output.routing.iter().flat_map(|r| &r.kept).filter(|kept| **kept == 0).count();
        assert_eq!(dropped > 0, label == "bounded", "{label}: {dropped} dropped");
        for devices in [2, 4, 8, 64] {
            let many = run(engine, &LayerConfig { devices, ..alone.clone() }, 256).await;
            assert_eq!(many.output.routing, one.output.routing, "{label}: the plan on {devices} devices");
            for ((name, many), (_, one)) in many.bits().into_iter().zip(one.bits()) {
                assert!(many == one, "{label}: {name} on {devices} devices has other bits than on one");
            }
        }
    }
}

pub async fn bytes_are_those_of_the_formulas(engine: &Rc<Engine>) {
    for devices in [1, 2, 4, 8, 64] {
        for config in layers(devices) {
            let got = run(engine, &config, 128).await;
            let (x, weights) = (tokens(&config, 4, 128), weights(&config, 4));
            let forward = reference::forward(&config, &weights, &x, Setting { train: true, ..Setting::default() })
                .expect("a layer that runs");
            let backward = reference::backward(&config, &weights, &x, &forward, &d_output(&config, 4, 128));
            let backward = backward.expect("a layer that runs");
            for (got, want) in [(&got.output.traffic, &forward.traffic), (&got.gradients.traffic, &backward.traffic)] {
                let wrong = traffic_differences(got.as_deref().expect("traffic was read"), want);
                assert_eq!(wrong, None, "{devices} devices, {:?}", config.capacity);
            }
        }
    }
}

/// Four devices of 256 tokens, eight experts, width 64: the bytes that each device sends to others in an exchange.
///
/// `E/N · C` rows of 256 bytes to each of three devices, with `C` slots an expert: 32, or 40 at factor 1.25, or 80.
pub async fn padded_exchanges_move_the_golden_bytes(engine: &Rc<Engine>) {
    for (label, k, factor, per, wanted) in [
        ("Switch, factor 1", 1, 1.0, CapacityPer::Token, 49_152.0),
        ("Switch, factor 1.25", 1, 1.25, CapacityPer::Token, 61_440.0),
        ("top-2, factor 1.25 per token", 2, 1.25, CapacityPer::Token, 61_440.0),
        ("top-2, factor 1.25 per assignment", 2, 1.25, CapacityPer::Assignment, 122_880.0),
    ] {
        let by_factor =
            Slots::Factor { factor, eval_factor: factor, per, round: Rounding::Ceil, min: 0, multiple_of: 1 };
        let config = LayerConfig {
            activation: Activation::Relu,
            capacity: slots(by_factor),
            groups: 4,
            devices: 4,
            ..LayerConfig::new(64, 4, 8, RouterConfig::TopK(TopK::new(k)))
        };
        let got = run(engine, &config, 1024).await;
        let all: Vec<Traffic> = [got.output.traffic, got.gradients.traffic].into_iter().flatten().flatten().collect();
        assert_eq!(all.len(), 4, "{label}: two exchanges each way");
        for exchange in &all {
            for device in 0..4 {
                let sent: f64 = (0..4).filter(|to| *to != device).map(|to| exchange.bytes[device * 4 + to]).sum();
                assert_eq!(sent, wanted, "{label}: device {device}, {:?} {:?}", exchange.pass, exchange.op);
            }
        }
        let network: f64 = all.iter().map(|exchange| exchange.network_bytes(4)).sum();
        assert_eq!(network, 16.0 * wanted, "{label}: four devices, four exchanges");
    }
}

pub async fn what_goes_there_comes_back_the_other_way(engine: &Rc<Engine>) {
    let n = 8;
    let turned = |t: &Traffic| -> [Vec<f64>; 2] {
        [&t.bytes, &t.useful_bytes].map(|bytes| (0..n * n).map(|i| bytes[i % n * n + i / n]).collect())
    };
    for config in layers(n) {
        let got = run(engine, &config, 128).await;
        let all: Vec<Traffic> = [got.output.traffic, got.gradients.traffic].into_iter().flatten().flatten().collect();
        let find = |pass, op| all.iter().find(|t| t.pass == pass && t.op == op).expect("an exchange of every kind");
        let (dispatch, combine) = (find(Pass::Forward, Op::Dispatch), find(Pass::Forward, Op::Combine));
        let both = |t: &Traffic| [t.bytes.clone(), t.useful_bytes.clone()];
        assert_eq!(both(combine), turned(dispatch), "combine is dispatch transposed");
        assert_eq!(both(find(Pass::Backward, Op::Combine)), turned(combine), "backward of combine");
        assert_eq!(both(find(Pass::Backward, Op::Dispatch)), turned(dispatch), "backward of dispatch");
        let sum = |t: &Traffic| t.useful_bytes.iter().sum::<f64>();
        let load: u32 = got.output.routing.iter().flat_map(|r| &r.load).sum();
        assert_eq!(sum(dispatch), f64::from(load) * 40.0, "a row of ten f32s for each kept assignment");
        assert_eq!(sum(combine), sum(dispatch));
    }
}

pub async fn a_second_backward_pass_moves_and_finds_the_same(engine: &Rc<Engine>) {
    let [_, config] = layers(8);
    let (x, d_output) = (tokens(&config, 4, 128), d_output(&config, 4, 128));
    let mut layer = layer_of(engine, &config, &weights(&config, 4)).await;
    layer.forward(&x, &TRAIN).await.expect("a layer that runs");
    let first = layer.backward(&d_output, &ALL_GRADIENTS).await.expect("backward runs");
    layer.backward(&x, &[]).await.expect("backward runs on another gradient");
    let again = layer.backward(&d_output, &ALL_GRADIENTS).await.expect("backward runs again");
    assert_eq!(again.traffic, first.traffic);
    assert_eq!(again.x.map(|x| bits(&x)), first.x.map(|x| bits(&x)));
    assert_eq!(again.weights, first.weights);
    let one = layer.backward(&d_output, &[BackwardRead::Traffic]).await.expect("backward runs");
    assert_eq!(one.traffic, first.traffic, "read alone");
}
