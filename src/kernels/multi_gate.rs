//! The gates of several tasks.

use super::activation::{exp, sigmoid};
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// The gate of every task, and the experts that any task of a token takes, each once.
///
/// - 1 logits by task, and their softmax: `f32[2, T, stride]`
/// - 2 `expert_of`: `u32[T, k]`, 3 `chosen`: `f32[tasks, T, columns]`, 4 `stats`: `f32[T, 4]`
///
/// # Source
/// Ma et al. 2018 (MMoE).
pub static MULTI_GATE: Kernel = Kernel {
    name: "multi_gate",
    source: include_str!("../../shaders/multi_gate.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Write, Write, Write, Write],
    constants: &["SHARED_GATE"],
    twin,
};

const LOWEST: f32 = f32::MIN;

fn finite(v: f32) -> f32 {
    if v.is_nan() { LOWEST } else { v.clamp(LOWEST, f32::MAX) }
}

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, expert_of, chosen, stats] = bound(slices);
    let dims = call.dims;
    let (tokens, experts, stride) = (dims.tokens as usize, dims.experts as usize, dims.stride as usize);
    let (k, columns, taken_by_each) = (dims.choices as usize, dims.columns as usize, dims.nominees as usize);
    let (logits, scores) = router.f32_mut().split_at_mut(tokens * stride);
    let chosen = chosen.f32_mut();
    for t in 0..tokens {
        let (row, scores) = (&mut logits[t * stride..][..stride], &mut scores[t * stride..][..stride]);
        let mut taken = vec![Vec::new(); dims.tasks as usize];
        let mut most: f32 = 0.0;
        for (task, taken) in taken.iter_mut().enumerate() {
            let (z, p) = (&mut row[task * experts..][..experts], &mut scores[task * experts..][..experts]);
            z.iter_mut().for_each(|z| *z = finite(*z));
            let largest = z.iter().copied().fold(LOWEST, f32::max);
            p.iter_mut().zip(&*z).for_each(|(p, z)| *p = exp(z - largest));
            let sum: f32 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= sum);
            most = p.iter().copied().fold(most, f32::max);
            let mut order: Vec<usize> = (0..experts).collect();
            order.sort_by(|a, b| (z[*b] + 0.0).total_cmp(&(z[*a] + 0.0)).then(a.cmp(b)));
            *taken = vec![false; experts];
            order[..taken_by_each].iter().for_each(|e| taken[*e] = true);
        }
        stats.f32_mut()[4 * t..][..4].copy_from_slice(&[0.0, most, 0.0, 0.0]);
        let asked: Vec<usize> = (0..experts).filter(|e| taken.iter().any(|taken| taken[*e])).collect();
        let experts_of = &mut expert_of.u32_mut()[t * k..][..k];
        experts_of.fill(NONE);
        experts_of.iter_mut().zip(&asked).for_each(|(expert, e)| *expert = *e as u32);
        let gate = if call.constants.on("SHARED_GATE") { sigmoid(finite(row[dims.gate_at as usize])) } else { 1.0 };
        for (task, taken) in taken.iter().enumerate() {
            let chosen = &mut chosen[(task * tokens + t) * columns..][..columns];
            chosen[..k].fill(0.0);
            chosen[k..].fill(gate);
            for (chosen, &e) in chosen.iter_mut().zip(&asked).filter(|(_, e)| taken[**e]) {
                *chosen = scores[task * experts + e];
            }
        }
    }
}
