//! Gradients of weights and biases.

use super::input_noise::noisy;
use super::matmul::{Matrix, matmul_within};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader::{self, Product};

/// `d_w[e, m, n] = Σ_r a[r, m]·c[r, n]` and `d_bias[e, m] = Σ_r a[r, m]` over the rows of each expert.
///
/// - 1 `a`: `f32[rows, m]`, 2 `c`: `f32[rows, n]`, or `f32[T, n]` with GATHER, 3 `held`: `u32[rows]`, 4 `offsets`: `u32[E + units + 1]`
/// - 5 `d_w`: `f32[experts + units, m, n]`, 6 `d_bias`: `f32[experts + units, m]`, 7 `widths`: `u32[experts + units]`
///
/// GROUPED is 1 where the hidden units are the rows `m`, 2 where they are the columns `n`: beyond an expert's width nothing is
/// written. Without it there is one expert whose rows are the `T` tokens: the router.
pub static WEIGHT_GRADIENT: Kernel = Kernel {
    name: "weight_gradient",
    source: include_str!("../../shaders/weight_gradient.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG, &shader::INPUT_NOISE],
    product: Some(Product::Tn),
    bindings: &[Read, Read, Read, Read, Write, Write, Read],
    constants: &["GATHER", "GROUPED", "JITTER", "DROPOUT"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [a, c, held, offsets, d_w, d_bias, widths] = bound(slices);
    let (m, n) = (4 * call.dims.m4 as usize, 4 * call.dims.n4 as usize);
    let noisy = noisy(call, c.f32());
    let c = noisy.as_deref().unwrap_or(c.f32());
    let mut gathered = Vec::new();
    for e in 0..call.grid[2] as usize {
        let (identities, hidden) = (call.dims.identities as usize, 4 * call.dims.hidden4 as usize);
        let at = if e + identities < call.dims.experts as usize { e } else { e + identities };
        let rows_of = |at: usize| offsets.u32()[at] as usize..offsets.u32()[at + 1] as usize;
        let width = || 4 * widths.u32()[e] as usize;
        let (of, m_own, n_own) = match call.constants.get("GROUPED") {
            0 => (0..call.dims.tokens as usize, m, n),
            1 => (rows_of(at), width() * (m / hidden), n),
            _ => (rows_of(at), m, width()),
        };
        let (first, end) = (of.start, of.end);
        let rows = &a.f32()[first * m..end * m];
        let b = if call.constants.on("GATHER") {
            gathered.clear();
            for at in &held.u32()[first..end] {
                gathered.extend_from_slice(&c[(at / call.dims.columns) as usize * n..][..n]);
            }
            &gathered[..]
        } else {
            &c[first * n..end * n]
        };
        let (a, b) = (Matrix { data: rows, row: 1, column: m }, Matrix { data: b, row: n, column: 1 });
        matmul_within(&mut d_w.f32_mut()[e * m * n..][..m * n], n, [m_own, n_own, end - first], a, b);
        let d_bias = &mut d_bias.f32_mut()[e * m..][..m_own];
        d_bias.fill(0.0);
        rows.chunks_exact(m).for_each(|row| d_bias.iter_mut().zip(row).for_each(|(b, r)| *b += r));
    }
}
