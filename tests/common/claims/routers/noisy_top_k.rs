//! Token choice by noisy logits.

use std::rc::Rc;

use webmoe::config::{
    Capacity, LayerConfig, Noise, NoisyTopK, Order, Priority, RouterConfig, SharedExpert, Slots, TopK,
};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::session::{ForwardOptions, Read};
use webmoe::weights::LayerWeights;

use super::super::super::engine::{layer_of, passes};
use super::super::super::inputs::{bits, d_output, noise, tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    let batch = Capacity::Bounded { slots: Slots::Fixed { slots: 4 }, priority: Priority::Batch, order: Order::Rank };
    vec![
        layer(experts, NoisyTopK::new(2)),
        LayerConfig { capacity: batch, ..layer(experts, NoisyTopK::fixed(2)) },
        layer(experts, NoisyTopK::hierarchical(experts / 2, 2, 1)),
    ]
}

/// A layer with all its losses.
pub fn layer(experts: usize, router: NoisyTopK) -> LayerConfig {
    let mut config = layer_with(experts, RouterConfig::NoisyTopK(router));
    config.loss_weights.extend([("loadBalance".to_owned(), 0.2), ("load".to_owned(), 0.3)]);
    config
}

pub async fn noisy_top_k_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let (learned, fixed) = (NoisyTopK::new, NoisyTopK::fixed);
    let sharp = NoisyTopK { noise: Noise::Learned { epsilon: 0.0 }, ..learned(2) };
    let wide = NoisyTopK { noise: Noise::Fixed { std: 8.0 }, ..fixed(3) };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("noisy top-k, {name}"), config, count);
    let all_alike = |name: &str, config: LayerConfig, count| {
        let change: fn(&mut LayerWeights) = |weights| weights.router.fill(0.0);
        Trial { change, ties: true, train: false, ..trial(name, config, count) }
    };
    let unweighed = |config| LayerConfig { loss_weights: [].into(), ..config };
    check_trials(
        engine,
        &[
            trial("one choice", layer(5, learned(1)), 37),
            trial("three choices", layer(7, learned(3)), 70),
            trial("no least width", layer(6, sharp), 40),
            trial("no losses", unweighed(layer(6, learned(2))), 40),
            trial("fixed width, one choice", layer(5, fixed(1)), 37),
            trial("fixed width, three choices", layer(7, wide), 70),
            trial("fixed width, no losses", unweighed(layer(6, fixed(2))), 40),
            Trial { train: false, ..trial("outside training", layer(5, learned(2)), 37) },
            Trial { train: false, ..trial("outside training, no losses", unweighed(layer(5, learned(2))), 37) },
            Trial { train: false, ..trial("fixed width, outside training", layer(5, fixed(2)), 37) },
            all_alike("equal logits", layer(6, learned(3)), 17),
            all_alike("fixed width, equal logits", layer(6, fixed(3)), 17),
            trial("one expert", layer(1, learned(1)), 9),
            trial("all experts", layer(4, learned(4)), 9),
            trial("fixed width, all experts", layer(4, fixed(4)), 9),
            trial("no token", layer(4, learned(2)), 0),
            trial("one token", layer(4, learned(2)), 1),
            trial("more experts than threads", layer(130, learned(2)), 16),
            trial("a late step", LayerConfig { seed: (1 << 40) + 5, router_bias: true, ..layer(6, learned(2)) }, 24),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer(4, learned(2)) }, 64),
            trial("identities", LayerConfig { identity_experts: 2, ..layer(5, learned(2)) }, 30),
            trial("a shared expert", LayerConfig { shared_expert, residual: true, ..layer(5, learned(2)) }, 30),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer(8, learned(2)) }, 64),
            trial("fixed width on a mesh", LayerConfig { groups: 8, devices: 4, ..layer(8, fixed(2)) }, 64),
        ],
    )
    .await;
}

/// The experts that a pass chooses.
async fn chosen(engine: &Rc<Engine>, config: &LayerConfig, given: &LayerWeights, options: ForwardOptions) -> Vec<i32> {
    let mut layer = layer_of(engine, config, given).await;
    let options = ForwardOptions { read: vec![Read::Routing], ..options };
    let output = layer.forward(&tokens(config, 6, 60), &options).await.expect("a layer that runs");
    output.routing.expect("routing was read").experts
}

pub async fn noise_is_another_in_every_step_and_absent_outside_training(engine: &Rc<Engine>) {
    for router in [NoisyTopK::new(2), NoisyTopK { noise: Noise::Fixed { std: 8.0 }, ..NoisyTopK::fixed(2) }] {
        let config = layer(8, router);
        let given = weights(&config, 6);
        let at = |train, step| ForwardOptions { train, step, ..ForwardOptions::default() };
        let first = chosen(engine, &config, &given, at(true, 0)).await;
        assert_eq!(chosen(engine, &config, &given, at(true, 0)).await, first, "the same step draws the same");
        assert_ne!(chosen(engine, &config, &given, at(true, 1)).await, first, "another step draws anew");
        let quiet = chosen(engine, &config, &given, at(false, 0)).await;
        assert_ne!(quiet, first);
        let plain = layer_with(8, RouterConfig::TopK(TopK::new(2)));
        let plain_weights = LayerWeights { noise: None, ..given };
        assert_eq!(chosen(engine, &plain, &plain_weights, at(false, 0)).await, quiet, "top-k by the logits");
    }
}

