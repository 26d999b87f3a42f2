//! Calls that fail, and calls in any order.

use std::rc::Rc;

use webmoe::config::{Activation, LayerConfig, RouterConfig, TopK};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::recording::{Buffer, Recording};
use webmoe::session::{BackwardRead, ForwardOptions, MoeLayer, Runtime};

use super::super::engine::{layer, layer_of, passes};
use super::super::inputs::{bits, d_output, named, tokens, weights};

fn small() -> LayerConfig {
    let plain = LayerConfig::new(6, 5, 4, RouterConfig::TopK(TopK::new(2)));
    LayerConfig { activation: Activation::Relu, devices: 2, groups: 2, ..plain }
}

/// The bits of a backward pass of the last forward pass.
async fn gradients(layer: &mut MoeLayer, d_output: &[f32]) -> Vec<u32> {
    let read = super::super::engine::ALL_GRADIENTS;
    let gradients = layer.backward(d_output, &read).await.expect("backward of the last forward pass");
    let weights = gradients.weights.expect("weights were read");
    let all = gradients.x.into_iter().chain(named(&weights).into_iter().map(|(_, values)| values));
    all.flat_map(|values| bits(&values)).collect()
}

pub async fn a_failed_call_leaves_the_layer_as_it_was(engine: &Rc<Engine>) {
    let config = small();
    let given = weights(&config, 20);
    let mut layer = layer_of(engine, &config, &given).await;
    let (x, d_output) = (tokens(&config, 20, 8), d_output(&config, 20, 8));
    let options = ForwardOptions::default();
    let before = passes(&mut layer, &x, &d_output, &options).await.expect("a layer that runs").bits();
    let wanted = gradients(&mut layer, &d_output).await;

    let error = layer.forward(&x[1..], &options).await.expect_err("not whole tokens");
    assert!(matches!(error, Error::PartialToken { .. }), "{error}");
    let error = layer.forward(&x[..7 * 6], &options).await.expect_err("seven tokens on two devices");
    assert!(matches!(error, Error::TokensNotDivisible { .. }), "{error}");
    let error = layer.backward(&d_output[6..], &[]).await.expect_err("a gradient of seven tokens");
    assert!(matches!(error, Error::WrongLength { .. }), "{error}");
    let error = layer.apply_sgd(f32::NAN).await.expect_err("no learning rate");
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    let mut broken = named(&given);
    broken[2].1[0] = f32::INFINITY;
    let error = layer.set_weights(broken).await.expect_err("an infinite weight");
    assert!(matches!(error, Error::NonFinite { .. }), "{error}");
    let error = layer.set_weights(vec![("w3".into(), Vec::new())]).await.expect_err("no such array");
    assert!(matches!(error, Error::UnknownWeights { .. }), "{error}");

    assert!(gradients(&mut layer, &d_output).await == wanted, "the last forward pass is still the last");
    layer.apply_sgd(0.0).await.expect("the last backward pass is still the last");
    let after = passes(&mut layer, &x, &d_output, &options).await.expect("a layer that runs").bits();
    assert!(after == before, "and the weights are those given");
}

pub async fn a_batch_that_does_not_fit_leaves_the_last_pass_alone(engine: &Rc<Engine>) {
    let plain = LayerConfig::new(1, 1 << 18, 4, RouterConfig::TopK(TopK::new(4)));
    let config = LayerConfig { activation: Activation::Relu, ..plain };
    let mut layer = layer(engine, &config).await;
    let (x, d_output) = (tokens(&config, 21, 1), d_output(&config, 21, 1));
    layer.forward(&x, &ForwardOptions::default()).await.expect("one token fits");
    let wanted = layer.backward(&d_output, &[BackwardRead::X]).await.expect("backward runs").x;
    let before = engine.counters();
    // 512 GiB of hidden values: more than a GPU or wasm can address, while a machine might promise them to the CPU engine
    let bounded = matches!(**engine, Engine::Gpu(_)) || cfg!(target_arch = "wasm32");
    for (count, tried) in [(1 << 17, bounded), (1 << 23, true)] {
        for train in [false, true] {
            let options = ForwardOptions { train, ..ForwardOptions::default() };
            if tried {
                let error = layer.forward(&vec![1.0; count], &options).await.expect_err("too many tokens");
                assert!(matches!(error, Error::TooLarge { .. } | Error::InvalidArgument { .. }), "{error}");
            }
        }
    }
    assert_eq!(engine.counters(), before, "nothing was created, nothing was run");
    let again = layer.backward(&d_output, &[BackwardRead::X]).await.expect("of the pass before").x;
    assert_eq!(again, wanted);
}

