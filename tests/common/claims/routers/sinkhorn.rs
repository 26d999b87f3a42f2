//! Token choice by balanced logits.

use std::rc::Rc;

use webmoe::config::{LayerConfig, RouterConfig, SharedExpert, Sinkhorn, SinkhornGate};
use webmoe::engine::Engine;
use webmoe::reference::routing::Scores;
use webmoe::reference::routing::sinkhorn::{Settings, balance};
use webmoe::reference::{self, Setting};
use webmoe::session::{ForwardOptions, Read, Solver};

use super::super::super::engine::layer_of;
use super::super::super::inputs::{tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![layer_with(experts, sinkhorn(2)), LayerConfig { capacity: bounded(2), ..layer_with(experts, sinkhorn(1)) }]
}

/// As many iterations on every engine, so that rounding decides nothing.
fn in_twelve(k: usize) -> Sinkhorn {
    Sinkhorn { iterations: 12, tolerance: 0.0, ..Sinkhorn::new(k) }
}

fn sinkhorn(k: usize) -> RouterConfig {
    RouterConfig::Sinkhorn(in_twelve(k))
}

pub async fn sinkhorn_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let softmax = Sinkhorn { gate: SinkhornGate::Softmax, epsilon: 0.3, ..in_twelve(3) };
    let unequal = Sinkhorn { shares: Some(vec![4.0, 0.5, 1.0, 2.5, 2.0]), ..in_twelve(1) };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("Sinkhorn, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("one choice", layer_with(5, sinkhorn(1)), 37),
            trial("three choices of softmax", layer_with(7, RouterConfig::Sinkhorn(softmax)), 70),
            Trial { train: false, ..trial("outside training", layer_with(5, sinkhorn(2)), 37) },
            trial("unequal shares", layer_with(5, RouterConfig::Sinkhorn(unequal)), 37),
            trial("one expert", layer_with(1, sinkhorn(1)), 9),
            trial("all experts", layer_with(4, sinkhorn(4)), 9),
            trial("more experts than threads", layer_with(130, sinkhorn(2)), 16),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer_with(4, sinkhorn(2)) }, 64),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, sinkhorn(2)) }, 64),
        ],
    )
    .await;
}

pub async fn prices_even_out_what_the_tokens_ask_for(engine: &Rc<Engine>) {
    let skewed = |router| {
        let mut config = LayerConfig { router_bias: true, ..layer_with(8, router) };
        config.loss_weights.clear();
        config
    };
    let load = async |router: RouterConfig| {
        let config = skewed(router);
        let mut given = weights(&config, 6);
        given.router_bias = Some((0..8).map(|e| 0.5 * e as f32).collect());
        let mut layer = layer_of(engine, &config, &given).await;
        let options = ForwardOptions { train: true, ..ForwardOptions::default() };
        let output = layer.forward(&tokens(&config, 6, 512), &options).await.expect("a layer that runs");
        output.routing.expect("routing was read").load.into_iter().max()
    };
    let plain = load(RouterConfig::TopK(webmoe::config::TopK::new(1))).await;
    let balanced = load(RouterConfig::Sinkhorn(Sinkhorn { epsilon: 0.1, iterations: 1000, ..Sinkhorn::new(1) })).await;
    assert!(plain > Some(128), "one expert is asked by twice its share and more: {plain:?}");
    assert!(balanced < Some(77), "none gets a fifth more than its share of 64: {balanced:?}");
}

pub async fn an_expert_gets_the_share_it_is_given(engine: &Rc<Engine>) {
    let shares = vec![1.0, 2.0, 4.0, 1.0];
    let router = Sinkhorn { epsilon: 0.1, iterations: 1000, shares: Some(shares.clone()), ..Sinkhorn::new(1) };
    let config = LayerConfig { loss_weights: [].into(), ..layer_with(4, RouterConfig::Sinkhorn(router)) };
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let options = ForwardOptions { train: true, ..ForwardOptions::default() };
    let output = layer.forward(&tokens(&config, 6, 512), &options).await.expect("a layer that runs");
    let load = output.routing.expect("routing was read").load;
    for (load, share) in load.iter().zip(&shares) {
        let wanted = 512.0 / 8.0 * share;
        assert!((*load as f32 - wanted).abs() < 0.2 * wanted, "{load:?} of {wanted}");
    }
}

