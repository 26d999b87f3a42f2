//! Scores and the stable top-k on two levels.

use super::activation::{exp, sigmoid};
use super::branches::{Softmax, branch_size, choices_to_make};
use super::route::{best_first, finite};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// In place of [`ROUTE`](super::ROUTE) where experts are in branches: each token's best branches, and its best experts in each. A
/// choice weighs its share among the chosen experts of its branch, times the branch's share among the chosen branches; its score is
/// the same product with all of them.
///
/// - 1 logits and scores: `f32[2, T, stride]`
/// - 2 `expert_of`: `u32[T, k]`, those of the best branch first, 3 `chosen`: `f32[T, columns]`, 4 `stats`: `f32[T, 4]`
///
/// # Source
/// Shazeer et al. 2017, appendix B.
pub static ROUTE_BRANCHES: Kernel = Kernel {
    name: "route_branches",
    source: include_str!("../../shaders/route_branches.wgsl"),
    parts: &[&shader::DIMS, &shader::FINITE, &shader::BRANCHES],
    product: None,
    bindings: &[Write, Write, Write, Write],
    constants: &["SHARED_GATE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, expert_of, chosen, stats] = bound(slices);
    let dims = call.dims;
    let (tokens, experts, k) = (dims.tokens as usize, dims.experts as usize, dims.choices as usize);
    let (stride, columns, size) = (dims.stride as usize, dims.columns as usize, branch_size(dims));
    let branch_choices = dims.branch_choices as usize;
    let (logits, scores) = router.f32_mut().split_at_mut(tokens * stride);
    for t in 0..tokens {
        let row = &mut logits[t * stride..][..stride];
        row[..dims.logits as usize].iter_mut().for_each(|h| *h = finite(*h));
        let (h, rest) = row.split_at(experts);
        let branches = &rest[..dims.branches as usize];
        let s = &mut scores[t * stride..][..experts];

        let of_branches = Softmax::of(branches);
        let mut squares = if branches.len() > 1 { of_branches.logsumexp().powi(2) } else { 0.0 };
        for ((s, h), branch) in s.chunks_exact_mut(size).zip(h.chunks_exact(size)).zip(branches) {
            let inside = Softmax::of(h);
            squares += if size > 1 { inside.logsumexp().powi(2) } else { 0.0 };
            s.iter_mut().zip(h).for_each(|(s, h)| *s = of_branches.share(*branch) * inside.share(*h));
        }
        let lse = (squares / choices_to_make(dims).max(1.0)).sqrt();
        let best = s.iter().copied().fold(0.0, f32::max);
        stats.f32_mut()[4 * t..][..4].copy_from_slice(&[lse, best, s.iter().sum(), 0.0]);

        let chosen = &mut chosen.f32_mut()[t * columns..][..columns];
        let per_branch = k / branch_choices;
        let places = expert_of.u32_mut()[t * k..][..k].chunks_exact_mut(per_branch);
        let mut over = 0.0;
        for ((branch, places), chosen) in
            best_first_of(branches, branch_choices).into_iter().zip(places).zip(chosen.chunks_exact_mut(per_branch))
        {
            let of_branch = exp(branches[branch as usize] - of_branches.largest);
            over += of_branch;
            let first = branch as usize * size;
            let best = best_first_of(&h[first..][..size], per_branch);
            let largest = h[first + best[0] as usize];
            for ((place, chosen), e) in places.iter_mut().zip(&mut *chosen).zip(&best) {
                *place = first as u32 + e;
                *chosen = exp(h[*place as usize] - largest);
            }
            let sum: f32 = chosen.iter().sum();
            chosen.iter_mut().for_each(|c| *c *= of_branch / sum);
        }
        chosen[..k].iter_mut().for_each(|c| *c /= over);
        chosen[k..].fill(if call.constants.on("SHARED_GATE") {
            sigmoid(finite(rest[dims.gate_at as usize - experts]))
        } else {
            1.0
        });
    }
}

/// The `n` largest of some logits, the largest first, equal ones by number.
fn best_first_of(logits: &[f32], n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    best_first(&mut order, logits, n);
    order.truncate(n);
    order
}
