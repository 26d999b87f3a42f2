//! jitter.wgsl — the factor on the router's input in training: U(1 − jitter, 1 + jitter) for each (token, element), from the
//! counter-based hash of src/rng.rs. Fedus, Zoph, Shazeer 2021 (Switch), exploration by input jitter.

override JITTER: u32 = 0u;   // 1: on

/// Factors of elements `4·i .. 4·i + 4` of `token`.
fn jitter_factor(token: u32, i: u32) -> vec4f {
    if (JITTER == 0u) { return vec4f(1.0); }
    let u = vec4f(
        uniform_f32(token, JITTER_LANE + 4u * i), uniform_f32(token, JITTER_LANE + 4u * i + 1u),
        uniform_f32(token, JITTER_LANE + 4u * i + 2u), uniform_f32(token, JITTER_LANE + 4u * i + 3u));
    return 1.0 + dims.jitter * (2.0 * u - 1.0);
}
