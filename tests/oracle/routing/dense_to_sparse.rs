//! From all experts to one: the schedule, and its two ends.

use webmoe::config::{DenseGate, DenseToSparse, LayerConfig, RouterConfig, Schedule, TopK};
use webmoe::reference::{Forward, Setting, forward_exact};
use webmoe::weights::Weights;

use super::{GOLDEN, normal};
use crate::common::close::{Tol, assert_close};

const CLOSE: Tol = Tol { abs: 1e-12, rel: 0.0 };

/// A layer whose logits are its tokens.
fn route(experts: usize, router: RouterConfig, logits: &[f64], setting: Setting) -> Forward {
    let config = LayerConfig::new(experts, 2, experts, router);
    let identity = |i: usize| if i / experts == i % experts { 1.0 } else { 0.0 };
    let weights = Weights::build(&config, |name, len| match name {
        "router" => (0..len).map(identity).collect(),
        _ => vec![0.5; len],
    });
    forward_exact(&config, &weights, logits, setting).expect("a layer that runs")
}

fn soften(router: DenseToSparse, logits: &[f64], draws: &[f64]) -> Forward {
    let setting = Setting { draws: Some(draws), ..Setting::TRAIN };
    route(3, RouterConfig::DenseToSparse(router), logits, setting)
}

/// At one temperature for ever.
fn at(temperature: f32) -> DenseToSparse {
    DenseToSparse { start_temperature: temperature, end_temperature: temperature, ..DenseToSparse::new(10) }
}

#[test]
fn the_temperature_falls_as_the_schedule_says_reaches_its_end_and_stays() {
    let router = DenseToSparse { start_temperature: 2.0, end_temperature: 0.5, ..DenseToSparse::new(100) };
    let linear = DenseToSparse { schedule: Schedule::Linear, ..router };
    let of = |router: DenseToSparse| [0, 50, 100, 101, u32::MAX].map(|step| router.temperature(step));
    assert_close("exponential", &of(router), &[2.0, 1.0, 0.5, 0.5, 0.5], 5, CLOSE);
    assert_close("linear", &of(linear), &[2.0, 1.25, 0.5, 0.5, 0.5], 5, CLOSE);
    let steps: Vec<f64> = (0..=100).map(|step| router.temperature(step)).collect();
    let factors: Vec<f64> = steps.windows(2).map(|pair| pair[1] / pair[0]).collect();
    assert_close("by the same factor", &factors, &vec![0.25f64.powf(0.01); 100], 1, CLOSE);
    assert!(!router.is_hard(99) && router.is_hard(100) && router.is_hard(101));
    assert!(DenseToSparse { hard_after: 0, ..router }.is_hard(0));
}

#[test]
fn when_it_is_hot_every_token_goes_to_every_expert_with_the_same_weight() {
    let forward = soften(at(1e9), &GOLDEN, &normal(1, 6, 3));
    assert_eq!(forward.routing.demanded, [6, 6, 6]);
    assert_close("weights", &forward.routing.weights, &[1.0 / 3.0; 18], 3, Tol { abs: 1e-7, rel: 0.0 });
}

#[test]
fn when_it_is_cold_a_token_goes_to_one_expert_as_often_as_its_softmax_says() {
    let rounds = 20_000;
    let logits = [0.4, -0.3, 1.0];
    let forward =
        route(3, RouterConfig::DenseToSparse(at(1e-4)), &logits.repeat(rounds), Setting { step: 5, ..Setting::TRAIN });
    let several = forward.routing.experts.chunks_exact(3).filter(|row| row[1] >= 0).count();
    assert!(several < 50, "two that are equal to some 1e-3 are rare: {several} of {rounds}");
    let first = |e: i32| forward.routing.experts.iter().step_by(3).filter(|first| **first == e).count();
    let got = [0, 1, 2].map(|e| first(e) as f64 / rounds as f64);
    let sum: f64 = logits.iter().map(|h: &f64| h.exp()).sum();
    // σ of a frequency of one half is 0.0035
    assert_close("frequencies", &got, &logits.map(|h| h.exp() / sum), 3, Tol { abs: 0.016, rel: 0.0 });
}

#[test]
fn what_is_taken_has_more_than_the_threshold_and_weighs_its_own_share() {
    // softmax of logits and noise at temperature 2: 0.4, 0.4, 0.2 and then 0.2, 0.7, 0.1
    let (ln, quiet) = (|p: f64| 2.0 * p.ln(), [0.0; 6]);
    let logits = [ln(0.4), ln(0.4), ln(0.2), ln(0.2), ln(0.7), ln(0.1)];
    let forward = soften(DenseToSparse { threshold: 0.15, ..at(2.0) }, &logits, &quiet);
    assert_eq!(forward.routing.experts, [0, 1, 2, 1, 0, -1]);
    assert_close("weights", &forward.routing.weights, &[0.4, 0.4, 0.2, 0.7, 0.2, 0.0], 3, CLOSE);
    // E·Σ of mean weight and share of the tokens: 3·(0.3·1 + 0.55·1 + 0.15·0.5)
    assert_close("balance", &[forward.losses["loadBalance"]], &[2.775], 1, CLOSE);

    let masked = DenseToSparse { threshold: 0.15, gate: DenseGate::Softmax, ..at(2.0) };
    let forward = soften(masked, &logits, &quiet);
    assert_eq!(forward.routing.experts, [0, 1, 2, 1, 0, -1], "chosen by the same");
    let squares = [16.0 / 36.0, 16.0 / 36.0, 4.0 / 36.0, 49.0 / 54.0, 4.0 / 54.0, 0.0];
    assert_close("weights at temperature 1", &forward.routing.weights, &squares, 3, CLOSE);
}

#[test]
fn in_the_end_noise_still_has_a_say_in_who_is_the_one() {
    let hard = DenseToSparse { hard_after: 0, ..at(1.0) };
    let forward = soften(hard, &[2.0, 0.0, 0.0], &[0.0, 3.0, 0.0]);
    assert_eq!(forward.routing.experts, [1, -1, -1]);
    let share = 1.0 / (1.0 + (-1.0f64).exp() + (-3.0f64).exp());
    assert_close("its share", &forward.routing.weights[..1], &[share], 1, CLOSE);
}

#[test]
fn outside_training_it_is_top_1() {
    let want = route(3, RouterConfig::TopK(TopK::new(1)), &GOLDEN, Setting::default());
    let got = route(3, RouterConfig::DenseToSparse(at(0.3)), &GOLDEN, Setting::default());
    assert_eq!(got.output, want.output);
    assert_eq!(got.routing.demanded, want.routing.demanded);
    let firsts: Vec<i32> = got.routing.experts.iter().step_by(3).copied().collect();
    assert_eq!(firsts, want.routing.experts);
}
