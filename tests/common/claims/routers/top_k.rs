//! What token choice may do besides taking the best.

use std::rc::Rc;

use webmoe::config::{
    Capacity, Exploration, LayerConfig, Order, Priority, Renormalize, RouterConfig, Scoring, SecondPolicy,
    SharedExpert, Slots, SoftmaxOver, TopK,
};
use webmoe::engine::Engine;
use webmoe::session::ForwardOptions;

use super::super::super::engine::layer_of;
use super::super::super::inputs::weights;
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

/// Layers of every form that the claims about token choice do not know.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![
        layer(experts, TopK { dropout: 0.2, ..sampled(2) }),
        LayerConfig { capacity: bounded(2), ..layer(experts, sampled(1)) },
        layer(experts, second(SecondPolicy::Random)),
        layer(experts, second(SecondPolicy::Sampling)),
        layer(experts, second(SecondPolicy::Threshold)),
        LayerConfig { capacity: bounded(2), ..layer(experts, second(SecondPolicy::None)) },
        layer(experts, TopK { prototypes: 2, ..TopK::new(1) }),
        layer(experts, TopK { top_p: Some(0.75), ..TopK::new(2) }),
        LayerConfig { capacity: bounded(2), ..layer(experts, TopK { min_score: Some(0.25), ..TopK::new(2) }) },
    ]
}

fn layer(experts: usize, router: TopK) -> LayerConfig {
    let losses = ["loadBalance", "loadBalanceFirst", "z", "importance"].map(|name| (name.to_owned(), 0.3)).into();
    LayerConfig { loss_weights: losses, ..layer_with(experts, RouterConfig::TopK(router)) }
}

fn sampled(k: usize) -> TopK {
    TopK { exploration: Exploration::Sample, ..TopK::new(k) }
}

fn second(second_policy: SecondPolicy) -> TopK {
    let renormalize = Renormalize::PreDrop;
    TopK { second_policy, eval_second_policy: second_policy, renormalize, second_threshold: 0.3, ..TopK::new(2) }
}

pub async fn drawn_choices_agree_with_the_oracle(engine: &Rc<Engine>) {
    let selected = TopK { softmax_over: SoftmaxOver::Selected, ..sampled(3) };
    let sigmoid = TopK { scoring: Scoring::Sigmoid, ..sampled(2) };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("drawn, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("one choice", layer(5, sampled(1)), 37),
            trial("three choices, weighed among themselves", layer(7, selected), 70),
            trial("sigmoids", LayerConfig { seed: (1 << 40) + 5, ..layer(5, sigmoid) }, 37),
            Trial { train: false, ..trial("outside training", layer(5, sampled(2)), 37) },
            Trial { step: 70_000, ..trial("a late step", layer(5, sampled(2)), 37) },
            Trial { change: |w| w.router.fill(0.0), ..trial("all experts alike", layer(6, sampled(2)), 40) },
            trial("one expert", layer(1, sampled(1)), 9),
            trial("all experts", layer(4, sampled(4)), 9),
            trial("no tokens", LayerConfig { groups: 2, devices: 2, ..layer(4, sampled(2)) }, 0),
            trial("many experts", layer(130, sampled(2)), 16),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer(4, sampled(2)) }, 64),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer(8, sampled(2)) }, 64),
        ],
    )
    .await;
}

pub async fn every_policy_for_second_choices_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let mut trials = Vec::new();
    for policy in [SecondPolicy::None, SecondPolicy::Sampling, SecondPolicy::Random, SecondPolicy::Threshold] {
        let two = second(policy);
        let three =
            TopK { k: 3, softmax_over: SoftmaxOver::Selected, renormalize: Renormalize::PostDrop, ..two.clone() };
        let sigmoid = TopK { scoring: Scoring::Sigmoid, renormalize: Renormalize::None, ..three.clone() };
        let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
        let slots = Slots::Fixed { slots: 6 };
        let by = |priority| Capacity::Bounded { slots: slots.clone(), priority, order: Order::Token };
        let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("{policy:?}, {name}"), config, count);
        trials.extend([
            trial("two choices", layer(5, two.clone()), 37),
            trial("three choices", layer(7, three), 48),
            trial("sigmoids", layer(7, sigmoid.clone()), 37),
            Trial { train: false, step: 70_000, ..trial("outside training", layer(5, two.clone()), 37) },
            Trial { change: |w| w.router.fill(0.0), ties: true, ..trial("ties", layer(6, two.clone()), 20) },
            trial("all experts", layer(2, two.clone()), 9),
            trial("one token", layer(4, two.clone()), 1),
            trial("no tokens", layer(4, two.clone()), 0),
            trial("drops", LayerConfig { capacity: bounded(4), groups: 4, ..layer(4, two.clone()) }, 64),
            trial(
                "the largest weights first",
                LayerConfig { capacity: by(Priority::Weight), ..layer(4, two.clone()) },
                40,
            ),
            trial("in random order", LayerConfig { capacity: by(Priority::Random), ..layer(4, sigmoid) }, 40),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer(8, two) }, 64),
        ]);
    }
    check_trials(engine, &trials).await;
}

