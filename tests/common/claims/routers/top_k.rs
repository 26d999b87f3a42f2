//! What token choice may do besides taking the best.

use std::rc::Rc;

use webmoe::config::{
    Capacity, Exploration, LayerConfig, Order, Priority, Renormalize, RouterConfig, Scoring, SecondPolicy,
    SharedExpert, Slots, SoftmaxOver, TopK,
};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::session::{ForwardOptions, Read};

use super::super::super::engine::layer_of;
use super::super::super::inputs::{tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

/// Layers of every form that the claims about token choice do not know.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![
        layer(experts, TopK { dropout: 0.2, ..sampled(2) }),
        LayerConfig { capacity: bounded(2), ..layer(experts, sampled(1)) },
        layer(experts, second(SecondPolicy::Random)),
        with_second_place(layer(experts, second(SecondPolicy::Sampling))),
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

fn with_second_place(mut layer: LayerConfig) -> LayerConfig {
    layer.loss_weights.insert("secondPlace".to_owned(), 0.4);
    layer
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

pub async fn choices_by_given_draws_agree_with_the_oracle(engine: &Rc<Engine>) {
    let mut trials = Vec::new();
    for (name, router) in [
        ("drawn", sampled(2)),
        ("second choices drawn", second(SecondPolicy::Sampling)),
        ("second choices by chance", second(SecondPolicy::Random)),
    ] {
        let three = TopK { k: 3, ..router.clone() };
        let drawn = |what: &str, config: LayerConfig, count| {
            let drawn = Trial::new(format!("given draws, {name}, {what}"), config, count);
            Trial { drawn: true, ..drawn }
        };
        trials.extend([
            drawn("two choices", layer(5, router.clone()), 37),
            drawn("three choices", layer(7, three), 48),
            Trial { train: false, ..drawn("outside training", layer(5, router.clone()), 37) },
            Trial { change: |w| w.router.fill(0.0), ties: true, ..drawn("ties", layer(6, router.clone()), 20) },
            drawn("no tokens", layer(4, router.clone()), 0),
            drawn("drops", LayerConfig { capacity: bounded(4), groups: 4, ..layer(4, router.clone()) }, 64),
            drawn("a mesh", LayerConfig { groups: 4, devices: 4, ..layer(8, router) }, 64),
        ]);
    }
    check_trials(engine, &trials).await;
}

pub async fn the_loss_of_second_places_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let selected = TopK { softmax_over: SoftmaxOver::Selected, ..second(SecondPolicy::Random) };
    let bias = |e: u32| 0.1 * (e % 3) as f32;
    let biased = TopK { selection_bias: Some((0..6).map(bias).collect()), ..TopK::new(2) };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| {
        Trial::new(format!("second places, {name}"), with_second_place(config), count)
    };
    let alone = |mut config: LayerConfig| {
        config.loss_weights.clear();
        config
    };
    check_trials(
        engine,
        &[
            trial("all asked", layer(5, TopK::new(2)), 37),
            trial("no other loss", alone(layer(5, TopK::new(2))), 37),
            trial("some asked, weighed among themselves", layer(7, selected), 70),
            trial("none asked", layer(5, second(SecondPolicy::None)), 37),
            trial("drawn", layer(5, second(SecondPolicy::Sampling)), 37),
            trial("both drawn", layer(5, sampled(2)), 37),
            trial("chosen by more than scores", layer(6, biased), 37),
            Trial { train: false, ..trial("outside training", layer(5, TopK::new(2)), 37) },
            Trial { change: |w| w.router.fill(0.0), ties: true, ..trial("ties", layer(6, TopK::new(2)), 20) },
            trial("all experts", layer(2, TopK::new(2)), 9),
            trial("one token", layer(4, TopK::new(2)), 1),
            trial("no tokens", layer(4, TopK::new(2)), 0),
            trial("many experts", layer(130, TopK::new(2)), 16),
            trial("drops", LayerConfig { capacity: bounded(4), groups: 4, ..layer(4, TopK::new(2)) }, 64),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer(8, TopK::new(2)) }, 64),
        ],
    )
    .await;
}

