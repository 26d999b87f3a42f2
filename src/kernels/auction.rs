//! Twin of `shaders/shared/auction.wgsl`.

use super::Dims;
use super::pairs::sortable;

/// Bit of a token's place: it asks the expert.
pub(super) const ASKS: u32 = 1 << 31;
/// Beyond it a score is as good as infinite.
const LARGEST: f32 = 1e30;

/// Tokens of an expert in a group, `K`.
pub(super) fn share(dims: &Dims) -> usize {
    dims.group_tokens.div_ceil(dims.experts) as usize
}

/// Whose token it is, of one that has a place.
pub(super) fn owner(place: u32) -> usize {
    (place & !ASKS) as usize - 1
}

/// Where a solver's state has the tokens of a group that were traded in a round.
pub(super) fn traded_at(dims: &Dims, group: usize, round: usize) -> usize {
    dims.groups as usize * (dims.iterations as usize + round) + group
}

/// The highest and the lowest score of a group, from `bounds`: `u32[G, 2]` as `auction_bounds` leaves them.
pub(super) fn range(bounds: &[u32], group: usize) -> (f32, f32) {
    let float = |bits: u32| f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits });
    let (highest, lowest) = (bounds[2 * group], bounds[2 * group + 1]);
    (if highest > 0 { float(highest) } else { 0.0 }, if lowest > 0 { float(!lowest) } else { 0.0 })
}

/// The scores of one group for `K·E` tokens, of which the last are made up.
pub(super) struct GroupScores<'a> {
    dims: &'a Dims,
    logits: &'a [f32],
    pub(super) highest: f32,
    pub(super) lowest: f32,
}

impl<'a> GroupScores<'a> {
    /// Of a group of the logits `f32[T, stride]`; `bounds`: `u32[G, 2]` as `auction_bounds` leaves them.
    pub(super) fn of(dims: &'a Dims, logits: &'a [f32], bounds: &[u32], group: usize) -> Self {
        let first = group * dims.group_tokens as usize * dims.stride as usize;
        let (highest, lowest) = range(bounds, group);
        GroupScores { dims, logits: &logits[first..], highest, lowest }
    }

    /// What a token, counted within its group, scores with an expert.
    pub(super) fn at(&self, token: usize, expert: usize) -> f32 {
        if token >= self.dims.group_tokens as usize {
            return self.lowest;
        }
        finite(self.logits[token * self.dims.stride as usize + expert]).unwrap_or(self.lowest)
    }
}

/// A score, if it is a number.
pub(super) fn finite(h: f32) -> Option<f32> {
    h.is_finite().then(|| h.clamp(-LARGEST, LARGEST))
}

/// The larger key first, of scores that are numbers.
pub(super) fn larger_first(score: f32) -> std::cmp::Reverse<u32> {
    std::cmp::Reverse(sortable(score))
}
