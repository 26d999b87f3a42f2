//! Experts that admit tokens by thresholds: the causal form of expert choice, and of tokens that name experts.

use std::rc::Rc;

use webmoe::config::{
    Capacity, ExpertChoice, Key, LayerConfig, Order, Priority, RouterConfig, SharedExpert, Slots, Thresholds,
    TokenThenExpert,
};
use webmoe::engine::Engine;
use webmoe::reference::{self, Setting};
use webmoe::session::{ForwardOptions, MoeLayer};
use webmoe::weights::{LayerWeights, NO_THRESHOLD};

use super::super::super::engine::{layer, layer_of, passes};
use super::super::super::got::Got;
use super::super::super::inputs::{bits, d_output, tokens, weights};
use super::super::super::trial::{Trial, check_trials, differences};
use super::{layer_with, routing, run};

/// Layers of expert choice in this form.
pub fn examples_of_choice(experts: usize) -> [LayerConfig; 2] {
    let few = ExpertChoice { max_experts_per_token: Some(2), ..choosing(3) };
    [chosen(experts, choosing(3)), LayerConfig { capacity: in_line(3), ..chosen(experts, few) }]
}

/// Layers in this form whose tokens name experts.
pub fn examples_of_names(experts: usize) -> [LayerConfig; 1] {
    [named(experts, TokenThenExpert { k: 1, key: Key::Margin, ..naming(3, 3) })]
}

const CAUSAL: Option<Thresholds> = Some(Thresholds { decay: 0.9 });

fn choosing(slots: usize) -> ExpertChoice {
    ExpertChoice { slots: Some(slots), causal: CAUSAL, ..ExpertChoice::new(1.0) }
}

fn naming(nominate: usize, slots: usize) -> TokenThenExpert {
    TokenThenExpert { slots: Some(slots), causal: CAUSAL, ..TokenThenExpert::new(nominate) }
}

fn chosen(experts: usize, router: ExpertChoice) -> LayerConfig {
    layer_with(experts, RouterConfig::ExpertChoice(router))
}

fn named(experts: usize, router: TokenThenExpert) -> LayerConfig {
    layer_with(experts, RouterConfig::TokenThenExpert(router))
}

/// A few places in the experts' buffers, for those who come first.
fn in_line(slots: usize) -> Capacity {
    Capacity::Bounded { slots: Slots::Fixed { slots }, priority: Priority::Arrival, order: Order::Token }
}

/// Thresholds that no batch has set.
fn no_thresholds(weights: &mut LayerWeights) {
    weights.thresholds.iter_mut().flatten().for_each(|threshold| *threshold = NO_THRESHOLD);
}

/// Thresholds that every score reaches exactly, where all logits are equal.
fn all_equal(weights: &mut LayerWeights) {
    weights.router.fill(0.0);
    let thresholds = weights.thresholds.iter_mut().flatten();
    thresholds.enumerate().for_each(|(e, threshold)| *threshold = if e % 2 == 0 { 0.25 } else { 0.250_001 });
}

pub async fn thresholds_agree_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("thresholds, {name}"), config, count);
    let few = |b| ExpertChoice { max_experts_per_token: Some(b), ..choosing(5) };
    let meshed = |config| LayerConfig { groups: 4, devices: 4, shared_expert, ..config };
    let mut trials = vec![
        trial("expert choice", chosen(5, choosing(7)), 37),
        Trial { train: false, ..trial("outside training", chosen(5, choosing(7)), 37) },
        Trial { change: no_thresholds, ..trial("none yet", chosen(5, choosing(7)), 37) },
        Trial { change: no_thresholds, ..trial("none yet, two a token", chosen(5, few(2)), 37) },
        Trial { change: all_equal, ties: true, ..trial("equal scores", chosen(4, choosing(7)), 70) },
        Trial { change: all_equal, ties: true, ..trial("equal scores, one a token", chosen(4, few(1)), 70) },
        trial("places in line", LayerConfig { capacity: in_line(4), ..chosen(5, choosing(7)) }, 61),
        trial("no place", LayerConfig { capacity: in_line(0), ..chosen(5, choosing(7)) }, 11),
        trial("one expert", chosen(1, choosing(5)), 9),
        trial("one token", chosen(4, choosing(1)), 1),
        trial("no token", chosen(4, choosing(3)), 0),
        trial("many tokens", chosen(3, choosing(70)), 333),
        trial("groups", LayerConfig { groups: 4, router_bias: true, ..chosen(6, few(2)) }, 64),
        trial("a shared expert on a mesh", meshed(chosen(8, few(3))), 64),
        trial("of whom few are named", named(5, naming(1, 20)), 37),
        trial("a least probability", named(6, TokenThenExpert { threshold: 0.2, ..naming(6, 9) }), 61),
        trial("weights that add up to one", named(6, TokenThenExpert { renormalize: true, ..naming(3, 9) }), 61),
        trial("named on a mesh", meshed(named(8, TokenThenExpert { k: 1, ..naming(3, 3) })), 64),
        trial("named, in line", LayerConfig { capacity: in_line(4), ..named(5, naming(2, 7)) }, 61),
    ];
    for key in [Key::Prob, Key::Logit, Key::Margin, Key::Regret] {
        trials.push(trial(&format!("{key:?}"), named(5, TokenThenExpert { k: 2, key, ..naming(3, 7) }), 37));
    }
    check_trials(engine, &trials).await;
}

fn train(step: u32) -> ForwardOptions {
    ForwardOptions { train: true, step, ..ForwardOptions::default() }
}

