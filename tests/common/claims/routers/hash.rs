//! Hash layers.

use std::rc::Rc;

use webmoe::config::{Hash, Hashed, LayerConfig, RouterConfig, SharedExpert};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::labels::Labels;
use webmoe::session::ForwardOptions;

use super::super::super::engine::layer;
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

const VOCABULARY: usize = 40;

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![layer_with(experts, hash(experts)), LayerConfig { capacity: bounded(2), ..layer_with(experts, hash(experts)) }]
}

/// A table that gives ids to `experts` experts, neither in turn nor evenly.
fn table(experts: usize, salt: usize) -> Vec<u32> {
    (0..VOCABULARY).map(|id| (id * id / 3 + salt * id + salt) as u32 % experts as u32).collect()
}

fn hash(experts: usize) -> RouterConfig {
    RouterConfig::Hash(Hash::new(table(experts, 1)))
}

pub async fn hash_layers_agree_with_the_oracle(engine: &Rc<Engine>) {
    let several = |of| RouterConfig::Hash(Hash { tables: vec![table(3, 1), table(3, 2)], of });
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("hash, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("one table", layer_with(5, hash(5)), 37),
            trial("two tables", layer_with(6, several(Hashed::Token)), 37),
            trial("of the token before", layer_with(6, several(Hashed::Previous)), 37),
            trial("of two tokens", layer_with(6, several(Hashed::Bigram)), 37),
            trial("of the position", layer_with(6, several(Hashed::Position)), 37),
            trial("of the next token", layer_with(6, several(Hashed::Next)), 37),
            trial("one expert", layer_with(1, hash(1)), 9),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer_with(4, hash(4)) }, 64),
            trial("a shared expert", LayerConfig { shared_expert, ..layer_with(5, hash(5)) }, 37),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, hash(8)) }, 64),
        ],
    )
    .await;
}

pub async fn what_is_hashed_follows_the_setting(engine: &Rc<Engine>) {
    let ids = [5_u32, 7, 5, 1, 0, 5, 2, 9];
    let table: Vec<u32> = (0..10).collect();
    for (of, wanted) in [
        (Hashed::Token, [5, 7, 5, 1, 0, 5, 2, 9]),
        (Hashed::Previous, [5, 5, 7, 5, 0, 0, 5, 2]),
        (Hashed::Next, [7, 5, 1, 1, 5, 2, 9, 9]),
        (Hashed::Position, [0, 1, 2, 3, 0, 1, 2, 3]),
    ] {
        let router = RouterConfig::Hash(Hash { of, ..Hash::new(table.clone()) });
        let mut layer = layer(engine, &layer_with(10, router)).await;
        let labels = Labels { token_ids: Some(ids.to_vec()), sequence: Some(4), ..Labels::NONE };
        let options = ForwardOptions { labels, ..ForwardOptions::default() };
        let output = layer.forward(&[0.5; 48], &options).await.expect("a layer that runs");
        assert_eq!(output.routing.expect("routing was read").experts, wanted, "{of:?}");
    }
}

pub async fn a_router_that_goes_by_ids_says_what_is_wrong_with_them(engine: &Rc<Engine>) {
    let mut layer = layer(engine, &layer_with(4, hash(4))).await;
    let x = [0.5; 12];
    let with = |token_ids| ForwardOptions { labels: Labels { token_ids, ..Labels::NONE }, ..ForwardOptions::default() };
    let error = layer.forward(&x, &with(None)).await.expect_err("no ids");
    assert!(matches!(error, Error::MissingLabels { what: "tokenIds", .. }), "{error}");
    let error = layer.forward(&x, &with(Some(vec![1]))).await.expect_err("one id for two tokens");
    assert!(matches!(error, Error::WrongLength { got: 1, wanted: 2, .. }), "{error}");
    let error = layer.forward(&x, &with(Some(vec![1, 40]))).await.expect_err("an id beyond the table");
    assert!(error.to_string().contains("tokenIds[1]") && error.to_string().contains("below 40"), "{error}");
    layer.forward(&x, &with(Some(vec![1, 39]))).await.expect("the layer still works");
}
