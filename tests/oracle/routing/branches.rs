//! Noisy top-k on two levels (Shazeer et al. 2017, appendix B), against the form with one and against arithmetic.

use webmoe::config::{Activation, Branches, LayerConfig, NoisyTopK, RouterConfig};
use webmoe::reference::routing::noisy_top_k::{Threshold, chances};
use webmoe::reference::routing::{best, descending};
use webmoe::reference::{Forward, Gradients, Setting, backward_exact, forward_exact};
use webmoe::weights::{NAMES, Weights, shape};

use super::normal;
use crate::common::close::{Tol, assert_close};

const TOL: Tol = Tol { abs: 1e-11, rel: 1e-9 };
const LOSSES: [&str; 5] = ["loadBalance", "loadBalanceFirst", "z", "importance", "load"];
/// Tokens of a batch, in two groups.
const TOKENS: usize = 24;

fn config(d_model: usize, experts: usize, router: NoisyTopK) -> LayerConfig {
    LayerConfig {
        activation: Activation::Silu,
        router_bias: true,
        groups: 2,
        loss_weights: LOSSES.map(|name| (name.to_owned(), 0.4)).into(),
        ..LayerConfig::new(d_model, 3, experts, RouterConfig::NoisyTopK(router))
    }
}

/// Any weights of a layer.
fn weights(config: &LayerConfig) -> Weights<f64> {
    let stream = |name: &str| NAMES.iter().position(|&known| known == name).unwrap_or(0) as u64;
    Weights::build(config, |name, len| normal(40 + stream(name), len, 1))
}

/// A training step on any tokens.
fn step(config: &LayerConfig, weights: &Weights<f64>, draws: &[f64]) -> (Forward, Gradients) {
    let (x, d_output) = (normal(3, TOKENS, config.d_model), normal(4, TOKENS, config.d_model));
    let setting = Setting { draws: Some(draws), ..Setting::TRAIN };
    let forward = forward_exact(config, weights, &x, setting).expect("a layer that runs");
    let gradients = backward_exact(config, weights, &x, &forward, &d_output).expect("a layer that runs");
    (forward, gradients)
}

/// Whether a layer with branches does what a flat one does, whose router is the rows of its own from `first` on; the other rows
/// learn nothing.
fn assert_flat(label: &str, branches: Branches, k: usize, flat_k: usize, first: usize) {
    let experts = 6;
    let router = NoisyTopK { branches: Some(branches), ..NoisyTopK::new(k) };
    let (config, flat) = (config(4, experts, router), config(4, experts, NoisyTopK::new(flat_k)));
    let all = weights(&config);
    let logits = config.logits();
    let rows = |values: &[f64], name: &str| {
        let width = shape(&config, name).map_or(1, |shape| shape.into_iter().skip(1).product());
        values[first * width..(first + experts) * width].to_vec()
    };
    let of_router = ["router", "routerBias", "noise"];
    let own = Weights::build(&flat, |name, _| {
        let values = all.get(name).expect("an array of both");
        if of_router.contains(&name) { rows(values, name) } else { values.to_vec() }
    });
    let draws = normal(5, TOKENS, logits);
    let of_flat: Vec<f64> =
        draws.chunks_exact(logits).flat_map(|draws| &draws[first..first + experts]).copied().collect();
    let (forward, gradients) = step(&config, &all, &draws);
    let (wanted, wanted_gradients) = step(&flat, &own, &of_flat);
    assert_eq!(forward.routing.experts, wanted.routing.experts, "{label}");
    assert_close(&format!("{label}: weights"), &forward.routing.weights, &wanted.routing.weights, 1, TOL);
    assert_close(&format!("{label}: output"), &forward.output, &wanted.output, 4, TOL);
    for name in LOSSES {
        assert_close(&format!("{label}: {name}"), &[forward.losses[name]], &[wanted.losses[name]], 1, TOL);
    }
    assert_close(&format!("{label}: x"), &gradients.x, &wanted_gradients.x, 4, TOL);
    for name in NAMES {
        let Some(got) = gradients.weights.get(name) else { continue };
        let wanted = wanted_gradients.weights.get(name).expect("an array of both");
        if !of_router.contains(&name) {
            assert_close(&format!("{label}: {name}"), got, wanted, 1, TOL);
            continue;
        }
        assert_close(&format!("{label}: {name}"), &rows(got, name), wanted, 1, TOL);
        let size = |values: &[f64]| values.iter().map(|d| d.abs()).sum::<f64>();
        let others = size(got) - size(&rows(got, name));
        assert!(others.abs() < 1e-9, "{label}: the other rows of {name} learn {others}");
    }
}

#[test]
fn one_branch_is_the_flat_form() {
    for k in [1, 2, 6] {
        assert_flat(&format!("k = {k}"), Branches { branches: 1, branch_k: 1 }, k, k, 0);
    }
}

#[test]
fn branches_of_one_expert_are_the_flat_form_of_the_primary_router() {
    for branch_k in [1, 2, 6] {
        assert_flat(&format!("branchK = {branch_k}"), Branches { branches: 6, branch_k }, 1, branch_k, 6);
    }
}

