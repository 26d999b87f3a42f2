//! Experts that are not all alike: of unequal width, identities, and one that the others are the correction of.

use std::rc::Rc;

use webmoe::config::{
    Activation, ExpertChoice, Hash, LayerConfig, Renormalize, RouterConfig, Scoring, SharedExpert, TopK,
};
use webmoe::engine::{Counters, Engine};
use webmoe::error::Error;
use webmoe::session::{BackwardRead, ForwardOptions};
use webmoe::weights::{LayerWeights, NAMES, beyond_width};

use super::super::engine::{Passes, layer, layer_of, passes};
use super::super::inputs::{bits, d_output, labels, named, tokens, weights};
use super::super::trial::{Trial, check_trials};
use super::routers::{bounded, layer_with, run};

/// Widths of `experts` experts, from 1 to 10 and none of them all others'.
fn widths(experts: usize) -> Option<Vec<usize>> {
    Some((0..experts).map(|e| [10, 1, 4, 7, 9][e % 5]).collect())
}

fn top_k(k: usize) -> RouterConfig {
    RouterConfig::TopK(TopK { renormalize: Renormalize::PostDrop, ..TopK::new(k) })
}

fn expert_choice(slots: usize) -> RouterConfig {
    RouterConfig::ExpertChoice(ExpertChoice { slots: Some(slots), ..ExpertChoice::new(1.0) })
}

fn hash(experts: usize) -> RouterConfig {
    RouterConfig::Hash(Hash::new((0..40).map(|id| (id * id / 3 + id) % experts as u32).collect()))
}

/// Layers of `experts` experts of every kind at once, under routers of every kind.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    let of = |router, identity_experts| LayerConfig {
        expert_widths: widths(experts - identity_experts),
        identity_experts,
        gated: true,
        bias: true,
        activation: Activation::Silu,
        shared_expert: Some(SharedExpert { d_ff: 13, gate: true }),
        ..layer_with(experts, router)
    };
    vec![
        of(top_k(3), 0),
        LayerConfig { capacity: bounded(3), gated: false, ..of(top_k(3), experts / 4) },
        LayerConfig { residual: true, ..of(expert_choice(3), experts / 2) },
        LayerConfig { shared_expert: None, ..of(hash(experts), 1) },
    ]
}

fn train() -> ForwardOptions {
    ForwardOptions { train: true, ..ForwardOptions::default() }
}

/// All to one expert, by the router's bias.
fn all_to_the_last(weights: &mut LayerWeights) {
    weights.router.fill(0.0);
    if let Some(last) = weights.router_bias.as_mut().and_then(|bias| bias.last_mut()) {
        *last = 3.0;
    }
}

pub async fn experts_of_any_width_agree_with_the_oracle(engine: &Rc<Engine>) {
    let of = |experts: usize, k| LayerConfig { expert_widths: widths(experts), ..layer_with(experts, top_k(k)) };
    let wide = LayerConfig {
        d_model: 70,
        d_ff: 140,
        expert_widths: Some(vec![140, 1, 64, 65, 131]),
        activation: Activation::Gelu,
        bias: true,
        ..of(5, 2)
    };
    let gated = LayerConfig { gated: true, activation: Activation::Silu, ..wide.clone() };
    let one = LayerConfig { expert_widths: Some(vec![3]), ..of(1, 1) };
    let to_one = LayerConfig { router_bias: true, expert_widths: Some(vec![10, 10, 2]), ..of(3, 1) };
    let shared_expert = Some(SharedExpert { d_ff: 31, gate: true });
    let trial = |name: &str, config, count| Trial::new(format!("widths, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("top-2", of(5, 2), 37),
            trial("every expert", of(4, 4), 20),
            trial("one expert", one, 9),
            trial("one token", of(4, 2), 1),
            trial("drops", LayerConfig { capacity: bounded(5), groups: 2, ..of(6, 2) }, 48),
            trial("wide", wide, 90),
            trial("wide and gated", gated, 90),
            Trial { change: all_to_the_last, ties: true, ..trial("all to a narrow one", to_one, 40) },
            trial("a shared expert of several units", LayerConfig { shared_expert, ..of(4, 2) }, 20),
            trial("a mesh", LayerConfig { devices: 4, groups: 4, bias: true, ..of(8, 2) }, 64),
        ],
    )
    .await;
}

