//! auction.wgsl — what all of an auction reads alike: scores that are numbers, and who has a token.
//!
//! Tokens that fill the last expert's share are made up: a group has K·E of them, the first S real.

/// Of a token's place: e + 1 where the last bid on it was expert e's, 0 where nobody bid; with this bit: it asks expert e.
const ASKS = 0x80000000u;
/// Beyond it a score is as good as infinite.
const LARGEST = 1e30;

/// K: tokens of an expert in a group.
fn share() -> u32 { return (dims.group_tokens + dims.experts - 1u) / dims.experts; }

fn is_finite(h: f32) -> bool { return (bitcast<u32>(h) & 0x7f800000u) != 0x7f800000u; }

/// Whose token it is, of one that has a place.
fn owner(place: u32) -> u32 { return (place & ~ASKS) - 1u; }

/// Where a solver's state has the tokens of a group that were traded in a round: after those without a bid.
fn traded_at(g: u32, round: u32) -> u32 { return dims.groups * (dims.iterations + round) + g; }

/// The float of bits that `sortable` in the part pairs makes.
fn sorted(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u)); }

/// The highest or the lowest score, from its bits in `bounds`, which are 0 where no score is a number.
fn highest(bound: u32) -> f32 { return select(0.0, sorted(bound), bound > 0u); }
fn lowest(bound: u32) -> f32 { return select(0.0, sorted(~bound), bound > 0u); }

/// A score; one that is no number counts as the lowest that is.
fn known(h: f32, least: f32) -> f32 { return select(least, clamp(h, -LARGEST, LARGEST), is_finite(h)); }
