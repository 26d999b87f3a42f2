//! gumbel.wgsl — numbers of the standard Gumbel distribution: the largest of logits with one added to each is a draw from their
//! softmax, and the k largest are k draws without replacement (Gumbel 1954).

/// ln x of a normal x > 0 to a few units in the last place. The built-in one may be off by 2⁻²¹ near 1, which is where the
/// draws that win come from.
fn ln(x: f32) -> f32 {
    // x = m·2ⁿ with m from √½ to √2, and ln m = 2 artanh s
    let bits = bitcast<u32>(x);
    let n = bitcast<i32>(bits - 0x3f3504f3u) >> 23u;
    let m = bitcast<f32>(bits - (bitcast<u32>(n) << 23u));
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    return f32(n) * 0.69314718 + 2.0 * s * (1.0 + q * (0.33333333 + q * (0.2 + q * (0.14285714 + q * 0.11111111))));
}

fn gumbel(token: u32, lane: u32) -> f32 { return -ln(-ln(open_uniform_f32(token, lane))); }
