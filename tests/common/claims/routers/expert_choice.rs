//! Expert choice.

use std::rc::Rc;

use webmoe::config::{Across, Dykstra, ExpertChoice, LayerConfig, RouterConfig, SharedExpert};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::reference::routing::Scores;
use webmoe::reference::routing::expert_choice::choose;
use webmoe::session::{ForwardOptions, Read};

use super::super::super::engine::{layer, layer_of};
use super::super::super::inputs::{bits, tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{layer_with, routing, run, thresholds};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    let over_tokens = ExpertChoice { slots: Some(3), softmax_over: Across::Tokens, ..ExpertChoice::new(1.0) };
    let ranked = [
        layer_with(experts, expert_choice(3)),
        layer_with(experts, RouterConfig::ExpertChoice(over_tokens)),
        layer_with(experts, bound(ExpertChoice { rounds: 3, ..ExpertChoice::new(1.0) }, 2)),
        layer_with(experts, bound(by_shares(0.1, 3), 2)),
    ];
    ranked.into_iter().chain(thresholds::examples_of_choice(experts)).collect()
}

fn expert_choice(slots: usize) -> RouterConfig {
    RouterConfig::ExpertChoice(ExpertChoice { slots: Some(slots), ..ExpertChoice::new(1.0) })
}

/// At most `most` experts a token.
fn bound(router: ExpertChoice, most: usize) -> RouterConfig {
    RouterConfig::ExpertChoice(ExpertChoice { max_experts_per_token: Some(most), ..router })
}

/// Bounded as in the paper.
fn by_shares(entropy_weight: f32, iterations: usize) -> ExpertChoice {
    ExpertChoice { dykstra: Some(Dykstra { entropy_weight, iterations }), ..ExpertChoice::new(1.0) }
}

/// Softmax over the tokens.
fn over_tokens(router: ExpertChoice) -> ExpertChoice {
    ExpertChoice { softmax_over: Across::Tokens, ..router }
}

pub async fn expert_choice_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("expert choice, {name}"), config, count);
    let all_alike = |name: &str, config: LayerConfig, count| {
        let change: fn(&mut webmoe::weights::LayerWeights) = |weights| weights.router.fill(0.0);
        Trial { change, ties: true, ..trial(name, config, count) }
    };
    check_trials(
        engine,
        &[
            trial("by factor", layer_with(5, RouterConfig::ExpertChoice(ExpertChoice::new(1.5))), 37),
            trial("many tokens", layer_with(3, expert_choice(70)), 333),
            trial("one expert", layer_with(1, expert_choice(5)), 9),
            trial("every token", layer_with(4, expert_choice(11)), 11),
            trial("no token", layer_with(4, expert_choice(0)), 11),
            trial("one token", layer_with(4, expert_choice(1)), 1),
            all_alike("equal scores", layer_with(4, expert_choice(3)), 70),
            trial("groups", LayerConfig { groups: 4, router_bias: true, ..layer_with(6, expert_choice(3)) }, 64),
            trial(
                "a shared expert on a mesh",
                LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, expert_choice(3)) },
                64,
            ),
        ],
    )
    .await;
}

pub async fn shares_of_the_tokens_agree_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let router = |factor| RouterConfig::ExpertChoice(over_tokens(ExpertChoice::new(factor)));
    let trial =
        |name: &str, config: LayerConfig, count| Trial::new(format!("softmax over tokens, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("plain", layer_with(5, router(1.5)), 37),
            trial("many tokens", layer_with(3, router(0.5)), 333),
            trial("one expert", layer_with(1, router(0.5)), 9),
            trial("one token", layer_with(4, router(2.0)), 1),
            trial("every token", layer_with(4, router(4.0)), 11),
            trial("at most two experts a token", layer_with(6, bound(over_tokens(ExpertChoice::new(1.5)), 2)), 48),
            Trial {
                change: |weights| weights.router.fill(0.0),
                ties: true,
                ..trial("equal scores", layer_with(4, router(1.5)), 70)
            },
            trial("groups", LayerConfig { groups: 4, router_bias: true, ..layer_with(6, router(1.0)) }, 64),
            trial(
                "a residual expert on a mesh",
                LayerConfig { groups: 4, devices: 4, shared_expert, residual: true, ..layer_with(8, router(2.0)) },
                64,
            ),
        ],
    )
    .await;
}

