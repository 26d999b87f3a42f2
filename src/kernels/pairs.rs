//! Twin of `shaders/shared/pairs.wgsl`.

use super::NONE;

/// Added to a pair's rank among the token's: the token named the expert, which may take it.
pub(super) const OPEN: u32 = 1 << 31;
/// Added to a pair's rank: the expert has the token.
pub(super) const HELD: u32 = 1 << 30;

pub(super) fn is_open(pair: u32) -> bool {
    pair >= OPEN && pair != NONE
}

pub(super) fn is_held(pair: u32) -> bool {
    (HELD..OPEN).contains(&pair)
}

/// Bits that order as finite floats do; 0 and −0 are equal.
pub(super) fn sortable(v: f32) -> u32 {
    let bits = (v + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The float of these bits.
pub(super) fn value_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key })
}
