//! Chances under noise: against frequencies, against recorded loads, and what the losses make of them.

use webmoe::config::{LayerConfig, Noise, NoisyTopK, RouterConfig};
use webmoe::reference::routing::noisy_top_k::{Threshold, chances};
use webmoe::reference::routing::{Scores, best};
use webmoe::reference::{Forward, Setting, backward_exact, forward_exact};
use webmoe::weights::Weights;

use super::{GOLDEN, normal};
use crate::common::close::{Tol, assert_close};
use crate::common::fixture::family;

#[test]
fn chances_add_up_to_k_on_average_and_each_is_how_often_its_expert_is_chosen() {
    let (experts, k, rounds) = (5, 2, 20_000);
    let clean = [0.3, -0.4, 0.9, 0.0, 0.1];
    let width = [0.7, 0.3, 1.1, 0.2, 0.5];
    let draws = normal(5, rounds, experts);
    let (mut expected, mut frequency) = ([0.0; 5], [0.0; 5]);
    for z in draws.chunks_exact(experts) {
        let noisy: Vec<f64> = (0..experts).map(|e| clean[e] + width[e] * z[e]).collect();
        let chances = chances(&clean, &noisy, &width, k, Threshold::OfOthers).expect("one expert is left over");
        expected.iter_mut().zip(chances).for_each(|(sum, of)| *sum += of.chance / rounds as f64);
        best(&noisy, k).into_iter().for_each(|e| frequency[e] += 1.0 / rounds as f64);
    }
    // a frequency of one half is off by σ = 0.5/√20000 = 0.0035
    assert_close("chances", &expected, &frequency, experts, Tol { abs: 0.016, rel: 0.0 });
    assert_close("their sum", &[expected.iter().sum()], &[k as f64], 1, Tol { abs: 0.01, rel: 0.0 });
}

#[test]
fn a_chosen_expert_must_beat_the_one_after_the_last_and_any_other_the_last() {
    let (clean, noisy, width) = ([1.0, 0.5, 0.0, -0.5], [0.6, 1.1, 0.2, -0.3], [0.5, 1.0, 2.0, 0.25]);
    let of = |threshold| chances(&clean, &noisy, &width, 2, threshold).expect("two are left over");
    let others = of(Threshold::OfOthers);
    assert_eq!(others.iter().map(|of| of.over).collect::<Vec<_>>(), [2, 2, 0, 0]);
    let leads: Vec<f64> = others.iter().map(|of| of.lead).collect();
    assert_close("leads", &leads, &[1.6, 0.3, -0.3, -4.4], 4, Tol { abs: 1e-12, rel: 0.0 });
    assert_close("Φ(0.3)", &[others[1].chance], &[0.617_911_422_188_952_7], 1, Tol { abs: 1e-12, rel: 0.0 });
    assert!(of(Threshold::Kth).iter().all(|of| of.over == 0));
    assert_eq!(chances(&clean, &noisy, &width, 4, Threshold::OfOthers), None, "all are chosen, whatever the noise");
}

#[test]
fn loads_are_those_recorded() {
    for f in family("noisy_topk_shazeer") {
        let (d, e, k) = (f.size("d"), f.size("E"), f.size("k"));
        let train = f.config("train").as_bool() == Some(true);
        let (x, gate, noise) = (f.f64s("x"), f.f64s("w.w_gate"), f.f64s("w.w_noise"));
        let times = |x: &[f64], w: &[f64], i: usize| (0..d).map(|j| x[j] * w[j * e + i]).sum::<f64>();
        let mut load = vec![0.0; e];
        for (x, z) in x.chunks_exact(d).zip(f.f64s("in.normal").chunks_exact(e)) {
            let clean: Vec<f64> = (0..e).map(|i| times(x, &gate, i)).collect();
            let width: Vec<f64> = (0..e).map(|i| times(x, &noise, i).exp().ln_1p() + 0.01).collect();
            let noisy: Vec<f64> = (0..e).map(|i| clean[i] + if train { width[i] * z[i] } else { 0.0 }).collect();
            match chances(&clean, &noisy, &width, k, Threshold::OfOthers).filter(|_| train) {
                Some(chances) => load.iter_mut().zip(chances).for_each(|(sum, of)| *sum += of.chance),
                None => best(&noisy, k).into_iter().for_each(|e| load[e] += 1.0),
            }
        }
        assert_close(f.id(), &load, &f.f64s("out.load"), e, f.tol("out.load"));
    }
}

/// A layer whose logits are its tokens.
fn layer(experts: usize, router: NoisyTopK) -> (LayerConfig, Weights<f64>) {
    let loss_weights = ["importance", "load"].map(|name| (name.to_owned(), 0.5)).into();
    let config = LayerConfig { loss_weights, ..LayerConfig::new(experts, 2, experts, RouterConfig::NoisyTopK(router)) };
    let identity = |i: usize| if i / experts == i % experts { 1.0 } else { 0.0 };
    let weights = Weights::build(&config, |name, len| match name {
        "router" => (0..len).map(identity).collect(),
        "noise" => vec![0.1; len],
        _ => vec![0.5; len],
    });
    (config, weights)
}

fn route(experts: usize, router: NoisyTopK, logits: &[f64], draws: &[f64]) -> Forward {
    let (config, weights) = layer(experts, router);
    let setting = Setting { draws: Some(draws), ..Setting::TRAIN };
    forward_exact(&config, &weights, logits, setting).expect("a layer that runs")
}

