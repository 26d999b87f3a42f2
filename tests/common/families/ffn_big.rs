//! Larger layers: the inputs come from a counting generator, the results are samples of a float64 run in numpy.

use webmoe::config::{Activation, LayerConfig, Renormalize, RouterConfig, TopK};
use webmoe::weights::Weights;

use super::super::case::{Case, Expect, What};
use super::super::fixture::{Fixture, family};
use super::rows::scattered;

/// The layers with the samples that were kept.
pub fn cases() -> Vec<Case> {
    family("ffn_big").iter().map(case).collect()
}

fn case(f: &Fixture) -> Case {
    let (tokens, d, ff, e) = (f.size("T"), f.size("d"), f.size("ff"), f.size("E"));
    let seed = f.size("seed") as u64;
    let (activation, gated) = match f.config("act").as_str() {
        Some("swiglu") => (Activation::Silu, true),
        Some("relu") => (Activation::Relu, false),
        Some("gelu") => (Activation::GeluTanh, false),
        other => panic!("{}: activation {other:?}", f.id()),
    };
    let router = TopK { renormalize: Renormalize::PreDrop, ..TopK::new(f.size("k")) };
    let layer = LayerConfig::new(d, ff, e, RouterConfig::TopK(router));
    let config = LayerConfig { activation, gated, ..layer };
    let (in_scale, out_scale) = ((1.0 / (d as f64).sqrt()) as f32, (1.0 / (ff as f64).sqrt()) as f32);
    let weights = Weights {
        router: values(seed, 1, e * d, in_scale),
        w1: values(seed, 2, e * ff * d, in_scale),
        w3: gated.then(|| values(seed, 3, e * ff * d, in_scale)),
        w2: values(seed, 4, e * d * ff, out_scale),
        ..Weights::default()
    };
    let (x, d_output) = (values(seed, 0, tokens * d, 1.0), values(seed, 5, tokens * d, 1.0));
    let up = values(seed, 3, 8, in_scale);
    let first: Vec<f32> = [&x, &weights.router, &weights.w1, &up, &weights.w2, &d_output]
        .into_iter()
        .flat_map(|values| values[..8].to_vec())
        .collect();
    assert_eq!(first, f.f32s("in.first_values"), "{}: the generator", f.id());

    let chosen = f.indices("out.topk_idx");
    let kept = scattered(&vec![1.0; chosen.len()], &chosen, config.k(), e);
    let mut expect = vec![
        Expect::exact(What::Kept, kept),
        Expect::exact(What::Demanded, f.f64s("out.tokens_per_expert")),
        sample(f, What::Output, "y"),
        sample(f, What::Logits, "logits"),
        weight_samples(f, &chosen, config.k(), e),
        sample(f, What::Gradient("x"), "g_x"),
        sample(f, What::Gradient("router"), "g_router"),
        sample(f, What::Gradient("w1"), "g_gate"),
        sample(f, What::Gradient("w2"), "g_down"),
    ];
    if gated {
        expect.push(sample(f, What::Gradient("w3"), "g_up"));
    }
    Case { id: f.id().to_owned(), config, weights, x, d_output, train: true, draws: None, expect }
}

fn sample(f: &Fixture, what: What, name: &str) -> Expect {
    let tensor = format!("out.sample.{name}");
    let at = Some(f.indices(&format!("in.sample_idx.{name}")));
    Expect { what, want: f.f64s(&tensor), at, through: None, tol: f.tol(&tensor) }
}

/// Samples of `[T, k]` weights, moved to where they stand in `[T, E]`.
fn weight_samples(f: &Fixture, chosen: &[usize], k: usize, e: usize) -> Expect {
    let sample = sample(f, What::Weights, "topk_weight");
    let place = |i: &usize| i / k * e + chosen[*i];
    Expect { at: sample.at.map(|places| places.iter().map(place).collect()), ..sample }
}

/// Values in [-1, 1) times `scale`, the same in every language.
fn values(seed: u64, stream: u64, len: usize, scale: f32) -> Vec<f32> {
    let start = seed.wrapping_mul(1_000_003).wrapping_add(stream);
    let value = |i: u64| {
        let mut z = start.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        ((z >> 40) as f64 * 2f64.powi(-23) - 1.0) as f32 * scale
    };
    (0..len as u64).map(value).collect()
}
