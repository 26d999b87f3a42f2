//! Experts at random.

use super::activation::sigmoid;
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::{rng, shader};

/// The experts of every token at random, by the draw that it takes part in: each set of `dims.nominees` is equally likely.
///
/// - 1 `draws`: `u32[T]`, 2 logits: `f32[2, T, stride]`
/// - 3 `expert_of`: `u32[T, k]`, 4 `chosen`: `f32[T, columns]`, 5 `stats`: `f32[T, 4]`
///
/// # Source
/// Zuo et al. 2021 (THOR); several at a time: Floyd's algorithm, in Bentley 1987, "A Sample of Brilliance".
pub static DRAW: Kernel = Kernel {
    name: "draw",
    source: include_str!("../../shaders/draw.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG],
    product: None,
    bindings: &[Read, Read, Write, Write, Write],
    constants: &["SHARED_GATE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [draws, router, expert_of, chosen, stats] = bound(slices);
    let dims = call.dims;
    let (k, columns) = (dims.choices as usize, dims.columns as usize);
    let (n, seed) = (dims.nominees as usize, u64::from(dims.seed_hi) << 32 | u64::from(dims.seed_lo));
    for (t, draw) in draws.u32()[..dims.tokens as usize].iter().enumerate() {
        stats.f32_mut()[4 * t..][..4].fill(0.0);
        let experts = &mut expert_of.u32_mut()[t * k..][..k];
        experts.fill(NONE);
        for j in 0..n {
            let last = dims.experts - (n - j) as u32;
            let drawn = rng::hash_u32(seed, 0, dims.step, *draw, rng::THOR_LANE + j as u32) % (last + 1);
            experts[j] = if experts[..j].contains(&drawn) { last } else { drawn };
        }
        let chosen = &mut chosen.f32_mut()[t * columns..][..columns];
        let logit = router.f32()[t * dims.stride as usize + dims.gate_at as usize];
        chosen[..n].fill(1.0 / n as f32);
        chosen[n..k].fill(0.0);
        chosen[k..].fill(if call.constants.on("SHARED_GATE") { sigmoid(logit) } else { 1.0 });
    }
}
