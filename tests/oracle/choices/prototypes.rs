//! Experts in prototypes, each with choices of its own (Yang et al. 2021, M6-T).

use webmoe::config::{Activation, Capacity, LayerConfig, Order, Priority, RouterConfig, Slots, TopK};
use webmoe::reference::{Forward, Gradients, Setting, backward_exact, forward_exact};
use webmoe::rng::uniform_f32;
use webmoe::weights::{NAMES, Weights, shape};

use crate::common::close::{Tol, assert_close};

const TOL: Tol = Tol { abs: 1e-12, rel: 1e-10 };
const TOKENS: usize = 24;
const EXPERTS: usize = 6;
const LOSSES: [&str; 3] = ["loadBalance", "loadBalanceFirst", "z"];

fn noise(stream: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| 2.0 * f64::from(uniform_f32(23, 0, 0, i, stream)) - 1.0).collect()
}

/// A layer that drops some of its tokens' choices; `weight`: of each of the losses.
fn layer(experts: usize, router: TopK, weight: f32) -> LayerConfig {
    let slots = Slots::Fixed { slots: 5 };
    LayerConfig {
        activation: Activation::Silu,
        bias: true,
        router_bias: true,
        groups: 2,
        capacity: Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank },
        loss_weights: LOSSES.map(|name| (name.to_owned(), weight)).into(),
        ..LayerConfig::new(4, 5, experts, RouterConfig::TopK(router))
    }
}

fn weights() -> Weights<f64> {
    let stream = |name: &str| NAMES.iter().position(|&known| known == name).unwrap_or(0) as u32;
    Weights::build(&layer(EXPERTS, TopK::new(1), 0.0), |name, len| noise(stream(name), len))
}

fn run(config: &LayerConfig, weights: &Weights<f64>) -> (Forward, Gradients) {
    let (x, d_output) = (noise(50, TOKENS * 4), noise(51, TOKENS * 4));
    let forward = forward_exact(config, weights, &x, Setting::TRAIN).expect("a layer that runs");
    let gradients = backward_exact(config, weights, &x, &forward, &d_output).expect("a layer that runs");
    (forward, gradients)
}

fn sum(parts: &[Vec<f64>]) -> Vec<f64> {
    (0..parts[0].len()).map(|i| parts.iter().map(|part| part[i]).sum()).collect()
}

#[test]
fn a_layer_of_prototypes_is_the_sum_of_a_layer_for_each() {
    for (prototypes, k) in [(1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (6, 1)] {
        let own = EXPERTS / prototypes;
        let whole = weights();
        let (forward, gradients) = run(&layer(EXPERTS, TopK { prototypes, ..TopK::new(k) }, 0.75), &whole);
        let config = layer(own, TopK::new(k), 0.75 / prototypes as f32);
        let part = |prototype: usize| {
            Weights::build(&config, |name, len| {
                let values = whole.get(name).expect("an array of the layer");
                values[prototype * len..(prototype + 1) * len].to_vec()
            })
        };
        let parts: Vec<(Forward, Gradients)> = (0..prototypes).map(|n| run(&config, &part(n))).collect();
        let label = format!("{prototypes} prototypes, k = {k}");

        let outputs: Vec<Vec<f64>> = parts.iter().map(|(forward, _)| forward.output.clone()).collect();
        assert_close(&format!("{label}: output"), &forward.output, &sum(&outputs), 4, TOL);
        let d_tokens: Vec<Vec<f64>> = parts.iter().map(|(_, gradients)| gradients.x.clone()).collect();
        assert_close(&format!("{label}: dx"), &gradients.x, &sum(&d_tokens), 4, TOL);
        for name in LOSSES {
            let mean = parts.iter().map(|(forward, _)| forward.losses[name]).sum::<f64>() / prototypes as f64;
            assert_close(&format!("{label}: {name}"), &[forward.losses[name]], &[mean], 1, TOL);
        }
        for name in NAMES.into_iter().filter(|name| whole.get(name).is_some()) {
            let of_part =
                |(_, gradients): &(Forward, Gradients)| gradients.weights.get(name).unwrap_or_default().to_vec();
            let joined: Vec<f64> = parts.iter().flat_map(of_part).collect();
            let width = shape(&config, name).map_or(1, |shape| shape[shape.len() - 1]);
            assert_close(
                &format!("{label}: {name}"),
                gradients.weights.get(name).unwrap_or_default(),
                &joined,
                width,
                TOL,
            );
        }
        for (n, (part, _)) in parts.iter().enumerate() {
            let shown = |forward: &Forward, at: usize| (forward.routing.experts[at], forward.routing.positions[at]);
            for t in 0..TOKENS {
                for rank in 0..k {
                    let (expert, place) = shown(part, t * k + rank);
                    let got = shown(&forward, t * k * prototypes + rank * prototypes + n);
                    assert_eq!(got, (expert + (n * own) as i32, place), "{label}, token {t}");
                }
            }
            assert_eq!(part.routing.load, forward.routing.load[n * own..(n + 1) * own], "{label}");
        }
        assert!(forward.routing.kept.contains(&false), "{label}: some are dropped");
    }
}

#[test]
fn with_prototypes_of_one_expert_every_token_goes_everywhere() {
    let (forward, gradients) = run(&layer(EXPERTS, TopK { prototypes: 6, ..TopK::new(1) }, 0.0), &weights());
    assert_eq!(forward.routing.experts, (0..6).collect::<Vec<_>>().repeat(TOKENS));
    assert!(forward.scores.iter().all(|score| *score == 1.0), "a softmax of one");
    assert!(gradients.weights.router.iter().all(|g| *g == 0.0), "there is nothing to choose");
}
