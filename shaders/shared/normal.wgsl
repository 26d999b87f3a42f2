//! normal.wgsl — the standard normal distribution. No trigonometric functions, which adapters may compute to three digits only.

/// The number that a normal one is below with probability `p`, for p from 2^-24 to 1 − 2^-24.
/// Source: Wichura 1988, Algorithm AS 241, PPND7.
fn normal_quantile(p: f32) -> f32 {
    let q = p - 0.5;
    if (abs(q) <= 0.425) {
        let r = 0.180625 - q * q;
        let above = ((59.109375 * r + 159.29114) * r + 50.434273) * r + 3.3871326;
        let below = ((67.18756 * r + 78.75776) * r + 17.89517) * r + 1.0;
        return q * above / below;
    }
    let r = sqrt(-log(min(p, 1.0 - p))) - 1.6;
    let above = ((0.17023821 * r + 1.3067285) * r + 2.7568157) * r + 1.4234372;
    let below = (0.12021133 * r + 0.73700166) * r + 1.0;
    return sign(q) * above / below;
}

/// The density at `x`.
fn normal_density(x: f32) -> f32 { return 0.3989423 * exp(-0.5 * x * x); }

/// The probability of a number below `x`, from −14 to 14, to a few units in the last place of it or of its complement: the
/// density over 0.3989 times a polynomial in t = 1 / (1 + 0.35 |x|), fitted at the Chebyshev nodes.
fn normal_cdf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.35 * abs(x));
    var p = 0.14654583 - 0.029679522 * t;
    p = p * t - 0.26096123;
    p = p * t + 0.165051;
    p = p * t - 0.027046608;
    p = p * t + 0.10711459;
    p = p * t + 0.119444914;
    p = p * t + 0.13991229;
    p = p * t + 0.13961871;
    let tail = exp(-0.5 * x * x) * t * p;
    return select(tail, 1.0 - tail, x > 0.0);
}