pub async fn identities_agree_with_the_oracle(engine: &Rc<Engine>) {
    let of = |experts, identity_experts, router| LayerConfig { identity_experts, ..layer_with(experts, router) };
    let shared_expert = Some(SharedExpert { d_ff: 23, gate: true });
    let mixed = LayerConfig { shared_expert, expert_widths: widths(5), bias: true, gated: true, ..of(8, 3, top_k(3)) };
    let to_one = LayerConfig { router_bias: true, ..of(3, 1, top_k(1)) };
    let trial = |name: &str, config, count| Trial::new(format!("identities, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("one of four", of(4, 1, top_k(2)), 37),
            trial("all but one", of(5, 4, top_k(2)), 37),
            trial("every expert", of(4, 2, top_k(4)), 20),
            trial("one token", of(4, 2, top_k(1)), 1),
            trial("drops", LayerConfig { capacity: bounded(4), groups: 2, ..of(4, 2, top_k(2)) }, 48),
            trial("no slots", LayerConfig { capacity: bounded(0), ..of(4, 2, top_k(2)) }, 12),
            Trial { change: all_to_the_last, ties: true, ..trial("all to one", to_one, 40) },
            trial("beside experts of any width and a shared one", mixed.clone(), 37),
            trial("all that on a mesh", LayerConfig { devices: 4, groups: 4, ..mixed }, 64),
            trial("expert choice", of(6, 2, expert_choice(5)), 37),
            trial("hash", of(6, 2, hash(6)), 37),
            trial("no tokens", of(4, 1, top_k(2)), 0),
        ],
    )
    .await;
}

pub async fn residual_experts_agree_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 23, gate: true });
    let of = |experts, router| LayerConfig { shared_expert, residual: true, ..layer_with(experts, router) };
    let trial = |name: &str, config, count| Trial::new(format!("residual, {name}"), config, count);
    let mut trials = vec![
        trial("one expert", of(1, top_k(1)), 9),
        trial("one token", of(4, top_k(2)), 1),
        trial("no slots", LayerConfig { capacity: bounded(0), ..of(4, top_k(2)) }, 12),
        trial("a mesh", LayerConfig { devices: 4, groups: 4, ..of(8, top_k(2)) }, 64),
        trial("expert choice", of(6, expert_choice(5)), 37),
        trial("hash", of(6, hash(6)), 37),
        trial("hash with drops", LayerConfig { capacity: bounded(4), ..of(6, hash(6)) }, 37),
        trial("identities", LayerConfig { identity_experts: 3, ..of(6, top_k(3)) }, 37),
        Trial {
            change: |weights| weights.shared_gate.iter_mut().flatten().for_each(|g| *g *= 40.0),
            ..trial("gates at 0 and at 1", of(4, top_k(2)), 37)
        },
    ];
    for scoring in [Scoring::Softmax, Scoring::Sigmoid] {
        for renormalize in [Renormalize::None, Renormalize::PreDrop, Renormalize::PostDrop] {
            let router = RouterConfig::TopK(TopK { scoring, renormalize, scale: 1.5, ..TopK::new(3) });
            let config = LayerConfig { capacity: bounded(5), groups: 2, ..of(6, router) };
            trials.push(trial(&format!("{scoring:?}, {renormalize:?}"), config, 32));
        }
    }
    check_trials(engine, &trials).await;
}

/// With weights renormalised before drops, what a token's experts weigh and what its gate leaves over is one.
pub async fn the_two_parts_of_a_residual_layer_weigh_one(engine: &Rc<Engine>) {
    let router = RouterConfig::TopK(TopK { renormalize: Renormalize::PreDrop, ..TopK::new(3) });
    let shared_expert = Some(SharedExpert { d_ff: 7, gate: true });
    let config = LayerConfig { shared_expert, residual: true, ..layer_with(5, router) };
    let given = weights(&config, 4);
    let x = tokens(&config, 4, 40);
    let mut layer = layer_of(engine, &config, &given).await;
    let got = layer.forward(&x, &train()).await.expect("a layer that runs").routing.expect("routing was read");
    let gate = given.shared_gate.expect("the layer has a gate");
    for (x, weights) in x.chunks_exact(config.d_model).zip(got.weights.chunks_exact(3)) {
        let logit: f64 = x.iter().zip(&gate).map(|(x, g)| f64::from(*x) * f64::from(*g)).sum();
        let (shared, routed) = (1.0 / (1.0 + (-logit).exp()), weights.iter().map(|w| f64::from(*w)).sum::<f64>());
        assert!((shared + routed - 1.0).abs() < 1e-5, "{shared} + {routed}");
    }
}

/// Panics with the name of the first array in which two results differ.
fn assert_same(label: &str, got: &Passes, want: &Passes) {
    assert_eq!(got.output.routing, want.output.routing, "{label}: the plan");
    for ((name, got), (_, want)) in got.bits().into_iter().zip(want.bits()) {
        assert!(got == want, "{label}: {name} has other bits");
    }
}