pub async fn second_places_are_told_only_where_they_have_a_weight(engine: &Rc<Engine>) {
    let told = async |config: &LayerConfig| {
        let mut layer = layer_of(engine, config, &weights(config, 6)).await;
        let output =
            layer.forward(&tokens(config, 6, 20), &ForwardOptions::default()).await.expect("a layer that runs");
        output.losses.expect("losses were read").into_iter().any(|(name, _)| name == "secondPlace")
    };
    let plain = layer(5, TopK::new(2));
    assert!(!told(&plain).await);
    let mut watched = plain;
    watched.loss_weights.insert("secondPlace".to_owned(), 0.0);
    assert!(told(&watched).await, "a weight of 0 is one");
}

/// The experts that a pass over 20 tokens chooses.
async fn chosen(engine: &Rc<Engine>, router: TopK, train: bool, draws: Option<Vec<f32>>) -> Result<Vec<i32>, Error> {
    let config = layer(5, router);
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let options = ForwardOptions { train, draws, read: vec![Read::Routing], ..ForwardOptions::default() };
    let output = layer.forward(&tokens(&config, 6, 20), &options).await?;
    Ok(output.routing.expect("routing was read").experts)
}

pub async fn given_draws_decide_what_chance_would(engine: &Rc<Engine>) {
    let [random, sampling, threshold, all] =
        [SecondPolicy::Random, SecondPolicy::Sampling, SecondPolicy::Threshold, SecondPolicy::All].map(second);
    let of = async |router: &TopK, draws| chosen(engine, router.clone(), true, draws).await.expect("draws that fit");
    let best = of(&all, None).await;
    assert_eq!(of(&random, Some(vec![0.0; 40])).await, best, "no share is below 0");
    let above = of(&threshold, None).await;
    assert_eq!(of(&random, Some(vec![1.0; 40])).await, above, "shares above the threshold are below no number");
    assert_ne!(above, best);
    assert_eq!(of(&sampling, Some(vec![0.0; 100])).await, best, "nothing is added to the logits");
    assert_eq!(of(&sampled(2), Some(vec![0.0; 100])).await, best);
    let fourth: Vec<f32> = [0.0, 0.0, 0.0, 99.0, 0.0].repeat(20);
    let drawn = of(&sampled(2), Some(fourth.clone())).await;
    assert!(drawn.chunks_exact(2).all(|row| row[0] == 3), "{drawn:?}");
    let drawn = of(&sampling, Some(fourth)).await;
    let second = |(row, best): (&[i32], &[i32])| row[0] == best[0] && (row[0] == 3 || row[1] == 3);
    assert!(drawn.chunks_exact(2).zip(best.chunks_exact(2)).all(second), "{drawn:?}");
}

pub async fn draws_that_do_not_fit_are_refused(engine: &Rc<Engine>) {
    let random = second(SecondPolicy::Random);
    let refused = async |router: &TopK, draws| {
        chosen(engine, router.clone(), true, Some(draws)).await.expect_err("draws that do not fit")
    };
    let error = refused(&random, vec![0.5; 100]).await;
    assert!(matches!(&error, Error::WrongLength { shape, got: 100, wanted: 40, .. } if shape == "[20, 2]"), "{error}");
    let error = refused(&sampled(2), vec![0.5; 40]).await;
    assert!(matches!(&error, Error::WrongLength { shape, got: 40, wanted: 100, .. } if shape == "[20, 5]"), "{error}");
    let error = refused(&random, [vec![0.5; 39], vec![1.5]].concat()).await;
    assert!(matches!(&error, Error::InvalidArgument { got, .. } if got == "1.5 at 39"), "{error}");
    let error = refused(&random, [vec![0.5; 39], vec![f32::NAN]].concat()).await;
    assert!(matches!(&error, Error::NonFinite { index: 39, .. }), "{error}");
    let error = refused(&second(SecondPolicy::Threshold), vec![0.5; 40]).await;
    assert!(matches!(&error, Error::InvalidArgument { what, .. } if what == "draws"), "{error}");

    let quiet = TopK { eval_second_policy: SecondPolicy::All, ..random };
    let own = chosen(engine, quiet.clone(), false, None).await.expect("a layer that runs");
    let given = chosen(engine, quiet, false, Some(vec![1.0; 40])).await.expect("draws of a pass in training");
    assert_eq!(given, own, "a pass that leaves nothing to chance reads none");
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
