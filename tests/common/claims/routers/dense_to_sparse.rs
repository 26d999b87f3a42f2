//! From all experts to one.

use std::rc::Rc;

use webmoe::config::{DenseGate, DenseToSparse, LayerConfig, RouterConfig, Schedule, SharedExpert, TopK};
use webmoe::engine::Engine;
use webmoe::layer::Op;
use webmoe::session::{ForwardOptions, LayerOutput, Read};

use super::super::super::engine::layer_of;
use super::super::super::inputs::{bits, tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    let gumbel = DenseToSparse { threshold: 1.0 / 128.0, ..DenseToSparse::new(100) };
    let softmax = DenseToSparse { gate: DenseGate::Softmax, ..gumbel };
    let hard = DenseToSparse { hard_after: 0, ..gumbel };
    vec![layer(experts, gumbel), LayerConfig { capacity: bounded(6), ..layer(experts, softmax) }, layer(experts, hard)]
}

/// A layer with all its losses.
fn layer(experts: usize, router: DenseToSparse) -> LayerConfig {
    let mut config = layer_with(experts, RouterConfig::DenseToSparse(router));
    config.loss_weights.insert("loadBalance".to_owned(), 0.2);
    config
}

pub async fn dense_to_sparse_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let soft = DenseToSparse { threshold: 0.05, ..DenseToSparse::new(50) };
    let linear = DenseToSparse { schedule: Schedule::Linear, start_temperature: 2.0, end_temperature: 0.1, ..soft };
    let masked = DenseToSparse { gate: DenseGate::Softmax, ..soft };
    let all = DenseToSparse { start_temperature: 1e4, end_temperature: 1e4, ..soft };
    let hard = DenseToSparse { hard_after: 3, ..soft };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("dense to sparse, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("a falling temperature", layer(6, soft), 37),
            Trial { step: 40, ..trial("a linear one, later", layer(7, linear), 37) },
            Trial { step: 1000, ..trial("after the end", layer(6, soft), 37) },
            trial("weights without noise", layer(6, masked), 37),
            trial("weights without noise, hard", layer(6, DenseToSparse { gate: DenseGate::Softmax, ..hard }), 37),
            trial("all experts", layer(5, all), 20),
            trial("hard", layer(6, hard), 37),
            Trial { train: false, ..trial("outside training", layer(6, soft), 37) },
            Trial { train: false, ..trial("weights without noise, outside training", layer(6, masked), 37) },
            trial("one expert", layer(1, soft), 9),
            trial("no token", layer(4, soft), 0),
            trial("one token", layer(4, soft), 1),
            trial("no losses", LayerConfig { loss_weights: [].into(), ..layer(6, soft) }, 37),
            trial("more experts than threads", layer(130, DenseToSparse { threshold: 0.006, ..soft }), 16),
            trial("drops", LayerConfig { capacity: bounded(5), groups: 4, ..layer(4, soft) }, 64),
            trial("identities", LayerConfig { identity_experts: 2, router_bias: true, ..layer(5, soft) }, 30),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer(8, soft) }, 64),
        ],
    )
    .await;
}

async fn pass(engine: &Rc<Engine>, config: &LayerConfig, train: bool, step: u32) -> LayerOutput {
    let mut layer = layer_of(engine, config, &weights(config, 6)).await;
    let options = ForwardOptions { train, step, ..ForwardOptions::default() };
    layer.forward(&tokens(config, 6, 64), &options).await.expect("a layer that runs")
}

pub async fn bytes_fall_from_all_experts_to_one_with_the_temperature(engine: &Rc<Engine>) {
    let falling = DenseToSparse { start_temperature: 100.0, end_temperature: 0.2, ..DenseToSparse::new(100) };
    let config = LayerConfig { groups: 4, devices: 4, ..layer(8, falling) };
    let mut last = f64::INFINITY;
    for (step, all, one) in [(0, true, false), (80, false, false), (95, false, false), (100, false, true)] {
        let output = pass(engine, &config, true, step).await;
        let routing = output.routing.expect("routing was read");
        let selected = routing.experts.iter().filter(|e| **e >= 0).count();
        assert_eq!((selected == 64 * 8, selected == 64), (all, one), "{selected} of 512 in step {step}");
        for exchange in output.traffic.expect("traffic was read") {
            let bytes: f64 = exchange.useful_bytes.iter().sum();
            assert!(exchange.op == Op::Counts || bytes == (selected * 6 * 4) as f64, "step {step}: {bytes} bytes");
        }
        assert!((selected as f64) < last, "{selected} after {last}");
        last = selected as f64;
    }
}

pub async fn outside_training_dense_to_sparse_is_top_1(engine: &Rc<Engine>) {
    for gate in [DenseGate::Gumbel, DenseGate::Softmax] {
        let config = layer(8, DenseToSparse { gate, ..DenseToSparse::new(10) });
        let plain = layer_with(8, RouterConfig::TopK(TopK::new(1)));
        let (got, want) = (pass(engine, &config, false, 3).await, pass(engine, &plain, false, 3).await);
        assert_eq!(got.output.map(|y| bits(&y)), want.output.map(|y| bits(&y)), "{gate:?}: the output");
        let (got, want) = (got.routing.expect("routing was read"), want.routing.expect("routing was read"));
        let first: Vec<i32> = got.experts.iter().step_by(8).copied().collect();
        assert_eq!((first, got.demanded), (want.experts, want.demanded), "{gate:?}");
        assert_eq!(got.experts.iter().filter(|e| **e >= 0).count(), 64, "and no other: {gate:?}");
    }
}

pub async fn a_cold_token_goes_to_an_expert_as_often_as_its_softmax_says(engine: &Rc<Engine>) {
    let (experts, count) = (4, 4096);
    let config = layer(experts, DenseToSparse { hard_after: 0, ..DenseToSparse::new(1) });
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let one = &tokens(&config, 6, 1);
    let options = ForwardOptions { read: vec![Read::Scores], ..ForwardOptions::default() };
    let scores = layer.forward(one, &options).await.expect("a layer that runs").scores.expect("scores were read");
    let options = ForwardOptions { train: true, ..ForwardOptions::default() };
    let output = layer.forward(&one.repeat(count), &options).await.expect("a layer that runs");
    let load = output.routing.expect("routing was read").load;
    for (load, p) in load.iter().zip(scores) {
        let (p, count) = (f64::from(p), count as f64);
        assert!((f64::from(*load) - count * p).abs() < 4.5 * (count * p * (1.0 - p)).sqrt(), "{load} of {count}·{p}");
    }
}
