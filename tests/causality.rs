//! Whether a token's experts depend on the tokens after it: for each router the later tokens are changed, and what
//! `docs/ROUTING.md` says is compared with what happened.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::rc::Rc;

use common::claims::routers::{layer_with, one_of_each};
use common::engine::layer_of;
use common::inputs::{labels, named, tokens, weights};
use webmoe::config::{Capacity, Hash, Hashed, LayerConfig, Order, Priority, RouterConfig, Slots, TopK};
use webmoe::cpu::CpuEngine;
use webmoe::engine::Engine;
use webmoe::labels::Labels;
use webmoe::session::{ForwardOptions, Read, Routing};

const EXPERTS: usize = 4;
const TOKENS: usize = 24;
const BATCHES: u64 = 6;
const CARDS: &str = include_str!("../docs/ROUTING.md");

fn top_k(k: usize, capacity: Capacity) -> LayerConfig {
    LayerConfig { capacity, ..layer_with(EXPERTS, RouterConfig::TopK(TopK::new(k))) }
}

fn bounded(priority: Priority, order: Order) -> Capacity {
    Capacity::Bounded { slots: Slots::Fixed { slots: 5 }, priority, order }
}

fn hash(of: Hashed) -> LayerConfig {
    let table = (0..40).map(|id| id % EXPERTS as u32).collect();
    layer_with(EXPERTS, RouterConfig::Hash(Hash { of, ..Hash::new(table) }))
}

/// Token choice under each way to seat tokens, then an example of every other router, and whatever else a hash layer looks up.
fn layers() -> Vec<LayerConfig> {
    let mut all = vec![
        top_k(2, Capacity::Dropless),
        top_k(1, bounded(Priority::Arrival, Order::Rank)),
        top_k(2, bounded(Priority::Arrival, Order::Rank)),
        top_k(2, bounded(Priority::Arrival, Order::Token)),
        top_k(1, bounded(Priority::Batch, Order::Rank)),
        top_k(1, bounded(Priority::Weight, Order::Rank)),
        top_k(1, bounded(Priority::Random, Order::Rank)),
    ];
    all.extend(one_of_each(EXPERTS));
    all.extend([Hashed::Previous, Hashed::Bigram, Hashed::Position, Hashed::Next].map(hash));
    all
}

