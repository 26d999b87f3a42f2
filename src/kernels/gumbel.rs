//! Twin of `shaders/shared/gumbel.wgsl`.

use super::Dims;
use crate::rng::open_uniform_f32;

/// A number of the standard Gumbel distribution.
pub(super) fn gumbel(dims: &Dims, token: u32, lane: u32) -> f32 {
    let seed = u64::from(dims.seed_hi) << 32 | u64::from(dims.seed_lo);
    -(-open_uniform_f32(seed, 0, dims.step, token, lane).ln()).ln()
}
