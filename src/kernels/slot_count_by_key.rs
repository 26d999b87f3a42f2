//! Places of assignments within groups, by priority.

use super::pairs::sortable;
use super::{Access::*, Call, DECLINED, Kernel, Slice, bound};
use crate::{rng, shader};

/// Place of every assignment among those of its expert in its group, served by batch priority, weight or in random order.
///
/// - 1 `expert_of`: `u32[T, k]`, 2 `chosen`: `f32[T, columns]`, 3 `stats`: `f32[T, 4]`
/// - 4 `place_in_block`: `u32[T, k]`, 5 `counts`: `u32[G, 1, E]`, cleared by the caller
///
/// # Source
/// Riquelme et al. 2021 (batch priority); random token selection as DeepSpeed does it; by weight as Megatron's `probs` policy.
pub static SLOT_COUNT_BY_KEY: Kernel = Kernel {
    name: "slot_count_by_key",
    source: include_str!("../../shaders/slot_count_by_key.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG],
    product: None,
    bindings: &[Read, Read, Read, Write, Write],
    constants: &["PRIORITY", "BY_TOKEN", "PRE_DROP"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [expert_of, chosen, stats, place, counts] = bound(slices);
    let (s, k, experts) = (call.dims.group_tokens as usize, call.dims.choices as usize, call.dims.experts as usize);
    let (columns, chosen, stats) = (call.dims.columns as usize, chosen.f32(), stats.f32());
    let seed = u64::from(call.dims.seed_hi) << 32 | u64::from(call.dims.seed_lo);
    let by_token = call.constants.on("BY_TOKEN");
    let weight = |t: usize, j: usize| {
        let all = &chosen[t * columns..][..k];
        let sum = if call.constants.on("PRE_DROP") { all.iter().sum() } else { 1.0 };
        if sum > 0.0 { all[j] / sum } else { 0.0 }
    };
    for g in 0..call.dims.groups as usize {
        // smaller keys are served first; a float descends, so its order-preserving bits are inverted
        let mut order: Vec<([u32; 3], usize)> = (g * s * k..(g + 1) * s * k)
            .map(|a| {
                let (t, j) = (a / k, a % k);
                let key = match call.constants.get("PRIORITY") {
                    1 => !sortable(stats[4 * t + 1]),
                    2 => !sortable(weight(t, j)),
                    _ => rng::hash_u32(seed, 0, call.dims.step, t as u32, rng::PRIORITY_LANE),
                };
                let rank = if call.constants.get("PRIORITY") == 2 || by_token { 0 } else { j as u32 };
                ([rank, key, t as u32], a)
            })
            .collect();
        order.sort_by_key(|o| o.0);
        for (_, a) in order.into_iter().filter(|(_, a)| expert_of.u32()[*a] < DECLINED) {
            let count = &mut counts.u32_mut()[g * experts + expert_of.u32()[a] as usize];
            place.u32_mut()[a] = *count;
            *count += 1;
        }
    }
}
