//! Routing learned from rewards.

use std::rc::Rc;

use webmoe::config::{Baseline, LayerConfig, Reinforce, RouterConfig, SharedExpert, TopK};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::reference::policy::{Rewards, RunningMean};
use webmoe::reference::{self, Setting};
use webmoe::session::{BackwardOptions, ForwardOptions, LayerOutput, MoeLayer, Read};
use webmoe::weights::{LayerWeights, Weights};

use super::super::super::engine::{ALL_GRADIENTS, Passes, layer, layer_of};
use super::super::super::got::Got;
use super::super::super::inputs::{noise, tokens, weights};
use super::super::super::trial::{Inputs, Trial, check_trials, differences};
use super::{bounded, layer_with};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    let linear = Reinforce { baseline: Baseline::Linear, temperature: 0.5, entropy: 0.1, ..Reinforce::new() };
    vec![
        layer_with(experts, reinforce(Reinforce::new())),
        LayerConfig { capacity: bounded(2), ..layer_with(experts, reinforce(linear)) },
    ]
}

fn reinforce(router: Reinforce) -> RouterConfig {
    RouterConfig::Reinforce(router)
}

fn train(step: u32) -> ForwardOptions {
    ForwardOptions { train: true, step, ..ForwardOptions::default() }
}

pub async fn reinforce_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let mixed = Reinforce { temperature: 0.6, entropy: 0.3, stop_gradient: false, ..Reinforce::new() };
    let linear = Reinforce { baseline: Baseline::Linear, ..mixed.clone() };
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("reinforce, {name}"), config, count);
    let all_alike: fn(&mut LayerWeights) = |weights| weights.router.fill(0.0);
    check_trials(
        engine,
        &[
            trial("drawn", layer_with(5, reinforce(Reinforce::new())), 37),
            Trial { pass: 1, ..trial("drawn again", layer_with(5, reinforce(Reinforce::new())), 37) },
            Trial { train: false, ..trial("outside training", layer_with(5, reinforce(mixed.clone())), 37) },
            Trial {
                train: false,
                change: all_alike,
                ties: true,
                ..trial("equal logits outside training", layer_with(5, reinforce(mixed.clone())), 9)
            },
            Trial { change: all_alike, ..trial("equal logits", layer_with(5, reinforce(mixed.clone())), 37) },
            trial(
                "a bias and a linear baseline",
                LayerConfig { router_bias: true, ..layer_with(7, reinforce(linear)) },
                37,
            ),
            trial("one expert", layer_with(1, reinforce(mixed.clone())), 9),
            trial("one token", layer_with(4, reinforce(mixed.clone())), 1),
            trial("many experts", layer_with(300, reinforce(mixed.clone())), 9),
            trial(
                "drops",
                LayerConfig { capacity: bounded(3), groups: 4, ..layer_with(4, reinforce(mixed.clone())) },
                64,
            ),
            trial(
                "a residual expert on a mesh",
                LayerConfig { groups: 4, devices: 4, shared_expert, residual: true, ..layer_with(8, reinforce(mixed)) },
                64,
            ),
        ],
    )
    .await;
}

/// What the oracle makes of a training step with rewards.
fn wanted(trial: &Trial, inputs: &Inputs, reward: &[f32], before: RunningMean) -> Got {
    let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let config = &trial.config;
    let setting = Setting { train: true, step: trial.step, ..Setting::default() };
    let forward = reference::forward(config, &inputs.weights, &inputs.x, setting).expect("a layer that runs");
    let weights = Weights::build(config, |name, _| wide(inputs.weights.get(name).unwrap_or_default()));
    let reward = wide(reward);
    let rewards = Rewards { of_tokens: &reward, before };
    let (x, d_output) = (wide(&inputs.x), wide(&inputs.d_output));
    let gradients = reference::backward_rewarded(config, &weights, &x, &forward, &d_output, Some(rewards));
    Got::from_oracle(&forward, &gradients.expect("a layer that runs"))
}

