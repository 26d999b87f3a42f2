//! One choice, a capacity and a loss for balance (Fedus, Zoph, Shazeer 2021).

use webmoe::config::{Capacity, CapacityPer, LayerConfig, Order, Priority, Rounding, RouterConfig, Slots, TopK};
use webmoe::init::init;
use webmoe::reference::{Forward, Setting, backward, forward};

use super::{layer, logits};
use crate::common::close::{Tol, assert_close};
use crate::common::families::combine;

const TOKENS: usize = 40;
const EXPERTS: usize = 4;

fn run(config: &LayerConfig, logits: &[f32]) -> Forward {
    let case = combine::case("switch", config.clone(), logits.to_vec(), None);
    forward(&case.config, &case.weights, &case.x, Setting::TRAIN).expect("a layer that runs")
}

#[test]
fn a_capacity_factor_of_the_number_of_experts_drops_nothing() {
    let factor = EXPERTS as f64;
    let (per, round) = (CapacityPer::Token, Rounding::Floor);
    let slots = Slots::Factor { factor, eval_factor: factor, per, round, min: 0, multiple_of: 1 };
    let capacity = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank };
    let config = LayerConfig { capacity, ..combine::config(EXPERTS, TopK::new(1)) };
    // every token likes the first expert best
    let forward = run(&config, &logits(1, TOKENS, EXPERTS, 9.0));
    assert_eq!(forward.routing.demanded, [40, 0, 0, 0]);
    assert!(forward.routing.kept.iter().all(|kept| *kept));
}

#[test]
fn the_order_of_the_tokens_decides_who_is_dropped_and_not_who_is_chosen() {
    let config = layer(EXPERTS, TopK::new(1), 8, Priority::Arrival);
    let logits = logits(2, TOKENS, EXPERTS, 0.8);
    let turned: Vec<f32> = logits.chunks_exact(EXPERTS).rev().flatten().copied().collect();
    let (here, there) = (run(&config, &logits).routing, run(&config, &turned).routing);
    assert_eq!(here.experts, there.experts.into_iter().rev().collect::<Vec<_>>());
    assert_ne!(here.kept, there.kept.into_iter().rev().collect::<Vec<_>>());
    assert_eq!(here.load, there.load);
}

#[test]
fn the_gradient_of_the_balance_loss_is_that_of_the_paper() {
    const WEIGHT: f32 = 0.5;
    let mut config = layer(EXPERTS, TopK::new(1), 8, Priority::Arrival);
    config.loss_weights = [("loadBalance".to_owned(), WEIGHT)].into();
    let case = combine::case("switch", config, logits(3, TOKENS, EXPERTS, 0.8), None);
    let forward = forward(&case.config, &case.weights, &case.x, Setting::TRAIN).expect("a layer that runs");
    let gradients =
        backward(&case.config, &case.weights, &case.x, &forward, &case.d_output).expect("a layer that runs");
    let shares: Vec<f64> = forward.routing.demanded.iter().map(|n| f64::from(*n) / TOKENS as f64).collect();
    let scale = f64::from(WEIGHT) * EXPERTS as f64 / TOKENS as f64;
    let want: Vec<f64> = forward
        .scores
        .chunks_exact(EXPERTS)
        .flat_map(|p| {
            let mean: f64 = p.iter().zip(&shares).map(|(p, f)| p * f).sum();
            p.iter().zip(shares.clone()).map(move |(p, f)| scale * p * (f - mean))
        })
        .collect();
    assert_close("dh", &gradients.logits, &want, EXPERTS, Tol { abs: 1e-14, rel: 1e-10 });
}

#[test]
fn the_balance_loss_may_fall_below_one_and_is_one_where_scores_are_uniform() {
    let balance = |logits: &[f32], experts| run(&combine::config(experts, TopK::new(1)), logits).losses["loadBalance"];
    assert_close("uniform", &[balance(&[0.0; 12], 4)], &[1.0], 1, Tol { abs: 1e-12, rel: 0.0 });
    // each of the first experts is chosen, narrowly, by many, and the last one by few, who are very sure of it
    let mut logits = [[1.0, 0.9, 0.9], [0.9, 1.0, 0.9]].concat().repeat(8);
    logits.extend([-4.0, -4.0, 4.0].repeat(4));
    assert!(balance(&logits, 3) < 1.0, "{}", balance(&logits, 3));
}

#[test]
fn with_one_choice_the_router_learns_through_the_gate() {
    let config = LayerConfig::new(4, 4, EXPERTS, RouterConfig::TopK(TopK::new(1)));
    let (weights, x) = (init(&config), logits(4, 8, 4, 0.0));
    let forward = forward(&config, &weights, &x, Setting::TRAIN).expect("a layer that runs");
    let gradients = backward(&config, &weights, &x, &forward, &x).expect("a layer that runs");
    for (e, row) in gradients.weights.router.chunks_exact(4).enumerate() {
        assert!(row.iter().any(|g| g.abs() > 1e-6), "expert {e}: {row:?}");
    }
}

/// The busiest expert's load over the mean one, after training a layer whose first expert is liked best at first.
fn peak_after_training(balance: f32) -> f64 {
    let mut config = LayerConfig::new(4, 4, EXPERTS, RouterConfig::TopK(TopK::new(1)));
    config.router_bias = true;
    config.loss_weights = [("loadBalance".to_owned(), balance)].into();
    let mut weights = init(&config);
    weights.router_bias = Some(vec![1.0, 0.0, 0.0, 0.0]);
    let x = logits(5, 64, 4, 0.0);
    let mut peak = 0.0;
    for _ in 0..400 {
        let forward = forward(&config, &weights, &x, Setting::TRAIN).expect("a layer that runs");
        // the task: the output should be a tenth of the token
        let error = forward.output.iter().zip(&x).map(|(y, x_i)| ((y - 0.1 * f64::from(*x_i)) / x.len() as f64) as f32);
        let error: Vec<f32> = error.collect();
        let gradients = backward(&config, &weights, &x, &forward, &error).expect("a layer that runs");
        for name in ["router", "routerBias", "w1", "w2"] {
            let gradient = gradients.weights.get(name).expect("a gradient of the layer");
            let values = weights.get_mut(name).expect("an array of the layer");
            values.iter_mut().zip(gradient).for_each(|(w, g)| *w -= *g as f32);
        }
        peak = f64::from(*forward.routing.demanded.iter().max().expect("experts")) / 16.0;
    }
    peak
}

#[test]
fn skewed_loads_collapse_without_the_balance_loss_and_even_out_with_it() {
    let (without, with) = (peak_after_training(0.0), peak_after_training(1e-2));
    assert!(without > 2.0, "without the loss the busiest expert has {without} times the mean");
    assert!(with < 1.3, "with it {with}");
}