pub async fn calls_out_of_order_are_refused(engine: &Rc<Engine>) {
    let config = small();
    let mut layer = layer(engine, &config).await;
    let x = tokens(&config, 22, 8);
    let refused = |error: Error, call: &str| match error {
        Error::OutOfOrder { call: refused, .. } => assert_eq!(refused, call),
        other => panic!("{other}"),
    };
    refused(layer.backward(&x, &[]).await.expect_err("nothing went forward"), "backward");
    refused(layer.apply_sgd(0.1).await.expect_err("nothing went backward"), "applyGradients");
    layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
    refused(layer.apply_sgd(0.1).await.expect_err("nothing went backward yet"), "applyGradients");
    layer.backward(&x, &[]).await.expect("backward runs");
    layer.apply_sgd(0.1).await.expect("there are gradients");
    layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
    refused(layer.apply_sgd(0.1).await.expect_err("the gradients are of an older pass"), "applyGradients");
    layer.forward(&[], &ForwardOptions::default()).await.expect("no tokens are legal");
    layer.backward(&[], &[]).await.expect("and so is their gradient");
    layer.apply_sgd(0.1).await.expect("which is zero");
}

pub async fn a_layer_that_does_not_fit_leaves_nothing_behind(engine: &Rc<Engine>) {
    let before = engine.counters();
    let config = LayerConfig::new(1 << 18, 1 << 18, 1024, RouterConfig::TopK(TopK::new(1)));
    let created = Runtime::sharing(engine.clone()).create_layer(config).await;
    let error = created.map(drop).expect_err("256 TiB of weights");
    assert!(matches!(error, Error::TooLarge { .. } | Error::OutOfMemory { .. }), "{error}");
    assert_eq!(engine.counters(), before);
}

pub async fn fifty_layers_leave_nothing_behind(engine: &Rc<Engine>) {
    assert_eq!(engine.counters().buffers, 0, "whoever ran before left nothing");
    let mut kept = Vec::new();
    for n in 0..50 {
        let config = LayerConfig { seed: n, ..small() };
        let mut layer = layer(engine, &config).await;
        let tokens = tokens(&config, n, 2 * (n as usize % 3));
        passes(&mut layer, &tokens, &tokens, &ForwardOptions::default()).await.expect("a layer that runs");
        if n % 10 == 0 {
            kept.push(layer);
        }
    }
    assert!(engine.counters().buffers > 0, "five layers are alive");
    drop(kept);
    let counters = engine.counters();
    assert_eq!((counters.buffers, counters.bytes), (0, 0));
}

pub async fn batches_of_any_length_follow_each_other(engine: &Rc<Engine>) {
    let config = small();
    let given = weights(&config, 23);
    let mut reused = layer_of(engine, &config, &given).await;
    for count in [8, 2, 0, 40, 8, 0, 2, 40] {
        let (x, d_output) = (tokens(&config, 23, count), d_output(&config, 23, count));
        let options = ForwardOptions { train: count == 8, ..ForwardOptions::default() };
        let got = passes(&mut reused, &x, &d_output, &options).await.expect("a layer that runs").bits();
        let mut fresh = layer_of(engine, &config, &given).await;
        let want = passes(&mut fresh, &x, &d_output, &options).await.expect("a layer that runs").bits();
        assert!(got == want, "{count} tokens give what they give a layer of their own");
    }
}

pub async fn batches_of_many_lengths_do_not_add_up(engine: &Rc<Engine>) {
    let config = small();
    let mut layer = layer(engine, &config).await;
    let options = ForwardOptions::default();
    layer.forward(&tokens(&config, 24, 256), &options).await.expect("a layer that runs");
    let longest = engine.counters().bytes;
    for count in (2..=256).step_by(2) {
        layer.forward(&tokens(&config, 24, count), &options).await.expect("a layer that runs");
        let held = engine.counters().bytes;
        assert!(held <= 3 * longest, "{held} bytes at {count} tokens; the longest batch alone takes {longest}");
    }
}

pub async fn a_buffer_that_is_used_again_is_zero_again(engine: &Rc<Engine>) {
    let made = engine.create(&[("stays", 256), ("goes", 64)]).await.expect("there is room");
    let first = Buffer::<u32>::new(made[1], 64);
    let mut rec = Recording::default();
    rec.upload(first, vec![7; 64]);
    engine.run(&rec).await.expect("an upload");
    engine.destroy(first.id);
    let second = Buffer::<u32>::new(engine.create(&[("comes", 64)]).await.expect("there is room")[0], 64);
    let mut rec = Recording::default();
    rec.download(second);
    let mut downloads = engine.run(&rec).await.expect("a download");
    assert_eq!(downloads.take(second), [0; 64]);
    [made[0], second.id].into_iter().for_each(|id| engine.destroy(id));
    assert_eq!(engine.counters().buffers, 0);
}
