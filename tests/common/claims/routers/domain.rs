//! Domain experts.

use std::rc::Rc;

use webmoe::config::{Domain, Exchanges, LayerConfig, RouterConfig, SharedExpert};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::labels::Labels;
use webmoe::layer::PayloadKind;
use webmoe::mixture::remove_domain;
use webmoe::session::{ForwardOptions, LayerOutput, Read};

use super::super::super::engine::{Passes, layer_of, passes};
use super::super::super::inputs::{bits, d_output, tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with, routing};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![layer_with(experts, domains(Exchanges::None)), layer_with(experts, mixing(uneven(experts)))]
}

fn domains(exchange: Exchanges) -> RouterConfig {
    RouterConfig::Domain(Domain { mixture: None, exchange })
}

fn mixing(mixture: Vec<f32>) -> RouterConfig {
    RouterConfig::Domain(Domain { mixture: Some(mixture), exchange: Exchanges::All2all })
}

/// Weights of experts, some of them 0.
fn uneven(experts: usize) -> Vec<f32> {
    (0..experts).map(|e| ((e + 1) % 3) as f32 / 2.0).collect()
}

pub async fn domain_experts_agree_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let (home, away) = (domains(Exchanges::None), domains(Exchanges::All2all));
    let beside = |router| LayerConfig { shared_expert, residual: true, ..layer_with(5, router) };
    let mesh = |router| LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, router) };
    let drops = |slots, router| LayerConfig { capacity: bounded(slots), groups: 4, ..layer_with(4, router) };
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("domains, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("labels", layer_with(5, away.clone()), 37),
            trial("one expert", layer_with(1, home.clone()), 9),
            trial("one token", layer_with(5, home.clone()), 1),
            trial("drops", drops(3, away.clone()), 64),
            trial("a shared expert", beside(away.clone()), 37),
            trial("at home on a mesh", mesh(home), 64),
            trial("anywhere on a mesh", mesh(away), 64),
            trial("mixed", layer_with(5, mixing(uneven(5))), 37),
            trial("mixed, one expert", layer_with(1, mixing(vec![0.7])), 9),
            trial("mixed, drops", drops(5, mixing(uneven(4))), 64),
            trial("mixed, a shared expert", beside(mixing(uneven(5))), 37),
            trial("mixed on a mesh", mesh(mixing(uneven(8))), 64),
        ],
    )
    .await;
}

fn of_domains(domain: Vec<u32>) -> Labels {
    Labels { domain: Some(domain), ..Labels::NONE }
}

async fn step(engine: &Rc<Engine>, config: &LayerConfig, labels: Labels, count: usize) -> Passes {
    let mut layer = layer_of(engine, config, &weights(config, 6)).await;
    let options = ForwardOptions { train: true, labels, ..ForwardOptions::default() };
    let (x, d_output) = (tokens(config, 6, count), d_output(config, 6, count));
    passes(&mut layer, &x, &d_output, &options).await.expect("a layer that runs")
}

/// Two tokens of each of 8 domains, in the order of the domains: on 4 devices each has the tokens of its experts.
fn sorted() -> Labels {
    of_domains((0..16).map(|t| t / 2).collect())
}

