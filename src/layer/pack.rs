//! Between weights as callers know them and weights as they lie on a device: rows padded to whole `vec4f`s, w1 and w3
//! alternating every four rows, the shared expert cut into units of an expert's width.

use super::Sizes;
use crate::config::LayerConfig;
use crate::weights::{LayerWeights, volume};

/// Weights as they lie on a device; shapes as in [`super::Parameters`].
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of Parameters")]
pub struct Packed {
    pub router: Vec<f32>,
    pub router_bias: Vec<f32>,
    pub w_in: Vec<f32>,
    pub b_in: Vec<f32>,
    pub w_out: Vec<f32>,
    pub b_out: Vec<f32>,
    pub embedding: Vec<f32>,
    pub thresholds: Vec<f32>,
    pub arms: Vec<f32>,
}

/// Where a hidden unit of w1 (`half` 0) or w3 (`half` 1) lies among the rows of `w_in`.
fn hidden_row(gated: bool, half: usize, i: usize) -> usize {
    if gated { i / 4 * 8 + half * 4 + i % 4 } else { i }
}

/// Walks over every run of values that lies contiguously on both sides: which array, where in it, which packed array, where,
/// and how long. Packing and unpacking are the two directions of this one walk.
fn runs(config: &LayerConfig, mut run: impl FnMut(&'static str, usize, Side, usize, usize)) {
    let s = Sizes::of(config);
    let (d, f) = (config.d_model, config.d_ff);
    for e in 0..config.router_rows() {
        run("router", e * d, Side::Router, e * s.d, d);
    }
    run("routerBias", 0, Side::RouterBias, 0, config.router_rows());
    for task in 0..s.tasks {
        run("taskEmbedding", task * d, Side::Embedding, task * s.d, d);
    }
    run("thresholds", 0, Side::Thresholds, 0, s.thresholds);
    for e in 0..config.noise_rows() {
        run("noise", e * d, Side::Router, (config.router_rows() + e) * s.d, d);
    }
    let arms = config.router.remembered() * config.experts;
    run("banditPulls", 0, Side::Arms, 0, arms);
    run("banditMeans", 0, Side::Arms, arms, arms);
    run("sharedGate", 0, Side::Router, s.gate_at * s.d, d);
    for (half, name, bias) in [(0, "w1", "b1"), (1, "w3", "b3")] {
        if half == 1 && !config.gated {
            continue;
        }
        for e in 0..config.feed_forward_experts() {
            for i in 0..f {
                let row = e * s.u + hidden_row(config.gated, half, i);
                run(name, (e * f + i) * d, Side::In, row * s.d, d);
                run(bias, e * f + i, Side::BiasIn, row, 1);
            }
        }
        let width = config.shared_expert.map_or(0, |shared| shared.d_ff);
        let name = if half == 0 { "sharedW1" } else { "sharedW3" };
        for i in 0..width {
            let row = (config.feed_forward_experts() + i / f) * s.u + hidden_row(config.gated, half, i % f);
            run(name, i * d, Side::In, row * s.d, d);
        }
    }
    for e in 0..config.feed_forward_experts() {
        for i in 0..d {
            run("w2", (e * d + i) * f, Side::Out, (e * s.d + i) * s.f, f);
        }
        run("b2", e * d, Side::BiasOut, e * s.d, d);
    }
    if let Some(shared) = config.shared_expert {
        for unit in 0..s.units {
            let width = f.min(shared.d_ff - unit * f);
            for i in 0..d {
                run(
                    "sharedW2",
                    i * shared.d_ff + unit * f,
                    Side::Out,
                    ((config.feed_forward_experts() + unit) * s.d + i) * s.f,
                    width,
                );
            }
        }
    }
}

/// A packed array.
#[derive(Clone, Copy)]
enum Side {
    Router,
    RouterBias,
    In,
    BiasIn,
    Out,
    BiasOut,
    Embedding,
    Thresholds,
    Arms,
}

impl Packed {
    fn side(&mut self, side: Side) -> &mut Vec<f32> {
        match side {
            Side::Router => &mut self.router,
            Side::RouterBias => &mut self.router_bias,
            Side::In => &mut self.w_in,
            Side::BiasIn => &mut self.b_in,
            Side::Out => &mut self.w_out,
            Side::BiasOut => &mut self.b_out,
            Side::Embedding => &mut self.embedding,
            Side::Thresholds => &mut self.thresholds,
            Side::Arms => &mut self.arms,
        }
    }
}

/// Weights as they lie on a device; arrays that are not there become 0.
pub fn pack(config: &LayerConfig, weights: &LayerWeights) -> Packed {
    let s = Sizes::of(config);
    let mut packed = Packed {
        router: vec![0.0; s.stride * s.d],
        router_bias: vec![0.0; s.stride],
        w_in: vec![0.0; s.weighted() * s.u * s.d],
        b_in: vec![0.0; s.weighted() * s.u],
        w_out: vec![0.0; s.weighted() * s.d * s.f],
        b_out: vec![0.0; s.weighted() * s.d],
        embedding: vec![0.0; s.tasks * s.d],
        thresholds: vec![0.0; s.thresholds],
        arms: vec![0.0; volume(&[2, config.router.remembered(), config.experts])],
    };
    runs(config, |name, from, side, to, len| {
        if let Some(values) = weights.get(name) {
            packed.side(side)[to..to + len].copy_from_slice(&values[from..from + len]);
        }
    });
    packed
}

/// The reverse of [`pack`], for exactly the arrays that the layer has.
pub fn unpack(config: &LayerConfig, packed: Packed) -> LayerWeights {
    unpack_into(LayerWeights::build(config, |_, len| vec![0.0; len]), config, packed)
}

/// As [`unpack`], for exactly the arrays that have a gradient.
pub fn unpack_gradients(config: &LayerConfig, packed: Packed) -> LayerWeights {
    unpack_into(LayerWeights::build_gradients(config, |_, len| vec![0.0; len]), config, packed)
}

fn unpack_into(mut weights: LayerWeights, config: &LayerConfig, mut packed: Packed) -> LayerWeights {
    runs(config, |name, from, side, to, len| {
        if let Some(values) = weights.get_mut(name) {
            values[from..from + len].copy_from_slice(&packed.side(side)[to..to + len]);
        }
    });
    weights
}