pub async fn tokens_that_take_as_many_experts_as_they_need_agree_with_the_oracle(engine: &Rc<Engine>) {
    let mut trials = Vec::new();
    for (top_p, min_score) in [(Some(0.7), None), (None, Some(0.25))] {
        let plain = TopK { top_p, min_score, ..TopK::new(4) };
        let selected = TopK { softmax_over: SoftmaxOver::Selected, ..plain.clone() };
        let sigmoid = TopK { scoring: Scoring::Sigmoid, renormalize: Renormalize::PostDrop, ..plain.clone() };
        let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
        let slots = Slots::Fixed { slots: 5 };
        let by = |priority| Capacity::Bounded { slots: slots.clone(), priority, order: Order::Token };
        let name = if top_p.is_some() { "a share" } else { "a least score" };
        let trial = |what: &str, config: LayerConfig, count| Trial::new(format!("{name}, {what}"), config, count);
        trials.extend([
            trial("at most four", layer(7, plain.clone()), 70),
            trial("weighed among themselves", layer(7, selected), 37),
            trial("sigmoids", layer(7, sigmoid.clone()), 37),
            Trial { train: false, ..trial("outside training", layer(5, plain.clone()), 37) },
            Trial { change: |w| w.router.fill(0.0), ties: true, ..trial("ties", layer(6, plain.clone()), 20) },
            trial("all experts", layer(4, plain.clone()), 9),
            trial("one expert", layer(1, TopK { k: 1, ..plain.clone() }), 9),
            trial("one token", layer(6, plain.clone()), 1),
            trial("no tokens", layer(6, plain.clone()), 0),
            trial("drops", LayerConfig { capacity: bounded(4), groups: 4, ..layer(4, plain.clone()) }, 64),
            trial("the largest weights first", LayerConfig { capacity: by(Priority::Weight), ..layer(5, sigmoid) }, 40),
            trial("the surest first", LayerConfig { capacity: by(Priority::Batch), ..layer(5, plain.clone()) }, 40),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer(8, plain) }, 64),
        ]);
    }
    check_trials(engine, &trials).await;
}

pub async fn prototypes_agree_with_the_oracle(engine: &Rc<Engine>) {
    let of = |prototypes, k| TopK { prototypes, ..TopK::new(k) };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let noisy = TopK { jitter: 0.2, dropout: 0.2, scale: 1.5, ..of(2, 1) };
    let slots = Slots::Fixed { slots: 5 };
    let by = |priority| Capacity::Bounded { slots: slots.clone(), priority, order: Order::Rank };
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("prototypes, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("two", layer(6, of(2, 1)), 37),
            trial("three, two of each", layer(12, of(3, 2)), 70),
            trial("with noise", layer(6, noisy), 37),
            Trial { train: false, ..trial("outside training", layer(6, of(2, 1)), 37) },
            Trial { change: |w| w.router.fill(0.0), ties: true, ..trial("ties", layer(6, of(2, 2)), 20) },
            trial("of one expert", layer(5, of(5, 1)), 9),
            trial("all experts", layer(6, of(2, 3)), 9),
            trial("one token", layer(6, of(2, 1)), 1),
            trial("no tokens", layer(6, of(2, 1)), 0),
            trial("many experts", layer(260, of(4, 2)), 16),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer(4, of(2, 1)) }, 64),
            trial("the surest first", LayerConfig { capacity: by(Priority::Batch), ..layer(6, of(2, 1)) }, 40),
            trial(
                "the largest weights first",
                LayerConfig { capacity: by(Priority::Weight), ..layer(6, of(3, 1)) },
                40,
            ),
            trial("a residual expert", LayerConfig { shared_expert, residual: true, ..layer(6, of(2, 1)) }, 24),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer(8, of(4, 1)) }, 64),
        ],
    )
    .await;
}

pub async fn noise_on_the_routers_input_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let dropped = TopK { dropout: 0.3, ..TopK::new(2) };
    let both = TopK { jitter: 0.2, ..dropped.clone() };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("noise, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("dropout", layer(8, dropped.clone()), 24),
            trial("a wide token", LayerConfig { d_model: 131, seed: (1 << 40) + 5, ..layer(8, dropped.clone()) }, 40),
            trial("both", LayerConfig { capacity: bounded(4), ..layer(8, both.clone()) }, 24),
            trial("a shared expert's gate", LayerConfig { shared_expert, ..layer(8, both.clone()) }, 24),
            trial("a residual expert", LayerConfig { shared_expert, residual: true, ..layer(8, both.clone()) }, 24),
            Trial { train: false, ..trial("outside training", layer(8, both), 24) },
            trial("a mesh", LayerConfig { devices: 4, groups: 4, ..layer(8, dropped) }, 24),
        ],
    )
    .await;
}

pub async fn experts_are_drawn_as_often_as_they_are_liked(engine: &Rc<Engine>) {
    let config = layer(4, sampled(1));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    // the same token many times
    let x = [0.3, -0.2, 0.5, 0.1, -0.4, 0.2].repeat(4096);
    let options = ForwardOptions { train: true, ..ForwardOptions::default() };
    let routing = layer.forward(&x, &options).await.expect("a layer that runs").routing.expect("routing was read");
    let weight = |e: usize| routing.weights[routing.experts.iter().position(|own| *own == e as i32).expect("drawn")];
    for (e, drawn) in routing.demanded.iter().enumerate() {
        // weights are the softmax: of n draws with the chance p, n·p are hit, give or take a few times √(n·p·(1 − p))
        let (p, n) = (f64::from(weight(e)), 4096.0);
        let off = (f64::from(*drawn) - n * p).abs();
        assert!(off < 4.0 * (n * p * (1.0 - p)).sqrt(), "expert {e} was drawn {drawn} times, its share is {p}");
    }
}
