//! Backward of a policy.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// The gradient by the logits of `−mean A·ln π(a) − β·mean H(π)`, added to that of the auxiliary losses.
///
/// - 1 `z = h / τ` and `π`: `f32[2, T, stride]`, 2 `stats`: `f32[T, 4]`, 3 `expert_of`: `u32[T, 1]`, 4 `advantage`: `f32[T, 2]`
/// - 5 `d_logits`: `f32[T, stride]`, by `z` in and by the logits out, 6 `d_input_logits`: the same, as far as it goes on to the
///   layer's input
///
/// # Source
/// Williams 1992 (REINFORCE).
pub static POLICY_BACKWARD: Kernel = Kernel {
    name: "policy_backward",
    source: include_str!("../../shaders/policy_backward.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Read, Write, Write],
    constants: &["BASELINE", "STOP"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, stats, expert_of, advantage, d_logits, d_input_logits] = bound(slices);
    let dims = call.dims;
    let (tokens, experts, stride) = (dims.tokens as usize, dims.experts as usize, dims.stride as usize);
    let (logits, scores) = router.f32().split_at(tokens * stride);
    for t in 0..tokens {
        let (z, p) = (&logits[t * stride..][..experts], &scores[t * stride..][..experts]);
        let (lse, of_mean) = (stats.f32()[4 * t], dims.tokens as f32);
        let [normal, apart] = [0, 1].map(|i| advantage.f32()[2 * t + i] / of_mean);
        let d_logits = &mut d_logits.f32_mut()[t * stride..][..stride];
        let d_input = &mut d_input_logits.f32_mut()[t * stride..][..stride];
        // as far as π is not 0 anyway
        let log_policy = |z: f32| (z - lse).max(-1000.0);
        let entropy: f32 = -p.iter().zip(z).map(|(p, z)| p * log_policy(*z)).sum::<f32>();
        for e in 0..experts {
            let acted = f32::from(e == expert_of.u32()[t] as usize);
            let mixed = dims.entropy / of_mean * p[e] * (log_policy(z[e]) + entropy);
            d_logits[e] = (d_logits[e] + normal * (p[e] - acted) + mixed) / dims.temperature;
        }
        if call.constants.get("BASELINE") == 2 {
            d_logits[experts] = -2.0 * apart;
        }
        let gate = dims.gate_at as usize;
        d_input.copy_from_slice(d_logits);
        d_input[if call.constants.on("STOP") { 0 } else { experts }..gate].fill(0.0);
    }
}
