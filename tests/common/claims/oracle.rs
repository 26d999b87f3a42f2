//! Layers of every kind against the f64 oracle: outputs, plans, losses, gradients, bytes.

use std::rc::Rc;

use webmoe::config::{
    Activation, Capacity, CapacityPer, LayerConfig, Order, Priority, Renormalize, Rounding, RouterConfig, Scoring,
    SharedExpert, Slots, SoftmaxOver, TopK,
};
use webmoe::engine::Engine;
use webmoe::session::ForwardOptions;

use super::super::engine::layer_of;
use super::super::inputs::{bits, tokens, weights};
use super::super::trial::{Trial, check_trials};

/// Experts of the cheapest kind, all auxiliary losses in the gradient.
fn plain(experts: usize, router: TopK) -> LayerConfig {
    LayerConfig {
        activation: Activation::Relu,
        loss_weights: ["loadBalance", "loadBalanceFirst", "z", "importance"].map(|name| (name.to_owned(), 0.3)).into(),
        ..LayerConfig::new(6, 10, experts, RouterConfig::TopK(router))
    }
}

fn slots(slots: usize, priority: Priority, order: Order) -> Capacity {
    Capacity::Bounded { slots: Slots::Fixed { slots }, priority, order }
}

pub async fn every_kind_of_expert_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let kinds = [
        (Activation::Relu, false, true, 7, 9),
        (Activation::Gelu, true, true, 6, 11),
        (Activation::GeluTanh, false, false, 4, 8),
        (Activation::Silu, true, false, 132, 140),
    ];
    let trials = kinds.map(|(activation, gated, bias, d, f)| {
        let config = LayerConfig { activation, gated, bias, d_model: d, d_ff: f, ..plain(3, TopK::new(2)) };
        Trial::new(format!("{activation:?}, gated: {gated}, bias: {bias}"), config, 70)
    });
    check_trials(engine, &trials).await;
}

pub async fn every_way_to_weigh_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let weighings = [
        (Scoring::Softmax, SoftmaxOver::All),
        (Scoring::Softmax, SoftmaxOver::Selected),
        (Scoring::Sigmoid, SoftmaxOver::All),
    ];
    let mut trials = Vec::new();
    for (scoring, softmax_over) in weighings {
        for renormalize in [Renormalize::None, Renormalize::PreDrop, Renormalize::PostDrop] {
            let router = TopK { scoring, softmax_over, renormalize, scale: 1.5, ..TopK::new(3) };
            let capacity = slots(5, Priority::Arrival, Order::Rank);
            let config = LayerConfig { capacity, router_bias: true, groups: 2, ..plain(8, router) };
            trials.push(Trial::new(format!("{scoring:?} over {softmax_over:?}, {renormalize:?}"), config, 32));
        }
    }
    check_trials(engine, &trials).await;
}

pub async fn every_way_to_choose_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let bias = |experts: usize| Some((0..experts).map(|e| 0.05 * ((e * 7 % 5) as f32 - 2.0)).collect());
    let with = |k: usize| TopK { renormalize: Renormalize::PreDrop, ..TopK::new(k) };
    let sigmoid = |k: usize| TopK { scoring: Scoring::Sigmoid, ..with(k) };
    let trials = [
        Trial::new("a selection bias", plain(8, TopK { selection_bias: bias(8), ..with(2) }), 24),
        Trial::new("groups of experts", plain(12, TopK { expert_groups: 4, group_limit: 2, ..with(3) }), 24),
        Trial::new(
            "groups of experts, biased sigmoids",
            plain(12, TopK { selection_bias: bias(12), expert_groups: 6, group_limit: 3, ..sigmoid(4) }),
            24,
        ),
        Trial::new("groups of one expert", plain(6, TopK { expert_groups: 6, group_limit: 3, ..with(2) }), 24),
        Trial::new("no choice: k = E", plain(5, TopK::new(5)), 24),
        Trial::new("one expert", plain(1, TopK::new(1)), 24),
        Trial::new("the most experts", plain(1024, TopK { selection_bias: None, ..TopK::new(8) }), 16),
        Trial::new("one token", plain(4, TopK::new(2)), 1),
        Trial::new("no tokens", LayerConfig { groups: 2, devices: 2, ..plain(4, TopK::new(2)) }, 0),
    ];
    check_trials(engine, &trials).await;
}

