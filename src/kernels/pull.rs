//! Arms that are pulled.

use super::activation::sigmoid;
use super::normal::quantile;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::{rng, shader};

/// The expert that every token pulls, by what is known of the experts for tokens of its id.
///
/// - 1 `labels`: `u32[2, T]`, of which the ids, 2 `arms`: `f32[2, vocabulary, E]`, 3 logits: `f32[2, T, stride]`
/// - 4 `expert_of`: `u32[T, 1]`, 5 `chosen`: `f32[T, columns]`, 6 `stats`: `f32[T, 4]`
///
/// # Source
/// Auer et al. 2002 (UCB1); Thompson 1933, for normal rewards: Russo et al. 2018, "A Tutorial on Thompson Sampling", section 4.
pub static PULL: Kernel = Kernel {
    name: "pull",
    source: include_str!("../../shaders/pull.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG, &shader::NORMAL],
    product: None,
    bindings: &[Read, Read, Read, Write, Write, Write],
    constants: &["EXPLORE", "SHARED_GATE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [labels, arms, router, expert_of, chosen, stats] = bound(slices);
    let (dims, explore) = (call.dims, call.constants.get("EXPLORE"));
    let (experts, columns) = (dims.experts as usize, dims.columns as usize);
    let (pulls, means) = arms.f32().split_at(dims.vocabulary as usize * experts);
    let seed = u64::from(dims.seed_hi) << 32 | u64::from(dims.seed_lo);
    for (at, token) in (0..dims.tokens as usize).zip(0..) {
        let first = labels.u32()[at] as usize * experts;
        let (pulls, means) = (&pulls[first..][..experts], &means[first..][..experts]);
        let log_all = pulls.iter().sum::<f32>().ln().max(0.0);
        let key = |e: usize| {
            let (n, mean, prior) = (pulls[e], means[e], dims.prior_weight);
            let expected =
                if n == 0.0 { dims.prior_mean } else { mean + prior / (prior + n) * (dims.prior_mean - mean) };
            match explore {
                2 if n == 0.0 => f32::MAX,
                2 => expected + dims.exploration * (log_all / n).sqrt(),
                3 => {
                    let p = rng::open_uniform_f32(seed, 0, dims.step, token, rng::NOISE_LANE + e as u32);
                    expected + dims.noise / (prior + n).sqrt() * quantile(p)
                }
                _ => expected,
            }
        };
        let (mut pulled, mut best) = (0, f32::MIN);
        for e in 0..experts {
            let key = key(e);
            if key > best {
                (pulled, best) = (e as u32, key);
            }
        }
        if explore == 1 && rng::uniform_f32(seed, 0, dims.step, token, rng::EXPLORE_LANE) < dims.epsilon {
            pulled = rng::hash_u32(seed, 0, dims.step, token, rng::THOR_LANE) % dims.experts;
        }
        expert_of.u32_mut()[at] = pulled;
        stats.f32_mut()[4 * at..][..4].fill(0.0);
        let chosen = &mut chosen.f32_mut()[at * columns..][..columns];
        let logit = router.f32()[at * dims.stride as usize + dims.gate_at as usize];
        chosen[0] = 1.0;
        chosen[1..].fill(if call.constants.on("SHARED_GATE") { sigmoid(logit) } else { 1.0 });
    }
}
