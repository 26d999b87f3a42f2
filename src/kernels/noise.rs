//! Random numbers for logits.

use super::gumbel::gumbel;
use super::normal::quantile;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::rng::{NOISE_LANE, open_uniform_f32};
use crate::shader;

/// A random number for every logit: standard normal, or Gumbel.
///
/// - 1 `noise`: `f32[T, E + branches]`
pub static NOISE: Kernel = Kernel {
    name: "noise",
    source: include_str!("../../shaders/noise.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR, &shader::RNG, &shader::NORMAL, &shader::GUMBEL],
    product: None,
    bindings: &[Write],
    constants: &["GUMBEL"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [noise] = bound(slices);
    let (tokens, logits) = (call.dims.tokens as usize, call.dims.logits as usize);
    let seed = u64::from(call.dims.seed_hi) << 32 | u64::from(call.dims.seed_lo);
    for (i, z) in noise.f32_mut()[..tokens * logits].iter_mut().enumerate() {
        let (token, lane) = ((i / logits) as u32, NOISE_LANE + (i % logits) as u32);
        *z = match call.constants.on("GUMBEL") {
            true => gumbel(call.dims, token, lane),
            false => quantile(open_uniform_f32(seed, 0, call.dims.step, token, lane)),
        };
    }
}