pub async fn experts_that_are_all_alike_are_what_they_are_without_widths(engine: &Rc<Engine>) {
    for config in examples(8).into_iter().map(|config| LayerConfig { identity_experts: 0, ..config }) {
        let alike = LayerConfig { expert_widths: Some(vec![config.d_ff; 8]), ..config.clone() };
        let plain = LayerConfig { expert_widths: None, ..config };
        let label = format!("{:?}", plain.router);
        assert_same(&label, &run(engine, &alike, 48).await, &run(engine, &plain, 48).await);
    }
}

pub async fn room_beyond_the_widest_expert_changes_nothing(engine: &Rc<Engine>) {
    let plain = LayerConfig { bias: true, gated: true, ..LayerConfig::new(6, 10, 4, top_k(2)) };
    let roomy = LayerConfig { d_ff: 75, expert_widths: Some(vec![10; 4]), ..plain.clone() };
    let small = weights(&plain, 3);
    // w1, w3, b1 and b3 by the row, w2 by the column: the units that there are
    let mut large = LayerWeights::build(&roomy, |_, len| vec![0.0; len]);
    for (name, values) in named(&small) {
        let array = large.get_mut(&name).expect("the same arrays");
        let used: Vec<usize> = (0..array.len()).filter(|i| beyond_width(&roomy, &name, *i).is_none()).collect();
        used.into_iter().zip(values).for_each(|(i, value)| array[i] = value);
    }
    let (x, d_output) = (tokens(&plain, 3, 30), d_output(&plain, 3, 30));
    let mut results = Vec::new();
    for (config, weights) in [(&plain, &small), (&roomy, &large)] {
        let mut layer = layer_of(engine, config, weights).await;
        results.push(passes(&mut layer, &x, &d_output, &train()).await.expect("a layer that runs").bits());
    }
    for ((name, want), (_, got)) in results[0].iter().zip(&results[1]) {
        let used = |(i, bits): (usize, &u32)| beyond_width(&roomy, name, i).is_none().then_some(*bits);
        let got: Vec<u32> = got.iter().enumerate().filter_map(used).collect();
        assert!(got == *want, "{name} has other bits");
    }
}

pub async fn beyond_its_width_an_expert_stays_zero(engine: &Rc<Engine>) {
    let mut config = examples(8).swap_remove(1);
    config.gated = true;
    let beyond = |of: &LayerWeights| -> Vec<(&'static str, usize, f32)> {
        let all = NAMES.into_iter().flat_map(|name| {
            let values = of.get(name).unwrap_or_default().iter().enumerate();
            values.map(move |(i, value)| (name, i, *value))
        });
        all.filter(|(name, i, _)| beyond_width(&config, name, *i).is_some()).collect()
    };
    let mut layer = layer(engine, &config).await;
    let (x, d_output) = (tokens(&config, 5, 48), d_output(&config, 5, 48));
    for step in 0..3 {
        layer.forward(&x, &train()).await.expect("a layer that runs");
        let read = [BackwardRead::Weights];
        let gradients = layer.backward(&d_output, &read).await.expect("backward runs").weights;
        layer.apply_sgd(0.1).await.expect("there are gradients");
        for of in [gradients.expect("weights were read"), layer.weights().await.expect("weights can be read")] {
            let beyond = beyond(&of);
            assert!(!beyond.is_empty(), "there is room beyond some width");
            assert_eq!(beyond.iter().find(|(.., value)| *value != 0.0), None, "step {step}");
        }
    }
    let before = layer.weights().await.expect("weights can be read");
    let (name, index, _) = beyond(&before)[0];
    let mut given = before.get(name).unwrap_or_default().to_vec();
    given[index] = 0.5;
    let error = layer.set_weights(vec![(name.to_owned(), given)]).await.expect_err("a weight beyond the width");
    let (what, value) = (name.to_owned(), "0.5".to_owned());
    assert_eq!(error, Error::BeyondWidth { what, index, value, expert: 1, width: 1 });
    assert_eq!(layer.weights().await.expect("weights can be read"), before, "nothing was written");
}

