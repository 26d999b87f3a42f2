//! Noisy top-k on two levels: branches of experts, then experts in each.

use std::rc::Rc;

use webmoe::config::{LayerConfig, NoisyTopK, RouterConfig, SharedExpert};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::session::{ForwardOptions, Routing};
use webmoe::weights::{LayerWeights, NAMES, Weights, shape};

use super::super::super::close::{Tol, assert_close};
use super::super::super::engine::{layer_of, passes};
use super::super::super::got::Got;
use super::super::super::inputs::{d_output, noise, tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::bounded;
use super::noisy_top_k::layer;

pub async fn branches_agree_with_the_oracle(engine: &Rc<Engine>) {
    let of = |experts, branches, branch_k, k| layer(experts, NoisyTopK::hierarchical(branches, branch_k, k));
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("branches, {name}"), config, count);
    let eval = |name: &str, config: LayerConfig| Trial { train: false, ..trial(name, config, 37) };
    let change: fn(&mut LayerWeights) = |weights| weights.router.fill(0.0);
    let huge: fn(&mut LayerWeights) = |weights| weights.router.iter_mut().for_each(|w| *w *= 100.0);
    let unweighed = |config| LayerConfig { loss_weights: [].into(), ..config };
    check_trials(
        engine,
        &[
            trial("two and two", of(12, 3, 2, 2), 70),
            trial("one and one", of(6, 3, 1, 1), 37),
            trial("no losses", unweighed(of(12, 4, 3, 2)), 40),
            trial("one branch", of(5, 1, 1, 2), 30),
            trial("branches of one expert", of(5, 5, 3, 1), 30),
            trial("all branches and all experts", of(6, 3, 3, 2), 20),
            trial("one expert", of(1, 1, 1, 1), 9),
            trial("no token", of(4, 2, 1, 1), 0),
            trial("one token", of(4, 2, 1, 1), 1),
            trial("more branches than threads", of(132, 66, 2, 1), 16),
            trial(
                "a bias, and a late step",
                LayerConfig { seed: (1 << 40) + 5, router_bias: true, ..of(8, 2, 1, 3) },
                24,
            ),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..of(4, 2, 2, 1) }, 64),
            trial("identities", LayerConfig { identity_experts: 3, ..of(6, 3, 2, 1) }, 30),
            trial("a residual expert", LayerConfig { shared_expert, residual: true, ..of(6, 2, 2, 2) }, 30),
            trial("a mesh", LayerConfig { groups: 8, devices: 4, shared_expert, ..of(8, 4, 2, 1) }, 64),
            eval("outside training", of(12, 3, 2, 2)),
            eval("outside training, no losses", unweighed(of(6, 3, 2, 1))),
            Trial { change, ties: true, ..eval("equal logits", of(12, 4, 2, 2)) },
            Trial { change: huge, ..eval("huge logits", unweighed(of(12, 4, 2, 2))) },
        ],
    )
    .await;
}

/// A layer on given noise, everything read.
async fn step(engine: &Rc<Engine>, config: &LayerConfig, given: &LayerWeights, draws: Vec<f32>) -> Got {
    let mut layer = layer_of(engine, config, given).await;
    let count = draws.len() / config.logits();
    let options = ForwardOptions { train: true, draws: Some(draws), ..ForwardOptions::default() };
    let (x, dy) = (tokens(config, 6, count), d_output(config, 6, count));
    passes(&mut layer, &x, &dy, &options).await.expect("a layer that runs").got()
}

/// Whether a layer of 6 experts in branches does what a flat one does, of whose router it has the rows from `first` on.
async fn assert_flat(engine: &Rc<Engine>, router: NoisyTopK, flat_k: usize, first: usize) {
    let (config, flat) = (layer(6, router), layer(6, NoisyTopK::new(flat_k)));
    let all = weights(&config, 6);
    let (logits, d) = (config.logits(), config.d_model);
    let of_router = ["router", "noise"];
    let own = Weights::build(&flat, |name, len| {
        let values = all.get(name).expect("an array of both");
        let from = if of_router.contains(&name) { first * d } else { 0 };
        values[from..from + len].to_vec()
    });
    let draws: Vec<f32> = noise(6, 7, 32 * logits).into_iter().map(|z| 2.0 * z).collect();
    let of_flat = draws.chunks_exact(logits).flat_map(|draws| &draws[first..first + 6]).copied().collect();
    let got = step(engine, &config, &all, draws).await;
    let want = step(engine, &flat, &own, of_flat).await;
    assert_eq!(got.routing.experts, want.routing.experts, "{router:?}");
    let close = |what: &str, got: &[f64], want: &[f64], width| {
        assert_close(&format!("{router:?}: {what}"), got, want, width, Tol { abs: 2e-5, rel: 1e-4 });
    };
    close("output", &got.output, &want.output, d);
    close("weights", &got.routing.weights, &want.routing.weights, flat_k);
    for (name, want) in &want.losses {
        close(name, &[got.losses[name]], &[*want], 1);
    }
    close("x", &got.gradients["x"], &want.gradients["x"], d);
    for name in NAMES.into_iter().filter(|name| own.get(name).is_some()) {
        let (got, want) = (&got.gradients[name], &want.gradients[name]);
        let width = shape(&flat, name).map_or(1, |shape| shape[shape.len() - 1]);
        let from = if of_router.contains(&name) { first * d } else { 0 };
        let (before, own) = got.split_at(from);
        let (own, after) = own.split_at(want.len());
        close(name, own, want, width);
        close(&format!("other rows of {name}"), &[before, after].concat(), &vec![0.0; got.len() - want.len()], d);
    }
}

