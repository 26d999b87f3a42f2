//! Exploration as in Switch: choices drawn from the softmax, and noise on the router's input.

use webmoe::config::{Exploration, LayerConfig, RouterConfig, TopK};
use webmoe::init::init;
use webmoe::reference::{Setting, forward};

use super::{assert_drawn, layer, repeated, run, softmax};
use crate::common::close::{Tol, assert_close};

const ROW: [f32; 4] = [0.5, -0.7, 1.2, 0.1];
const TOKENS: usize = 8192;

fn sampled(k: usize) -> TopK {
    TopK { exploration: Exploration::Sample, ..TopK::new(k) }
}

#[test]
fn experts_are_drawn_as_often_as_the_softmax_says() {
    let forward = run(&layer(4, sampled(1)), &repeated(&ROW, TOKENS), Setting::TRAIN);
    let counts: Vec<usize> = forward.routing.demanded.iter().map(|n| *n as usize).collect();
    assert_drawn(&counts, &softmax(&ROW));
}

#[test]
fn two_experts_are_drawn_without_replacement() {
    let forward = run(&layer(4, sampled(2)), &repeated(&ROW, TOKENS), Setting::TRAIN);
    let p = softmax(&ROW);
    let pairs: Vec<(usize, usize)> =
        (0..16).map(|i| (i / 4, i % 4)).filter(|(first, second)| first != second).collect();
    let drawn = |pair: &(usize, usize)| {
        let rows = forward.routing.experts.chunks_exact(2);
        rows.filter(|row| **row == [pair.0 as i32, pair.1 as i32]).count()
    };
    let shares: Vec<f64> = pairs.iter().map(|(first, second)| p[*first] * p[*second] / (1.0 - p[*first])).collect();
    assert_drawn(&pairs.iter().map(drawn).collect::<Vec<_>>(), &shares);
}

#[test]
fn a_drawn_expert_has_its_softmax_share_as_weight() {
    let forward = run(&layer(4, sampled(2)), &repeated(&ROW, 64), Setting::TRAIN);
    let p = softmax(&ROW);
    let want: Vec<f64> = forward.routing.experts.iter().map(|e| p[*e as usize]).collect();
    assert_close("weights", &forward.routing.weights, &want, 2, Tol { abs: 1e-12, rel: 0.0 });
}

#[test]
fn with_all_experts_drawn_only_their_order_is_left_to_chance() {
    let logits = repeated(&ROW, 64);
    let (drawn, best) =
        (run(&layer(4, sampled(4)), &logits, Setting::TRAIN), run(&layer(4, TopK::new(4)), &logits, Setting::TRAIN));
    assert_ne!(drawn.routing.experts, best.routing.experts);
    assert_close("output", &drawn.output, &best.output, 4, Tol { abs: 1e-12, rel: 0.0 });
}

#[test]
fn the_draws_of_a_step_are_its_own() {
    let at = |step| run(&layer(4, sampled(1)), &repeated(&ROW, 64), Setting { step, ..Setting::TRAIN }).routing.experts;
    assert_eq!(at(1), at(1));
    assert_ne!(at(1), at(2));
}

#[test]
fn outside_training_nothing_is_drawn_jittered_or_dropped() {
    let logits = repeated(&ROW, 16);
    let explores = TopK { jitter: 0.5, dropout: 0.5, ..sampled(2) };
    let (got, want) = [explores, TopK::new(2)].map(|router| run(&layer(4, router), &logits, Setting::default())).into();
    assert_eq!((got.logits, got.routing, got.output), (want.logits, want.routing, want.output));
}

#[test]
fn dropout_drops_its_share_of_the_input_and_keeps_its_mean() {
    let logits = repeated(&ROW, TOKENS);
    let forward = run(&layer(4, TopK { dropout: 0.3, ..TopK::new(1) }), &logits, Setting::TRAIN);
    let dropped = forward.logits.iter().filter(|h| **h == 0.0).count();
    assert_drawn(&[dropped, logits.len() - dropped], &[f64::from(0.3_f32), 1.0 - f64::from(0.3_f32)]);
    let kept = logits.iter().zip(&forward.logits).filter(|(_, h)| **h != 0.0);
    let (want, got): (Vec<f64>, Vec<f64>) = kept.map(|(x, h)| (f64::from(*x) / (1.0 - f64::from(0.3_f32)), *h)).unzip();
    assert_close("what is left", &got, &want, 1, Tol { abs: 1e-12, rel: 0.0 });
}

#[test]
fn an_expert_sees_the_token_without_noise() {
    // one expert, weighed 1 whatever the router reads
    let plain = LayerConfig::new(6, 10, 1, RouterConfig::TopK(TopK::new(1)));
    let noisy = RouterConfig::TopK(TopK { jitter: 0.5, dropout: 0.5, ..TopK::new(1) });
    let x: Vec<f32> = (0..48).map(|i| (i as f32).sin()).collect();
    let output =
        |config: &LayerConfig| forward(config, &init(&plain), &x, Setting::TRAIN).expect("a layer that runs").output;
    assert_eq!(output(&LayerConfig { router: noisy, ..plain.clone() }), output(&plain));
}
