//! The z-loss (Zoph et al. 2022).

use webmoe::config::{LayerConfig, RouterConfig, TopK};
use webmoe::init::init;
use webmoe::reference::{Forward, Setting, backward, forward};

use super::logits;
use crate::common::close::{Tol, assert_close};
use crate::common::families::combine;

const TOL: Tol = Tol { abs: 1e-12, rel: 1e-12 };

fn of_logits(logits: &[f32]) -> Forward {
    let case = combine::case("z", combine::config(4, TopK::new(2)), logits.to_vec(), None);
    forward(&case.config, &case.weights, &case.x, Setting::TRAIN).expect("a layer that runs")
}

#[test]
fn without_logits_the_z_loss_is_the_squared_logarithm_of_the_number_of_experts() {
    assert_close("z", &[of_logits(&[0.0; 32]).losses["z"]], &[4_f64.ln().powi(2)], 1, TOL);
}

#[test]
fn a_constant_added_to_all_logits_changes_the_z_loss_alone() {
    let logits = logits(1, 16, 4, 0.0);
    let raised: Vec<f32> = logits.iter().map(|h| h + 1.0).collect();
    let (here, there) = (of_logits(&logits), of_logits(&raised));
    // adding 1 rounds the logits themselves by up to 2⁻²²
    assert_close("p", &there.scores, &here.scores, 4, Tol { abs: 1e-6, rel: 0.0 });
    assert_eq!(there.routing.experts, here.routing.experts);
    assert!((there.losses["z"] - here.losses["z"]).abs() > 0.5, "{} and {}", there.losses["z"], here.losses["z"]);
}

#[test]
fn the_gradient_of_the_z_loss_is_twice_the_logarithm_times_the_softmax() {
    let mut config = combine::config(4, TopK::new(2));
    config.loss_weights = [("z".to_owned(), 1.0)].into();
    let case = combine::case("z", config, logits(2, 16, 4, 0.0), None);
    let forward = forward(&case.config, &case.weights, &case.x, Setting::TRAIN).expect("a layer that runs");
    let gradients =
        backward(&case.config, &case.weights, &case.x, &forward, &case.d_output).expect("a layer that runs");
    let want: Vec<f64> = forward
        .logits
        .chunks_exact(4)
        .flat_map(|h| {
            let sum: f64 = h.iter().map(|h| h.exp()).sum();
            h.iter().map(move |h| 2.0 / 16.0 * sum.ln() * h.exp() / sum)
        })
        .collect();
    assert_close("dh", &gradients.logits, &want, 4, TOL);
}

#[test]
fn training_with_the_z_loss_shrinks_the_logarithms() {
    let size = |weight: f32| -> Vec<f64> {
        let mut config = LayerConfig::new(4, 4, 4, RouterConfig::TopK(TopK::new(2)));
        config.router_bias = true;
        config.loss_weights = [("z".to_owned(), weight)].into();
        let mut weights = init(&config);
        weights.router_bias = Some(vec![3.0, 2.0, 2.5, 2.0]);
        let x = logits(3, 32, 4, 0.0);
        let step = |_| {
            let forward = forward(&config, &weights, &x, Setting::TRAIN).expect("a layer that runs");
            // the task: the output should be 0
            let task: Vec<f32> = forward.output.iter().map(|y| (*y / x.len() as f64) as f32).collect();
            let gradients = backward(&config, &weights, &x, &forward, &task).expect("a layer that runs");
            for name in ["router", "routerBias", "w1", "w2"] {
                let gradient = gradients.weights.get(name).expect("a gradient of the layer");
                let values = weights.get_mut(name).expect("an array of the layer");
                values.iter_mut().zip(gradient).for_each(|(w, g)| *w -= 0.1 * *g as f32);
            }
            let sizes = forward.logits.chunks_exact(4).map(|h| h.iter().map(|h| h.exp()).sum::<f64>().ln().abs());
            sizes.sum::<f64>() / 32.0
        };
        (0..100).map(step).collect()
    };
    let (with, without) = (size(0.1), size(0.0));
    assert!(with.is_sorted_by(|a, b| a > b), "the mean |logsumexp| falls in every step");
    assert!(with[99] < 0.8 * without[99], "to {}, and without the loss {}", with[99], without[99]);
}