async fn thresholds_of(layer: &MoeLayer) -> Vec<f32> {
    layer.weights().await.expect("weights are read").thresholds.expect("there are thresholds")
}

/// Batch by batch, from no thresholds: the plan is that of the oracle's thresholds from before the batch, and so are those after it.
pub async fn thresholds_follow_the_batches_as_the_oracles_do(engine: &Rc<Engine>) {
    let mesh = |config| LayerConfig { groups: 8, devices: 4, ..config };
    let layers = [
        (chosen(5, choosing(7)), 37),
        (mesh(chosen(8, ExpertChoice { max_experts_per_token: Some(2), ..choosing(2) })), 64),
        (named(5, TokenThenExpert { k: 1, key: Key::Logit, ..naming(3, 7) }), 37),
        (mesh(named(8, naming(2, 3))), 64),
    ];
    for (config, count) in layers {
        let mut known = weights(&config, 6);
        no_thresholds(&mut known);
        let mut layer = layer_of(engine, &config, &known).await;
        let mut served = Vec::new();
        for step in 0..6 {
            let seed = u64::from(step) + 6;
            let (x, d_output) = (tokens(&config, seed, count), d_output(&config, seed, count));
            let got = passes(&mut layer, &x, &d_output, &train(step)).await.expect("a layer that runs").got();
            let setting = Setting { train: true, step, ..Setting::default() };
            let forward = reference::forward(&config, &known, &x, setting).expect("a layer that runs");
            let gradients = reference::backward(&config, &known, &x, &forward, &d_output).expect("a layer that runs");
            let wrong = differences(&config, &got, &Got::from_oracle(&forward, &gradients));
            assert_eq!(wrong, [""; 0], "batch {step} of {:?}", config.router);
            let wanted = forward.thresholds.expect("there are thresholds");
            let after = thresholds_of(&layer).await;
            for (e, (got, wanted)) in after.iter().zip(&wanted).enumerate() {
                let apart = (f64::from(*got) - wanted).abs();
                assert!(apart <= 1e-5, "threshold {e} after batch {step}: {got}, the oracle has {wanted}");
            }
            known.thresholds = Some(wanted.iter().map(|threshold| *threshold as f32).collect());
            served.push(got.routing.load.iter().sum::<u32>());
        }
        assert!(served[1..].iter().all(|n| *n < served[0]), "the first batch had no thresholds: {served:?}");
    }
}

/// A batch that comes again and again: its own thresholds, which stay to the bit, admit whom expert choice takes.
pub async fn where_batches_repeat_thresholds_choose_as_experts_do(engine: &Rc<Engine>) {
    let plain = ExpertChoice { causal: None, ..choosing(9) };
    let ranked = run(engine, &chosen(5, plain), 61).await;
    let config = chosen(5, choosing(9));
    let mut known = weights(&config, 6);
    no_thresholds(&mut known);
    let mut layer = layer_of(engine, &config, &known).await;
    let (x, d_output) = (tokens(&config, 6, 61), d_output(&config, 6, 61));
    layer.forward(&x, &train(0)).await.expect("a layer that runs");
    let set = thresholds_of(&layer).await;
    for step in 1..4 {
        let got = passes(&mut layer, &x, &d_output, &train(step)).await.expect("a layer that runs");
        assert_eq!(routing(&got).experts, routing(&ranked).experts, "batch {step}");
        assert_eq!(routing(&got).load, vec![9; 5], "batch {step}");
        // slots differ, and with them the order of sums over an expert's rows
        let (output, wanted) = (got.output.output.as_deref(), ranked.output.output.as_deref());
        assert_eq!(output.map(bits), wanted.map(bits), "batch {step}");
        assert_eq!(bits(&thresholds_of(&layer).await), bits(&set), "batch {step}");
    }
}

/// A new layer takes every token that named it; outside training it learns no thresholds, and what it has learned stays.
pub async fn thresholds_are_set_by_training_alone(engine: &Rc<Engine>) {
    let config = chosen(4, choosing(3));
    let mut layer = layer(engine, &config).await;
    let x = tokens(&config, 6, 20);
    for _ in 0..2 {
        let all = layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
        assert_eq!(all.routing.expect("routing was read").load, [20; 4], "there are no thresholds");
        assert_eq!(thresholds_of(&layer).await, [NO_THRESHOLD; 4]);
    }
    let routing_alone = ForwardOptions { train: true, ..ForwardOptions::routing() };
    layer.forward(&x, &routing_alone).await.expect("a router that runs");
    let set = thresholds_of(&layer).await;
    assert!(set.iter().all(|threshold| (0.0..1.0).contains(threshold)), "{set:?}");
    let few = layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
    assert_eq!(few.routing.expect("routing was read").load, [3; 4], "outside training they are read");
    layer.forward(&[], &train(1)).await.expect("no token");
    assert_eq!(thresholds_of(&layer).await, set, "nobody came");
}

/// Updates of the weights leave thresholds alone: they have no gradient.
pub async fn no_gradient_moves_a_threshold(engine: &Rc<Engine>) {
    let config = named(4, naming(2, 3));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let (x, d_output) = (tokens(&config, 6, 20), d_output(&config, 6, 20));
    let got = passes(&mut layer, &x, &d_output, &train(0)).await.expect("a layer that runs");
    assert_eq!(got.gradients.weights.and_then(|weights| weights.thresholds), Some(vec![0.0; 4]));
    let before = layer.weights().await.expect("weights are read");
    layer.apply_sgd(0.5).await.expect("there are gradients");
    let after = layer.weights().await.expect("weights are read");
    assert_ne!(after.router, before.router);
    assert_eq!(after.thresholds, before.thresholds);
}
