//! Nothing to route, nowhere to route to, and nothing to choose between.

use webmoe::config::{Capacity, LayerConfig, Order, Priority, Renormalize, RouterConfig, SharedExpert, Slots, TopK};
use webmoe::init::init;
use webmoe::reference::{Forward, Gradients, Setting, backward, forward};
use webmoe::rng::uniform_f32;
use webmoe::weights::{LayerWeights, shapes, volume};

use crate::common::close::{Tol, assert_close};

fn noise(len: usize) -> Vec<f32> {
    (0..len as u32).map(|i| 2.0 * uniform_f32(11, 0, 0, i, 0) - 1.0).collect()
}

fn layer(experts: usize, k: usize) -> LayerConfig {
    LayerConfig::new(6, 10, experts, RouterConfig::TopK(TopK::new(k)))
}

fn run(config: &LayerConfig, weights: &LayerWeights, tokens: usize) -> (Forward, Gradients) {
    let x = noise(tokens * config.d_model);
    let forward = forward(config, weights, &x, Setting::TRAIN).expect("a layer that runs");
    let gradients = backward(config, weights, &x, &forward, &x).expect("a layer that runs");
    (forward, gradients)
}

#[test]
fn of_equal_experts_the_lower_one_is_chosen() {
    let config = layer(5, 3);
    let mut weights = init(&config);
    weights.router.fill(0.0);
    let (forward, _) = run(&config, &weights, 4);
    assert_eq!(forward.routing.experts, [0, 1, 2].repeat(4));
}

#[test]
fn of_equal_tokens_the_earlier_one_is_served() {
    for priority in [Priority::Arrival, Priority::Batch, Priority::Weight] {
        let mut config = layer(5, 1);
        config.capacity = Capacity::Bounded { slots: Slots::Fixed { slots: 2 }, priority, order: Order::Rank };
        let mut weights = init(&config);
        weights.router.fill(0.0);
        let (forward, _) = run(&config, &weights, 4);
        assert_eq!(forward.routing.positions, [0, 1, -1, -1], "{priority:?}");
    }
}

#[test]
fn no_tokens_give_no_output_no_losses_and_no_gradients() {
    let config = LayerConfig { devices: 2, groups: 2, ..layer(4, 2) };
    let (forward, gradients) = run(&config, &init(&config), 0);
    assert!(forward.output.is_empty() && forward.routing.experts.is_empty() && gradients.x.is_empty());
    assert_eq!((forward.routing.demanded, forward.routing.load), (vec![0; 4], vec![0; 4]));
    assert!(forward.losses.values().all(|loss| *loss == 0.0), "{:?}", forward.losses);
    assert!(gradients.weights.router.iter().all(|g| *g == 0.0), "nothing to learn from");
    assert_eq!(gradients.traffic.network_bytes(), 0);
}

#[test]
fn no_slots_drop_everything_but_the_shared_expert() {
    let slots = Slots::Fixed { slots: 0 };
    let config = LayerConfig {
        capacity: Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank },
        router: RouterConfig::TopK(TopK { renormalize: Renormalize::PostDrop, ..TopK::new(2) }),
        ..layer(4, 2)
    };
    let (forward, gradients) = run(&config, &init(&config), 8);
    assert!(forward.output.iter().all(|y| *y == 0.0), "a dropped token's row is zero");
    assert!(gradients.x.iter().chain(&gradients.weights.w1).all(|g| *g == 0.0), "dropped pairs give no gradient");
    assert_eq!(forward.routing.demanded.iter().sum::<u32>(), 16);
    assert_eq!(forward.routing.load, [0; 4]);

    let shared = LayerConfig { shared_expert: Some(SharedExpert { d_ff: 3, gate: false }), ..config };
    let (forward, _) = run(&shared, &init(&shared), 8);
    assert!(forward.output.iter().any(|y| *y != 0.0), "the shared expert has no slots to run out of");
}

#[test]
fn with_all_experts_chosen_the_weights_are_the_whole_softmax() {
    let config = layer(4, 4);
    let (forward, _) = run(&config, &init(&config), 8);
    for row in forward.routing.weights.chunks_exact(4) {
        assert_close("sum of weights", &[row.iter().sum()], &[1.0], 1, Tol { abs: 1e-12, rel: 0.0 });
        assert!(row.is_sorted_by(|a, b| a >= b), "best first: {row:?}");
    }
    assert_close("balance", &[forward.losses["loadBalance"]], &[1.0], 1, Tol { abs: 1e-12, rel: 0.0 });
}

#[test]
fn with_one_expert_the_layer_is_dense() {
    let config = layer(1, 1);
    let (forward, gradients) = run(&config, &init(&config), 8);
    assert!(forward.routing.weights.iter().all(|w| *w == 1.0), "{:?}", forward.routing.weights);
    assert_eq!((forward.losses["importance"], forward.losses["load"]), (0.0, 0.0), "there is nothing to vary");
    assert!(gradients.weights.router.iter().all(|g| g.abs() < 1e-15), "nor anything to choose");
}

#[test]
fn devices_change_the_bytes_and_nothing_else() {
    let on = |devices| {
        let config = LayerConfig { devices, groups: 8, ..layer(8, 2) };
        run(&config, &init(&config), 16)
    };
    let (one, one_back) = on(1);
    for devices in [2, 4, 8] {
        let (many, many_back) = on(devices);
        assert_eq!((&many.output, &many.routing, &many.losses), (&one.output, &one.routing, &one.losses));
        assert_eq!((&many_back.x, &many_back.weights), (&one_back.x, &one_back.weights));
        assert!(many.traffic.network_bytes() > one.traffic.network_bytes(), "{devices} devices talk to each other");
    }
}

#[test]
fn random_priority_is_another_order_in_every_step_and_the_same_order_every_time() {
    let mut config = layer(2, 1);
    let slots = Slots::Fixed { slots: 4 };
    config.capacity = Capacity::Bounded { slots, priority: Priority::Random, order: Order::Rank };
    let (weights, x) = (init(&config), noise(64 * 6));
    let at =
        |step| forward(&config, &weights, &x, Setting { step, ..Setting::TRAIN }).expect("a layer that runs").routing;
    assert_eq!(at(1), at(1));
    assert_ne!(at(1).kept, at(2).kept);
}

#[test]
fn every_array_gets_a_gradient_of_its_shape() {
    let config = LayerConfig {
        gated: true,
        bias: true,
        router_bias: true,
        shared_expert: Some(SharedExpert { d_ff: 3, gate: true }),
        ..layer(4, 2)
    };
    let (_, gradients) = run(&config, &init(&config), 8);
    for (name, shape) in shapes(&config) {
        let gradient = gradients.weights.get(name).unwrap_or_default();
        assert_eq!(gradient.len(), volume(&shape), "{name}");
        assert!(gradient.iter().any(|g| *g != 0.0), "{name} is all zero");
    }
}
