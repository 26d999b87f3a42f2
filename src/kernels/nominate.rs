//! The tokens' nominations, and the experts' keys.

use super::pairs::{OPEN, is_open, sortable};
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// Which experts each token names, and the keys by which experts rank tokens.
///
/// - 1 logits and scores: `f32[2, T, stride]`, 2 `counts`: `u32[G, 1, E]`
/// - 3 `pairs`: `u32[T, E]`, 4 `keys`: `u32[T, E]`, 5 `moved`: `u32[exchanges, N, N]`
pub static NOMINATE: Kernel = Kernel {
    name: "nominate",
    source: include_str!("../../shaders/nominate.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR, &shader::PAIRS],
    product: None,
    bindings: &[Read, Read, Write, Write, Write],
    constants: &["KEY", "RANKED", "COUNTED", "AGAIN"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, counts, pairs, keys, moved] = bound(slices);
    let dims = call.dims;
    let (experts, stride, tokens) = (dims.experts as usize, dims.stride as usize, dims.tokens as usize);
    let (logits, scores) = router.f32().split_at(tokens * stride);
    let (key, again, ranked) = (call.constants.get("KEY"), call.constants.get("AGAIN"), call.constants.on("RANKED"));
    let (pairs, keys, moved) = (pairs.u32_mut(), keys.u32_mut(), moved.u32_mut());
    let of_device = |all: u32| (all / dims.devices) as usize;
    let counters = dims.counter_base as usize;
    let mut ranks = vec![0; experts];
    for t in 0..tokens {
        let (logits, scores) = (&logits[t * stride..][..experts], &scores[t * stride..][..experts]);
        let room = |e: usize| key != 3 || counts.u32()[t / dims.group_tokens as usize * experts + e] < dims.slots;
        let mut order: Vec<usize> = (0..experts).collect();
        if ranked {
            order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        }
        order.iter().enumerate().for_each(|(rank, e)| ranks[*e] = rank as u32);
        let best = |without: usize| {
            let others = (0..experts).filter(|o| *o != without && room(*o));
            others
                .map(|o| (o, scores[o]))
                .fold((experts, 0.0), |best, other| if other.1 > best.1 { other } else { best })
        };
        // of the others the best is the best of all, but for itself
        let first = best(experts);
        let second = if key == 2 || key == 3 { best(first.0) } else { first };
        for e in 0..experts {
            let at = t * experts + e;
            if again == 2 && !is_open(pairs[at]) {
                continue;
            }
            keys[at] = sortable(match key {
                0 => scores[e],
                1 => logits[e],
                4 => 0.0,
                _ => scores[e] - if e == first.0 { second.1 } else { first.1 },
            });
            if again == 0 {
                let named = (!ranked || ranks[e] < dims.nominees) && scores[e] >= dims.threshold;
                let rank = if ranked { ranks[e] } else { 0 };
                pairs[at] = if named { OPEN + rank } else { NONE };
                if named && call.constants.on("COUNTED") {
                    let (home, away) = (t / of_device(dims.tokens), e / of_device(dims.experts));
                    moved[counters + home * dims.devices as usize + away] += 1;
                }
            }
        }
    }
}
