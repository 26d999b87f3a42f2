//! input_noise.wgsl — the factor on the router's input in training, for each (token, element), from the counter-based hash of
//! src/rng.rs: jitter is U(1 − jitter, 1 + jitter); dropout is 0, or 1/(1 − dropout). Fedus, Zoph, Shazeer 2021 (Switch).

override JITTER: u32 = 0u;    // 1: on
override DROPOUT: u32 = 0u;   // 1: on

fn uniforms(token: u32, lane: u32) -> vec4f {
    return vec4f(uniform_f32(token, lane), uniform_f32(token, lane + 1u), uniform_f32(token, lane + 2u), uniform_f32(token, lane + 3u));
}

/// Factors of elements `4·i .. 4·i + 4` of `token`.
fn input_factor(token: u32, i: u32) -> vec4f {
    var factor = vec4f(1.0);
    if (JITTER == 1u) { factor = 1.0 + dims.jitter * (2.0 * uniforms(token, JITTER_LANE + 4u * i) - 1.0); }
    if (DROPOUT == 1u) {
        let dropped = uniforms(token, DROPOUT_LANE + 4u * i) < vec4f(dims.dropout);
        factor = select(factor / (1.0 - dims.dropout), vec4f(), dropped);
    }
    return factor;
}
