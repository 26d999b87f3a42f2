//! Updates, and weights going in and out.

use std::rc::Rc;

use webmoe::config::{Activation, LayerConfig, NoisyTopK, Renormalize, RouterConfig, SharedExpert, TopK};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::session::{BackwardOptions, BackwardRead, ForwardOptions, LayerGradients, Read};
use webmoe::weights::{LayerWeights, NAMES, shapes};

use super::super::engine::{layer, layer_of, passes};
use super::super::inputs::{bits, d_output, named, noise, tokens, weights};

/// Every array there is, and no size a multiple of four; the shared expert's last unit is not full.
fn odd() -> LayerConfig {
    let router = TopK { renormalize: Renormalize::PreDrop, ..TopK::new(2) };
    LayerConfig {
        activation: Activation::Silu,
        gated: true,
        bias: true,
        router_bias: true,
        shared_expert: Some(SharedExpert { d_ff: 17, gate: true }),
        ..LayerConfig::new(5, 7, 3, RouterConfig::TopK(router))
    }
}

fn train() -> ForwardOptions {
    ForwardOptions { train: true, ..ForwardOptions::default() }
}

fn assert_same_bits(got: &LayerWeights, want: &LayerWeights, what: &str) {
    for name in NAMES {
        assert_eq!(got.get(name).map(bits), want.get(name).map(bits), "{what}: {name}");
    }
}

pub async fn an_update_is_the_weight_minus_the_rate_times_the_gradient(engine: &Rc<Engine>) {
    // a router that has weights of its own besides
    let router = RouterConfig::NoisyTopK(NoisyTopK::new(2));
    let (config, rate) = (LayerConfig { router, ..odd() }, 0.37_f32);
    let before = weights(&config, 8);
    let mut layer = layer_of(engine, &config, &before).await;
    layer.forward(&tokens(&config, 8, 12), &train()).await.expect("a layer that runs");
    let read = [BackwardRead::Weights];
    let gradients = layer.backward(&d_output(&config, 8, 12), &read).await.expect("backward runs").weights;
    let gradients = gradients.expect("weights were read");
    layer.apply_sgd(rate).await.expect("there are gradients");
    let after = layer.weights().await.expect("weights can be read");
    for (name, _) in shapes(&config) {
        let array = |weights: &LayerWeights| weights.get(name).expect("an array of the layer").to_vec();
        let (before, gradient, after) = (array(&before), array(&gradients), array(&after));
        assert!(gradient.iter().any(|g| *g != 0.0), "{name} has a gradient");
        for ((w, g), got) in before.iter().zip(&gradient).zip(&after) {
            // WGSL may round the product and the difference together
            let (twice, once) = (w - rate * g, (-rate).mul_add(*g, *w));
            assert!([twice, once].contains(got), "{name}: {w} - {rate} * {g} is {twice}, got {got}");
        }
    }
}

pub async fn the_loss_falls_in_every_step(engine: &Rc<Engine>) {
    let config = odd();
    let mut layer = layer(engine, &config).await;
    let (x, target) = (tokens(&config, 9, 32), noise(9, 3, 32 * config.d_model));
    let mut losses: Vec<f32> = Vec::new();
    for _ in 0..12 {
        let options = ForwardOptions { read: vec![Read::Output], ..train() };
        let output = layer.forward(&x, &options).await.expect("a layer that runs").output;
        let output = output.expect("the output was read");
        let error: Vec<f32> = output.iter().zip(&target).map(|(y, t)| y - t).collect();
        losses.push(error.iter().map(|e| e * e).sum::<f32>() / 2.0);
        layer.backward(&error, &[]).await.expect("backward runs");
        layer.apply_sgd(0.01).await.expect("there are gradients");
    }
    assert!(losses.is_sorted_by(|a, b| a > b), "{losses:?}");
    assert!(losses[11] < 0.9 * losses[0], "{losses:?}");
}

pub async fn weights_come_back_as_they_were_given(engine: &Rc<Engine>) {
    let config = odd();
    let given = weights(&config, 10);
    given.check(&config).expect("every array of the layer");
    let layer = layer_of(engine, &config, &given).await;
    assert_same_bits(&layer.weights().await.expect("weights can be read"), &given, "given and read");
}

pub async fn one_array_is_replaced_alone(engine: &Rc<Engine>) {
    let config = odd();
    let (mut wanted, new) = (weights(&config, 11), weights(&config, 12));
    let mut layer = layer_of(engine, &config, &wanted).await;
    for (name, values) in named(&new) {
        layer.set_weights(vec![(name.clone(), values.clone())]).await.expect("an array of the layer");
        wanted.set(&name, values).expect("a known name");
        assert_same_bits(&layer.weights().await.expect("weights can be read"), &wanted, &format!("after {name}"));
    }
}

