//! Thresholds after a batch.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;
use crate::weights::NO_THRESHOLD;

/// Thresholds after a batch: each moves towards the key of the last token that its expert would have taken.
///
/// - 1 `last_keys`: `f32[G, E]`
/// - 2 `thresholds`: `f32[E]`
pub static FOLLOW: Kernel = Kernel {
    name: "follow",
    source: include_str!("../../shaders/follow.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [last_keys, thresholds] = bound(slices);
    let (dims, experts) = (call.dims, call.dims.experts as usize);
    for (e, threshold) in thresholds.f32_mut()[..experts].iter_mut().enumerate() {
        let of_groups = last_keys.f32()[..dims.groups as usize * experts].iter().skip(e).step_by(experts);
        let mean = of_groups.fold(0.0, |mean, key| mean + key / dims.groups as f32);
        *threshold =
            if *threshold == NO_THRESHOLD { mean } else { *threshold + (1.0 - dims.decay) * (mean - *threshold) };
    }
}
