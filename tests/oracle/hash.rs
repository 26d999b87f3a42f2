//! Hash layers: what depends on ids alone.

use webmoe::config::{Activation, Hash, Hashed, LayerConfig, RouterConfig};
use webmoe::labels::Labels;
use webmoe::reference::{Forward, Setting, forward_exact};
use webmoe::rng::{hash_u32, uniform_f32};
use webmoe::weights::{NAMES, Weights};

use super::differences::{TOKENS, assert_labelled_differences_agree};
use crate::common::close::{Tol, assert_close};

const VOCABULARY: usize = 12;
const IDS: [u32; 12] = [5, 7, 5, 1, 0, 5, 2, 11, 1, 1, 5, 7];

fn noise(stream: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| 2.0 * f64::from(uniform_f32(17, 0, 0, i, stream)) - 1.0).collect()
}

fn table(experts: usize, salt: u32) -> Vec<u32> {
    (0..VOCABULARY as u32).map(|id| hash_u32(0, 0, salt, id, 0) % experts as u32).collect()
}

fn layer(experts: usize, router: Hash) -> LayerConfig {
    LayerConfig {
        activation: Activation::Relu,
        bias: true,
        ..LayerConfig::new(4, 6, experts, RouterConfig::Hash(router))
    }
}

fn random_weights(config: &LayerConfig) -> Weights<f64> {
    let stream = |name: &str| 100 + NAMES.iter().position(|&known| known == name).unwrap_or(0) as u32;
    Weights::build(config, |name, len| noise(stream(name), len))
}

fn labels(ids: &[u32], sequence: usize) -> Labels {
    Labels { token_ids: Some(ids.to_vec()), sequence: Some(sequence), ..Labels::NONE }
}

fn run(config: &LayerConfig, x: &[f64], labels: &Labels, step: u32) -> Forward {
    let setting = Setting { step, labels: Some(labels), ..Setting::TRAIN };
    forward_exact(config, &random_weights(config), x, setting).expect("a layer that runs")
}

/// `W2·relu(W1·x + b1) + b2`, by hand.
fn feed_forward(x: &[f64], w1: &[f64], b1: &[f64], w2: &[f64], b2: &[f64]) -> Vec<f64> {
    let dot = |row: &[f64], by: &[f64]| row.iter().zip(by).map(|(a, b)| a * b).sum::<f64>();
    let hidden: Vec<f64> = w1.chunks(x.len()).zip(b1).map(|(row, b)| (dot(row, x) + b).max(0.0)).collect();
    w2.chunks(hidden.len()).zip(b2).map(|(row, b)| dot(row, &hidden) + b).collect()
}

#[test]
fn the_same_id_has_the_same_expert_at_every_position_and_step_and_in_every_layer_of_the_table() {
    let router = Hash::new(table(5, 0));
    let one = run(&layer(5, router.clone()), &noise(1, 48), &labels(&IDS, 4), 0).routing.experts;
    for (t, id) in IDS.iter().enumerate() {
        assert_eq!(one[t] as u32, router.tables[0][*id as usize], "token {t}");
    }
    let other = LayerConfig { seed: 9, d_ff: 3, ..layer(5, router) };
    assert_eq!(run(&other, &noise(2, 48), &labels(&IDS, 12), 7).routing.experts, one);
}

#[test]
fn the_plan_does_not_depend_on_what_the_tokens_are() {
    for of in [Hashed::Token, Hashed::Previous, Hashed::Bigram, Hashed::Position, Hashed::Next] {
        let config = layer(6, Hash { tables: vec![table(3, 0), table(3, 1)], of });
        let [one, two] = [1, 2].map(|stream| run(&config, &noise(stream, 48), &labels(&IDS, 6), 0).routing);
        assert_eq!(one, two, "{of:?}");
    }
}

