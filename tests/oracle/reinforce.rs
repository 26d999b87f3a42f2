//! Routing learned from rewards: its gradient by enumeration, by differences and by hand.

use webmoe::config::{Baseline, Capacity, LayerConfig, Order, Priority, Reinforce, RouterConfig, Slots};
use webmoe::reference::policy::{Rewards, RunningMean, action};
use webmoe::reference::{Forward, Gradients, Setting, backward_rewarded, forward_exact};
use webmoe::rng::{open_uniform_f32, uniform_f32};
use webmoe::weights::{NAMES, Weights};

use crate::common::close::{Tol, assert_close};
use crate::differences::slopes;

const EXPERTS: usize = 3;
const TOKENS: usize = 2;
const WIDTH: usize = 4;
const TOL: Tol = Tol { abs: 1e-9, rel: 1e-6 };

fn noise(stream: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| 2.0 * f64::from(uniform_f32(11, 0, 0, i, stream)) - 1.0).collect()
}

fn layer(experts: usize, router: Reinforce) -> LayerConfig {
    LayerConfig { router_bias: true, ..LayerConfig::new(WIDTH, 3, experts, RouterConfig::Reinforce(router)) }
}

fn weights(config: &LayerConfig) -> Weights<f64> {
    let stream = |name| 100 + NAMES.iter().position(|known| *known == name).unwrap_or(0) as u32;
    Weights::build(config, |name, len| noise(stream(name), len))
}

/// What a token would get for an action.
fn reward(token: usize, action: usize) -> f64 {
    noise(5, 100)[token * 10 + action] + 0.5
}

fn run(config: &LayerConfig, weights: &Weights<f64>, x: &[f64], actions: &[usize]) -> Forward {
    let setting = Setting { choices: Some(actions), ..Setting::TRAIN };
    forward_exact(config, weights, x, setting).expect("a layer that runs")
}

/// Something that has gone into the running mean before.
fn before() -> RunningMean {
    RunningMean::default().with(0.7, 0.9).with(-0.2, 0.9)
}

/// The gradient of a batch that acted so and of nothing else.
fn gradient(config: &LayerConfig, weights: &Weights<f64>, x: &[f64], actions: &[usize], rewards: &[f64]) -> Gradients {
    let forward = run(config, weights, x, actions);
    let rewards = Rewards { of_tokens: rewards, before: before() };
    let got = backward_rewarded(config, weights, x, &forward, &vec![0.0; x.len()], Some(rewards));
    got.expect("a layer that runs")
}

/// Every way in which two tokens may act, with its probability by their policies.
fn all_actions(policies: &[f64]) -> Vec<([usize; TOKENS], f64)> {
    let one = |a: usize, b: usize| ([a, b], policies[a] * policies[EXPERTS + b]);
    (0..EXPERTS).flat_map(|a| (0..EXPERTS).map(move |b| (a, b))).map(|(a, b)| one(a, b)).collect()
}

/// The first rows of the router's gradient, those of the experts, and its input's: mean and variance over all actions.
fn mean_and_variance(config: &LayerConfig, weights: &Weights<f64>, x: &[f64]) -> (Vec<f64>, f64) {
    let policies = run(config, weights, x, &[0; TOKENS]).scores;
    let of = |actions: [usize; TOKENS]| {
        let rewards: Vec<f64> = actions.iter().enumerate().map(|(t, a)| reward(t, *a)).collect();
        let got = gradient(config, weights, x, &actions, &rewards);
        [&got.weights.router[..EXPERTS * WIDTH], &got.weights.router_bias.unwrap_or_default()[..EXPERTS], &got.x]
            .concat()
    };
    let all: Vec<(Vec<f64>, f64)> = all_actions(&policies).into_iter().map(|(a, p)| (of(a), p)).collect();
    let mut mean = vec![0.0; all[0].0.len()];
    all.iter().for_each(|(g, p)| mean.iter_mut().zip(g).for_each(|(mean, g)| *mean += p * g));
    let apart = |g: &[f64]| g.iter().zip(&mean).map(|(g, mean)| (g - mean).powi(2)).sum::<f64>();
    let variance = all.iter().map(|(g, p)| p * apart(g)).sum();
    (mean, variance)
}

#[test]
fn the_mean_over_all_actions_is_the_gradient_of_the_expected_reward() {
    for baseline in [Baseline::None, Baseline::Ema, Baseline::Linear] {
        for temperature in [1.0, 0.5, 3.0] {
            let config = layer(EXPERTS, Reinforce { baseline, temperature, stop_gradient: false, ..Reinforce::new() });
            let (given, x) = (weights(&config), noise(1, TOKENS * WIDTH));
            let (got, _) = mean_and_variance(&config, &given, &x);
            let loss = |weights: &Weights<f64>, x: &[f64]| -> f64 {
                let policies = run(&config, weights, x, &[0; TOKENS]).scores;
                let expected =
                    (0..TOKENS * EXPERTS).map(|i| policies[i] * reward(i / EXPERTS, i % EXPERTS)).sum::<f64>();
                -expected / TOKENS as f64
            };
            let mut differences = Vec::new();
            for (name, learned) in [("router", EXPERTS * WIDTH), ("routerBias", EXPERTS)] {
                let (start, mut moved) = (given.get(name).expect("an array of the layer"), given.clone());
                differences.extend(slopes(&start[..learned], |values| {
                    moved.get_mut(name).expect("an array of the layer")[..learned].copy_from_slice(values);
                    loss(&moved, &x)
                }));
            }
            differences.extend(slopes(&x, |x| loss(&given, x)));
            assert_close(&format!("{baseline:?}, τ = {temperature}"), &got, &differences, WIDTH, TOL);
        }
    }
}

