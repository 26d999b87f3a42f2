//! Weights from a seed.

use crate::config::{LayerConfig, RouterConfig};
use crate::rng::{hash_u32, normal_quantile};
use crate::weights::{LayerWeights, NAMES, NO_THRESHOLD, Weights, beyond_width};

/// Takes the place of a layer's number in the random numbers of the weights, so that no other use shares them.
const WEIGHTS_STREAM: u32 = 0x7765_6967;

/// The first weights of a layer: biases zero, everything else from a normal distribution cut off at two standard
/// deviations σ; the same for the same seed on every machine.
///
/// σ² is 1 for what stands for a task, `0.1/d` for the router, `1/d` for what reads a token, and for what reads a hidden layer 1 over its width: `1/F_e`,
/// the shared expert's `1/Fs`. What lies beyond an expert's width is zero, and so is the baseline of rewards.
///
/// There are no thresholds yet.
///
/// Zero is also what the width of a router's noise is learned by: every `σ` begins as `ln 2 + noiseEpsilon`, as in the paper. The
/// router itself is not zero, as it is there: next to that noise its small logits hardly count, and outside training they say
/// where tokens go before anything is learned.
///
/// # Source
/// Fedus, Zoph, Shazeer 2021 (Switch), reduced initialisation: truncated normal of `sqrt(s/fan_in)`; `s = 0.1` steadies
/// the router. Noise: Shazeer et al. 2017, appendix A.
pub fn init(config: &LayerConfig) -> LayerWeights {
    Weights::build(config, |name, len| {
        let variance = match name {
            "router" => 0.1 / config.d_model as f64,
            "w1" | "w3" | "sharedW1" | "sharedW3" | "sharedGate" => 1.0 / config.d_model as f64,
            "w2" | "taskEmbedding" => 1.0,
            "sharedW2" => config.shared_expert.map_or(0.0, |shared| 1.0 / shared.d_ff as f64),
            "thresholds" => return vec![NO_THRESHOLD; len],
            _ => return vec![0.0; len],
        };
        let array = NAMES.iter().position(|&known| known == name).unwrap_or(0) as u32;
        let rewarded = matches!(config.router, RouterConfig::Reinforce(_));
        let baseline = |i: usize| rewarded && name == "router" && i >= config.experts * config.d_model;
        let value = |i: usize| {
            let of_expert = if name == "w2" { config.width(i / (config.d_model * config.d_ff)) } else { 1 };
            let sigma = (variance / of_expert as f64).sqrt();
            (sigma * truncated_normal(config.seed, array, i as u64)) as f32
        };
        (0..len).map(|i| if beyond_width(config, name, i).is_some() || baseline(i) { 0.0 } else { value(i) }).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Baseline, MultiGate, Reinforce, Soft, TopK};

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
    fn of_the_router_only_the_baseline_of_rewards_begins_at_zero() {
        let begins = |router: RouterConfig| {
            let config = LayerConfig::new(4, 4, 3, router);
            init(&config).router.chunks(4).map(|row| row.iter().all(|v| *v != 0.0)).collect::<Vec<_>>()
        };
        assert_eq!(begins(RouterConfig::MultiGate(MultiGate::new(2))), [true; 6], "every task's gate");
        assert_eq!(begins(RouterConfig::Soft(Soft::new(3))), [true; 9], "every slot's embedding");
        let linear = Reinforce { baseline: Baseline::Linear, ..Reinforce::default() };
        assert_eq!(begins(RouterConfig::Reinforce(linear)), [true, true, true, false]);
    }

    #[test]
    fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
        let config = LayerConfig::new(8, 16, 4, RouterConfig::TopK(TopK::new(2)));
        let other = LayerConfig { seed: 1 << 40, ..config.clone() };
        assert_eq!(init(&config), init(&config));
        assert_ne!(init(&config).w1, init(&other).w1, "the seed's high word counts");
    }
}
