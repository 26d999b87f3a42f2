//! Twin of `shaders/shared/branches.wgsl`.

use super::Dims;
use super::activation::exp;

/// The largest of some logits, and the sum of their exponentials over its own.
pub(super) struct Softmax {
    pub(super) largest: f32,
    sum: f32,
}

impl Softmax {
    pub(super) fn of(logits: &[f32]) -> Self {
        let largest = logits.iter().copied().fold(f32::MIN, f32::max);
        Softmax { largest, sum: logits.iter().map(|h| exp(h - largest)).sum() }
    }

    pub(super) fn share(&self, logit: f32) -> f32 {
        exp(logit - self.largest) / self.sum
    }

    pub(super) fn logsumexp(&self) -> f32 {
        self.largest + self.sum.ln()
    }
}

/// Experts of a branch.
pub(super) fn branch_size(dims: &Dims) -> usize {
    (dims.experts / dims.branches) as usize
}

/// Softmaxes of a token that there is a choice in: of more than one logit. The loss z is the mean over them.
pub(super) fn choices_to_make(dims: &Dims) -> f32 {
    let inside = if branch_size(dims) > 1 { dims.branches } else { 0 };
    (u32::from(dims.branches > 1) + inside) as f32
}