/// Rows change hands from batch to batch: a narrow expert gets rows that a wide one has filled with what is not a number.
pub async fn what_a_wider_expert_left_in_a_row_is_never_read(engine: &Rc<Engine>) {
    for identity_experts in [0, 1] {
        let narrow = if identity_experts == 1 { vec![70, 3] } else { vec![70, 3, 5] };
        let config = LayerConfig {
            d_ff: 70,
            expert_widths: Some(narrow),
            identity_experts,
            router_bias: true,
            gated: true,
            activation: Activation::Silu,
            ..layer_with(3, top_k(1))
        };
        let mut given = weights(&config, 7);
        all_to_the_last(&mut given);
        let mut to_the_first = given.router_bias.clone().expect("the layer has a bias");
        to_the_first[0] = 9.0;
        let (x, d_output) = (tokens(&config, 7, 40), d_output(&config, 7, 40));
        let spoilt = vec![f32::INFINITY; x.len()];

        let mut used = layer_of(engine, &config, &given).await;
        used.set_weights(vec![("routerBias".to_owned(), to_the_first)]).await.expect("an array of the layer");
        passes(&mut used, &spoilt, &spoilt, &train()).await.expect("a layer that runs");
        let last = given.router_bias.clone().expect("the layer has a bias");
        used.set_weights(vec![("routerBias".to_owned(), last)]).await.expect("an array of the layer");
        let got = passes(&mut used, &x, &d_output, &train()).await.expect("a layer that runs");
        let mut fresh = layer_of(engine, &config, &given).await;
        let want = passes(&mut fresh, &x, &d_output, &train()).await.expect("a layer that runs");
        assert_eq!(want.output.routing.as_ref().map(|r| r.load.clone()), Some(vec![0, 0, 40]));
        assert_same(&format!("{identity_experts} identities"), &got, &want);
    }
}

pub async fn an_identity_gives_back_the_bits_it_was_given(engine: &Rc<Engine>) {
    for devices in [1, 2] {
        // a table that names the identities alone, which weigh 1
        let table = (0..40).map(|id| 2 + id % 2).collect();
        let config = LayerConfig {
            identity_experts: 2,
            devices,
            groups: devices,
            ..layer_with(4, RouterConfig::Hash(Hash::new(table)))
        };
        let mut layer = layer(engine, &config).await;
        let (x, d_output) = (tokens(&config, 8, 26), d_output(&config, 8, 26));
        let options = ForwardOptions { labels: labels(&config, 26), ..train() };
        let got = passes(&mut layer, &x, &d_output, &options).await.expect("a layer that runs");
        assert_eq!(got.output.output.map(|y| bits(&y)), Some(bits(&x)), "the output on {devices} devices");
        assert_eq!(got.gradients.x.map(|dx| bits(&dx)), Some(bits(&d_output)), "the gradient on {devices} devices");
        let weights = got.gradients.weights.expect("weights were read");
        assert!(weights.w1.iter().chain(&weights.w2).all(|g| *g == 0.0), "nobody else was asked");
    }
}

pub async fn neither_widths_nor_identities_change_who_goes_where_or_what_it_moves(engine: &Rc<Engine>) {
    for config in examples(8).into_iter().map(|config| LayerConfig { groups: 4, devices: 4, ..config }) {
        let plain = LayerConfig { expert_widths: None, identity_experts: 0, ..config.clone() };
        let (got, want) = (run(engine, &config, 64).await, run(engine, &plain, 64).await);
        assert_eq!(got.output.routing, want.output.routing, "{:?}", config.router);
        assert_eq!(got.output.traffic, want.output.traffic, "{:?}", config.router);
        assert_eq!(got.gradients.traffic, want.gradients.traffic, "{:?}", config.router);
    }
}

pub async fn devices_change_nothing_for_any_expert(engine: &Rc<Engine>) {
    for config in examples(64) {
        let alone = LayerConfig { groups: 64, ..config };
        let one = run(engine, &alone, 256).await;
        for devices in [2, 8, 64] {
            let many = run(engine, &LayerConfig { devices, ..alone.clone() }, 256).await;
            assert_same(&format!("{:?} on {devices} devices", alone.router), &many, &one);
        }
    }
}

pub async fn identities_cost_one_dispatch_and_widths_none(engine: &Rc<Engine>) {
    let plain = layer_with(8, top_k(2));
    let forward = async |config: &LayerConfig| -> Counters {
        let mut layer = layer(engine, config).await;
        let options = ForwardOptions { read: Vec::new(), ..train() };
        let before = engine.counters();
        layer.forward(&tokens(config, 9, 16), &options).await.expect("a layer that runs");
        let after = engine.counters();
        Counters { dispatches: after.dispatches - before.dispatches, ..after }
    };
    for devices in [1, 4] {
        let plain = LayerConfig { devices, groups: devices, ..plain.clone() };
        let wanted = if devices == 1 { 8 } else { 10 };
        let unequal = LayerConfig { expert_widths: widths(8), ..plain.clone() };
        assert_eq!(forward(&unequal).await.dispatches, wanted, "widths on {devices} devices");
        let identities = LayerConfig { identity_experts: 5, ..plain };
        assert_eq!(forward(&identities).await.dispatches, wanted + 1, "identities on {devices} devices");
    }
}