/// A layer whose logits are its tokens: first the experts', then the branches'. All widths are ln 2 + 0.01.
fn plain(experts: usize, router: NoisyTopK) -> (LayerConfig, Weights<f64>) {
    let logits = experts + router.branches.map_or(0, |split| split.branches);
    let config = LayerConfig { groups: 1, router_bias: false, ..config(logits, experts, router) };
    let identity = |i: usize| if i / logits == i % logits { 1.0 } else { 0.0 };
    let weights = Weights::build(&config, |name, len| match name {
        "router" => (0..len).map(identity).collect(),
        "noise" => vec![0.0; len],
        _ => vec![0.5; len],
    });
    (config, weights)
}

const WIDTH: f64 = std::f64::consts::LN_2 + 0.01f32 as f64;

fn route(experts: usize, router: NoisyTopK, logits: &[f64], draws: Option<&[f64]>) -> Forward {
    let (config, weights) = plain(experts, router);
    let setting = Setting { train: draws.is_some(), draws, ..Setting::default() };
    forward_exact(&config, &weights, logits, setting).expect("a layer that runs")
}

#[test]
fn a_choice_weighs_its_share_in_the_branch_times_the_branchs_share() {
    let experts = [0.0, 2.0, 1.0, 5.0, 5.0, 4.0, -1.0, -3.0, -2.0];
    let logits = [&experts[..], &[0.5, -1.0, 1.5]].concat();
    let forward = route(9, NoisyTopK::hierarchical(3, 2, 2), &logits, None);
    assert_eq!(
        forward.routing.experts,
        [6, 8, 1, 2],
        "the best branch is the last; the one with the best experts is not chosen"
    );
    let odds = |gap: f64| 1.0 / (1.0 + (-gap).exp());
    let (branch, inside) = (odds(1.0), odds(1.0));
    let wanted = [branch * inside, branch * (1.0 - inside), (1.0 - branch) * inside, (1.0 - branch) * (1.0 - inside)];
    assert_close("weights", &forward.routing.weights, &wanted, 4, TOL);
    let scores: f64 = forward.scores.iter().sum();
    assert_close("scores", &[scores], &[1.0], 1, TOL);
}

#[test]
fn every_token_has_k_experts_in_each_of_its_branches_with_weights_that_add_up_to_one() {
    for (branches, branch_k, k) in [(2, 1, 1), (2, 2, 3), (3, 2, 2), (4, 3, 1), (12, 5, 1), (1, 1, 4)] {
        let router = NoisyTopK::hierarchical(branches, branch_k, k);
        let width = 12 + branches;
        let forward = route(12, router, &normal(6, 40, width), Some(&normal(7, 40, width)));
        let chosen = forward.routing.experts.chunks_exact(branch_k * k);
        for (experts, weights) in chosen.zip(forward.routing.weights.chunks_exact(branch_k * k)) {
            let mut of: Vec<i32> = experts.chunks_exact(k).map(|inside| inside[0] * branches as i32 / 12).collect();
            for (inside, branch) in experts.chunks_exact(k).zip(&of) {
                assert!(inside.iter().all(|e| e * branches as i32 / 12 == *branch), "{router:?}: {experts:?}");
            }
            of.sort_unstable();
            of.dedup();
            assert_eq!(of.len(), branch_k, "{router:?}: {experts:?}");
            let mut distinct = experts.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), branch_k * k, "{router:?}: {experts:?}");
            assert!(weights.iter().all(|weight| *weight > 0.0), "{router:?}: {weights:?}");
            assert_close("sum", &[weights.iter().sum()], &[1.0], 1, TOL);
        }
    }
}

#[test]
fn of_equal_logits_the_lower_branch_and_the_lower_expert_is_chosen() {
    let forward = route(6, NoisyTopK::hierarchical(3, 2, 1), &[0.0; 9], None);
    assert_eq!(forward.routing.experts, [0, 2]);
    assert_close("weights", &forward.routing.weights, &[0.5, 0.5], 2, TOL);
}

/// `CV²` of numbers.
fn squared_variation(of: &[f64]) -> f64 {
    let n = of.len() as f64;
    let mean = of.iter().sum::<f64>() / n;
    of.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n / (mean * mean + 1e-10)
}

