//! Means of rewards.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Adds new pulls and their rewards to what is known of `length` arms.
///
/// - 1 `earned`: `f32[2, length]`, new pulls and the sums of their rewards, 2 `arms`: `f32[2, length]`, pulls and mean rewards
///
/// # Source
/// Sutton and Barto 2018, section 2.4: a mean, kept as rewards come.
pub static AVERAGE: Kernel = Kernel {
    name: "average",
    source: include_str!("../../shaders/average.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR],
    product: None,
    bindings: &[Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [earned, arms] = bound(slices);
    let length = call.dims.length as usize;
    let (new, sums) = earned.f32().split_at(length);
    let (pulls, means) = arms.f32_mut().split_at_mut(length);
    for arm in (0..length).filter(|arm| new[*arm] != 0.0) {
        pulls[arm] += new[arm];
        means[arm] += (sums[arm] - new[arm] * means[arm]) / pulls[arm];
    }
}