/// The router and the capacity in the words of a description, without what says nothing about who goes where, and without the
/// usual.
fn words(config: &LayerConfig) -> String {
    const UNTOLD: &[&str] = &[
        "kind",
        "table",
        "exchange",
        "scale",
        "jitter",
        "dropout",
        "evalSecondPolicy",
        "secondThreshold",
        "scoring",
        "softmaxOver",
        "renormalize",
        "expertGroups",
        "groupLimit",
        "tolerance",
        "iterations",
        "trades",
        "epsilon",
        "entropyWeight",
        "noiseEpsilon",
        "noiseStd",
        "rounds",
        "startTemperature",
        "endTemperature",
        "schedule",
        "decay",
        "thresholdDecay",
        "entropy",
        "normalize",
        "stopGradient",
        "vocabulary",
        "priorMean",
        "priorStd",
    ];
    let usual = serde_json::json!({ "exploration": "argmax", "secondPolicy": "all", "prototypes": 1 });
    let value = |value: &serde_json::Value| match value {
        serde_json::Value::Array(values) => format!("[{} values]", values.len()),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let fields = |object: &serde_json::Value| -> Vec<String> {
        let said = |v: &serde_json::Value| !v.is_null() && *v != false;
        let told = object.as_object().into_iter().flatten().filter(|(name, v)| !UNTOLD.contains(&&***name) && said(v));
        let told = told.filter(|(name, v)| usual[name] != **v);
        told.map(|(name, v)| format!("{name} {}", value(v))).collect()
    };
    let whole = serde_json::to_value(config).expect("a description");
    let kind = whole["router"]["kind"].as_str().expect("a router has a kind").to_owned();
    let seats = match &config.capacity {
        Capacity::Dropless => Vec::new(),
        Capacity::Bounded { .. } => fields(&whole["capacity"]),
    };
    [vec![kind], fields(&whole["router"]), seats].concat().join(", ")
}

/// What is known of who goes where.
struct Routed {
    routing: Routing,
    /// `[T, E·slots]`: what each token is of the mixtures that experts get, where they do.
    shares: Vec<f32>,
}

/// Token `t`'s experts, whether it was served, and the bits of its weights and of its shares in mixtures.
fn row(Routed { routing, shares }: &Routed, t: usize) -> (Vec<i32>, Vec<u8>, Vec<u32>) {
    let at = t * routing.slots..(t + 1) * routing.slots;
    let own = shares.len() / routing.tokens;
    let weights = routing.weights[at.clone()].iter().chain(&shares[t * own..(t + 1) * own]);
    (routing.experts[at.clone()].to_vec(), routing.kept[at].to_vec(), weights.map(|w| w.to_bits()).collect())
}

/// The labels with those from token `from` on taken from the front, where there are any.
fn changed_labels(labels: &Labels, from: usize) -> Labels {
    let change = |labels: &Option<Vec<u32>>| {
        labels.as_ref().map(|labels| [&labels[..from], &labels[1..labels.len() - from + 1]].concat())
    };
    Labels {
        token_ids: change(&labels.token_ids),
        domain: change(&labels.domain),
        mixture: labels.mixture.as_ref().map(|mixture| {
            let (before, after) = mixture.split_at(from * EXPERTS);
            [before, &mixture[EXPERTS..][..after.len()]].concat()
        }),
        source_language: change(&labels.source_language),
        target_language: change(&labels.target_language),
        task: change(&labels.task),
        sequence: labels.sequence,
    }
}

/// Whether any token's routing changes when tokens after it do.
async fn leaks(engine: &Rc<Engine>, config: &LayerConfig, train: bool) -> bool {
    let d = config.d_model;
    for seed in 0..BATCHES {
        let weights = weights(config, seed);
        let mut layer = layer_of(engine, config, &weights).await;
        let (here, elsewhere) = (tokens(config, seed, TOKENS), tokens(config, seed + 100, TOKENS));
        let known = labels(config, TOKENS);
        let mut route = async |x: &[f32], labels: Labels| {
            // a pass in training may leave thresholds for the next
            layer.set_weights(named(&weights)).await.expect("weights of the layer's shapes");
            let read = vec![Read::Routing, Read::Scores];
            let options = ForwardOptions { train, labels, read, ..ForwardOptions::default() };
            let output = layer.forward(x, &options).await.expect("a layer that runs");
            let shares =
                if config.router.mixtures() > 0 { output.scores.expect("scores were read") } else { Vec::new() };
            Routed { routing: output.routing.expect("routing was read"), shares }
        };
        let before = route(&here, known.clone()).await;
        for from in 1..TOKENS {
            let x = [&here[..from * d], &elsewhere[from * d..]].concat();
            let after = route(&x, changed_labels(&known, from)).await;
            if (0..from).any(|t| row(&before, t) != row(&after, t)) {
                return true;
            }
        }
    }
    false
}

#[test]
fn the_cards_say_of_every_router_whether_the_future_leaks() {
    let engine = Rc::new(Engine::Cpu(CpuEngine::new()));
    let said = |leaks: bool| if leaks { "**leaks**" } else { "safe" };
    let mut table = String::from("| router | in training | at inference |\n|---|---|---|\n");
    for config in layers() {
        let [training, inference] = [true, false].map(|train| said(pollster::block_on(leaks(&engine, &config, train))));
        let line = format!("| {} | {training} | {inference} |\n", words(&config));
        if !table.contains(&line) {
            table += &line;
        }
    }
    assert!(CARDS.contains(&table), "docs/ROUTING.md should have this table:\n\n{table}");
}
