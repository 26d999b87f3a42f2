//! Stochastic gradient descent.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// `weights −= learning_rate · gradient` over `length` elements.
///
/// - 1 `gradient`: `f32[length]`, 2 `weights`: `f32[length]`
pub static SGD: Kernel = Kernel {
    name: "sgd",
    source: include_str!("../../shaders/sgd.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR],
    product: None,
    bindings: &[Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [gradient, weights] = bound(slices);
    let n = call.dims.length as usize;
    for (w, g) in weights.f32_mut()[..n].iter_mut().zip(gradient.f32()) {
        *w -= call.dims.learning_rate * g;
    }
}