async fn rewarded(layer: &mut MoeLayer, inputs: &Inputs, reward: &[f32], step: u32) -> Got {
    let output = layer.forward(&inputs.x, &train(step)).await.expect("a layer that runs");
    let gradients = layer
        .backward(&inputs.d_output, BackwardOptions::rewarded(reward, &ALL_GRADIENTS))
        .await
        .expect("backward runs");
    Passes { output, gradients }.got()
}

pub async fn rewards_give_the_gradient_that_the_oracle_finds(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    for baseline in [Baseline::None, Baseline::Ema, Baseline::Linear] {
        for (normalize, stop_gradient, entropy) in [(false, true, 0.0), (true, false, 0.3)] {
            let router =
                Reinforce { baseline, normalize, stop_gradient, entropy, temperature: 0.8, ..Reinforce::new() };
            let plain = LayerConfig { router_bias: true, ..layer_with(5, reinforce(router.clone())) };
            let mesh = LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, reinforce(router)) };
            for (config, count) in
                [(plain.clone(), 37), (LayerConfig { capacity: bounded(3), ..plain }, 37), (mesh, 600)]
            {
                let name = format!("{baseline:?}, normalize: {normalize}, {} experts, {count} tokens", config.experts);
                let trial = Trial::new(name, config, count);
                let inputs = trial.inputs();
                let mut layer = layer_of(engine, &trial.config, &inputs.weights).await;
                let reward = noise(7, 3, count);
                let got = rewarded(&mut layer, &inputs, &reward, trial.step).await;
                let want = wanted(&trial, &inputs, &reward, RunningMean::default());
                assert_eq!(differences(&trial.config, &got, &want), [""; 0], "{}", trial.name);
            }
        }
    }
}

pub async fn the_running_mean_is_that_of_the_batches_before(engine: &Rc<Engine>) {
    let config = layer_with(5, reinforce(Reinforce { decay: 0.7, ..Reinforce::new() }));
    let trial = Trial::new("a running mean", config, 37);
    let inputs = trial.inputs();
    let mut layer = layer_of(engine, &trial.config, &inputs.weights).await;
    let mut before = RunningMean::default();
    for batch in 0..4 {
        let reward: Vec<f32> = noise(7 + batch, 3, 37).iter().map(|r| r + batch as f32).collect();
        let got = rewarded(&mut layer, &inputs, &reward, trial.step).await;
        let want = wanted(&trial, &inputs, &reward, before);
        assert_eq!(differences(&trial.config, &got, &want), [""; 0], "batch {batch}");
        let mean = reward.iter().map(|r| f64::from(*r)).sum::<f64>() / 37.0;
        before = before.with(mean, f64::from(0.7_f32));
    }
}

/// Words `0..ids`, each `ids` wide with a 1 at its own place; the best expert of each is its number modulo the experts'.
pub async fn a_planted_problem_is_solved(engine: &Rc<Engine>) {
    const IDS: usize = 24;
    const EXPERTS: usize = 4;
    const COPIES: usize = 4;
    let words: Vec<usize> = (0..IDS * COPIES).map(|t| t % IDS).collect();
    let x: Vec<f32> = words.iter().flat_map(|word| (0..IDS).map(move |i| f32::from(i == *word))).collect();
    let right = |output: &LayerOutput| -> Vec<bool> {
        let experts = &output.routing.as_ref().expect("routing was read").experts;
        experts.iter().zip(&words).map(|(e, word)| *e as usize == word % EXPERTS).collect()
    };
    let read = vec![Read::Routing];
    for baseline in [Baseline::Ema, Baseline::Linear] {
        let router = reinforce(Reinforce { baseline, ..Reinforce::new() });
        let config = LayerConfig { seed: 1, ..LayerConfig::new(IDS, 4, EXPERTS, router) };
        let mut layer = layer(engine, &config).await;
        let nothing = vec![0.0; x.len()];
        for step in 0..60 {
            let options = ForwardOptions { read: read.clone(), ..train(step) };
            let output = layer.forward(&x, &options).await.expect("a layer that runs");
            let reward: Vec<f32> = right(&output).into_iter().map(f32::from).collect();
            layer.backward(&nothing, BackwardOptions::rewarded(&reward, &[])).await.expect("backward runs");
            layer.apply_sgd(12.0).await.expect("there are gradients");
        }
        let options = ForwardOptions { read: read.clone(), ..ForwardOptions::default() };
        let output = layer.forward(&x, &options).await.expect("a layer that runs");
        let found = right(&output).into_iter().take(IDS).filter(|right| *right).count();
        assert!(found * 100 >= IDS * 95, "{baseline:?}: {found} of {IDS} words have their best expert");
    }
}

