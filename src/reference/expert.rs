//! One expert on one token, and its gradients.

use super::math::{activate, add_outer, add_scaled, add_transposed_times, times};
use crate::config::{Activation, LayerConfig};
use crate::weights::Weights;

/// What routed expert `e` makes of a token: the token itself, if it is an identity.
pub(super) fn forward(config: &LayerConfig, weights: &Weights<f64>, e: usize, x: &[f64]) -> Vec<f64> {
    if e >= config.feed_forward_experts() {
        return x.to_vec();
    }
    routed(config, weights, e).forward(config.activation, x)
}

/// Adds the gradients of routed expert `e` to `grads` and that of the token to `dx`, from the gradient `dy` of its output.
pub(super) fn backward(
    config: &LayerConfig,
    weights: &Weights<f64>,
    e: usize,
    x: &[f64],
    dy: &[f64],
    grads: &mut Weights<f64>,
    dx: &mut [f64],
) {
    if e >= config.feed_forward_experts() {
        return add_scaled(dx, 1.0, dy);
    }
    routed(config, weights, e).backward(config.activation, x, dy, &mut routed_mut(config, grads, e), dx);
}

/// The arrays of one expert with room for `F` hidden units; also, mutable, their gradients.
pub(super) struct Expert<S> {
    /// Hidden units in use, `F_e`: the others give 0 and get no gradient.
    pub(super) width: usize,
    /// `[F, d]`.
    pub(super) w1: S,
    /// `[d, F]`.
    pub(super) w2: S,
    /// `[F, d]`, if gated.
    pub(super) w3: Option<S>,
    /// `[F]`.
    pub(super) b1: Option<S>,
    /// `[d]`.
    pub(super) b2: Option<S>,
    /// `[F]`.
    pub(super) b3: Option<S>,
}

impl Expert<&[f64]> {
    /// `f(x) = W2 · (act(W1 x + b1) ⊙ (W3 x + b3)) + b2`, the second factor only if gated.
    pub(super) fn forward(&self, activation: Activation, x: &[f64]) -> Vec<f64> {
        plus(times(self.w2, &self.hidden(activation, x)), self.b2)
    }

    /// Adds the gradients of the arrays to `grads` and of the token to `dx`, from the gradient `dy` of the output.
    pub(super) fn backward(
        &self,
        activation: Activation,
        x: &[f64],
        dy: &[f64],
        grads: &mut Expert<&mut [f64]>,
        dx: &mut [f64],
    ) {
        add_outer(grads.w2, dy, &self.hidden(activation, x));
        add_bias(&mut grads.b2, dy);
        let mut dh = vec![0.0; self.w1.len() / x.len()];
        add_transposed_times(&mut dh, self.w2, dy);
        dh[self.width..].fill(0.0);

        let u = plus(times(self.w1, x), self.b1);
        let v = self.w3.map(|w3| plus(times(w3, x), self.b3));
        let factor = |i: usize| v.as_ref().map_or(1.0, |v| v[i]);
        let du: Vec<f64> = dh.iter().enumerate().map(|(i, dh)| dh * factor(i) * activate(activation, u[i]).1).collect();
        add_outer(grads.w1, &du, x);
        add_bias(&mut grads.b1, &du);
        add_transposed_times(dx, self.w1, &du);

        if let (Some(w3), Some(dw3)) = (self.w3, grads.w3.as_deref_mut()) {
            let dv: Vec<f64> = dh.iter().zip(&u).map(|(dh, u)| dh * activate(activation, *u).0).collect();
            add_outer(dw3, &dv, x);
            add_bias(&mut grads.b3, &dv);
            add_transposed_times(dx, w3, &dv);
        }
    }

    fn hidden(&self, activation: Activation, x: &[f64]) -> Vec<f64> {
        let mut hidden = plus(times(self.w1, x), self.b1);
        hidden.iter_mut().for_each(|u| *u = activate(activation, *u).0);
        if let Some(w3) = self.w3 {
            let v = plus(times(w3, x), self.b3);
            hidden.iter_mut().zip(v).for_each(|(a, v)| *a *= v);
        }
        hidden[self.width..].fill(0.0);
        hidden
    }
}

/// The arrays of routed expert `e`.
fn routed<'a>(config: &LayerConfig, weights: &'a Weights<f64>, e: usize) -> Expert<&'a [f64]> {
    let (d, f) = (config.d_model, config.d_ff);
    let part = |array: &'a [f64], size: usize| &array[e * size..(e + 1) * size];
    Expert {
        width: config.width(e),
        w1: part(&weights.w1, f * d),
        w2: part(&weights.w2, d * f),
        w3: weights.w3.as_deref().map(|w3| part(w3, f * d)),
        b1: weights.b1.as_deref().map(|b1| part(b1, f)),
        b2: weights.b2.as_deref().map(|b2| part(b2, d)),
        b3: weights.b3.as_deref().map(|b3| part(b3, f)),
    }
}

/// The gradients of routed expert `e`.
fn routed_mut<'a>(config: &LayerConfig, grads: &'a mut Weights<f64>, e: usize) -> Expert<&'a mut [f64]> {
    let (d, f) = (config.d_model, config.d_ff);
    fn part(array: &mut [f64], e: usize, size: usize) -> &mut [f64] {
        &mut array[e * size..(e + 1) * size]
    }
    Expert {
        width: config.width(e),
        w1: part(&mut grads.w1, e, f * d),
        w2: part(&mut grads.w2, e, d * f),
        w3: grads.w3.as_deref_mut().map(|w3| part(w3, e, f * d)),
        b1: grads.b1.as_deref_mut().map(|b1| part(b1, e, f)),
        b2: grads.b2.as_deref_mut().map(|b2| part(b2, e, d)),
        b3: grads.b3.as_deref_mut().map(|b3| part(b3, e, f)),
    }
}

fn plus(mut y: Vec<f64>, bias: Option<&[f64]>) -> Vec<f64> {
    if let Some(bias) = bias {
        add_scaled(&mut y, 1.0, bias);
    }
    y
}

fn add_bias(grad: &mut Option<&mut [f64]>, dy: &[f64]) {
    if let Some(grad) = grad {
        add_scaled(grad, 1.0, dy);
    }
}
