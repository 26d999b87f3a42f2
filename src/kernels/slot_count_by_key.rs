//! Places of assignments within groups, by priority.

use super::pairs::sortable;
use super::sort::sort_lines;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::{rng, shader};

/// Place of every assignment among those of its expert in its group, served by batch priority, weight or in random order.
///
/// - 1 `expert_of`: `u32[T, k]`, 2 `chosen`: `f32[T, columns]`, 3 `stats`: `f32[T, 4]`
/// - 4 `place_in_block`: `u32[T, k]`, 5 `counts`: `u32[G, 1, E]`
/// - 6 `lines`: `u32[2, T·k]`, scratch
///
/// # Source
/// Riquelme et al. 2021 (batch priority); random token selection as DeepSpeed does it; by weight as Megatron's `probs` policy.
pub static SLOT_COUNT_BY_KEY: Kernel = Kernel {
    name: "slot_count_by_key",
    source: include_str!("../../shaders/slot_count_by_key.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG, &shader::SORT],
    product: None,
    bindings: &[Read, Read, Read, Write, Write, Write],
    constants: &["PRIORITY", "BY_TOKEN", "PRE_DROP"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [expert_of, chosen, stats, place, counts, lines] = bound(slices);
    let (s, k, experts) = (call.dims.group_tokens as usize, call.dims.choices as usize, call.dims.experts as usize);
    let (columns, chosen, stats) = (call.dims.columns as usize, chosen.f32(), stats.f32());
    let seed = u64::from(call.dims.seed_hi) << 32 | u64::from(call.dims.seed_lo);
    let by_token = call.constants.on("BY_TOKEN");
    let weight = |t: usize, j: usize| {
        let all = &chosen[t * columns..][..k];
        let sum = if call.constants.on("PRE_DROP") { all.iter().sum() } else { 1.0 };
        if sum > 0.0 { all[j] / sum } else { 0.0 }
    };
    // smaller keys are served first; a float descends, so its order-preserving bits are inverted
    let key = |a: usize| match call.constants.get("PRIORITY") {
        1 => !sortable(stats[4 * (a / k) + 1]),
        2 => !sortable(weight(a / k, a % k)),
        _ => rng::hash_u32(seed, 0, call.dims.step, (a / k) as u32, rng::PRIORITY_LANE),
    };
    let keys: Vec<u32> = (0..call.dims.groups as usize * s * k).map(key).collect();
    // choices count unless they are served by weight, or token by token
    let ranked = call.constants.get("PRIORITY") != 2 && !by_token;
    let passes = 8 + if ranked { (35 - (k as u32 - 1).leading_zeros()) / 4 } else { 0 };
    let (even, odd) = lines.u32_mut().split_at_mut(keys.len());
    let mut end = 0;
    for here in 0..call.dims.groups as usize * experts {
        let (g, e) = (here / experts, here % experts);
        let begin = if e == 0 { g * s * k } else { end };
        end = begin;
        for a in (g * s * k..(g + 1) * s * k).filter(|a| expert_of.u32()[*a] == e as u32) {
            even[end] = a as u32;
            end += 1;
        }
        let (line, other) = (&mut even[begin..end], &mut odd[begin..end]);
        sort_lines(line, other, passes, |a, pass| match pass {
            0..8 => keys[a as usize] >> (4 * pass) & 15,
            _ => (a % k as u32) >> (4 * (pass - 8)) & 15,
        });
        let sorted = if passes.is_multiple_of(2) { line } else { other };
        sorted.iter().zip(0..).for_each(|(a, slot)| place.u32_mut()[*a as usize] = slot);
        counts.u32_mut()[here] = (end - begin) as u32;
    }
}