pub async fn training_explores_and_inference_does_not(engine: &Rc<Engine>) {
    let config = layer_with(4, reinforce(Reinforce { temperature: 3.0, ..Reinforce::new() }));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let x = tokens(&config, 6, 64);
    let mut experts = async |train, step| {
        let options = ForwardOptions { train, step, ..ForwardOptions::default() };
        let output = layer.forward(&x, &options).await.expect("a layer that runs");
        let routing = output.routing.expect("routing was read");
        assert!(routing.weights.iter().all(|w| *w == 1.0), "no output is scaled: {:?}", routing.weights);
        routing.experts
    };
    assert_ne!(experts(true, 0).await, experts(true, 1).await);
    assert_eq!(experts(true, 1).await, experts(true, 1).await);
    assert_eq!(experts(false, 0).await, experts(false, 1).await);
}

pub async fn the_scores_are_the_policies(engine: &Rc<Engine>) {
    for config in examples(5) {
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        let options = ForwardOptions { read: vec![Read::Scores], ..train(0) };
        let scores = layer.forward(&tokens(&config, 6, 20), &options).await.expect("a layer that runs").scores;
        let scores = scores.expect("scores were read");
        assert_eq!(scores.len(), 20 * 5, "{:?}", config.router);
        for policy in scores.chunks(5) {
            let sum: f32 = policy.iter().sum();
            assert!((sum - 1.0).abs() < 1e-5, "{policy:?}");
        }
    }
}

pub async fn rewards_that_do_not_fit_are_refused_and_teach_nothing(engine: &Rc<Engine>) {
    let config = layer_with(4, reinforce(Reinforce::new()));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let x = tokens(&config, 6, 2);
    layer.forward(&x, &train(0)).await.expect("a layer that runs");
    let error =
        layer.backward(&x, BackwardOptions::rewarded(&[1.0], &[])).await.expect_err("one reward for two tokens");
    assert!(matches!(error, Error::WrongLength { got: 1, wanted: 2, .. }), "{error}");
    let error = layer
        .backward(&x, BackwardOptions::rewarded(&[1.0, f32::NAN], &[]))
        .await
        .expect_err("a reward that is no number");
    assert!(matches!(error, Error::NonFinite { index: 1, .. }), "{error}");
    layer.backward(&x, BackwardOptions::rewarded(&[1.0, 0.0], &[])).await.expect("the layer still works");
    layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
    let error = layer.backward(&x, BackwardOptions::rewarded(&[1.0, 0.0], &[])).await.expect_err("nothing was drawn");
    assert!(error.to_string().contains("outside training"), "{error}");
    let plain = layer_with(4, RouterConfig::TopK(TopK::new(1)));
    let mut layer = layer_of(engine, &plain, &weights(&plain, 6)).await;
    layer.forward(&x, &train(0)).await.expect("a layer that runs");
    let error = layer
        .backward(&x, BackwardOptions::rewarded(&[1.0, 0.0], &[]))
        .await
        .expect_err("a router that learns otherwise");
    assert!(error.to_string().contains("learns from none"), "{error}");
}
