//! Advantages.

use super::{Access::*, Call, DROPPED, Kernel, Slice, bound};
use crate::shader;

const EPSILON: f32 = 1e-8;

/// How much better each token fared than expected; 0 for those that were turned away.
///
/// - 1 `reward`: `f32[T]`, 2 `placement`: `u32[T, columns, 2]`, 3 logits, then the linear baseline: `f32[2, T, stride]`
/// - 4 `memory`: `f32[4]`, 5 `advantage`: `f32[T, 2]`, the second without the batch's normalisation
///
/// # Source
/// Williams 1992 (REINFORCE with a baseline).
pub static ADVANTAGE: Kernel = Kernel {
    name: "advantage",
    source: include_str!("../../shaders/advantage.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Write, Write],
    constants: &["BASELINE", "NORMALIZE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [reward, placement, router, memory, advantage] = bound(slices);
    let (dims, baseline) = (call.dims, call.constants.get("BASELINE"));
    let (tokens, columns, stride) = (dims.tokens as usize, dims.columns as usize, dims.stride as usize);
    let (memory, advantage) = (memory.f32_mut(), advantage.f32_mut());
    let served: Vec<usize> = (0..tokens).filter(|t| placement.u32()[2 * t * columns + 1] != DROPPED).collect();
    let expected = |t: usize| match baseline {
        1 if memory[1] > 0.0 => memory[0] / memory[1],
        2 => router.f32()[t * stride + dims.experts as usize],
        _ => 0.0,
    };
    let over = |sum: f32| sum / served.len().max(1) as f32;
    let apart: Vec<f32> = served.iter().map(|t| reward.f32()[*t] - expected(*t)).collect();
    let mean_reward = over(served.iter().map(|t| reward.f32()[*t]).sum());
    let mean = over(apart.iter().sum());
    let deviation = over(apart.iter().map(|a| (a - mean) * (a - mean)).sum()).sqrt() + EPSILON;
    advantage[..2 * tokens].fill(0.0);
    for (t, apart) in served.iter().zip(&apart) {
        let normal = if call.constants.on("NORMALIZE") { (apart - mean) / deviation } else { *apart };
        advantage[2 * t..][..2].copy_from_slice(&[normal, *apart]);
    }
    if baseline == 1 && !served.is_empty() {
        memory[0] = dims.decay * memory[0] + (1.0 - dims.decay) * mean_reward;
        memory[1] = dims.decay * memory[1] + (1.0 - dims.decay);
    }
}
