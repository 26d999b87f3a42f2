//! Weights from a seed.

use crate::config::LayerConfig;
use crate::rng::hash_u32;
use crate::weights::{LayerWeights, NAMES, Weights, beyond_width};

/// Takes the place of a layer's number in the random numbers of the weights, so that no other use shares them.
const WEIGHTS_STREAM: u32 = 0x7765_6967;

/// The first weights of a layer: biases zero, everything else from a normal distribution cut off at two standard
/// deviations σ; the same for the same seed on every machine.
///
/// σ² is `0.1/d` for the router, `1/d` for what reads a token, and for what reads a hidden layer 1 over its width: `1/F_e`,
/// the shared expert's `1/Fs`. What lies beyond an expert's width is zero.
///
/// # Source
/// Fedus, Zoph, Shazeer 2021 (Switch), reduced initialisation: truncated normal of `sqrt(s/fan_in)`; `s = 0.1` steadies
/// the router.
pub fn init(config: &LayerConfig) -> LayerWeights {
    Weights::build(config, |name, len| {
        let variance = match name {
            "router" => 0.1 / config.d_model as f64,
            "w1" | "w3" | "sharedW1" | "sharedW3" | "sharedGate" => 1.0 / config.d_model as f64,
            "w2" => 1.0,
            "sharedW2" => config.shared_expert.map_or(0.0, |shared| 1.0 / shared.d_ff as f64),
            _ => return vec![0.0; len],
        };
        let array = NAMES.iter().position(|&known| known == name).unwrap_or(0) as u32;
        let value = |i: usize| {
            let of_expert = if name == "w2" { config.width(i / (config.d_model * config.d_ff)) } else { 1 };
            let sigma = (variance / of_expert as f64).sqrt();
            (sigma * truncated_normal(config.seed, array, i as u64)) as f32
        };
        (0..len).map(|i| if beyond_width(config, name, i).is_some() { 0.0 } else { value(i) }).collect()
    })
}

/// The `index`-th draw for an array from the standard normal distribution, given that it lies within (−2, 2).
///
/// Goes through the inverse of the distribution function: the same distribution as drawing again beyond 2, without
/// a loop.
fn truncated_normal(seed: u64, array: u32, index: u64) -> f64 {
    /// Φ(−2).
    const TAIL: f64 = 0.022_750_131_948_179_21;
    let bits = hash_u32(seed, WEIGHTS_STREAM, (index >> 32) as u32, index as u32, array);
    let u = (f64::from(bits) + 0.5) / 4_294_967_296.0;
    normal_quantile(TAIL + (1.0 - 2.0 * TAIL) * u)
}

/// The inverse of the normal distribution function, to about seven digits, for `p` no further out than `exp(-25)`.
///
/// # Source
/// Wichura 1988, Algorithm AS 241, PPND7.
fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        let above = ((59.109_374_720 * r + 159.291_132_02) * r + 50.434_271_938) * r + 3.387_132_717_9;
        let below = ((67.187_563_600 * r + 78.757_757_664) * r + 17.895_169_469) * r + 1.0;
        return q * above / below;
    }
    let r = (-libm::log(p.min(1.0 - p))).sqrt() - 1.6;
    let above = ((0.170_238_211_03 * r + 1.306_728_481_6) * r + 2.756_815_390_0) * r + 1.423_437_277_7;
    let below = (0.120_211_329_75 * r + 0.737_001_642_50) * r + 1.0;
    (above / below).copysign(q)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RouterConfig, TopK};

    #[test]
    fn the_quantile_undoes_the_distribution_function() {
        for i in 1..1000 {
            let p = f64::from(i) / 1000.0;
            let back = 0.5 * libm::erfc(-normal_quantile(p) / std::f64::consts::SQRT_2);
            assert!((back - p).abs() < 2e-7, "p = {p}: {back}");
        }
    }

    #[test]
    fn weights_have_the_spread_and_the_cut_off_that_their_fan_in_asks_for() {
        let config = LayerConfig { bias: true, ..LayerConfig::new(64, 128, 8, RouterConfig::TopK(TopK::new(2))) };
        let weights = init(&config);
        weights.check(&config).expect("the shapes of the layer");
        // A standard normal distribution cut off at ±2 has variance 1 − 4φ(2)/(2Φ(2) − 1).
        let kept = 0.773_741;
        for (name, variance) in [("router", 0.1 / 64.0), ("w1", 1.0 / 64.0), ("w2", 1.0 / 128.0)] {
            let values = weights.get(name).unwrap_or_default();
            let n = values.len() as f64;
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let spread = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
            let wanted = kept * variance;
            assert!(mean.abs() < 5.0 * (wanted / n).sqrt(), "{name}: mean {mean}");
            assert!((spread / wanted - 1.0).abs() < 10.0 / n.sqrt(), "{name}: variance {spread}, wanted {wanted}");
            let bound = 2.0 * variance.sqrt();
            assert!(values.iter().all(|&v| f64::from(v).abs() <= bound * (1.0 + 1e-6)), "{name} beyond {bound}");
        }
        assert!(weights.b1.is_some_and(|b| b.iter().all(|&v| v == 0.0)), "biases start at zero");
    }

    #[test]
    fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
        let config = LayerConfig::new(8, 16, 4, RouterConfig::TopK(TopK::new(2)));
        let other = LayerConfig { seed: 1 << 40, ..config.clone() };
        assert_eq!(init(&config), init(&config));
        assert_ne!(init(&config).w1, init(&other).w1, "the seed's high word counts");
    }
}
