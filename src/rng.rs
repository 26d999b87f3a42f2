//! Random numbers by counting: a pure function of where they are used, so that every engine draws the same ones
//! in any order.

/// Lane of a token's key in [`Priority::Random`](crate::config::Priority::Random).
pub const PRIORITY_LANE: u32 = 1;
/// Lane of a token's key in the shuffle before routing.
pub const SHUFFLE_LANE: u32 = 2;
/// Lane of the draw by which a token explores or not.
pub const EXPLORE_LANE: u32 = 3;
/// Lane of the jitter on the first feature of a token's router input; feature `i` takes the `i`-th lane from here.
pub const JITTER_LANE: u32 = 16;
/// Lane of the dropout of the first feature of a token's router input; feature `i` takes the `i`-th lane from here.
pub const DROPOUT_LANE: u32 = 1 << 20;
/// Lane of the draw by which a token asks its first choice or not; choice `j` takes the `j`-th lane from here.
pub const ASK_LANE: u32 = 1 << 22;
/// Lane of a token's draw for the first expert, where choices are drawn; expert `e` takes the `e`-th lane from here.
pub const DRAW_LANE: u32 = 1 << 21;
/// Lane of the noise on a token's logit for expert 0; expert `e` takes the `e`-th lane from here.
pub const NOISE_LANE: u32 = 1 << 23;
/// Lane of the first expert drawn at random; the `j`-th takes the `j`-th lane from here.
pub const THOR_LANE: u32 = 1 << 24;

/// Passes of a step that draw apart.
pub const PASSES: u32 = 1 << 11;

/// The seed of one pass of a step, below [`PASSES`]: a layer's seed has 53 bits, the rest tell the pass. Whatever is random then
/// is so for each pass apart.
pub const fn of_pass(seed: u64, pass: u32) -> u64 {
    seed | (pass as u64) << 53
}

/// 32 random bits for one place.
///
/// - `seed`: of the layer; its low word goes in first, then its high word
/// - `layer`, `step`, `token`, `lane`: the place; `token` is the index in the whole batch, not in a group
///
/// Made of u32 operations only, which WGSL repeats bit for bit.
///
/// # Source
/// The finaliser is `lowbias32` of Wellons, "Prospecting for Hash Functions", 2018.
pub fn hash_u32(seed: u64, layer: u32, step: u32, token: u32, lane: u32) -> u32 {
    [seed as u32, (seed >> 32) as u32, layer, step, token, lane].into_iter().fold(0, absorb)
}

/// A number in [0, 1) with 24 random bits, exact in f32.
pub fn uniform_f32(seed: u64, layer: u32, step: u32, token: u32, lane: u32) -> f32 {
    (hash_u32(seed, layer, step, token, lane) >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A number in (0, 1), never at an end, with 23 random bits, exact in f32.
pub fn open_uniform_f32(seed: u64, layer: u32, step: u32, token: u32, lane: u32) -> f32 {
    ((hash_u32(seed, layer, step, token, lane) >> 9) as f32 + 0.5) * (1.0 / 8_388_608.0)
}

/// The inverse of the normal distribution function, to about seven digits, for `p` no further out than `exp(-25)`: a normal
/// number from a uniform one.
///
/// # Source
/// Wichura 1988, Algorithm AS 241, PPND7.
pub fn normal_quantile(p: f64) -> f64 {
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

/// Mixes one more word into a hash; the added constant keeps a run of zero words from staying zero.
fn absorb(hash: u32, word: u32) -> u32 {
    let mut h = hash.wrapping_add(0x9e37_79b9) ^ word;
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed apart from this code; runs recorded with a seed repeat only while these hold.
    #[test]
    fn the_same_place_gives_the_same_bits_in_every_version() {
        assert_eq!(hash_u32(0, 0, 0, 0, 0), 0x68d2_7ac3);
        assert_eq!(hash_u32(0x0123_4567_89ab_cdef, 1, 2, 3, 4), 0xd3d4_b008);
        assert_eq!(hash_u32(42, 0, 7, 1000, 16), 0x61d5_1652);
    }

    #[test]
    fn every_word_of_the_place_counts() {
        let here = hash_u32(1, 2, 3, 4, 5);
        let elsewhere = [
            hash_u32(0, 2, 3, 4, 5),
            hash_u32(1 | 1 << 32, 2, 3, 4, 5),
            hash_u32(1, 0, 3, 4, 5),
            hash_u32(1, 2, 0, 4, 5),
            hash_u32(1, 2, 3, 0, 5),
            hash_u32(1, 2, 3, 4, 0),
        ];
        assert!(!elsewhere.contains(&here), "{here} in {elsewhere:?}");
    }

    #[test]
    fn every_pass_of_a_step_has_a_seed_of_its_own() {
        let largest = (1 << 53) - 1;
        assert_eq!(of_pass(largest, 0), largest, "one pass is as if there were no others");
        assert_eq!(of_pass(largest, PASSES - 1), u64::MAX);
        assert_ne!(of_pass(7, 1), of_pass(7, 2));
    }

    #[test]
    fn neighbouring_places_are_uniform_and_unrelated() {
        let n = 1 << 16;
        let u: Vec<f64> = (0..n).map(|token| f64::from(uniform_f32(0, 0, 0, token, JITTER_LANE))).collect();
        assert!(u.iter().all(|u| (0.0..1.0).contains(u)), "within [0, 1)");
        let moment = |f: &dyn Fn(usize) -> f64| (0..u.len() - 1).map(f).sum::<f64>() / (u.len() - 1) as f64;
        let sigma = 1.0 / f64::from(n).sqrt();
        let mean = moment(&|i| u[i] - 0.5);
        let variance = moment(&|i| (u[i] - 0.5).powi(2)) - 1.0 / 12.0;
        let next = moment(&|i| (u[i] - 0.5) * (u[i + 1] - 0.5));
        assert!(mean.abs() < 0.29 * 4.0 * sigma, "mean off by {mean}");
        assert!(variance.abs() < 0.075 * 4.0 * sigma, "variance off by {variance}");
        assert!(next.abs() < 0.0834 * 4.0 * sigma, "covariance of neighbours {next}");
    }

    #[test]
    fn the_quantile_undoes_the_distribution_function() {
        for i in 1..1000 {
            let p = f64::from(i) / 1000.0;
            let back = 0.5 * libm::erfc(-normal_quantile(p) / std::f64::consts::SQRT_2);
            assert!((back - p).abs() < 2e-7, "p = {p}: {back}");
        }
    }
}
