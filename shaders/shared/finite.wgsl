//! finite.wgsl — numbers that can be ordered and subtracted.

const LOWEST = -0x1.fffffep+127f;

/// Finite: NaN and −∞ become the lowest number, +∞ the largest.
fn finite(v: f32) -> f32 {
    let nan = (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
    return select(clamp(v, LOWEST, -LOWEST), LOWEST, nan);
}