pub async fn every_priority_and_order_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let mut trials = Vec::new();
    for priority in [Priority::Arrival, Priority::Batch, Priority::Weight, Priority::Random] {
        for order in [Order::Rank, Order::Token] {
            for (groups, renormalize) in [(1, Renormalize::PostDrop), (2, Renormalize::PreDrop)] {
                let router = TopK { renormalize, ..TopK::new(2) };
                let config = LayerConfig { capacity: slots(6, priority, order), groups, ..plain(4, router) };
                trials.push(Trial::new(format!("{priority:?}, {order:?}, {renormalize:?}"), config, 48));
            }
        }
    }
    // more assignments of a group than slot_count's block, so that blocks are added up
    let config = LayerConfig { capacity: slots(150, Priority::Arrival, Order::Rank), ..plain(4, TopK::new(2)) };
    trials.push(Trial::new("several blocks", config, 330));
    check_trials(engine, &trials).await;
}

pub async fn every_capacity_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let mut trials = Vec::new();
    for per in [CapacityPer::Token, CapacityPer::Assignment] {
        for (round, min, multiple_of) in [(Rounding::Floor, 0, 1), (Rounding::Ceil, 3, 1), (Rounding::Round, 0, 4)] {
            for train in [true, false] {
                let slots = Slots::Factor { factor: 0.7, eval_factor: 1.3, per, round, min, multiple_of };
                let capacity = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Token };
                let config = LayerConfig { capacity, ..plain(5, TopK::new(2)) };
                let name = format!("{per:?}, {round:?}, at least {min}, by {multiple_of}, train: {train}");
                trials.push(Trial { train, ..Trial::new(name, config, 24) });
            }
        }
    }
    for (name, shared) in [("nobody is served", None), ("only the shared expert serves", Some(7))] {
        let shared_expert = shared.map(|d_ff| SharedExpert { d_ff, gate: false });
        let router = TopK { renormalize: Renormalize::PostDrop, ..TopK::new(2) };
        let capacity = slots(0, Priority::Arrival, Order::Rank);
        trials.push(Trial::new(name, LayerConfig { capacity, shared_expert, ..plain(4, router) }, 12));
    }
    check_trials(engine, &trials).await;
}

pub async fn shared_experts_agree_with_the_oracle(engine: &Rc<Engine>) {
    let mut trials = Vec::new();
    for (d_ff, gate, gated, devices) in
        [(10, false, false, 1), (7, true, true, 1), (23, true, false, 1), (23, true, false, 2), (31, false, true, 2)]
    {
        let shared_expert = Some(SharedExpert { d_ff, gate });
        let config = LayerConfig { shared_expert, gated, devices, groups: devices, ..plain(4, TopK::new(2)) };
        let name = format!("a shared expert of {d_ff}, gate: {gate}, gated: {gated}, {devices} devices");
        trials.push(Trial::new(name, config, 20));
    }
    check_trials(engine, &trials).await;
}

pub async fn jitter_and_groups_agree_with_the_oracle(engine: &Rc<Engine>) {
    let jittered = plain(8, TopK { jitter: 0.3, ..TopK::new(2) });
    let random = slots(3, Priority::Random, Order::Rank);
    let large_seed = (1 << 40) + 5;
    let trials = [
        Trial::new("jitter", LayerConfig { seed: large_seed, ..jittered.clone() }, 24),
        Trial { train: false, ..Trial::new("jitter outside training", jittered.clone(), 24) },
        Trial { step: 70_000, ..Trial::new("jitter, a late step", jittered.clone(), 24) },
        Trial::new("jitter on a mesh", LayerConfig { devices: 4, groups: 4, ..jittered.clone() }, 24),
        Trial::new("more groups than devices", LayerConfig { devices: 2, groups: 6, ..plain(8, TopK::new(2)) }, 24),
        Trial::new(
            "groups served in random order",
            LayerConfig { devices: 2, groups: 6, capacity: random, seed: large_seed, ..plain(8, TopK::new(2)) },
            60,
        ),
        Trial::new("groups of one token", LayerConfig { groups: 24, ..plain(8, TopK::new(2)) }, 24),
    ];
    check_trials(engine, &trials).await;
}