pub async fn one_branch_or_branches_of_one_expert_are_the_flat_form(engine: &Rc<Engine>) {
    assert_flat(engine, NoisyTopK::hierarchical(1, 1, 2), 2, 0).await;
    assert_flat(engine, NoisyTopK::hierarchical(6, 2, 1), 2, 6).await;
}

/// A pass of a layer whose logits are its tokens: first the experts', then the branches'.
async fn routed(
    engine: &Rc<Engine>,
    router: NoisyTopK,
    logits: &[f32],
    draws: Option<Vec<f32>>,
) -> (Routing, Vec<(&'static str, f32)>) {
    let experts = 8;
    let width = experts + router.branches.map_or(0, |split| split.branches);
    let config = LayerConfig::new(width, 4, experts, RouterConfig::NoisyTopK(router));
    let given = Weights::build(&config, |name, len| match name {
        "router" => (0..len).map(|i| if i / width == i % width { 1.0 } else { 0.0 }).collect(),
        _ => vec![0.0; len],
    });
    let mut layer = layer_of(engine, &config, &given).await;
    let options = ForwardOptions { train: draws.is_some(), draws, ..ForwardOptions::routing() };
    let output = layer.forward(logits, &options).await.expect("a layer that runs");
    (output.routing.expect("routing was read"), output.losses.expect("losses were read"))
}

pub async fn every_token_has_k_experts_in_each_of_its_branches(engine: &Rc<Engine>) {
    for (branches, branch_k, k) in [(2, 1, 3), (4, 2, 2), (8, 3, 1), (1, 1, 5)] {
        let router = NoisyTopK::hierarchical(branches, branch_k, k);
        let width = 8 + branches;
        let (routing, _) = routed(engine, router, &noise(1, 1, 50 * width), Some(noise(2, 1, 50 * width))).await;
        assert_eq!(routing.slots, branch_k * k);
        let branch_of = |e: &i32| *e as usize * branches / 8;
        for (experts, weights) in
            routing.experts.chunks_exact(routing.slots).zip(routing.weights.chunks_exact(routing.slots))
        {
            let mut distinct = experts.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), branch_k * k, "{router:?}: {experts:?}");
            for branch in 0..branches {
                let here = experts.iter().filter(|e| branch_of(e) == branch).count();
                assert!([0, k].contains(&here), "{router:?}: {experts:?}");
            }
            let sum: f32 = weights.iter().sum();
            assert!((sum - 1.0).abs() < 1e-6, "{router:?}: {weights:?}");
        }
    }
}

pub async fn importance_of_branches_costs_nothing_exactly_where_it_is_equal(engine: &Rc<Engine>) {
    let router = NoisyTopK::hierarchical(4, 1, 1);
    let each_its_own = |i: usize| if i % 12 == i / 12 || i % 12 == 8 + i / 12 / 2 { 4.0 } else { 0.0 };
    let logits: Vec<f32> = (0..96).map(each_its_own).collect();
    let importance = async |logits: &[f32]| {
        let (_, losses) = routed(engine, router, logits, Some(vec![0.0; 96])).await;
        losses.into_iter().find(|(name, _)| *name == "importance").expect("a loss of the router").1
    };
    assert!(importance(&logits).await < 1e-9);
    for liked in [0, 8] {
        let skewed: Vec<f32> =
            logits.iter().enumerate().map(|(i, h)| h + if i % 12 == liked { 9.0 } else { 0.0 }).collect();
        assert!(importance(&skewed).await > 0.1, "logit {liked} of all tokens is raised");
    }
}

pub async fn noise_and_draws_are_of_both_levels(engine: &Rc<Engine>) {
    let router = NoisyTopK::hierarchical(4, 1, 1);
    let logits = noise(1, 1, 40 * 12);
    let experts = async |draws: Option<Vec<f32>>| routed(engine, router, &logits, draws).await.0.experts;
    let quiet = experts(None).await;
    assert_eq!(experts(Some(vec![0.0; 480])).await, quiet, "none but zeros");
    let of_branch = |experts: &[i32]| experts.iter().map(|e| e / 2).collect::<Vec<i32>>();
    let only = |level: fn(usize) -> bool| {
        (0..480).zip(noise(2, 1, 480)).map(|(i, z)| if level(i % 12) { 3.0 * z } else { 0.0 }).collect::<Vec<f32>>()
    };
    let inside = experts(Some(only(|i| i < 8))).await;
    assert_ne!(inside, quiet);
    assert_eq!(of_branch(&inside), of_branch(&quiet), "noise on experts moves no token to another branch");
    assert_ne!(of_branch(&experts(Some(only(|i| i >= 8))).await), of_branch(&quiet), "noise on branches does");

    let config = layer(8, router);
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let options = ForwardOptions { train: true, draws: Some(vec![0.0; 8 * 40]), ..ForwardOptions::default() };
    let error = layer.forward(&tokens(&config, 6, 40), &options).await.expect_err("none for the branches");
    assert!(matches!(&error, Error::WrongLength { what, got: 320, wanted: 480, .. } if what == "draws"), "{error}");
}