/// What lies between the arrays, padding and the unused part of the shared expert's last unit, stays zero.
pub async fn after_training_the_layer_is_the_layer_of_its_weights(engine: &Rc<Engine>) {
    let config = odd();
    let (x, d_output) = (tokens(&config, 13, 24), d_output(&config, 13, 24));
    let mut trained = layer_of(engine, &config, &weights(&config, 13)).await;
    for _ in 0..3 {
        passes(&mut trained, &x, &d_output, &train()).await.expect("a layer that runs");
        trained.apply_sgd(0.1).await.expect("there are gradients");
    }
    let mut copy = layer_of(engine, &config, &trained.weights().await.expect("weights can be read")).await;
    let trained = passes(&mut trained, &x, &d_output, &train()).await.expect("a layer that runs").bits();
    let copy = passes(&mut copy, &x, &d_output, &train()).await.expect("a layer that runs").bits();
    for ((name, trained), (_, copy)) in trained.iter().zip(&copy) {
        assert!(trained == copy, "{name} has other bits");
    }
}

pub async fn backward_recomputes_what_a_pass_outside_training_did_not_keep(engine: &Rc<Engine>) {
    for config in [odd(), LayerConfig { experts: 4, devices: 2, groups: 2, ..odd() }] {
        let (x, d_output) = (tokens(&config, 14, 24), d_output(&config, 14, 24));
        let mut layer = layer_of(engine, &config, &weights(&config, 14)).await;
        let kept = passes(&mut layer, &x, &d_output, &train()).await.expect("a layer that runs").bits();
        let again = passes(&mut layer, &x, &d_output, &ForwardOptions::default()).await;
        let again = again.expect("a layer that runs").bits();
        for ((name, kept), (_, again)) in kept.iter().zip(&again) {
            assert!(kept == again, "{name} has other bits on {} devices", config.devices);
        }
    }
}

fn accumulated() -> BackwardOptions {
    BackwardOptions { accumulate: true, ..(&[BackwardRead::X, BackwardRead::Weights]).into() }
}

pub async fn gradients_add_up_until_they_are_used(engine: &Rc<Engine>) {
    let (config, rate) = (odd(), 0.125);
    let given = weights(&config, 15);
    let batches: Vec<_> = [(16, 12), (17, 20), (18, 0), (19, 12)]
        .map(|(seed, n)| (tokens(&config, seed, n), d_output(&config, seed, n)))
        .into();
    let mut alone = Vec::new();
    for (x, d_output) in &batches {
        let mut layer = layer_of(engine, &config, &given).await;
        layer.forward(x, &train()).await.expect("a layer that runs");
        let read = [BackwardRead::X, BackwardRead::Weights];
        alone.push(layer.backward(d_output, &read).await.expect("backward runs"));
    }
    let sum = |name: &str, batches: std::ops::Range<usize>| -> Vec<f32> {
        let of = |gradients: &LayerGradients| {
            gradients.weights.as_ref().and_then(|w| w.get(name)).unwrap_or_default().to_vec()
        };
        let all = alone[batches].iter().map(of);
        all.reduce(|a, b| a.iter().zip(b).map(|(a, b)| a + b).collect()).unwrap_or_default()
    };

    let mut layer = layer_of(engine, &config, &given).await;
    for (i, (x, d_output)) in batches.iter().enumerate().take(3) {
        layer.forward(x, &train()).await.expect("a layer that runs");
        let error = layer.backward(&[1.0], accumulated()).await.expect_err("a gradient of no token");
        assert!(matches!(error, Error::WrongLength { .. }), "{error}");
        let got = layer.backward(d_output, accumulated()).await.expect("backward runs");
        assert_eq!(
            bits(got.x.as_ref().expect("x was read")),
            bits(alone[i].x.as_ref().expect("x was read")),
            "batch {i}"
        );
        let got = got.weights.expect("weights were read");
        for (name, _) in shapes(&config) {
            assert_eq!(got.get(name), Some(&sum(name, 0..i + 1)[..]), "{name} after batch {i}");
        }
    }
    layer.apply_sgd(rate).await.expect("there are gradients");
    let after = layer.weights().await.expect("weights can be read");
    let moved = (after.w1[0] - given.w1[0]).abs();
    assert!(
        moved > 0.0 && (moved - rate * sum("w1", 0..3)[0].abs()).abs() <= 1e-6,
        "an update takes the whole sum: {moved}"
    );

    // what an update has used does not count again, nor what another pass has replaced
    layer.set_weights(named(&given)).await.expect("weights of the layer's shapes");
    for options in [accumulated(), (&[BackwardRead::Weights]).into()] {
        layer.forward(&batches[3].0, &train()).await.expect("a layer that runs");
        let got =
            layer.backward(&batches[3].1, options).await.expect("backward runs").weights.expect("weights were read");
        for (name, _) in shapes(&config) {
            assert_eq!(got.get(name), Some(&sum(name, 3..4)[..]), "{name}");
        }
    }
}
