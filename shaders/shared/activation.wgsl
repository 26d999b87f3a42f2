//! activation.wgsl — the experts' nonlinearities and their derivatives.

override ACTIVATION: u32 = 0u;   // 0 relu, 1 gelu (erf), 2 gelu (tanh), 3 silu

/// erf to about 1e-7: Abramowitz and Stegun 1964, 7.1.28 is too coarse for f32, so 7.1.5's series below 1.5 and the continued
/// fraction 7.1.14 above (both in nested form, terms until f32 no longer changes).
fn erf1(x: f32) -> f32 {
    let a = abs(x);
    if (a < 1.5) {
        let q = a * a;
        var term = a;
        var sum = a;
        for (var n = 1u; n < 20u; n++) {
            term *= -q / f32(n);
            sum += term / f32(2u * n + 1u);
        }
        return sign(x) * 1.1283791670955126 * sum;
    }
    if (a > 4.0) { return sign(x); }
    var tail = a;
    for (var n = 28u; n > 0u; n--) { tail = a + f32(n) * 0.5 / tail; }
    return sign(x) * (1.0 - exp(-a * a) * 0.5641895835477563 / tail);
}

fn sigmoid(x: vec4f) -> vec4f { return 1.0 / (1.0 + exp(-x)); }

/// tanh whose argument cannot overflow the exponentials of any adapter.
fn tanh_safe(x: vec4f) -> vec4f { return tanh(clamp(x, vec4f(-15.0), vec4f(15.0))); }

fn activate(x: vec4f) -> vec4f {
    if (ACTIVATION == 0u) { return max(x, vec4f()); }
    if (ACTIVATION == 1u) {
        let s = x * 0.7071067811865476;
        return 0.5 * x * (1.0 + vec4f(erf1(s.x), erf1(s.y), erf1(s.z), erf1(s.w)));
    }
    if (ACTIVATION == 2u) { return 0.5 * x * (1.0 + tanh_safe(0.7978845608028654 * (x + 0.044715 * x * x * x))); }
    return x * sigmoid(x);
}

fn activate_derivative(x: vec4f) -> vec4f {
    if (ACTIVATION == 0u) { return select(vec4f(), vec4f(1.0), x > vec4f()); }
    if (ACTIVATION == 1u) {
        let s = x * 0.7071067811865476;
        let cdf = 0.5 * (1.0 + vec4f(erf1(s.x), erf1(s.y), erf1(s.z), erf1(s.w)));
        return cdf + x * 0.3989422804014327 * exp(-0.5 * x * x);
    }
    if (ACTIVATION == 2u) {
        let t = tanh_safe(0.7978845608028654 * (x + 0.044715 * x * x * x));
        return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 0.134145 * x * x);
    }
    let s = sigmoid(x);
    return s * (1.0 + x * (1.0 - s));
}
