//! Logits with noise.

use super::noisy::{GUMBEL, LEARNED, learned_width};
use super::route::finite;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// `h = c + width · z`, or `h = (c + z) / temperature`; the logits `c` are kept.
///
/// - 1 `noise`: `f32[T, E + branches]`, `z`
/// - 2 `router`: `f32[2, T, stride]`, the first half: logits, which get their noise, then what learned widths come from
/// - 3 `clean`: `f32[T, E + branches]`
///
/// # Source
/// Shazeer et al. 2017, section 2.1; noise of fixed width: Riquelme et al. 2021 (V-MoE), appendix A; with a
/// temperature: Nie et al. 2021.
pub static NOISY_LOGITS: Kernel = Kernel {
    name: "noisy_logits",
    source: include_str!("../../shaders/noisy_logits.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR, &shader::FINITE, &shader::NOISY],
    product: None,
    bindings: &[Read, Write, Write],
    constants: &["NOISE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [noise, router, clean] = bound(slices);
    let dims = call.dims;
    let (tokens, count, stride) = (dims.tokens as usize, dims.logits as usize, dims.stride as usize);
    let kind = call.constants.get("NOISE");
    for t in 0..tokens {
        let (logits, raw) = router.f32_mut()[t * stride..][..stride].split_at_mut(count);
        for e in 0..count {
            let c = finite(logits[e]);
            let z = noise.f32()[t * count + e];
            clean.f32_mut()[t * count + e] = c;
            logits[e] = finite(match kind {
                GUMBEL => (c + z) / dims.temperature,
                LEARNED => c + learned_width(dims, raw[e]) * z,
                _ => c + dims.noise * z,
            });
        }
    }
}
