//! What a token makes of the experts beside its first choice.

use super::activation::exp;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// The logarithm of the sum of exponentials of every token's logits but that of its first choice.
///
/// - 1 logits and scores: `f32[2, T, stride]`, 2 `expert_of`: `u32[T, k]`
/// - 3 `stats`: `f32[T, 4]`, of which the last is written
///
/// # Source
/// Mesh TensorFlow, top-2 gating: the gates without the first, divided by their sum.
pub static OTHERS: Kernel = Kernel {
    name: "others",
    source: include_str!("../../shaders/others.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, expert_of, stats] = bound(slices);
    let dims = call.dims;
    let rows = router.f32().chunks_exact(dims.stride as usize).zip(stats.f32_mut().chunks_exact_mut(4));
    for (t, (row, stats)) in rows.take(dims.tokens as usize).enumerate() {
        let first = expert_of.u32()[t * dims.choices as usize] as usize;
        let others = || row[..dims.experts as usize].iter().enumerate().filter(|(e, _)| *e != first).map(|(_, h)| *h);
        let largest = others().fold(f32::MIN, f32::max);
        stats[3] = largest + others().map(|h| exp(h - largest)).sum::<f32>().ln();
    }
}
