//! pairs.wgsl — what a (token, expert) pair is while experts choose, and keys whose bits order as they do.

/// Added to a pair's rank among the token's: the token named the expert, which may take it.
const OPEN = 0x80000000u;
/// Added to a pair's rank: the expert has the token.
const HELD = 0x40000000u;

fn is_open(pair: u32) -> bool { return pair >= OPEN && pair != NONE; }
fn is_held(pair: u32) -> bool { return pair >= HELD && pair < OPEN; }

/// Bits that order as finite floats do; 0 and −0 are equal.
fn sortable(v: f32) -> u32 {
    let bits = bitcast<u32>(select(v, 0.0, v == 0.0));
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

/// The float of these bits.
fn value_of(key: u32) -> f32 { return bitcast<f32>(select(~key, key ^ 0x80000000u, key >= 0x80000000u)); }
