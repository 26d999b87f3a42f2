//! A layer's weights, or their gradients, on a device.

use super::Sizes;
use crate::config::LayerConfig;
use crate::engine::Engine;
use crate::error::Error;
use crate::recording::{Buffer, BufferId};
use crate::router;
use crate::weights::volume;

/// Buffers shaped as [`super::Packed`].
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// `f32[stride, d]`: router, branches last, the width of its noise where that is learned, then the shared expert's gate.
    pub router: Buffer<f32>,
    /// `f32[stride]`: zeros without `routerBias`.
    pub router_bias: Buffer<f32>,
    /// What the router looks up: `f32[E]` the selection bias, `u32[tables, labels]`, or a placeholder; of weights only.
    pub constants: Buffer<u32>,
    /// `f32[4]`: what the router remembers of the steps before, such as a running mean of rewards; of weights only.
    pub memory: Buffer<f32>,
    /// `u32[experts + units]`: [`super::widths`]; of weights only.
    pub widths: Buffer<u32>,
    /// `f32[experts + units, u, d]`, of the experts that have weights: w1, or w1 and w3 alternating every four rows.
    pub w_in: Buffer<f32>,
    /// `f32[experts + units, u]`.
    pub b_in: Buffer<f32>,
    /// `f32[experts + units, d, f]`.
    pub w_out: Buffer<f32>,
    /// `f32[experts + units, d]`.
    pub b_out: Buffer<f32>,
    /// `f32[tasks, d]`: what a router of tasks reads, or a placeholder.
    pub embedding: Buffer<f32>,
    /// `f32[experts]`: the keys from which on experts take tokens, or a placeholder; as gradients 0.
    pub thresholds: Buffer<f32>,
    /// `f32[2, vocabulary, experts]`: a bandit's pulls, then its mean rewards, or a placeholder; in place of gradients new pulls, then
    /// the sums of their rewards.
    pub arms: Buffer<f32>,
}

impl Parameters {
    /// Creates zeroed buffers for the weights of a layer.
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::OutOfMemory`].
    pub async fn create(engine: &Engine, config: &LayerConfig) -> Result<Self, Error> {
        let s = Sizes::of(config);
        let constants = router::constants(config).len();
        let arms = volume(&[2, config.router.remembered(), config.experts]);
        let all = s.weighted();
        let wanted = [
            ("router", s.stride * s.d),
            ("routerBias", s.stride),
            ("the router's constants", constants.max(4)),
            ("the router's memory", 4),
            ("the experts' widths", all.max(4)),
            ("w1", all.saturating_mul(s.u).saturating_mul(s.d)),
            ("b1", all * s.u),
            ("w2", all.saturating_mul(s.d).saturating_mul(s.f)),
            ("b2", all * s.d),
            ("taskEmbedding", (s.tasks * s.d).max(4)),
            ("thresholds", s.thresholds.max(4)),
            ("banditPulls and banditMeans", arms.max(4)),
        ];
        let ids = engine.create(&wanted).await?;
        let at = |i: usize| Buffer::new(ids[i], wanted[i].1);
        Ok(Parameters {
            router: at(0),
            router_bias: at(1),
            constants: Buffer::new(ids[2], wanted[2].1),
            memory: at(3),
            widths: Buffer::new(ids[4], wanted[4].1),
            w_in: at(5),
            b_in: at(6),
            w_out: at(7),
            b_out: at(8),
            embedding: at(9),
            thresholds: at(10),
            arms: at(11),
        })
    }

    /// All buffers.
    pub fn buffers(&self) -> [BufferId; 12] {
        let p = self;
        [
            p.router.id,
            p.router_bias.id,
            p.constants.id,
            p.memory.id,
            p.widths.id,
            p.w_in.id,
            p.b_in.id,
            p.w_out.id,
            p.b_out.id,
            p.embedding.id,
            p.thresholds.id,
            p.arms.id,
        ]
    }
}
