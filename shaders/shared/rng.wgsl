//! rng.wgsl — random numbers by counting, bit for bit those of src/rng.rs, for layer 0.

const PRIORITY_LANE = 1u;   // key of a token's random priority
const EXPLORE_LANE = 3u;    // whether a token explores
const JITTER_LANE = 16u;    // factor of feature i: lane JITTER_LANE + i
const DROPOUT_LANE = 1u << 20u;   // whether feature i is dropped: lane DROPOUT_LANE + i
const DRAW_LANE = 1u << 21u;      // draw for expert e: lane DRAW_LANE + e
const ASK_LANE = 1u << 22u;       // whether choice j is asked: lane ASK_LANE + j
const NOISE_LANE = 1u << 23u;     // noise on the logit for expert e: lane NOISE_LANE + e
const THOR_LANE = 1u << 24u;      // the j-th expert drawn: lane THOR_LANE + j

fn absorb(hash: u32, word: u32) -> u32 {
    var h = (hash + 0x9e3779b9u) ^ word;
    h ^= h >> 16u;
    h *= 0x7feb352du;
    h ^= h >> 15u;
    h *= 0x846ca68bu;
    return h ^ (h >> 16u);
}

fn hash_u32(token: u32, lane: u32) -> u32 {
    let place = absorb(absorb(absorb(absorb(0u, dims.seed_lo), dims.seed_hi), 0u), dims.step);
    return absorb(absorb(place, token), lane);
}

/// In [0, 1), with 24 random bits.
fn uniform_f32(token: u32, lane: u32) -> f32 { return f32(hash_u32(token, lane) >> 8u) / 16777216.0; }

/// In (0, 1), never at an end, with 23 random bits.
fn open_uniform_f32(token: u32, lane: u32) -> f32 { return (f32(hash_u32(token, lane) >> 9u) + 0.5) / 8388608.0; }