/// The solver's report of one pass in training.
async fn solved(engine: &Rc<Engine>, config: &LayerConfig, x: &[f32]) -> Solver {
    let mut layer = layer_of(engine, config, &weights(config, 6)).await;
    let options = ForwardOptions { train: true, read: vec![Read::Solver], ..ForwardOptions::default() };
    let output = layer.forward(x, &options).await.expect("a layer that runs");
    output.solver.expect("the solver was read")
}

pub async fn the_solver_tells_how_it_ended(engine: &Rc<Engine>) {
    let layer = |router: Sinkhorn| LayerConfig { groups: 2, ..layer_with(5, RouterConfig::Sinkhorn(router)) };
    let with = |iterations, tolerance, epsilon| Sinkhorn { iterations, tolerance, epsilon, ..Sinkhorn::new(1) };
    let x = tokens(&layer(Sinkhorn::new(1)), 6, 96);
    let converged = solved(engine, &layer(with(1000, 1e-4, 0.5)), &x).await;
    let change = converged.change.expect("prices have moved");
    assert!(converged.iterations.iter().all(|made| (2..1000).contains(made)), "{:?}", converged.iterations);
    assert!(change.iter().all(|change| *change < 1e-4), "{change:?}");

    // stopped early: the change that the oracle makes in its fourth iteration
    let config = layer(with(4, 0.0, 0.5));
    let stopped = solved(engine, &config, &x).await;
    assert_eq!(stopped.iterations, [4, 4]);
    let forward = reference::forward(&config, &weights(&config, 6), &x, Setting::TRAIN).expect("a layer that runs");
    for (h, change) in forward.logits.chunks(48 * 5).zip(stopped.change.expect("prices have moved")) {
        let g = |iterations| balance(Scores::new(h, 5), None, Settings { eps: 0.5, iterations, tolerance: 0.0 }).g;
        let want = g(4).iter().zip(g(3)).map(|(new, old)| (new - old).abs()).fold(0.0, f64::max);
        assert!((f64::from(change) - want).abs() < 1e-4 * want + 1e-5, "{change}, want {want}");
    }

    // where an f32 is coarser than the tolerance it need not converge, but it ends
    let sharp = solved(engine, &layer(with(40, 1e-4, 1e-5)), &x).await;
    assert!(sharp.iterations.iter().all(|made| *made <= 40), "{:?}", sharp.iterations);

    let mut untrained = layer_of(engine, &config, &weights(&config, 6)).await;
    let options = ForwardOptions { read: vec![Read::Solver], ..ForwardOptions::default() };
    let output = untrained.forward(&x, &options).await.expect("a layer that runs");
    assert_eq!(output.solver, None, "outside training nothing is solved");
}

pub async fn what_a_token_adds_to_all_its_logits_changes_no_choice(engine: &Rc<Engine>) {
    let config = layer_with(5, RouterConfig::Sinkhorn(Sinkhorn { epsilon: 0.5, ..Sinkhorn::new(2) }));
    let mut given = weights(&config, 6);
    // the first feature counts the same for every expert
    given.router.iter_mut().step_by(config.d_model).for_each(|w| *w = 1.0);
    let mut layer = layer_of(engine, &config, &given).await;
    let mut x = tokens(&config, 6, 40);
    let mut choices = async |x: &[f32]| {
        let options = ForwardOptions { train: true, read: vec![Read::Routing], ..ForwardOptions::default() };
        layer.forward(x, &options).await.expect("a layer that runs").routing.expect("routing was read").experts
    };
    let before = choices(&x).await;
    x.iter_mut().step_by(config.d_model).zip(0..).for_each(|(v, t)| *v += 4.0 * (t as f32).sin());
    assert_eq!(choices(&x).await, before);
}
