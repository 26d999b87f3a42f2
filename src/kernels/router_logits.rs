//! The router's logits.

use super::matmul::{Matrix, matmul};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::rng;
use crate::shader::{self, Product};

/// `h[t, e] = x[t]·router[e] + bias[e]`.
///
/// - 1 `x`: `f32[T, d]`, 2 `router`: `f32[stride, d]`, 3 `bias`: `f32[stride]`
/// - 4 logits and scores: `f32[2, T, stride]`, the first half written
pub static ROUTER_LOGITS: Kernel = Kernel {
    name: "router_logits",
    source: include_str!("../../shaders/router_logits.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG, &shader::JITTER],
    product: Some(Product::Nt),
    bindings: &[Read, Read, Read, Write],
    constants: &["JITTER"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [x, b, bias, router] = bound(slices);
    let (t, stride, d) = (call.dims.tokens as usize, call.dims.stride as usize, 4 * call.dims.d4 as usize);
    let jittered = call.constants.on("JITTER").then(|| jittered(call.dims, x.f32()));
    let x = jittered.as_deref().unwrap_or(x.f32());
    let logits = &mut router.f32_mut()[..t * stride];
    let a = Matrix { data: x, row: d, column: 1 };
    matmul(logits, [t, stride, d], a, Matrix { data: b.f32(), row: 1, column: d });
    for row in logits.chunks_exact_mut(stride) {
        for (h, b) in row.iter_mut().zip(bias.f32()) {
            *h += b;
        }
    }
}

/// `x` times the jitter's factors (`shaders/shared/jitter.wgsl`).
pub(super) fn jittered(dims: &super::Dims, x: &[f32]) -> Vec<f32> {
    let d = 4 * dims.d4 as usize;
    let factor = |i: usize| jitter_factor(dims, (i / d) as u32, (i % d) as u32);
    x.iter().enumerate().map(|(i, x)| x * factor(i)).collect()
}

/// Factor of element `i` of `token`.
pub(super) fn jitter_factor(dims: &super::Dims, token: u32, i: u32) -> f32 {
    let seed = u64::from(dims.seed_hi) << 32 | u64::from(dims.seed_lo);
    let u = rng::uniform_f32(seed, 0, dims.step, token, rng::JITTER_LANE + i);
    1.0 + dims.jitter * (2.0 * u - 1.0)
}
