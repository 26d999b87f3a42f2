//! The experts' first product.

use super::activation::activate;
use super::matmul::{Matrix, matmul_within};
use super::{Access::*, Call, Kernel, Run, Slice, bound, experts_of_tiles};
use crate::shader::{self, Product};

/// `u = x·w1ᵀ + b1`; `hidden = act(u)`, or `act(u) ⊙ (x·w3ᵀ + b3)` if GATED.
///
/// - 1 `x`: `f32[T, d]`, or `f32[rows, d]` without GATHER, 2 `held`: `u32[rows]`, 3 weights: `f32[experts + units, F | 2F, d]`,
///   4 `bias`: `f32[experts + units, F | 2F]`, 5 `tiles`: `u32[tiles, 4]`
/// - 6 `hidden`: `f32[rows, F]`, 7 `before`: `f32[rows, F | 2F]`, written with KEEP
///
/// With GATED the weights alternate four rows of w1 with four of w3. Columns beyond an expert's width stay as they are.
pub static EXPERT_IN: Kernel = Kernel {
    name: "expert_in",
    source: include_str!("../../shaders/expert_in.wgsl"),
    parts: &[&shader::DIMS, &shader::ACTIVATION],
    product: Some(Product::Nt),
    bindings: &[Read, Read, Read, Read, Read, Write, Write],
    constants: &["GATHER", "GATED", "BIAS", "KEEP", "ACTIVATION"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [x, held, weights, bias, tiles, hidden, before] = bound(slices);
    let (d, n, f) = (4 * call.dims.k4 as usize, 4 * call.dims.n4 as usize, 4 * call.dims.hidden4 as usize);
    let on = |name| call.constants.on(name);
    let kind = call.constants.get("ACTIVATION");
    let (mut gathered, mut scratch) = (Vec::new(), Vec::new());
    for Run { expert: e, first, end, width } in experts_of_tiles(tiles.u32(), call.grid[1]) {
        let (rows, columns) = (end - first, width * (n / f));
        let a = if on("GATHER") {
            gathered.clear();
            for at in &held.u32()[first..end] {
                gathered.extend_from_slice(&x.f32()[(at / call.dims.columns) as usize * d..][..d]);
            }
            &gathered[..]
        } else {
            &x.f32()[first * d..end * d]
        };
        let u: &mut [f32] = if on("KEEP") {
            &mut before.f32_mut()[first * n..end * n]
        } else {
            scratch.resize(rows * n, 0.0);
            &mut scratch
        };
        let b = Matrix { data: &weights.f32()[e * n * d..][..n * d], row: 1, column: d };
        matmul_within(u, n, [rows, columns, d], Matrix { data: a, row: d, column: 1 }, b);
        if on("BIAS") {
            let bias = &bias.f32()[e * n..][..n];
            u.chunks_exact_mut(n).for_each(|u| u[..columns].iter_mut().zip(bias).for_each(|(u, b)| *u += b));
        }
        let hidden = &mut hidden.f32_mut()[first * f..end * f];
        for (hidden, u) in hidden.chunks_exact_mut(f).zip(u.chunks_exact(n)) {
            let (hidden, u) = (&mut hidden[..width], &u[..columns]);
            if on("GATED") {
                for (h, uv) in hidden.chunks_exact_mut(4).zip(u.chunks_exact(8)) {
                    for i in 0..4 {
                        h[i] = activate(kind, uv[i]) * uv[4 + i];
                    }
                }
            } else if kind == 0 {
                // named, so that the loop is compiled without a choice in it
                hidden.iter_mut().zip(u).for_each(|(h, u)| *h = activate(0, *u));
            } else {
                hidden.iter_mut().zip(u).for_each(|(h, u)| *h = activate(kind, *u));
            }
        }
    }
}
