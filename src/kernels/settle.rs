//! The tokens' turn.

use super::grids::write_grid;
use super::pairs::{is_held, is_open, sortable};
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// Each token that more than `k` experts have keeps the `k` of the largest logits, or scores, equal ones by number, and leaves the
/// others.
///
/// - 1 logits and scores: `f32[2, T, stride]`
/// - 2 `pairs`: `u32[T, E]`, 3 `counts`: `u32[G, 1, E]`, 4 `progress`: `u32[G, 4]`
/// - 5 `grids`: `u32[rounds + 1, 2, 4]`, of `choose` and `settle` by round
///
/// # Source
/// Gale and Shapley 1962.
pub static SETTLE: Kernel = Kernel {
    name: "settle",
    source: include_str!("../../shaders/settle.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS, &shader::GRIDS],
    product: None,
    bindings: &[Read, Write, Write, Write, Write],
    constants: &["FINAL", "BY_SCORE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, pairs, counts, progress, grids] = bound(slices);
    let (dims, finality, round) = (call.dims, call.constants.get("FINAL"), call.dims.iteration);
    let (experts, k) = (dims.experts as usize, dims.choices as usize);
    for (t, pairs) in pairs.u32_mut().chunks_exact_mut(experts).take(dims.tokens as usize).enumerate() {
        let g = t / dims.group_tokens as usize;
        if finality != 2 && round > 0 && progress.u32()[4 * g + ((round + 1) & 1) as usize] == 0 {
            continue;
        }
        let row = if call.constants.on("BY_SCORE") { dims.tokens as usize + t } else { t };
        let logits = &router.f32()[row * dims.stride as usize..][..experts];
        let mut held: Vec<usize> = (0..experts).filter(|e| is_held(pairs[*e])).collect();
        if held.len() < k {
            continue;
        }
        let rank = |e: usize| (!sortable(logits[e]), e);
        held.sort_by_key(|e| rank(*e));
        for e in held.drain(k..) {
            pairs[e] = NONE;
            counts.u32_mut()[g * experts + e] -= 1;
            progress.u32_mut()[4 * g + (round & 1) as usize] += 1;
            write_grid(grids.u32_mut(), 2 * (round + 1), dims.experts, dims.groups);
            write_grid(grids.u32_mut(), 2 * (round + 1) + 1, dims.tokens.div_ceil(64), 1);
        }
        let worst = rank(held[k - 1]);
        for (e, pair) in pairs.iter_mut().enumerate().filter(|(_, pair)| is_open(**pair)) {
            if finality == 2 || finality == 1 && rank(e) > worst {
                *pair = NONE;
            }
        }
    }
}
