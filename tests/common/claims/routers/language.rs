//! Language experts.

use std::rc::Rc;

use webmoe::config::{Exchanges, Language, LayerConfig, RouterConfig, SharedExpert, Side};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::labels::Labels;
use webmoe::session::ForwardOptions;

use super::super::super::engine::layer_of;
use super::super::super::inputs::{tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![layer_with(experts, language(Side::Source, experts))]
}

/// Three languages more than experts, in groups.
fn language(by: Side, experts: usize) -> RouterConfig {
    let table = (0..experts + 3).map(|language| (language * 5 + 1) as u32 % experts as u32).collect();
    RouterConfig::Language(Language { table: Some(table), ..Language::new(by) })
}

pub async fn language_experts_agree_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let home = RouterConfig::Language(Language { exchange: Exchanges::None, ..Language::new(Side::Target) });
    let mesh = |router| LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, router) };
    let drops = LayerConfig { capacity: bounded(3), groups: 4, ..layer_with(4, language(Side::Target, 4)) };
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("languages, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("by source", layer_with(5, language(Side::Source, 5)), 37),
            trial("by target", layer_with(5, language(Side::Target, 5)), 37),
            trial("an expert each", layer_with(5, RouterConfig::Language(Language::new(Side::Source))), 37),
            trial("one expert", layer_with(1, language(Side::Source, 1)), 9),
            trial("drops", drops, 64),
            trial("anywhere on a mesh", mesh(language(Side::Source, 8)), 64),
            trial("at home on a mesh", mesh(home), 64),
        ],
    )
    .await;
}

pub async fn a_language_that_is_not_known_is_refused(engine: &Rc<Engine>) {
    let config = layer_with(4, language(Side::Target, 4));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let x = tokens(&config, 6, 2);
    let to = |languages: &[u32]| {
        let labels = Labels { target_language: Some(languages.to_vec()), ..Labels::NONE };
        ForwardOptions { labels, ..ForwardOptions::default() }
    };
    let error = layer.forward(&x, &to(&[3, 7])).await.expect_err("there are seven languages");
    assert!(error.to_string().contains("`targetLanguage[1]` is 7; it must be below 7"), "{error}");
    let error = layer.forward(&x, &ForwardOptions::default()).await.expect_err("no language");
    assert_eq!(error, Error::MissingLabels { what: "targetLanguage", router: "language" });
    let routing = layer.forward(&x, &to(&[3, 6])).await.expect("the layer still works").routing;
    assert_eq!(routing.expect("routing was read").experts, [0, 3]);
}
