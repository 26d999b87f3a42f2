//! Twin of `shaders/shared/activation.wgsl`.

use std::f32::consts::{FRAC_1_SQRT_2, LN_2};

const TANH_SCALE: f32 = 0.797_884_6;

/// `act(x)`; `kind` as the override ACTIVATION.
#[inline]
pub(super) fn activate(kind: u32, x: f32) -> f32 {
    match kind {
        // a comparison instead of `max`, which is a call on wasm
        0 => {
            if x > 0.0 {
                x
            } else {
                0.0
            }
        }
        1 => 0.5 * x * (1.0 + libm::erff(x * FRAC_1_SQRT_2)),
        2 => 0.5 * x * (1.0 + (TANH_SCALE * (x + 0.044715 * x * x * x)).tanh()),
        _ => x * sigmoid(x),
    }
}

/// `act'(x)`.
pub(super) fn derivative(kind: u32, x: f32) -> f32 {
    match kind {
        0 => f32::from(x > 0.0),
        1 => 0.5 * (1.0 + libm::erff(x * FRAC_1_SQRT_2)) + x * 0.398_942_3 * exp(-0.5 * x * x),
        2 => {
            let t = (TANH_SCALE * (x + 0.044715 * x * x * x)).tanh();
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * TANH_SCALE * (1.0 + 0.134145 * x * x)
        }
        _ => {
            let s = sigmoid(x);
            s * (1.0 + x * (1.0 - s))
        }
    }
}

/// `1 / (1 + e^-x)`.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `e^x` to about 1 ulp: `2^n` times a polynomial on `[-ln2/2, ln2/2]` (Cody and Waite 1980). Branch-free, so that loops over
/// it vectorise; the routine of the standard library is the larger part of a SwiGLU on wasm.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    let n = (x.clamp(-104.0, 89.0) / LN_2).round();
    let r = n.mul_add_or(-0.693_359_4, x.clamp(-104.0, 89.0));
    let r = n.mul_add_or(2.121_944_4e-4, r);
    let p = 1.987_569_2e-4_f32;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_66;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    // 2^n in two factors, so that results below the normal range round once
    let half = (n * 0.5).floor();
    let power = |m: f32| f32::from_bits((((m as i32) + 127) as u32) << 23);
    y * power(half) * power(n - half)
}

/// A product and a sum; fused only where the target does it in one instruction, so that it never becomes a call.
trait MulAdd {
    fn mul_add_or(self, by: f32, plus: f32) -> f32;
}

impl MulAdd for f32 {
    fn mul_add_or(self, by: f32, plus: f32) -> f32 {
        if cfg!(target_feature = "fma") { self.mul_add(by, plus) } else { self * by + plus }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn exp_is_within_two_ulp_of_the_exact_value_over_its_whole_range() {
        for i in -104_000..88_000 {
            let x = i as f32 * 1e-3;
            let want = f64::from(x).exp();
            let got = f64::from(super::exp(x));
            let ulp = f64::from((want as f32).to_bits().checked_add(1).map_or(f32::MAX, f32::from_bits))
                - f64::from(want as f32);
            assert!((got - want).abs() <= 2.0 * ulp, "exp({x}) = {got}, want {want}");
        }
    }
}
