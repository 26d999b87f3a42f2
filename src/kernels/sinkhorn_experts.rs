//! Columns of the balanced plan.

use super::grids::write_grid;
use super::sinkhorn_tokens::{log_sum_exp, scaled, settled};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Second half of an iteration of entropy-regularised optimal transport, in the log domain: `g` of every expert, which makes
/// its column of the plan `exp(h/ε + f + g)` sum to its share of 1, and the largest change of any `g` of a group.
///
/// - 1 logits: `f32[2, T, stride]`, 2 `stats`: `f32[T, 4]`, first `f`
/// - 3 `prices`: `f32[G, E]`, `ε·g`, 4 `solver`: `u32[G, iterations]`, bits of the largest change, 0 before the iteration
/// - 5 `grids`: `u32[iterations + 1, 2, 4]`, of both halves by iteration
/// - 6 `log_shares`: `f32[E]`, `ln` of what each column sums to
///
/// # Source
/// Clark et al. 2022, appendix on S-BASE.
pub static SINKHORN_EXPERTS: Kernel = Kernel {
    name: "sinkhorn_experts",
    source: include_str!("../../shaders/sinkhorn_experts.wgsl"),
    parts: &[&shader::DIMS, &shader::SINKHORN, &shader::GRIDS, &shader::LOG_SUM_EXP],
    product: None,
    bindings: &[Read, Read, Write, Write, Write, Read],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, stats, prices, solver, grids, log_shares] = bound(slices);
    let dims = call.dims;
    let (s, experts, stride) = (dims.group_tokens as usize, dims.experts as usize, dims.stride as usize);
    for group in 0..dims.groups as usize {
        if settled(dims, solver.u32(), group) {
            continue;
        }
        let mut change = 0.0_f32;
        for e in 0..experts {
            let entry = |t: usize| scaled(dims, router.f32()[t * stride + e]) + stats.f32()[4 * t];
            let column: Vec<f32> = (group * s..(group + 1) * s).map(entry).collect();
            let g = log_shares.f32()[e] - log_sum_exp(&column);
            let price = &mut prices.f32_mut()[group * experts + e];
            change = change.max((g - *price / dims.epsilon).abs());
            *price = dims.epsilon * g;
        }
        solver.u32_mut()[group * dims.iterations as usize + dims.iteration as usize] = change.to_bits();
        if change >= dims.tolerance {
            let next = 2 * (dims.iteration + 1);
            write_grid(grids.u32_mut(), next, dims.tokens.div_ceil(64), 1);
            write_grid(grids.u32_mut(), next + 1, dims.experts, dims.groups);
        }
    }
}
