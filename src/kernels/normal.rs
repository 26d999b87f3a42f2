//! Twin of `shaders/shared/normal.wgsl`.

use super::activation::exp;

/// The number that a normal one is below with probability `p`, for `p` from 2^-24 to 1 − 2^-24.
pub(super) fn quantile(p: f32) -> f32 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        let above = ((59.109375 * r + 159.29114) * r + 50.434273) * r + 3.3871326;
        let below = ((67.18756 * r + 78.75776) * r + 17.89517) * r + 1.0;
        return q * above / below;
    }
    let r = (-p.min(1.0 - p).ln()).sqrt() - 1.6;
    let above = ((0.17023821 * r + 1.3067285) * r + 2.7568157) * r + 1.4234372;
    let below = (0.12021133 * r + 0.73700166) * r + 1.0;
    (above / below).copysign(q)
}

/// The density at `x`.
pub(super) fn density(x: f32) -> f32 {
    0.3989423 * exp(-0.5 * x * x)
}

/// The probability of a number below `x`, from −14 to 14.
pub(super) fn cdf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.35 * x.abs());
    let p = 0.14654583 - 0.029679522 * t;
    let p = p * t - 0.26096123;
    let p = p * t + 0.165051;
    let p = p * t - 0.027046608;
    let p = p * t + 0.10711459;
    let p = p * t + 0.119444914;
    let p = p * t + 0.13991229;
    let p = p * t + 0.13961871;
    let tail = exp(-0.5 * x * x) * t * p;
    if x > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::{cdf, density, quantile};

    #[test]
    fn probabilities_are_exact_to_a_few_units_of_themselves_far_into_the_tail() {
        // beyond 12.9 what is left of it is less than the least normal f32
        for i in -12_900..=12_900 {
            let x = i as f32 * 1e-3;
            let want = 0.5 * libm::erfc(-f64::from(x) / std::f64::consts::SQRT_2);
            let got = f64::from(cdf(x));
            // the exponent of the density is rounded: x²/2 of its last place
            let rel = 4e-7 + 6e-8 * f64::from(0.5 * x * x);
            assert!((got - want).abs() <= rel * want, "Φ({x}) = {got:e}, want {want:e}");
        }
    }

    #[test]
    fn the_quantile_undoes_the_distribution_function() {
        for i in 0..1 << 14 {
            let p = (i as f32 + 0.5) / 16_384.0;
            let back = f64::from(cdf(quantile(p)));
            let x = f64::from(quantile(p));
            let slope = f64::from(density(quantile(p)));
            assert!((back - f64::from(p)).abs() < 2e-7 * f64::from(p) + 4e-7 * (1.0 + x.abs()) * slope, "{p}: {back}");
        }
        assert!((quantile(0.5 / 8_388_608.0) + 5.294704).abs() < 2e-6 && quantile(0.5) == 0.0);
    }
}