#[test]
fn a_baseline_changes_how_much_the_gradient_varies_and_not_its_mean() {
    let of = |baseline| {
        let config = layer(EXPERTS, Reinforce { baseline, stop_gradient: false, ..Reinforce::new() });
        let mut given = weights(&config);
        // the same experts, and a baseline that expects half of what there is to get
        given.router.truncate(EXPERTS * WIDTH);
        given.router.extend(vec![0.0; (config.router_rows() - EXPERTS) * WIDTH]);
        given.router_bias = Some([&[0.1, -0.2, 0.3][..], &vec![0.5; config.router_rows() - EXPERTS]].concat());
        mean_and_variance(&config, &given, &noise(1, TOKENS * WIDTH))
    };
    let (mean, variance) = of(Baseline::None);
    for baseline in [Baseline::Ema, Baseline::Linear] {
        let (other_mean, other_variance) = of(baseline);
        assert_close("mean", &other_mean, &mean, WIDTH, Tol { abs: 1e-14, rel: 1e-12 });
        assert!(other_variance < variance, "{baseline:?}: {other_variance}, without {variance}");
    }
}

#[test]
fn with_one_expert_there_is_nothing_to_learn() {
    for baseline in [Baseline::None, Baseline::Ema] {
        let config = layer(1, Reinforce { baseline, entropy: 0.3, stop_gradient: false, ..Reinforce::new() });
        let got = gradient(&config, &weights(&config), &noise(1, TOKENS * WIDTH), &[0; TOKENS], &[3.0, -2.0]);
        assert_eq!(got.weights.router, [0.0; WIDTH]);
        assert_eq!(got.x, [0.0; TOKENS * WIDTH]);
    }
}

/// A layer with everything that has a gradient, of which some tokens are turned away.
fn full(router: Reinforce) -> LayerConfig {
    let slots = Slots::Fixed { slots: 2 };
    LayerConfig {
        capacity: Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank },
        loss_weights: ["loadBalance", "z", "importance"].map(|name| (name.to_owned(), 0.3)).into(),
        ..layer(EXPERTS, router)
    }
}

#[test]
fn the_gradient_for_the_actions_taken_is_that_of_the_loss() {
    let router = Reinforce { temperature: 0.7, entropy: 0.4, stop_gradient: false, ..Reinforce::new() };
    let config = full(router.clone());
    let actions = [0, 1, 0, 0, 2, 1];
    let (given, x) = (weights(&config), noise(1, actions.len() * WIDTH));
    let (dy, rewards) = (noise(2, x.len()), noise(3, actions.len()));
    let forward = run(&config, &given, &x, &actions);
    assert_eq!(forward.routing.kept, [true, true, true, false, true, true], "the fourth token is one too many");
    let loss = |weights: &Weights<f64>, x: &[f64]| -> f64 {
        let forward = run(&config, weights, x, &actions);
        let tokens = actions.len() as f64;
        let weighed = |(name, weight): (&String, &f32)| f64::from(*weight) * forward.losses[name.as_str()];
        let of_token = |t: usize| {
            let policy = &forward.scores[t * EXPERTS..(t + 1) * EXPERTS];
            let entropy: f64 = -policy.iter().map(|p| p * p.ln()).sum::<f64>();
            let better = if t == 3 { 0.0 } else { rewards[t] - before().value() };
            -better * policy[actions[t]].ln() - f64::from(router.entropy) * entropy
        };
        forward.output.iter().zip(&dy).map(|(y, d)| y * d).sum::<f64>()
            + config.loss_weights.iter().map(weighed).sum::<f64>()
            + (0..actions.len()).map(of_token).sum::<f64>() / tokens
    };
    let fared = Rewards { of_tokens: &rewards, before: before() };
    let got = backward_rewarded(&config, &given, &x, &forward, &dy, Some(fared)).expect("a layer that runs");
    let near = Tol { abs: 1e-8, rel: 1e-5 };
    for name in ["router", "routerBias", "w1", "w2"] {
        let mut moved = given.clone();
        let differences = slopes(given.get(name).expect("an array of the layer"), |values| {
            moved.get_mut(name).expect("an array of the layer").copy_from_slice(values);
            loss(&moved, &x)
        });
        assert_close(name, got.weights.get(name).unwrap_or_default(), &differences, WIDTH, near);
    }
    assert_close("x", &got.x, &slopes(&x, |x| loss(&given, x)), WIDTH, near);
}