#[test]
fn the_load_is_that_of_the_branch_times_the_experts_over_the_tokens_there() {
    let (experts, branches, tokens, size) = (8, 4, 4000, 2);
    let router = NoisyTopK::hierarchical(branches, 2, 1);
    let (logits, draws) = (normal(8, tokens, 12), normal(9, tokens, 12));
    let (mut primary, mut inside) = (vec![0.0; branches], vec![0.0; experts]);
    let (mut visitors, mut importance) = (vec![0.0; branches], vec![0.0; experts]);
    for (clean, z) in logits.chunks_exact(12).zip(draws.chunks_exact(12)) {
        let noisy: Vec<f64> = clean.iter().zip(z).map(|(c, z)| c + WIDTH * z).collect();
        let chances = |own: std::ops::Range<usize>, k| {
            let found =
                chances(&clean[own.clone()], &noisy[own.clone()], &vec![WIDTH; own.len()], k, Threshold::OfOthers);
            found.expect("some are left over").into_iter().map(|of| of.chance).collect::<Vec<f64>>()
        };
        primary.iter_mut().zip(chances(8..12, 2)).for_each(|(sum, chance)| *sum += chance);
        let chosen = best(&noisy[8..], 2);
        let share = 1.0 / (1.0 + (noisy[8 + chosen[1]] - noisy[8 + chosen[0]]).exp());
        for (branch, weight) in chosen.into_iter().zip([share, 1.0 - share]) {
            visitors[branch] += 1.0;
            let own = branch * size..(branch + 1) * size;
            importance[own.start + descending(&noisy[own.clone()])[0]] += weight;
            inside[own.clone()].iter_mut().zip(chances(own, 1)).for_each(|(sum, chance)| *sum += chance);
        }
    }
    // a sum of chances is off by no more than σ = 0.5·√(k·T) and some
    let tokens = tokens as f64;
    assert_close("branches", &[primary.iter().sum::<f64>() / tokens], &[2.0], 1, Tol { abs: 0.03, rel: 0.0 });
    for (branch, visitors) in visitors.iter().enumerate() {
        let there: f64 = inside[branch * size..(branch + 1) * size].iter().sum();
        assert_close("inside", &[there / visitors], &[1.0], 1, Tol { abs: 0.05, rel: 0.0 });
    }
    let load: Vec<f64> = (0..experts).map(|e| primary[e / size] * inside[e] / visitors[e / size]).collect();
    let forward = route(experts, router, &logits, Some(&draws));
    assert_close("load", &[forward.losses["load"]], &[squared_variation(&load)], 1, TOL);
    assert_close("importance", &[forward.losses["importance"]], &[squared_variation(&importance)], 1, TOL);
    let counted = route(experts, router, &logits, None);
    let counts: Vec<f64> = counted.routing.demanded.iter().map(|n| f64::from(*n)).collect();
    assert_close("without noise", &[counted.losses["load"]], &[squared_variation(&counts)], 1, TOL);
}

#[test]
fn the_load_of_a_branch_that_no_token_chooses_is_spread_evenly() {
    let logits = [2.0, 0.0, 0.0, 9.0, 1.0, 0.0];
    let forward = route(4, NoisyTopK::hierarchical(2, 1, 1), &logits, Some(&[0.0; 6]));
    assert_eq!(forward.routing.experts, [0]);
    let chance = |lead: f64| 0.5 * libm::erfc(-lead / WIDTH / std::f64::consts::SQRT_2);
    let (branch, inside) = (chance(1.0), chance(2.0));
    let load = [branch * inside, branch * (1.0 - inside), (1.0 - branch) / 2.0, (1.0 - branch) / 2.0];
    assert_close("load", &[forward.losses["load"]], &[squared_variation(&load)], 1, TOL);
}

#[test]
fn importance_costs_nothing_exactly_where_it_is_equal_on_both_levels() {
    let router = NoisyTopK::hierarchical(2, 1, 1);
    // tokens that go to experts 0, 1, 2 and 3: branch 0 twice, branch 1 twice
    let each_its_own: Vec<f64> = (0..4)
        .flat_map(|token| (0..6).map(move |i| if i == token || i == 4 + token / 2 { 4.0 } else { 0.0 }))
        .collect();
    let equal = route(4, router, &each_its_own, Some(&[0.0; 24])).losses["importance"];
    assert!(equal.abs() < 1e-20, "{equal}");
    let shifted = |by: [f64; 6]| {
        let logits: Vec<f64> = each_its_own.iter().zip(by.iter().cycle()).map(|(h, by)| h + by).collect();
        route(4, router, &logits, Some(&[0.0; 24])).losses["importance"]
    };
    assert!(shifted([0.0, 0.0, 0.0, 0.0, 9.0, 0.0]) > 0.1, "one branch has all tokens");
    assert!(shifted([9.0, 0.0, 0.0, 0.0, 0.0, 0.0]) > 0.1, "in one branch one expert has all");
}

#[test]
fn noise_on_both_levels_learns_from_the_load() {
    let router = NoisyTopK::hierarchical(2, 1, 1);
    let (mut config, weights) = plain(4, router);
    config.loss_weights.retain(|name, _| name == "load");
    let (logits, draws) = (normal(10, 12, 6), normal(11, 12, 6));
    let setting = Setting { draws: Some(&draws), ..Setting::TRAIN };
    let forward = forward_exact(&config, &weights, &logits, setting).expect("a layer that runs");
    let gradients = backward_exact(&config, &weights, &logits, &forward, &vec![0.0; 72]).expect("a layer that runs");
    let learned = gradients.weights.noise.expect("noise that is learned");
    for (level, rows) in [("experts", &learned[..24]), ("branches", &learned[24..])] {
        assert!(rows.iter().any(|d| d.abs() > 1e-3), "{level}: {rows:?}");
    }
}
