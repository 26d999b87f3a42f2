//! The router's logits.

use super::input_noise::noisy;
use super::matmul::{Matrix, matmul};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader::{self, Product};

/// `h[t, e] = x[t]·router[e] + bias[e]`.
///
/// - 1 `x`: `f32[T, d]`, 2 `router`: `f32[stride, d]`, 3 `bias`: `f32[stride]`
/// - 4 logits and scores: `f32[2, T, stride]`, the first half written
pub static ROUTER_LOGITS: Kernel = Kernel {
    name: "router_logits",
    source: include_str!("../../shaders/router_logits.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG, &shader::INPUT_NOISE],
    product: Some(Product::Nt),
    bindings: &[Read, Read, Read, Write],
    constants: &["JITTER", "DROPOUT"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [x, b, bias, router] = bound(slices);
    let (t, stride, d) = (call.dims.tokens as usize, call.dims.stride as usize, 4 * call.dims.d4 as usize);
    let noisy = noisy(call, x.f32());
    let x = noisy.as_deref().unwrap_or(x.f32());
    let logits = &mut router.f32_mut()[..t * stride];
    let a = Matrix { data: x, row: d, column: 1 };
    matmul(logits, [t, stride, d], a, Matrix { data: b.f32(), row: 1, column: d });
    for row in logits.chunks_exact_mut(stride) {
        for (h, b) in row.iter_mut().zip(bias.f32()) {
            *h += b;
        }
    }
}