#[test]
fn without_noise_the_golden_example_goes_to_the_two_best_with_weights_that_add_up_to_one() {
    let (config, weights) = layer(3, NoisyTopK::new(2));
    let forward = forward_exact(&config, &weights, &GOLDEN, Setting::default()).expect("a layer that runs");
    assert_eq!(forward.routing.experts, [0, 1, 0, 1, 0, 1, 0, 2, 1, 2, 0, 2]);
    let second = |gap: f64| 1.0 / (1.0 + gap.exp());
    let seconds: Vec<f64> = forward.routing.weights.iter().skip(1).step_by(2).copied().collect();
    let wanted = [1.0, 0.5, 0.1, 0.2, 0.5, 1.8].map(second);
    assert_close("second weights", &seconds, &wanted, 6, Tol { abs: 1e-12, rel: 0.0 });
    // Loads 5, 3 and 4: variance 2/3 over a squared mean of 16.
    assert_close("load", &[forward.losses["load"]], &[2.0 / 3.0 / 16.0], 1, Tol { abs: 1e-9, rel: 0.0 });
}

#[test]
fn weights_add_up_to_one_over_exactly_k_experts() {
    for k in [1, 2, 5] {
        let (logits, draws) = (normal(1, 40, 5), normal(2, 40, 5));
        let forward = route(5, NoisyTopK::new(k), &logits, &draws);
        for row in forward.routing.weights.chunks_exact(k) {
            assert!(row.iter().all(|weight| *weight > 0.0), "{row:?}");
            assert_close("sum", &[row.iter().sum()], &[1.0], 1, Tol { abs: 1e-12, rel: 0.0 });
        }
    }
}

#[test]
fn the_choice_is_by_noisy_logits() {
    let logits = [0.0, 0.3, 0.6];
    let fixed = NoisyTopK { noise: Noise::Fixed { std: 3.0 }, ..NoisyTopK::fixed(1) };
    let forward = route(3, fixed, &logits, &[1.0, -1.0, -1.0]);
    assert_close("logits", &forward.logits, &[1.0, -0.7, -0.4], 3, Tol { abs: 1e-12, rel: 0.0 });
    assert_eq!(forward.routing.experts, [0], "which is the last without noise");
    let weight = 1.0 / (1.0 + (-1.7f64).exp() + (-1.4f64).exp());
    assert_close("its share in all", &forward.routing.weights, &[weight], 1, Tol { abs: 1e-12, rel: 0.0 });
}

#[test]
fn importance_costs_nothing_exactly_where_it_is_equal() {
    let each_its_own: Vec<f64> = (0..9).map(|i| if i / 3 == i % 3 { 4.0 } else { 0.0 }).collect();
    let quiet = [0.0; 9];
    // with two choices the tied second one goes to the lower expert: 0 twice, 1 once
    assert!(route(3, NoisyTopK::new(2), &each_its_own, &quiet).losses["importance"] > 1e-6);
    for router in [NoisyTopK::new(1), NoisyTopK::fixed(2)] {
        let equal = route(3, router, &each_its_own, &quiet).losses["importance"];
        assert!(equal.abs() < 1e-20, "{router:?}: {equal}");
        let skewed: Vec<f64> = each_its_own.iter().enumerate().map(|(i, h)| h + [0.0, 0.0, 9.0][i % 3]).collect();
        assert!(route(3, router, &skewed, &quiet).losses["importance"] > 0.1, "{router:?}");
    }
}

#[test]
fn the_width_of_the_noise_learns_from_the_task_and_from_the_load() {
    let (logits, draws) = (normal(3, 12, 4), normal(4, 12, 4));
    let of = |k: usize, names: &[&str], cotangent: f64| {
        let (mut config, weights) = layer(4, NoisyTopK::new(k));
        config.loss_weights.retain(|name, _| names.contains(&name.as_str()));
        let setting = Setting { draws: Some(&draws), ..Setting::TRAIN };
        let forward = forward_exact(&config, &weights, &logits, setting).expect("a layer that runs");
        let d_output: Vec<f64> = (0..48).map(|i| cotangent * f64::from(i % 7)).collect();
        let gradients = backward_exact(&config, &weights, &logits, &forward, &d_output).expect("a layer that runs");
        gradients.weights.noise.unwrap_or_default().iter().map(|d| d.abs()).fold(0.0, f64::max)
    };
    assert!(of(2, &["load"], 0.0) > 1e-3, "through the chances");
    assert!(of(2, &["importance"], 0.0) > 1e-4, "through the weights");
    assert_eq!(of(1, &["importance"], 1.0), 0.0, "one choice always weighs 1");
    assert!(of(1, &["load"], 0.0) > 1e-3, "but is still a matter of chance");
    assert_eq!(of(4, &["load"], 0.0), 0.0, "all are chosen, whatever the noise");
}

#[test]
fn noise_is_the_same_in_every_version() {
    // the draws of seed 0, step 0: Φ⁻¹ of the counter-based uniforms, computed apart from this code
    let (config, weights) = layer(3, NoisyTopK { noise: Noise::Fixed { std: 3.0 }, ..NoisyTopK::fixed(1) });
    let forward = forward_exact(&config, &weights, &[0.0; 6], Setting::TRAIN).expect("a layer that runs");
    let scores = Scores::new(&forward.logits, 3);
    assert_close("z", scores.values(), &DRAWS, 3, Tol { abs: 1e-6, rel: 0.0 });
}

const DRAWS: [f64; 6] = [0.1189171, 0.6810525, 0.5296483, -1.2008340, -0.2352785, 0.2221640];
