//! Choices on two levels: of branches, and of experts inside each. A token's row of logits has those of the experts, then those of
//! the branches.
//!
//! # Source
//! Shazeer et al. 2017, appendix B.

use super::math::{dot, scaled, softmax, softmax_backward};
use super::routing::best;
use crate::config::{Branches, LayerConfig, RouterConfig};

/// How the experts of a layer are split, if they are.
pub(super) fn split_of(config: &LayerConfig) -> Option<Branches> {
    match config.router {
        RouterConfig::NoisyTopK(router) => router.branches,
        _ => None,
    }
}

/// The best branches, and the `k` best experts of each: those of the best branch first.
pub(super) fn choose(split: Branches, k: usize, logits: &[f64]) -> Vec<usize> {
    let (experts, branches) = logits.split_at(logits.len() - split.branches);
    let size = experts.len() / split.branches;
    let inside = |i: usize| best(&experts[i * size..(i + 1) * size], k).into_iter().map(move |j| i * size + j);
    best(branches, split.branch_k).into_iter().flat_map(inside).collect()
}

/// Some branches of the experts, each with some of its own.
pub(super) struct Gates<'a> {
    /// `[E + branches]`.
    logits: &'a [f64],
    /// Where the branches' logits lie.
    branches: Vec<usize>,
    /// Where those of their experts lie.
    inside: Vec<Vec<usize>>,
}

impl<'a> Gates<'a> {
    /// Of all branches and experts.
    pub(super) fn all(split: Branches, logits: &'a [f64]) -> Self {
        let experts = logits.len() - split.branches;
        let size = experts / split.branches;
        let inside = (0..split.branches).map(|i| (i * size..(i + 1) * size).collect()).collect();
        Gates { logits, branches: (experts..logits.len()).collect(), inside }
    }

    /// Of the experts that [`choose`] chose.
    pub(super) fn of(split: Branches, logits: &'a [f64], chosen: &[usize]) -> Self {
        let experts = logits.len() - split.branches;
        let size = experts / split.branches;
        let inside: Vec<Vec<usize>> =
            chosen.chunks_exact(chosen.len() / split.branch_k).map(<[usize]>::to_vec).collect();
        let branches = inside.iter().map(|inside| experts + inside[0] / size).collect();
        Gates { logits, branches, inside }
    }

    /// Shares of the branches, and of the experts inside each.
    fn shares(&self) -> (Vec<f64>, Vec<Vec<f64>>) {
        let softmax_of = |places: &Vec<usize>| softmax(&places.iter().map(|&i| self.logits[i]).collect::<Vec<f64>>());
        (softmax_of(&self.branches), self.inside.iter().map(softmax_of).collect())
    }

    /// What the experts weigh: their share inside the branch times the branch's.
    pub(super) fn weights(&self) -> Vec<f64> {
        let (branches, inside) = self.shares();
        branches.iter().zip(&inside).flat_map(|(branch, inside)| scaled(*branch, inside)).collect()
    }

    /// `[E + branches]`: the gradient of the logits from the gradient `d` of the weights.
    pub(super) fn backward(&self, d: &[f64]) -> Vec<f64> {
        let (branches, inside) = self.shares();
        let mut d_logits = vec![0.0; self.logits.len()];
        let mut d_branches = Vec::new();
        let mut rest = d;
        for ((branch, inside), places) in branches.iter().zip(&inside).zip(&self.inside) {
            let (own, after) = rest.split_at(inside.len());
            rest = after;
            d_branches.push(dot(inside, own));
            let through = softmax_backward(inside, &scaled(*branch, own));
            places.iter().zip(through).for_each(|(&i, d)| d_logits[i] = d);
        }
        let through = softmax_backward(&branches, &d_branches);
        self.branches.iter().zip(through).for_each(|(&i, d)| d_logits[i] = d);
        d_logits
    }
}