#[test]
fn what_is_looked_up_never_crosses_the_end_of_a_sequence() {
    let id = |t: usize| IDS[t] as usize;
    let identity = |of| Hash { of, ..Hash::new((0..VOCABULARY as u32).collect()) };
    let pair = |before: usize, t: usize| hash_u32(0, 0, 0, IDS[before], IDS[t]) as usize % VOCABULARY;
    let want: [(Hashed, Vec<usize>); 5] = [
        (Hashed::Token, (0..12).map(id).collect()),
        (Hashed::Previous, [0, 0, 1, 2, 3, 5, 5, 6, 7, 8, 10, 10].map(id).to_vec()),
        (Hashed::Bigram, (0..12).zip([0, 0, 1, 2, 3, 5, 5, 6, 7, 8, 10, 10]).map(|(t, b)| pair(b, t)).collect()),
        (Hashed::Position, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1].to_vec()),
        (Hashed::Next, [1, 2, 3, 4, 4, 6, 7, 8, 9, 9, 11, 11].map(id).to_vec()),
    ];
    for (of, want) in want {
        let got = run(&layer(VOCABULARY, identity(of)), &noise(1, 48), &labels(&IDS, 5), 0).routing.experts;
        assert_eq!(got, want.iter().map(|hash| *hash as i32).collect::<Vec<_>>(), "{of:?}");
    }
}

#[test]
fn with_an_expert_for_every_id_the_next_one_is_told_by_the_routing_alone() {
    let oracle = Hash { of: Hashed::Next, ..Hash::new((0..VOCABULARY as u32).collect()) };
    let got = run(&layer(VOCABULARY, oracle), &noise(1, 48), &labels(&IDS, 12), 0).routing.experts;
    assert!((0..11).all(|t| got[t] == IDS[t + 1] as i32), "{got:?}");
}

#[test]
fn one_bucket_is_a_dense_layer() {
    let config = layer(1, Hash::new(vec![0; VOCABULARY]));
    let (weights, x) = (random_weights(&config), noise(1, 48));
    let [b1, b2] = [&weights.b1, &weights.b2].map(|b| b.clone().expect("a layer with biases"));
    let dense = |x: &[f64]| feed_forward(x, &weights.w1, &b1, &weights.w2, &b2);
    let want: Vec<f64> = x.chunks(4).flat_map(dense).collect();
    assert_close("output", &run(&config, &x, &labels(&IDS, 12), 0).output, &want, 4, Tol { abs: 1e-14, rel: 0.0 });
}

/// Segment `j` of the hidden layer is that of bucket `tables[j][id]`, and so are the columns of `w2` that read it: together they are
/// one feed-forward network of the paper's width, with its parameters and its work.
#[test]
fn several_tables_are_one_network_whose_hidden_segments_come_from_different_buckets() {
    let (d, f, tables) = (4, 6, vec![table(3, 0), table(3, 1)]);
    let config = LayerConfig { bias: false, ..layer(6, Hash { tables: tables.clone(), of: Hashed::Token }) };
    let (weights, x) = (random_weights(&config), noise(1, 48));
    let joined = |t: usize| -> Vec<f64> {
        let experts: Vec<usize> = (0..2).map(|j| j * 3 + tables[j][IDS[t] as usize] as usize).collect();
        let w1: Vec<f64> = experts.iter().flat_map(|e| weights.w1[e * f * d..][..f * d].to_vec()).collect();
        let row =
            |i: usize| experts.iter().flat_map(|e| weights.w2[(e * d + i) * f..][..f].to_vec()).collect::<Vec<_>>();
        let w2: Vec<f64> = (0..d).flat_map(row).collect();
        feed_forward(&x[t * d..(t + 1) * d], &w1, &vec![0.0; 2 * f], &w2, &vec![0.0; d])
    };
    let want: Vec<f64> = (0..12).flat_map(joined).collect();
    let forward = run(&config, &x, &labels(&IDS, 12), 0);
    assert_close("output", &forward.output, &want, d, Tol { abs: 1e-14, rel: 0.0 });
}

#[test]
fn only_the_experts_and_the_tokens_have_gradients_and_they_are_their_differences() {
    for of in [Hashed::Token, Hashed::Bigram] {
        let router = Hash { tables: vec![table(2, 0), table(2, 1)], of };
        let config = LayerConfig { activation: Activation::Gelu, ..layer(4, router) };
        assert!(random_weights(&config).router.is_empty(), "there is no router");
        assert_labelled_differences_agree(&format!("{of:?}"), &config, &labels(&IDS[..TOKENS], 4));
    }
}