pub async fn a_batch_sorted_by_domain_moves_nothing(engine: &Rc<Engine>) {
    let on = |devices, exchange| LayerConfig { groups: 4, devices, ..layer_with(8, domains(exchange)) };
    let forward_dispatches = async |config: &LayerConfig| {
        let mut layer = layer_of(engine, config, &weights(config, 6)).await;
        let options = ForwardOptions { labels: sorted(), read: Vec::new(), ..ForwardOptions::default() };
        let before = engine.counters().dispatches;
        layer.forward(&tokens(config, 6, 16), &options).await.expect("a layer that runs");
        engine.counters().dispatches - before
    };
    let (home, free) = (on(4, Exchanges::None), on(4, Exchanges::All2all));
    // without exchanges a mesh costs no dispatch, so there is nothing that could move a row
    let alone = forward_dispatches(&on(1, Exchanges::None)).await;
    assert_eq!((forward_dispatches(&home).await, forward_dispatches(&free).await), (alone, alone + 2));
    let (home, free) = (step(engine, &home, sorted(), 16).await, step(engine, &free, sorted(), 16).await);
    for (home, free) in
        [(&home.output.traffic, &free.output.traffic), (&home.gradients.traffic, &free.gradients.traffic)]
    {
        assert_eq!(home.as_deref(), Some(&[][..]), "0 + 0 exchanges");
        // where rows may move, they are counted while they move, and none leaves its device
        let rows = free.as_deref().expect("traffic was read").iter().filter(|t| t.kind == PayloadKind::Payload);
        for exchange in rows {
            assert_eq!(exchange.network_bytes(4), 0.0, "{exchange:?}");
            assert_eq!(exchange.bytes.iter().sum::<f64>(), 16.0 * 6.0 * 4.0, "every row was seen: {exchange:?}");
        }
    }
    for ((name, home), (_, free)) in home.bits().into_iter().zip(free.bits()) {
        assert!(home == free, "{name} does not depend on whether rows may move");
    }
}

pub async fn a_token_whose_expert_is_elsewhere_is_refused_or_counted(engine: &Rc<Engine>) {
    let on = |exchange| LayerConfig { groups: 4, devices: 4, ..layer_with(8, domains(exchange)) };
    let mut labels = sorted();
    if let Some(domain) = &mut labels.domain {
        domain.swap(5, 13);
    }
    let config = on(Exchanges::None);
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let x = tokens(&config, 6, 16);
    let with = |labels| ForwardOptions { labels, ..ForwardOptions::default() };
    let error = layer.forward(&x, &with(labels.clone())).await.expect_err("expert 6 is on device 3");
    assert_eq!(error, Error::ExpertElsewhere { token: 5, home: 1, expert: 6, away: 3 });
    layer.forward(&x, &with(sorted())).await.expect("the layer still works");

    let free = step(engine, &on(Exchanges::All2all), labels, 16).await;
    let moved = |t: &webmoe::layer::Traffic| t.network_bytes(4) / 24.0;
    let rows = |t: &Option<Vec<webmoe::layer::Traffic>>| -> Vec<f64> {
        t.iter().flatten().filter(|t| t.kind == PayloadKind::Payload).map(moved).collect()
    };
    assert_eq!(rows(&free.output.traffic), [2.0, 2.0], "two rows there and back");
    assert_eq!(rows(&free.gradients.traffic), [2.0, 2.0]);
}

async fn mixed(engine: &Rc<Engine>, config: &LayerConfig, labels: Labels, count: usize) -> LayerOutput {
    let mut layer = layer_of(engine, config, &weights(config, 6)).await;
    let options = ForwardOptions { labels, ..ForwardOptions::default() };
    layer.forward(&tokens(config, 6, count), &options).await.expect("a layer that runs")
}

pub async fn all_the_weight_on_one_expert_is_that_experts_label(engine: &Rc<Engine>) {
    let config = layer_with(4, mixing(vec![0.25; 4]));
    let domain: Vec<u32> = (0..21).map(|t| t * 5 % 4).collect();
    let one_hot = domain.iter().flat_map(|domain| (0..4).map(move |e| f32::from(u8::from(e == *domain)))).collect();
    let weighed = mixed(engine, &config, Labels { mixture: Some(one_hot), ..Labels::NONE }, 21).await;
    let labelled = mixed(engine, &config, of_domains(domain.clone()), 21).await;
    let alone = mixed(engine, &layer_with(4, domains(Exchanges::None)), of_domains(domain), 21).await;
    let output = |output: &LayerOutput| bits(output.output.as_deref().expect("output was read"));
    assert_eq!(output(&weighed), output(&labelled));
    assert_eq!(output(&weighed), output(&alone), "room for all experts changes nothing");
    assert_eq!(weighed.routing, labelled.routing);
}

