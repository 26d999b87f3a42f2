//! Soft mixtures.

use std::rc::Rc;

use webmoe::config::{LayerConfig, RouterConfig, SharedExpert, Soft};
use webmoe::engine::Engine;
use webmoe::layer::{Op, PayloadKind};
use webmoe::session::{ForwardOptions, Read};
use webmoe::weights::LayerWeights;

use super::super::super::close::{Tol, assert_close};
use super::super::super::engine::layer_of;
use super::super::super::inputs::{tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{layer_with, routing, run};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    vec![layer_with(experts, slots(1)), LayerConfig { shared_expert, ..layer_with(experts, slots(3)) }]
}

fn slots(slots: usize) -> RouterConfig {
    RouterConfig::Soft(Soft::new(slots))
}

pub async fn soft_mixtures_agree_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("soft, {name}"), config, count);
    let all_alike: fn(&mut LayerWeights) = |weights| weights.router.fill(0.0);
    let huge: fn(&mut LayerWeights) = |weights| weights.router.iter_mut().for_each(|v| *v *= 1e30);
    let tiny: fn(&mut LayerWeights) = |weights| weights.router.iter_mut().for_each(|v| *v *= 1e-30);
    let plain = layer_with(5, slots(3));
    let mesh = LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, slots(3)) };
    let full = LayerConfig { bias: true, router_bias: true, gated: true, ..plain.clone() };
    let groups = LayerConfig { groups: 4, ..plain.clone() };
    let unlike = LayerConfig { expert_widths: Some(vec![10, 1, 7]), identity_experts: 2, groups: 2, ..plain.clone() };
    let unlike_on_a_mesh = LayerConfig { experts: 6, identity_experts: 3, devices: 2, ..unlike.clone() };
    check_trials(
        engine,
        &[
            trial("some slots", plain.clone(), 37),
            Trial { train: false, ..trial("outside training", plain.clone(), 37) },
            trial("one slot", layer_with(5, slots(1)), 37),
            trial("more slots than tokens", layer_with(4, slots(9)), 7),
            trial("slots in whole vectors", layer_with(4, slots(4)), 16),
            trial("biases", full, 37),
            trial("groups", groups.clone(), 36),
            trial("groups of one token", groups, 4),
            Trial { change: all_alike, ties: true, ..trial("equal logits", plain.clone(), 9) },
            Trial { change: huge, ..trial("huge logits", plain.clone(), 9) },
            Trial { change: tiny, ..trial("tiny logits", plain.clone(), 9) },
            trial("one expert", layer_with(1, slots(3)), 9),
            trial("one expert with one slot", layer_with(1, slots(1)), 9),
            trial("one token", plain.clone(), 1),
            trial("no token", plain.clone(), 0),
            trial("hundreds of slots", layer_with(64, slots(4)), 130),
            trial("a shared expert", LayerConfig { shared_expert, ..plain.clone() }, 37),
            trial(
                "a shared expert without a gate",
                LayerConfig { shared_expert: Some(SharedExpert { d_ff: 25, gate: false }), ..plain },
                37,
            ),
            trial("experts of several kinds", unlike, 36),
            trial("experts of several kinds on a mesh", unlike_on_a_mesh, 36),
            trial("a mesh", mesh.clone(), 64),
            trial("a mesh whose devices hold all experts", LayerConfig { replicated: true, ..mesh }, 64),
        ],
    )
    .await;
}

