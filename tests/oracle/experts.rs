//! Experts that are not all alike.

use webmoe::config::{Activation, LayerConfig, RouterConfig, SharedExpert, TopK};
use webmoe::init::init;
use webmoe::reference::{Setting, backward_exact, forward_exact};
use webmoe::rng::uniform_f32;
use webmoe::weights::{NAMES, Weights, beyond_width};

fn noise(stream: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| 2.0 * f64::from(uniform_f32(13, 0, 0, i, stream)) - 1.0).collect()
}

fn layer() -> LayerConfig {
    LayerConfig {
        activation: Activation::Silu,
        gated: true,
        bias: true,
        router_bias: true,
        ..LayerConfig::new(4, 5, 4, RouterConfig::TopK(TopK::new(2)))
    }
}

fn random_weights(config: &LayerConfig) -> Weights<f64> {
    let stream = |name: &str| NAMES.iter().position(|&known| known == name).unwrap_or(0) as u32;
    Weights::build(config, |name, len| noise(stream(name), len))
}

#[test]
fn a_narrow_expert_is_a_wide_one_whose_other_units_are_zero() {
    let wide = layer();
    let narrow = LayerConfig { expert_widths: Some(vec![5, 1, 3, 2]), ..wide.clone() };
    let full = random_weights(&narrow);
    let cut = Weights::build(&wide, |name, _| {
        let values = full.get(name).unwrap_or_default().iter().enumerate();
        values.map(|(i, value)| if beyond_width(&narrow, name, i).is_some() { 0.0 } else { *value }).collect()
    });
    let (x, dy) = (noise(30, 32), noise(31, 32));
    let mut results = Vec::new();
    for (config, weights) in [(&narrow, &full), (&wide, &cut)] {
        let forward = forward_exact(config, weights, &x, Setting::TRAIN).expect("a layer that runs");
        let gradients = backward_exact(config, weights, &x, &forward, &dy).expect("a layer that runs");
        results.push((forward.output, gradients.x, gradients.weights));
    }
    assert_eq!(results[0].0, results[1].0, "what lies beyond the width is not read");
    assert_eq!(results[0].1, results[1].1, "nor by the gradient");
    for name in NAMES {
        assert_eq!(results[0].2.get(name), results[1].2.get(name), "{name}");
    }
}

#[test]
fn an_identity_adds_its_weight_times_the_token() {
    let config = LayerConfig { identity_experts: 1, router: RouterConfig::TopK(TopK::new(1)), ..layer() };
    let mut weights = random_weights(&config);
    weights.router.fill(0.0);
    // a softmax of logits ln 1, ln 1, ln 1, ln 7: the identity weighs 7 / 10
    weights.router_bias = Some(vec![0.0, 0.0, 0.0, 7_f64.ln()]);
    let (x, dy) = (noise(30, 32), noise(31, 32));
    let forward = forward_exact(&config, &weights, &x, Setting::TRAIN).expect("a layer that runs");
    let gradients = backward_exact(&config, &weights, &x, &forward, &dy).expect("a layer that runs");
    assert_eq!(forward.routing.load, [0, 0, 0, 8]);
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - 0.7 * b).abs() < 1e-15);
    assert!(close(&forward.output, &x), "{:?}", forward.output);
    assert!(close(&gradients.x, &dy), "{:?}", gradients.x);
}

#[test]
fn first_weights_follow_the_width_of_their_expert() {
    let config = LayerConfig {
        expert_widths: Some(vec![64, 4]),
        identity_experts: 1,
        ..LayerConfig::new(256, 64, 3, RouterConfig::TopK(TopK::new(1)))
    };
    let weights = init(&config);
    weights.check(&config).expect("zeros beyond the widths, and none of the identity");
    let size = 256 * 64;
    assert_eq!((weights.router.len(), weights.w1.len(), weights.w2.len()), (3 * 256, 2 * size, 2 * size));
    let spread = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    // the same number of values, wide and narrow, whose variances are as 1/64 and 1/4
    let (wide, narrow) = (spread(&weights.w2[..size]) / 64.0, spread(&weights.w2[size..]) / 4.0);
    assert!((narrow / wide / 16.0 - 1.0).abs() < 0.1, "{wide}, {narrow}");
}

/// DeepSpeed's form: `y = c0·moe + c1·mlp` with `(c0, c1)` the softmax of two logits linear in the token.
#[test]
fn a_residual_layer_is_the_softmax_mix_of_a_sparse_and_a_dense_one() {
    let sparse = layer();
    let shared_expert = Some(SharedExpert { d_ff: 3, gate: true });
    let mixed = LayerConfig { shared_expert, residual: true, ..sparse.clone() };
    let mut weights = random_weights(&mixed);
    let (to_moe, to_mlp) = (noise(40, 4), noise(41, 4));
    weights.shared_gate = Some(to_mlp.iter().zip(&to_moe).map(|(b, a)| b - a).collect());
    let x = noise(30, 32);
    let run = |config: &LayerConfig, weights: &Weights<f64>| {
        forward_exact(config, weights, &x, Setting::TRAIN).expect("a layer that runs")
    };
    let got = run(&mixed, &weights);
    let without = Weights { shared_w1: None, shared_w2: None, shared_w3: None, shared_gate: None, ..weights.clone() };
    let moe = run(&sparse, &without);
    // with no routed expert that says anything and no gate, what is left is the dense one
    let ungated = LayerConfig { shared_expert: Some(SharedExpert { d_ff: 3, gate: false }), ..sparse.clone() };
    let mute = Weights {
        w2: vec![0.0; weights.w2.len()],
        b2: weights.b2.as_ref().map(|b| vec![0.0; b.len()]),
        shared_gate: None,
        ..weights.clone()
    };
    let mlp = run(&ungated, &mute);
    for t in 0..8 {
        let logit = |w: &[f64]| w.iter().zip(&x[4 * t..]).map(|(w, x)| w * x).sum::<f64>();
        let (a, b) = (logit(&to_moe).exp(), logit(&to_mlp).exp());
        let (c0, c1) = (a / (a + b), b / (a + b));
        for i in 4 * t..4 * t + 4 {
            let want = c0 * moe.output[i] + c1 * mlp.output[i];
            assert!((got.output[i] - want).abs() < 1e-12, "{} and {want}", got.output[i]);
        }
        for (got, want) in got.routing.weights[2 * t..2 * t + 2].iter().zip(&moe.routing.weights[2 * t..]) {
            assert!((got - c0 * want).abs() < 1e-12, "weights are what is used: {got}, {want}, {c0}");
        }
    }
}
