//! The expert that every token passes through: no biases, and a sigmoid gate of its own where asked for.

use super::expert::Expert;
use super::math::{add_scaled, dot, product, scaled, sigmoid};
use crate::config::LayerConfig;
use crate::weights::Weights;

/// A token, and what multiplies it on its way into the router and this gate, which is one more logit of the router.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) x: &'a [f64],
    pub(super) noise: &'a [f64],
}

/// Adds `sigmoid(x · g) · f_shared(x)` to `y`, without the factor if there is no gate, if there is a shared expert.
pub(super) fn add_forward(config: &LayerConfig, weights: &Weights<f64>, input: Input, y: &mut [f64]) {
    if let Some(shared) = arrays(config, weights) {
        add_scaled(y, gate(weights, input), &shared.forward(config.activation, input.x));
    }
}

/// What the weights of a token's routed experts are multiplied by: the complement of the gate, if the layer is residual.
pub(super) fn rest(config: &LayerConfig, weights: &Weights<f64>, input: Input) -> f64 {
    if config.residual { 1.0 - gate(weights, input) } else { 1.0 }
}

/// Adds the gradients of its arrays to `grads` and of the token to `dx`, from the gradient `dy` of the output and that of
/// [`rest`].
pub(super) fn add_backward(
    config: &LayerConfig,
    weights: &Weights<f64>,
    input: Input,
    dy: &[f64],
    d_rest: f64,
    grads: &mut Weights<f64>,
    dx: &mut [f64],
) {
    let Some(shared) = arrays(config, weights) else { return };
    let Input { x, noise } = input;
    let scale = gate(weights, input);
    if let (Some(gate), Some(d_gate)) = (&weights.shared_gate, &mut grads.shared_gate) {
        let d_rest = if config.residual { d_rest } else { 0.0 };
        let d_gate_value = dot(dy, &shared.forward(config.activation, x)) - d_rest;
        let d_logit = d_gate_value * scale * (1.0 - scale);
        add_scaled(d_gate, d_logit, &product(x, noise));
        add_scaled(dx, d_logit, &product(gate, noise));
    }
    if let (Some(w1), Some(w2)) = (grads.shared_w1.as_deref_mut(), grads.shared_w2.as_deref_mut()) {
        let width = shared.width;
        let mut grads = Expert { width, w1, w2, w3: grads.shared_w3.as_deref_mut(), b1: None, b2: None, b3: None };
        shared.backward(config.activation, x, &scaled(scale, dy), &mut grads, dx);
    }
}

fn arrays<'a>(config: &LayerConfig, weights: &'a Weights<f64>) -> Option<Expert<&'a [f64]>> {
    let width = config.shared_expert?.d_ff;
    let (w1, w2) = (weights.shared_w1.as_deref()?, weights.shared_w2.as_deref()?);
    Some(Expert { width, w1, w2, w3: weights.shared_w3.as_deref(), b1: None, b2: None, b3: None })
}

fn gate(weights: &Weights<f64>, Input { x, noise }: Input) -> f64 {
    weights.shared_gate.as_ref().map_or(1.0, |gate| sigmoid(dot(gate, &product(x, noise))))
}