/// The shares of the slots, summed for each group, and those of the experts, summed for each token.
pub async fn tokens_share_every_slot_and_experts_every_output(engine: &Rc<Engine>) {
    let config = LayerConfig { groups: 3, ..layer_with(5, slots(3)) };
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let options = ForwardOptions { read: vec![Read::Routing, Read::Scores], ..ForwardOptions::default() };
    let got = layer.forward(&tokens(&config, 6, 36), &options).await.expect("a layer that runs");
    let (scores, routing) = (got.scores.expect("scores were read"), got.routing.expect("routing was read"));
    let tol = Tol { abs: 1e-5, rel: 0.0 };
    assert_eq!(scores.len(), 36 * 15, "a score for every token and slot");
    for group in scores.chunks(12 * 15) {
        let of_slot = |m: usize| group.iter().skip(m).step_by(15).map(|share| f64::from(*share)).sum();
        assert_close("shares of a slot", &(0..15).map(of_slot).collect::<Vec<f64>>(), &[1.0; 15], 1, tol);
    }
    let of_token: Vec<f64> = routing.weights.chunks(5).map(|all| all.iter().map(|w| f64::from(*w)).sum()).collect();
    assert_close("weights of a token", &of_token, &[1.0; 36], 1, tol);
    assert_eq!(routing.load, [36; 5], "every token has something of every expert");
    assert!(routing.kept.iter().all(|kept| *kept == 1) && routing.positions.iter().all(|place| *place == -1));
}

pub async fn every_device_sends_every_other_its_slots_and_nothing_else(engine: &Rc<Engine>) {
    let config = LayerConfig { groups: 8, devices: 4, ..layer_with(8, slots(3)) };
    for count in [8, 64] {
        let got = run(engine, &config, count).await;
        let all: Vec<_> = [&got.output.traffic, &got.gradients.traffic].into_iter().flatten().flatten().collect();
        assert_eq!(all.len(), 4, "two exchanges each way, and no numbers about them");
        for exchange in &all {
            assert!(matches!(exchange.op, Op::Dispatch | Op::Combine) && exchange.kind == PayloadKind::Payload);
            // two groups' slots of two experts, rows of six numbers
            let wanted = vec![2.0 * 2.0 * 3.0 * 6.0 * 4.0; 16];
            assert_eq!((&exchange.bytes, &exchange.useful_bytes), (&wanted, &wanted), "{count} tokens");
        }
        assert_eq!(routing(&got).load, [count as u32; 8], "however many tokens there are");
    }
}

pub async fn a_soft_pass_is_ten_dispatches_or_twelve_on_a_mesh(engine: &Rc<Engine>) {
    for (slots_of_each, groups, devices, wanted) in [(1, 1, 1, 10), (5, 4, 1, 10), (5, 4, 4, 12)] {
        let config = LayerConfig { groups, devices, ..layer_with(8, slots(slots_of_each)) };
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        let options = ForwardOptions { train: true, read: Vec::new(), ..ForwardOptions::default() };
        let before = engine.counters();
        layer.forward(&tokens(&config, 6, 32), &options).await.expect("a layer that runs");
        let after = engine.counters();
        assert_eq!(after.dispatches - before.dispatches, wanted, "{groups} groups on {devices} devices");
        assert_eq!(after.readbacks, before.readbacks, "nothing comes back");
    }
}

/// A group whose tokens are not all numbers is lost, but not its neighbours, whose mixtures lie next to it.
pub async fn a_token_that_is_not_a_number_spoils_its_group_alone(engine: &Rc<Engine>) {
    let config = LayerConfig { groups: 3, ..layer_with(5, slots(1)) };
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let mut x = tokens(&config, 6, 12);
    let options = ForwardOptions { read: vec![Read::Output], ..ForwardOptions::default() };
    let whole = layer.forward(&x, &options).await.expect("a layer that runs").output.expect("the output was read");
    x[5 * config.d_model] = f32::NAN;
    let got = layer.forward(&x, &options).await.expect("a layer that runs").output.expect("the output was read");
    let group = 4 * config.d_model;
    for (g, (got, whole)) in got.chunks(group).zip(whole.chunks(group)).enumerate() {
        if g == 1 {
            assert!(got.iter().zip(whole).all(|(got, whole)| got != whole), "the group of the token");
        } else {
            assert_eq!(got, whole, "group {g}");
        }
    }
}