pub async fn an_expert_that_is_removed_is_one_without_weight(engine: &Rc<Engine>) {
    let config = layer_with(4, mixing(vec![0.5, 0.25, 0.0, 0.25]));
    let all = weights(&config, 6);
    let less = remove_domain(&config, &all, &[0.5, 0.25, 0.0, 0.25], 2).expect("three domains are left");
    let options = ForwardOptions { read: vec![Read::Output], ..ForwardOptions::default() };
    let x = tokens(&config, 6, 21);
    let mut outputs = Vec::new();
    for (config, weights) in [(&config, &all), (&less.config, &less.weights)] {
        let mut layer = layer_of(engine, config, weights).await;
        let output = layer.forward(&x, &options).await.expect("a layer that runs").output;
        outputs.push(bits(&output.expect("output was read")));
    }
    assert_eq!(outputs[0], outputs[1]);
}

pub async fn a_step_without_a_domain_leaves_its_expert_alone(engine: &Rc<Engine>) {
    let config = LayerConfig { bias: true, ..layer_with(3, domains(Exchanges::None)) };
    let before = weights(&config, 6);
    let mut layer = layer_of(engine, &config, &before).await;
    let labels = of_domains((0..20).map(|t| t % 2 * 2).collect());
    let options = ForwardOptions { train: true, labels, ..ForwardOptions::default() };
    passes(&mut layer, &tokens(&config, 6, 20), &d_output(&config, 6, 20), &options).await.expect("a layer that runs");
    layer.apply_sgd(0.5).await.expect("gradients of the last pass");
    let after = layer.weights().await.expect("the weights");
    for name in ["w1", "b1", "w2", "b2"] {
        let (before, after) = (before.get(name).unwrap_or_default(), after.get(name).unwrap_or_default());
        let expert = |all: &[f32], e: usize| bits(&all[e * all.len() / 3..(e + 1) * all.len() / 3]);
        assert_eq!(expert(after, 1), expert(before, 1), "{name} of the domain that did not come");
        assert_ne!(expert(after, 0), expert(before, 0), "{name} of one that did");
    }
}

pub async fn mixtures_that_cannot_be_are_refused(engine: &Rc<Engine>) {
    let refused = async |router: RouterConfig, labels: Labels| {
        let config = layer_with(4, router);
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        let options = ForwardOptions { labels, ..ForwardOptions::default() };
        layer.forward(&tokens(&config, 6, 2), &options).await.expect_err("it cannot be").to_string()
    };
    let of = |mixture: Vec<f32>| Labels { mixture: Some(mixture), ..Labels::NONE };
    let mixing = || mixing(vec![0.25; 4]);
    assert!(refused(domains(Exchanges::None), of(vec![0.5; 8])).await.contains("`mixture` is given"));
    assert!(refused(domains(Exchanges::None), Labels::NONE).await.contains("domain routing needs `domain`"));
    assert!(refused(domains(Exchanges::None), of_domains(vec![1, 4])).await.contains("`domain[1]` is 4"));
    assert!(refused(mixing(), of(vec![0.5; 7])).await.contains("`mixture` has 7 values"));
    assert!(refused(mixing(), of([vec![0.5; 7], vec![-0.5]].concat())).await.contains("`mixture[7]` is -0.5"));
    assert!(refused(mixing(), of([vec![f32::NAN], vec![0.5; 7]].concat())).await.contains("`mixture[0]` is NaN"));
    let both = Labels { domain: Some(vec![0; 2]), ..of(vec![0.5; 8]) };
    assert!(refused(mixing(), both).await.contains("left out beside `domain`"));
}

pub async fn a_mixture_takes_all_experts_that_weigh_anything(engine: &Rc<Engine>) {
    let got = step(engine, &layer_with(4, mixing(vec![0.5, 0.0, 0.25, 0.25])), Labels::NONE, 3).await;
    assert_eq!(routing(&got).experts, [0, 2, 3, -1].repeat(3));
    assert_eq!(routing(&got).weights, [0.5, 0.25, 0.25, 0.0].repeat(3));
    assert_eq!(routing(&got).load, [3, 0, 3, 3]);
}
