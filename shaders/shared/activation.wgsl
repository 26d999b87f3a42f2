//! activation.wgsl — the experts' nonlinearities and their derivatives.

override ACTIVATION: u32 = 0u;   // 0 relu, 1 gelu (erf), 2 gelu (tanh), 3 silu

/// erf, within 1.5e-7 everywhere. Source: Abramowitz and Stegun 1964, 7.1.26.
fn erf(x: vec4f) -> vec4f {
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(x) * (1.0 - series * exp(-x * x));
}

fn sigmoid(x: vec4f) -> vec4f { return 1.0 / (1.0 + exp(-x)); }

/// tanh whose argument cannot overflow the exponentials of any adapter.
fn tanh_safe(x: vec4f) -> vec4f { return tanh(clamp(x, vec4f(-15.0), vec4f(15.0))); }

fn activate(x: vec4f) -> vec4f {
    if (ACTIVATION == 0u) { return max(x, vec4f()); }
    if (ACTIVATION == 1u) { return 0.5 * x * (1.0 + erf(x * 0.7071067811865476)); }
    if (ACTIVATION == 2u) { return 0.5 * x * (1.0 + tanh_safe(0.7978845608028654 * (x + 0.044715 * x * x * x))); }
    return x * sigmoid(x);
}

fn activate_derivative(x: vec4f) -> vec4f {
    if (ACTIVATION == 0u) { return select(vec4f(), vec4f(1.0), x > vec4f()); }
    if (ACTIVATION == 1u) {
        return 0.5 * (1.0 + erf(x * 0.7071067811865476)) + x * 0.3989422804014327 * exp(-0.5 * x * x);
    }
    if (ACTIVATION == 2u) {
        let t = tanh_safe(0.7978845608028654 * (x + 0.044715 * x * x * x));
        return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 0.134145 * x * x);
    }
    let s = sigmoid(x);
    return s * (1.0 + x * (1.0 - s));
}