#[test]
fn the_policys_gradient_ends_at_the_router_unless_it_is_let_through() {
    let actions = [0, 1, 2, 1];
    let (x, rewards) = (noise(1, actions.len() * WIDTH), noise(3, actions.len()));
    let of = |stop_gradient| {
        let config = full(Reinforce { stop_gradient, entropy: 0.2, ..Reinforce::new() });
        gradient(&config, &weights(&config), &x, &actions, &rewards)
    };
    let (stopped, through) = (of(true), of(false));
    assert_eq!(stopped.weights.router, through.weights.router);
    assert!(stopped.x.iter().all(|d| *d == 0.0) && through.x.iter().all(|d| *d != 0.0));
}

#[test]
fn the_linear_baseline_learns_the_reward_by_the_mean_squared_error() {
    let config = full(Reinforce { baseline: Baseline::Linear, stop_gradient: false, ..Reinforce::new() });
    let actions = [0, 1, 0, 0, 2, 1];
    let (given, x, rewards) = (weights(&config), noise(1, actions.len() * WIDTH), noise(3, actions.len()));
    let got = gradient(&config, &given, &x, &actions, &rewards);
    let expects = |t: usize| {
        let x = &x[t * WIDTH..(t + 1) * WIDTH];
        let row = &given.router[EXPERTS * WIDTH..];
        row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()
            + given.router_bias.as_ref().map_or(0.0, |bias| bias[EXPERTS])
    };
    let mut row = [0.0; WIDTH];
    for t in (0..actions.len()).filter(|t| *t != 3) {
        let d = 2.0 * (expects(t) - rewards[t]) / actions.len() as f64;
        row.iter_mut().zip(&x[t * WIDTH..]).for_each(|(row, x)| *row += d * x);
    }
    assert_close("baseline", &got.weights.router[EXPERTS * WIDTH..], &row, WIDTH, Tol { abs: 1e-14, rel: 1e-12 });
}

#[test]
fn a_token_that_was_turned_away_has_no_reward() {
    let actions = [0, 1, 0, 0, 2, 1];
    let x = noise(1, actions.len() * WIDTH);
    for normalize in [false, true] {
        let config = full(Reinforce { normalize, ..Reinforce::new() });
        let of = |reward: f64| {
            let mut rewards = noise(3, actions.len());
            rewards[3] = reward;
            gradient(&config, &weights(&config), &x, &actions, &rewards).weights.router
        };
        assert_eq!(of(0.0), of(100.0));
    }
}

#[test]
fn normalised_advantages_do_not_know_the_unit_of_the_reward() {
    let actions = [0, 1, 2, 1];
    let (x, rewards) = (noise(1, actions.len() * WIDTH), noise(3, actions.len()));
    let of = |normalize, factor: f64, plus: f64| {
        let config = layer(EXPERTS, Reinforce { normalize, ..Reinforce::new() });
        let rewards: Vec<f64> = rewards.iter().map(|r| factor * r + plus).collect();
        gradient(&config, &weights(&config), &x, &actions, &rewards).weights.router
    };
    assert_close("normalised", &of(true, 7.0, 3.0), &of(true, 1.0, 0.0), WIDTH, Tol { abs: 1e-7, rel: 1e-7 });
    assert_ne!(of(false, 7.0, 3.0), of(false, 1.0, 0.0));
}

#[test]
fn actions_come_as_often_as_the_policy_says_and_the_best_outside_training() {
    let z: [f64; 4] = [0.3, -1.0, 1.2, 0.0];
    let sum: f64 = z.iter().map(|z| z.exp()).sum();
    let (mut counts, draws) = ([0.0; 4], 20_000);
    for t in 0..draws {
        let noise = |e: usize| -(-f64::from(open_uniform_f32(5, 0, 0, t, e as u32)).ln()).ln();
        counts[action(&z, Some(&noise))] += 1.0;
    }
    let expected = z.map(|z| f64::from(draws) * z.exp() / sum);
    let chi_square: f64 = counts.iter().zip(expected).map(|(n, expected)| (n - expected).powi(2) / expected).sum();
    assert!(chi_square < 16.3, "one in a thousand is beyond this, of 3 degrees of freedom: {counts:?}, {expected:?}");
    assert_eq!(action(&z, None), 2);
    assert_eq!(action(&[1.0, 1.0, f64::NAN], None), 0, "of equal ones the lower");
}

#[test]
fn the_running_mean_begins_with_nothing() {
    let mean = RunningMean::default();
    assert_eq!(mean.value(), 0.0);
    let mean = mean.with(4.0, 0.5);
    assert_eq!(mean.value(), 4.0, "of one value it is that value");
    // (½·½·4 + ½·1) / (½·½ + ½)
    assert_eq!(mean.with(1.0, 0.5).value(), 2.0);
}
