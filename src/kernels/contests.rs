//! Twin of `shaders/shared/contests.wgsl`.

use std::ops::Range;

use super::Dims;

/// A run of logits, of which some are chosen.
pub(super) struct Contest {
    /// Which logits of a token.
    pub(super) logits: Range<usize>,
    /// The last of those that are chosen.
    pub(super) last: usize,
}

impl Contest {
    /// Whether logit `i` of a token's `row` comes after the last chosen one.
    pub(super) fn is_behind(&self, row: &[f32], i: usize) -> bool {
        row[i] < row[self.last] || (row[i] == row[self.last] && i > self.last)
    }

    /// The best logit of a token's `row` that is not chosen, of equal ones the lower.
    pub(super) fn runner_up(&self, row: &[f32]) -> Option<usize> {
        let behind = self.logits.clone().filter(|i| self.is_behind(row, *i));
        behind.reduce(|best, i| if row[i] > row[best] { i } else { best })
    }
}

/// How many contests a token has.
pub(super) fn count(dims: &Dims) -> usize {
    1 + dims.branch_choices as usize
}

/// The contests of a token that chose the experts `expert_of`: `u32[k]`. With branches the first is theirs, then come those inside,
/// in the order of choice.
pub(super) fn contests(dims: &Dims, expert_of: &[u32]) -> impl Iterator<Item = Contest> {
    let (experts, branches) = (dims.experts as usize, dims.branches as usize);
    let size = experts.checked_div(branches).unwrap_or(experts);
    let last = |chosen: &[u32]| chosen[chosen.len() - 1] as usize;
    let first = match branches {
        0 => Contest { logits: 0..experts, last: last(expert_of) },
        _ => Contest { logits: experts..experts + branches, last: experts + last(expert_of) / size },
    };
    let chosen = dims.branch_choices as usize;
    let inside = expert_of.chunks_exact(expert_of.len().checked_div(chosen).unwrap_or(expert_of.len())).take(chosen);
    let inside = inside.map(move |chosen| {
        let last = last(chosen);
        let first = last / size * size;
        Contest { logits: first..first + size, last }
    });
    std::iter::once(first).chain(inside)
}