pub async fn a_router_that_has_learned_nothing_spreads_tokens_by_chance(engine: &Rc<Engine>) {
    let (experts, count, k) = (8, 4096, 2);
    let config = layer(experts, NoisyTopK::new(k));
    let mut given = weights(&config, 6);
    given.router.fill(0.0);
    given.noise.iter_mut().for_each(|noise| noise.fill(0.0));
    let mut layer = layer_of(engine, &config, &given).await;
    let options = ForwardOptions { train: true, ..ForwardOptions::default() };
    let output = layer.forward(&tokens(&config, 6, count), &options).await.expect("a layer that runs");
    let load = output.routing.expect("routing was read").load;
    // each token gives an expert one place with probability k/E
    let share = k as f64 / experts as f64;
    let sigma = (count as f64 * share * (1.0 - share)).sqrt();
    for load in &load {
        assert!((f64::from(*load) - count as f64 * share).abs() < 4.5 * sigma, "{load} of {count}·{share}");
    }
    let losses: Vec<(&str, f32)> = output.losses.expect("losses were read");
    let loss = |name: &str| losses.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    assert!(loss("load").is_some_and(|load| load < 1e-3), "{losses:?}");
    assert!(loss("importance").is_some_and(|importance| importance < 1e-2), "{losses:?}");
}

pub async fn draws_that_are_given_take_the_place_of_the_layers_own(engine: &Rc<Engine>) {
    let config = layer(8, NoisyTopK::new(2));
    let given = weights(&config, 6);
    let with = |draws| ForwardOptions { train: true, draws: Some(draws), ..ForwardOptions::default() };
    let quiet = chosen(engine, &config, &given, ForwardOptions::default()).await;
    assert_eq!(chosen(engine, &config, &given, with(vec![0.0; 480])).await, quiet, "none but zeros");
    assert_ne!(chosen(engine, &config, &given, with(noise(1, 1, 480))).await, quiet);

    let mut layer = layer_of(engine, &config, &given).await;
    let x = tokens(&config, 6, 60);
    let error = layer.forward(&x, &with(vec![0.0; 479])).await.expect_err("one too few");
    assert!(matches!(&error, Error::WrongLength { what, got: 479, wanted: 480, .. } if what == "draws"), "{error}");
    let error = layer.forward(&x, &with([vec![0.0; 479], vec![f32::NAN]].concat())).await.expect_err("no number");
    assert!(matches!(&error, Error::NonFinite { what, index: 479, .. } if what == "draws"), "{error}");
    let plain = layer_with(8, RouterConfig::TopK(TopK::new(2)));
    let mut plain = layer_of(engine, &plain, &weights(&plain, 6)).await;
    let error = plain.forward(&x, &with(vec![0.0; 480])).await.expect_err("nothing is drawn");
    assert!(matches!(&error, Error::InvalidArgument { what, .. } if what == "draws"), "{error}");
}

pub async fn a_noisy_token_that_is_not_a_number_spoils_only_itself(engine: &Rc<Engine>) {
    for router in [NoisyTopK::new(2), NoisyTopK::fixed(2), NoisyTopK::hierarchical(3, 2, 1)] {
        let mut config = layer(6, router);
        config.loss_weights.clear();
        let mut layer = layer_of(engine, &config, &weights(&config, 1)).await;
        let options = ForwardOptions { train: true, ..ForwardOptions::default() };
        let (x, dy, d, spoilt) = (tokens(&config, 1, 20), d_output(&config, 1, 20), config.d_model, 7);
        let rest = |rows: &Option<Vec<f32>>| {
            let mut rows = rows.clone().expect("it was read");
            rows.drain(spoilt * d..(spoilt + 1) * d);
            bits(&rows)
        };
        let clean = passes(&mut layer, &x, &dy, &options).await.expect("a layer that runs");
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut dirty = x.clone();
            dirty[spoilt * d + 2] = value;
            let got = passes(&mut layer, &dirty, &dy, &options).await.expect("a layer that runs");
            assert_eq!(rest(&got.output.output), rest(&clean.output.output), "{value}: the other tokens' rows");
            assert_eq!(rest(&got.gradients.x), rest(&clean.gradients.x), "{value}: their gradients");
            let experts = got.output.routing.expect("routing was read").experts;
            assert!(experts.iter().all(|e| (0..6).contains(e)), "{value}: every choice is an expert: {experts:?}");
        }
    }
}