pub async fn choices_of_few_experts_a_token_agree_with_the_oracle(engine: &Rc<Engine>) {
    let trial = |name: String, config: LayerConfig, count| Trial::new(name, config, count);
    let mut trials = Vec::new();
    // as many places as tokens can fill, so that greed leaves some experts short
    let sizes = [
        (3, 2, 6),
        (3, 2, 9),
        (3, 2, 12),
        (3, 2, 15),
        (3, 2, 30),
        (4, 3, 8),
        (4, 3, 12),
        (6, 3, 12),
        (6, 4, 18),
        (8, 2, 64),
        (7, 3, 70),
        (5, 1, 35),
    ];
    for (experts, most, count) in sizes {
        let router = bound(ExpertChoice::new(most as f64), most);
        let name = format!("{experts} experts, {most} a token, {count} tokens");
        let config = layer_with(experts, router);
        trials.push(trial(name.clone(), config.clone(), count));
        let change: fn(&mut webmoe::weights::LayerWeights) = |weights| weights.router.fill(0.0);
        trials.push(Trial { change, ties: true, ..trial(format!("{name}, equal scores"), config, count) });
    }
    trials.extend([
        trial("no bound".into(), layer_with(4, bound(ExpertChoice::new(2.0), 4)), 20),
        trial("one token".into(), layer_with(4, bound(ExpertChoice::new(1.0), 1)), 1),
        trial("no token".into(), layer_with(4, bound(ExpertChoice::new(1.0), 1)), 0),
        trial("few tokens for many".into(), layer_with(64, bound(ExpertChoice::new(2.0), 2)), 37),
        trial(
            "a mesh".into(),
            LayerConfig { groups: 4, devices: 4, ..layer_with(8, bound(ExpertChoice::new(2.0), 2)) },
            64,
        ),
    ]);
    check_trials(engine, &trials).await;
}

pub async fn shares_that_keep_all_bounds_agree_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("shares, {name}"), config, count);
    let with = |lambda, iterations, factor| ExpertChoice { capacity_factor: factor, ..by_shares(lambda, iterations) };
    let slots = |slots| ExpertChoice { slots: Some(slots), ..by_shares(0.05, 30) };
    let change: fn(&mut webmoe::weights::LayerWeights) = |weights| weights.router.fill(0.0);
    let mut trials = vec![
        trial("one expert", layer_with(1, bound(by_shares(0.1, 10), 1)), 9),
        trial("one token", layer_with(4, bound(by_shares(0.1, 10), 1)), 1),
        trial("no token", layer_with(4, bound(by_shares(0.1, 10), 1)), 0),
        trial("no place", layer_with(4, bound(slots(0), 2)), 11),
        trial("no bound", layer_with(4, bound(by_shares(0.1, 10), 4)), 20),
        trial("every place that tokens fill", layer_with(4, bound(slots(10), 2)), 20),
        trial("shares of the tokens", layer_with(6, bound(over_tokens(with(0.05, 20, 1.5)), 2)), 48),
        Trial { change, ties: true, ..trial("equal scores", layer_with(4, bound(with(0.05, 20, 1.5), 2)), 70) },
        trial("groups", LayerConfig { groups: 4, router_bias: true, ..layer_with(6, bound(slots(3), 2)) }, 64),
        trial(
            "a shared expert on a mesh",
            LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, bound(with(0.1, 20, 1.5), 2)) },
            64,
        ),
    ];
    for (lambda, iterations) in [(1e-3, 1), (1e-3, 10), (0.01, 30), (0.1, 100), (10.0, 100)] {
        let config = layer_with(5, bound(with(lambda, iterations, 1.5), 2));
        trials.push(trial(&format!("λ = {lambda}, {iterations} iterations"), config, 37));
    }
    check_trials(engine, &trials).await;
}

/// Full experts, no NaN, and a count of the tokens over the bound that is the plan's own.
pub async fn the_papers_bound_fills_every_expert_and_counts_whom_it_gave_too_much(engine: &Rc<Engine>) {
    let mut all_over = Vec::new();
    for (lambda, iterations) in [(1e-3, 100), (0.01, 100), (0.1, 100), (1e-6, 20)] {
        let router = ExpertChoice { capacity_factor: 2.0, ..by_shares(lambda, iterations) };
        let config = LayerConfig { groups: 2, ..layer_with(8, bound(router, 2)) };
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        let read = vec![Read::Output, Read::Routing, Read::Solver];
        let options = ForwardOptions { read, ..ForwardOptions::default() };
        let output = layer.forward(&tokens(&config, 6, 128), &options).await.expect("a layer that runs");
        let (routing, solver) = (output.routing.expect("routing was read"), output.solver.expect("a solver ran"));
        assert_eq!(routing.load, [32; 8], "λ = {lambda}: 16 of 64 in each of two groups");
        assert_eq!(routing.slots, 8, "a token may have all");
        let over = |group: usize| {
            let tokens = routing.experts.chunks_exact(8).skip(64 * group).take(64);
            tokens.filter(|experts| experts.iter().filter(|e| **e >= 0).count() > 2).count() as u32
        };
        assert_eq!(solver.over, Some(vec![over(0), over(1)]), "λ = {lambda}");
        assert_eq!(solver.iterations, [iterations as u32; 2]);
        assert_eq!((solver.left, solver.change, solver.repaired), (None, None, None));
        assert!(output.output.is_some_and(|output| output.iter().all(|y| y.is_finite())), "λ = {lambda}");
        all_over.push(over(0) + over(1));
    }
    assert!(all_over.iter().any(|over| *over > 0), "the bound is missed somewhere: {all_over:?}");
}

