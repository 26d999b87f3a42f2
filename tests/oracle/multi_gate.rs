//! Mixtures of several tasks: what they must be by their definition.

use webmoe::config::{LayerConfig, MultiGate, RouterConfig, TopK};
use webmoe::reference::{Forward, Setting, backward_exact, forward_exact};
use webmoe::rng::uniform_f32;
use webmoe::weights::{NAMES, Weights};

use crate::common::close::{Tol, assert_close};

const EXPERTS: usize = 5;
const WIDTH: usize = 4;
const TOKENS: usize = 9;
const TOL: Tol = Tol { abs: 1e-13, rel: 1e-12 };

fn noise(stream: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| 2.0 * f64::from(uniform_f32(13, 0, 0, i, stream)) - 1.0).collect()
}

fn layer(router: RouterConfig) -> LayerConfig {
    LayerConfig::new(WIDTH, 3, EXPERTS, router)
}

fn gates(tasks: usize, k: Option<usize>) -> LayerConfig {
    layer(RouterConfig::MultiGate(MultiGate { tasks, k }))
}

fn weights(config: &LayerConfig) -> Weights<f64> {
    let stream = |name| 100 + NAMES.iter().position(|known| *known == name).unwrap_or(0) as u32;
    Weights::build(config, |name, len| noise(stream(name), len))
}

fn run(config: &LayerConfig, weights: &Weights<f64>) -> Forward {
    forward_exact(config, weights, &noise(1, TOKENS * WIDTH), Setting::TRAIN).expect("a layer that runs")
}

#[test]
fn one_gate_is_a_mixture_of_all_or_of_the_best() {
    for (one, top_k) in [(gates(1, None), TopK::new(EXPERTS)), (gates(1, Some(2)), TopK::new(2))] {
        let given = weights(&one);
        let plain = layer(RouterConfig::TopK(top_k));
        assert_close("output", &run(&one, &given).output, &run(&plain, &given).output, WIDTH, TOL);
        let dy = noise(2, TOKENS * WIDTH);
        let of = |config: &LayerConfig| {
            backward_exact(config, &given, &noise(1, TOKENS * WIDTH), &run(config, &given), &dy)
                .expect("a layer that runs")
        };
        let (got, want) = (of(&one), of(&plain));
        assert_close("x", &got.x, &want.x, WIDTH, TOL);
        assert_close("router", &got.weights.router, &want.weights.router, WIDTH, TOL);
        assert_close("w1", &got.weights.w1, &want.weights.w1, WIDTH, TOL);
    }
}

#[test]
fn equal_gates_are_equal_mixtures_and_each_weighs_one() {
    let config = gates(3, None);
    let mut given = weights(&config);
    given.router = given.router[..EXPERTS * WIDTH].repeat(3);
    let got = run(&config, &given);
    let tasks: Vec<&[f64]> = got.output.chunks(TOKENS * WIDTH).collect();
    assert!(tasks.len() == 3 && tasks[1] == tasks[0] && tasks[2] == tasks[0]);
    let sums: Vec<f64> = got.routing.weights.chunks(EXPERTS).map(|gate| gate.iter().sum()).collect();
    assert_close("gates", &sums, &[1.0; 3 * TOKENS], 1, TOL);
}

#[test]
fn the_loss_of_a_task_has_no_gradient_in_the_gate_of_another() {
    for k in [None, Some(2)] {
        let config = gates(3, k);
        let given = weights(&config);
        let forward = run(&config, &given);
        for task in 0..3 {
            let mut dy = vec![0.0; forward.output.len()];
            dy[task * TOKENS * WIDTH..][..TOKENS * WIDTH].copy_from_slice(&noise(2, TOKENS * WIDTH));
            let x = noise(1, TOKENS * WIDTH);
            let got = backward_exact(&config, &given, &x, &forward, &dy).expect("a layer that runs").weights.router;
            for (gate, rows) in got.chunks(EXPERTS * WIDTH).enumerate() {
                assert_eq!(rows.iter().any(|d| *d != 0.0), gate == task, "gate {gate}, task {task}, k = {k:?}");
            }
        }
    }
}

#[test]
fn a_token_goes_once_to_each_expert_that_any_task_takes() {
    let config = gates(3, Some(2));
    let got = run(&config, &weights(&config));
    let routing = &got.routing;
    assert_eq!(routing.slots, EXPERTS, "three tasks of two ask for six, of five");
    for token in 0..TOKENS {
        let asked: Vec<usize> = routing.experts[token * EXPERTS..(token + 1) * EXPERTS]
            .iter()
            .filter_map(|e| usize::try_from(*e).ok())
            .collect();
        let mut wanted: Vec<usize> = (0..3)
            .flat_map(|task| {
                let h = &got.logits[(token * 3 + task) * EXPERTS..][..EXPERTS];
                let mut order: Vec<usize> = (0..EXPERTS).collect();
                order.sort_by(|a, b| h[*b].total_cmp(&h[*a]));
                order.truncate(2);
                order
            })
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        assert_eq!(asked, wanted, "token {token}");
    }
}
