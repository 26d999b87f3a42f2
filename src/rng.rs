//! Random numbers by counting: a pure function of where they are used, so that every engine draws the same ones
//! in any order.

/// Lane of a token's key in [`Priority::Random`](crate::config::Priority::Random).
pub const PRIORITY_LANE: u32 = 1;
/// Lane of the jitter on the first feature of a token's router input; feature `i` takes the `i`-th lane from here.
pub const JITTER_LANE: u32 = 16;

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

/// Mixes one more word into a hash; the added constant keeps a run of zero words from staying zero.
fn absorb(hash: u32, word: u32) -> u32 {
    let mut h = hash.wrapping_add(0x9e37_79b9) ^ word;
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}