pub async fn no_token_has_more_experts_than_it_may_and_every_expert_is_full(engine: &Rc<Engine>) {
    for (experts, most, count) in [(3, 2, 6), (8, 2, 512), (64, 2, 1024), (64, 3, 4096)] {
        let config = layer_with(experts, bound(ExpertChoice::new(most as f64), most));
        let got = run(engine, &config, count).await;
        let routing = routing(&got);
        assert_eq!(routing.slots, most, "columns of the plan");
        assert_eq!(routing.load, vec![(most * count / experts) as u32; experts], "{experts} experts of {count} tokens");
    }
}

pub async fn a_batch_with_too_few_tokens_for_its_places_is_refused_with_the_rule(engine: &Rc<Engine>) {
    let router = ExpertChoice { slots: Some(5), ..ExpertChoice::new(1.0) };
    let mut layer = layer(engine, &layer_with(4, bound(router, 2))).await;
    let error = layer.forward(&[0.5; 6 * 9], &ForwardOptions::default()).await.expect_err("20 places, 18 fillings");
    let wanted = Error::TooManyPlaces { experts: 4, slots: 5, tokens: 9, most: 2, places: 20, found: 18 };
    assert_eq!(error, wanted);
    assert_eq!(
        error.to_string(),
        "4 experts that take 5 tokens each are 20 places, but 9 tokens with at most 2 experts each fill only 18; \
         lower `router.slots` or raise `router.maxExpertsPerToken`"
    );
    layer.forward(&[0.5; 6 * 10], &ForwardOptions::default()).await.expect("20 places, 20 fillings");
}

pub async fn every_expert_takes_exactly_as_many_tokens_as_it_may(engine: &Rc<Engine>) {
    for (experts, slots, count) in [(4, 8, 64), (7, 3, 61), (16, 64, 64)] {
        let got = run(engine, &layer_with(experts, expert_choice(slots)), count).await;
        let routing = routing(&got);
        assert_eq!(routing.load, vec![slots as u32; experts]);
        for e in 0..experts as i32 {
            let mut places: Vec<i32> = (0..routing.experts.len())
                .filter(|at| routing.experts[*at] == e)
                .map(|at| routing.positions[at])
                .collect();
            places.sort_unstable();
            assert_eq!(places, (0..slots as i32).collect::<Vec<_>>(), "expert {e}: one token a slot");
        }
    }
}

/// Tokens of eight sequences, position by position, a group each: whatever comes later in any sequence changes nothing before.
pub async fn groups_of_one_position_do_not_look_ahead(engine: &Rc<Engine>) {
    let (positions, sequences) = (6, 8);
    for router in [ExpertChoice::new(1.0), over_tokens(ExpertChoice::new(1.0))] {
        let config = LayerConfig { groups: positions, ..layer_with(4, RouterConfig::ExpertChoice(router)) };
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        let (here, elsewhere) = (tokens(&config, 6, positions * sequences), tokens(&config, 7, positions * sequences));
        let mut route = async |x: &[f32]| {
            let options = ForwardOptions { train: true, read: vec![Read::Routing], ..ForwardOptions::default() };
            layer.forward(x, &options).await.expect("a layer that runs").routing.expect("routing was read")
        };
        let before = route(&here).await;
        for position in 1..positions {
            let from = position * sequences;
            let after = route(&[&here[..from * 6], &elsewhere[from * 6..]].concat()).await;
            assert_eq!(after.experts[..from * 4], before.experts[..from * 4], "up to position {position}");
            assert_eq!(after.positions[..from * 4], before.positions[..from * 4], "up to position {position}");
            assert_eq!(
                bits(&after.weights[..from * 4]),
                bits(&before.weights[..from * 4]),
                "up to position {position}"
            );
            assert_ne!(after.experts[from * 4..], before.experts[from * 4..], "from there on");
        }
    }
}

/// The plan of a forward pass of many tokens is that of the scores it gives, whose ties are as they are.
async fn check_many(engine: &Rc<Engine>, slots: usize) {
    let (experts, count) = (64, 4096);
    let config = layer_with(experts, expert_choice(slots));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let options = ForwardOptions { read: vec![Read::Scores, Read::Routing], ..ForwardOptions::default() };
    let output = layer.forward(&tokens(&config, 6, count), &options).await.expect("a layer that runs");
    let (scores, routing) = (output.scores.expect("scores were read"), output.routing.expect("routing was read"));
    let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
    let wanted = choose(Scores::new(&scores, experts), slots).expect("no more than there are").buffers(experts);
    for (e, wanted) in wanted.into_iter().enumerate() {
        let mut got = vec![usize::MAX; slots];
        for at in (0..routing.experts.len()).filter(|at| routing.experts[*at] == e as i32) {
            got[routing.positions[at] as usize] = at / routing.slots;
        }
        assert_eq!(got, wanted, "expert {e} of {slots} places");
    }
}

pub async fn thousands_of_tokens_are_ranked_exactly(engine: &Rc<Engine>) {
    check_many(engine, 128).await;
    check_many(engine, 4096).await;
}
