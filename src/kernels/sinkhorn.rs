//! Prices that balance the tokens' choices.

use super::activation::exp;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// A price for each expert of a group, by entropy-regularised optimal transport in the log domain: rows of the plan
/// `exp(h/ε + f + g)` sum to `1/S`, columns to `1/E`.
///
/// - 1 logits: `f32[2, T, stride]`
/// - 2 `prices`: `f32[G, E]`, `ε·g`, 3 `stats`: `f32[T, 4]`, scratch, 4 `solver`: `f32[G, 4]`, iterations and the largest last change
///
/// # Source
/// Clark et al. 2022, appendix on S-BASE.
pub static SINKHORN: Kernel = Kernel {
    name: "sinkhorn",
    source: include_str!("../../shaders/sinkhorn.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Write, Write, Write],
    constants: &[],
    twin,
};

/// Beyond it a logit is as good as infinite.
const LARGEST: f32 = 1e30;

fn log_sum_exp(values: &[f32]) -> f32 {
    let largest = values.iter().copied().fold(-LARGEST, f32::max);
    largest + values.iter().map(|v| exp(v - largest)).sum::<f32>().ln()
}

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, prices, stats, solver] = bound(slices);
    let dims = call.dims;
    let (s, experts, stride) = (dims.group_tokens as usize, dims.experts as usize, dims.stride as usize);
    let scaled = |h: f32| (if h.is_nan() { -LARGEST } else { h } / dims.epsilon).clamp(-LARGEST, LARGEST);
    for group in 0..dims.groups as usize {
        let h: Vec<f32> = router.f32()[group * s * stride..]
            .chunks_exact(stride)
            .take(s)
            .flat_map(|row| row[..experts].iter().map(|h| scaled(*h)))
            .collect();
        let (mut f, mut g) = (vec![0.0; s], vec![0.0; experts]);
        let (mut iterations, mut change) = (0, f32::INFINITY);
        while iterations == 0 || (change >= dims.tolerance && iterations < dims.iterations) {
            for (f, h) in f.iter_mut().zip(h.chunks_exact(experts)) {
                let row: Vec<f32> = h.iter().zip(&g).map(|(h, g)| h + g).collect();
                *f = -(s as f32).ln() - log_sum_exp(&row);
            }
            change = 0.0;
            for (e, g) in g.iter_mut().enumerate() {
                let column: Vec<f32> = f.iter().zip(h.iter().skip(e).step_by(experts)).map(|(f, h)| h + f).collect();
                let dual = -(experts as f32).ln() - log_sum_exp(&column);
                change = change.max((dual - *g).abs());
                *g = dual;
            }
            iterations += 1;
        }
        stats.f32_mut()[4 * group * s..]
            .chunks_exact_mut(4)
            .zip(&f)
            .for_each(|(stats, f)| stats.copy_from_slice(&[*f, 0.0, 0.0, 0.0]));
        let prices = &mut prices.f32_mut()[group * experts..][..experts];
        prices.iter_mut().zip(&g).for_each(|(price, g)| *price = dims.epsilon * g);
        solver.f32_mut()[4 * group..][..4].copy_from_slice(&[iterations as f32, change, 0.0, 0.0]);
    }
}