pub async fn odd_sizes_agree_with_the_oracle(engine: &Rc<Engine>) {
    let sizes = [(1, 1, 1, 3), (1, 5, 2, 9), (3, 2, 5, 17), (65, 67, 3, 33), (66, 3, 7, 65), (257, 2, 2, 12)];
    let trials = sizes.map(|(d_model, d_ff, experts, tokens)| {
        let config = LayerConfig { d_model, d_ff, bias: true, ..plain(experts, TopK::new(1)) };
        Trial::new(format!("d = {d_model}, F = {d_ff}, E = {experts}, T = {tokens}"), config, tokens)
    });
    check_trials(engine, &trials).await;
}

pub async fn ties_go_to_the_lower_expert_and_the_earlier_token(engine: &Rc<Engine>) {
    let mut trials = Vec::new();
    for priority in [Priority::Arrival, Priority::Batch, Priority::Weight] {
        let config = LayerConfig { capacity: slots(5, priority, Order::Rank), ..plain(6, TopK::new(3)) };
        let tied = Trial::new(format!("all experts tied, {priority:?}"), config, 17);
        trials.push(Trial { change: |w| w.router.fill(0.0), ties: true, ..tied });
    }
    let one_for_all = LayerConfig { router_bias: true, ..plain(6, TopK::new(1)) };
    let hot = Trial::new("all tokens to the last expert", one_for_all, 40);
    let change = |w: &mut webmoe::weights::LayerWeights| {
        w.router.fill(0.0);
        if let Some(bias) = &mut w.router_bias {
            bias[5] = 3.0;
        }
    };
    trials.push(Trial { change, ties: true, ..hot.clone() });
    let config = LayerConfig { capacity: slots(9, Priority::Arrival, Order::Rank), ..hot.config.clone() };
    trials.push(Trial {
        name: "all tokens to the last expert, which is full".into(),
        config,
        change,
        ties: true,
        ..hot
    });
    check_trials(engine, &trials).await;
}

pub async fn huge_and_tiny_logits_agree_with_the_oracle(engine: &Rc<Engine>) {
    let mut trials = Vec::new();
    for scoring in [Scoring::Softmax, Scoring::Sigmoid] {
        let router = TopK { scoring, renormalize: Renormalize::PreDrop, ..TopK::new(2) };
        // the square of a huge logit lies beyond f32, and so would its gradient
        let config = LayerConfig { loss_weights: [("loadBalance".to_owned(), 0.3)].into(), ..plain(6, router) };
        let trial = |name: &str| Trial::new(format!("{name}, {scoring:?}"), config.clone(), 24);
        trials.push(Trial { change: |w| w.router.iter_mut().for_each(|v| *v *= 1e-30), ..trial("tiny") });
        trials.push(Trial { change: |w| w.router.iter_mut().for_each(|v| *v *= 1e15), ..trial("large") });
        trials.push(Trial { change: |w| w.router.iter_mut().for_each(|v| *v *= 1e30), ..trial("huge") });
    }
    check_trials(engine, &trials).await;
}

pub async fn a_token_that_is_not_a_number_spoils_only_itself(engine: &Rc<Engine>) {
    let config = plain(6, TopK::new(2));
    let mut layer = layer_of(engine, &config, &weights(&config, 1)).await;
    let (x, d, spoilt) = (tokens(&config, 1, 20), config.d_model, 7);
    let clean = layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut dirty = x.clone();
        dirty[spoilt * d + 2] = value;
        let got = layer.forward(&dirty, &ForwardOptions::default()).await.expect("a layer that runs");
        let rest = |output: &Option<Vec<f32>>| {
            let mut rows = output.clone().expect("the output was read");
            rows.drain(spoilt * d..(spoilt + 1) * d);
            bits(&rows)
        };
        assert_eq!(rest(&got.output), rest(&clean.output), "{value}: the other tokens' rows");
        let experts = got.routing.expect("routing was read").experts;
        assert!(experts.iter().all(|e| (0..6).contains(e)), "{value}: every choice is an expert: {experts:?}");
        layer.backward(&x, &[]).await.expect("backward runs");
        let again = layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
        assert_eq!(again.output.map(|y| bits(&y)), clean.output.as_ref().map(|y| bits(y)), "{value}: and then none");
    }
}
