//! Every router beside token choice: against the oracle, on 1 to 64 devices, with the exchanges that it should make.

use std::rc::Rc;

use webmoe::config::{
    Activation, Capacity, ExpertChoice, Hash, Hashed, LayerConfig, Order, Priority, RouterConfig, SharedExpert,
    Sinkhorn, SinkhornGate, Slots,
};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::layer::{Op, PayloadKind};
use webmoe::session::{ForwardOptions, Routing};

use super::super::engine::{Passes, layer, layer_of, passes};
use super::super::inputs::{d_output, token_ids, tokens, weights};
use super::super::trial::{Trial, check_trials};

const VOCABULARY: usize = 40;

/// A layer of the cheapest experts, with all losses that its router knows and whose gradient it takes.
pub fn layer_with(experts: usize, router: RouterConfig) -> LayerConfig {
    let weighed = ["z", "importance"].into_iter().filter(|name| router.losses().contains(name));
    LayerConfig {
        activation: Activation::Relu,
        loss_weights: weighed.map(|name| (name.to_owned(), 0.3)).collect(),
        ..LayerConfig::new(6, 10, experts, router)
    }
}

fn bounded(slots: usize) -> Capacity {
    Capacity::Bounded { slots: Slots::Fixed { slots }, priority: Priority::Arrival, order: Order::Rank }
}

/// A table that gives ids to `experts` experts, neither in turn nor evenly.
fn table(experts: usize, salt: usize) -> Vec<u32> {
    (0..VOCABULARY).map(|id| (id * id / 3 + salt * id + salt) as u32 % experts as u32).collect()
}

fn expert_choice(slots: usize) -> RouterConfig {
    RouterConfig::ExpertChoice(ExpertChoice { slots: Some(slots), ..ExpertChoice::new(1.0) })
}

fn sinkhorn(k: usize) -> RouterConfig {
    // as many iterations on every engine, so that rounding decides nothing
    RouterConfig::Sinkhorn(Sinkhorn { iterations: 12, tolerance: 0.0, ..Sinkhorn::new(k) })
}

fn hash(experts: usize) -> RouterConfig {
    RouterConfig::Hash(Hash::new(table(experts, 1)))
}

/// One layer of every router, of `experts` experts.
pub fn one_of_each(experts: usize) -> Vec<LayerConfig> {
    vec![
        layer_with(experts, expert_choice(3)),
        layer_with(experts, sinkhorn(2)),
        LayerConfig { capacity: bounded(2), ..layer_with(experts, sinkhorn(1)) },
        layer_with(experts, hash(experts)),
        LayerConfig { capacity: bounded(2), ..layer_with(experts, hash(experts)) },
    ]
}

pub async fn expert_choice_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("expert choice, {name}"), config, count);
    let all_alike = |name: &str, config: LayerConfig, count| {
        let change: fn(&mut webmoe::weights::LayerWeights) = |weights| weights.router.fill(0.0);
        Trial { change, ties: true, ..trial(name, config, count) }
    };
    check_trials(
        engine,
        &[
            trial("by factor", layer_with(5, RouterConfig::ExpertChoice(ExpertChoice::new(1.5))), 37),
            trial("many tokens", layer_with(3, expert_choice(70)), 333),
            trial("one expert", layer_with(1, expert_choice(5)), 9),
            trial("every token", layer_with(4, expert_choice(11)), 11),
            trial("no token", layer_with(4, expert_choice(0)), 11),
            trial("one token", layer_with(4, expert_choice(1)), 1),
            all_alike("equal scores", layer_with(4, expert_choice(3)), 70),
            trial("groups", LayerConfig { groups: 4, router_bias: true, ..layer_with(6, expert_choice(3)) }, 64),
            trial(
                "a shared expert on a mesh",
                LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, expert_choice(3)) },
                64,
            ),
        ],
    )
    .await;
}

pub async fn sinkhorn_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let softmax = |k| {
        let RouterConfig::Sinkhorn(router) = sinkhorn(k) else { unreachable!("that is what it makes") };
        RouterConfig::Sinkhorn(Sinkhorn { gate: SinkhornGate::Softmax, epsilon: 0.3, ..router })
    };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("Sinkhorn, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("one choice", layer_with(5, sinkhorn(1)), 37),
            trial("three choices of softmax", layer_with(7, softmax(3)), 70),
            Trial { train: false, ..trial("outside training", layer_with(5, sinkhorn(2)), 37) },
            trial("one expert", layer_with(1, sinkhorn(1)), 9),
            trial("all experts", layer_with(4, sinkhorn(4)), 9),
            trial("more experts than threads", layer_with(130, sinkhorn(2)), 16),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer_with(4, sinkhorn(2)) }, 64),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, sinkhorn(2)) }, 64),
        ],
    )
    .await;
}

pub async fn hash_layers_agree_with_the_oracle(engine: &Rc<Engine>) {
    let several = Hash { tables: vec![table(3, 1), table(3, 2)], of: Hashed::Token };
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("hash, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("one table", layer_with(5, hash(5)), 37),
            trial("two tables", layer_with(6, RouterConfig::Hash(several)), 37),
            trial("one expert", layer_with(1, hash(1)), 9),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer_with(4, hash(4)) }, 64),
            trial("a shared expert", LayerConfig { shared_expert, ..layer_with(5, hash(5)) }, 37),
            trial("a mesh", LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, hash(8)) }, 64),
        ],
    )
    .await;
}

async fn run(engine: &Rc<Engine>, config: &LayerConfig, count: usize) -> Passes {
    let mut layer = layer_of(engine, config, &weights(config, 6)).await;
    let token_ids = Some(token_ids(VOCABULARY, count));
    let options = ForwardOptions { train: true, token_ids, ..ForwardOptions::default() };
    let (x, d_output) = (tokens(config, 6, count), d_output(config, 6, count));
    passes(&mut layer, &x, &d_output, &options).await.unwrap_or_else(|e| panic!("{e}: {config:?}"))
}

fn routing(passes: &Passes) -> &Routing {
    passes.output.routing.as_ref().expect("routing was read")
}

pub async fn devices_change_nothing_for_any_router(engine: &Rc<Engine>) {
    for config in one_of_each(64) {
        let alone = LayerConfig { groups: 64, ..config };
        let one = run(engine, &alone, 256).await;
        for devices in [2, 4, 8, 64] {
            let many = run(engine, &LayerConfig { devices, ..alone.clone() }, 256).await;
            assert_eq!(routing(&many), routing(&one), "the plan on {devices} devices: {:?}", alone.router);
            for ((name, many), (_, one)) in many.bits().into_iter().zip(one.bits()) {
                assert!(many == one, "{name} on {devices} devices has other bits than on one: {:?}", alone.router);
            }
        }
    }
}

pub async fn these_routers_move_rows_twice_each_way(engine: &Rc<Engine>) {
    for config in one_of_each(8) {
        let got = run(engine, &LayerConfig { groups: 4, devices: 4, ..config.clone() }, 64).await;
        for traffic in [&got.output.traffic, &got.gradients.traffic] {
            let traffic = traffic.as_ref().expect("traffic was read");
            let rows: Vec<_> = traffic.iter().filter(|t| t.kind == PayloadKind::Payload).map(|t| t.op).collect();
            assert_eq!(rows.len(), 2, "{:?}: {rows:?}", config.router);
            assert!(rows.contains(&Op::Dispatch) && rows.contains(&Op::Combine), "{:?}: {rows:?}", config.router);
        }
    }
}

pub async fn every_expert_takes_exactly_as_many_tokens_as_it_may(engine: &Rc<Engine>) {
    for (experts, slots, count) in [(4, 8, 64), (7, 3, 61), (16, 64, 64)] {
        let got = run(engine, &layer_with(experts, expert_choice(slots)), count).await;
        let routing = routing(&got);
        assert_eq!(routing.load, vec![slots as u32; experts]);
        for e in 0..experts as i32 {
            let mut places: Vec<i32> = (0..routing.experts.len())
                .filter(|at| routing.experts[*at] == e)
                .map(|at| routing.positions[at])
                .collect();
            places.sort_unstable();
            assert_eq!(places, (0..slots as i32).collect::<Vec<_>>(), "expert {e}: one token a slot");
        }
    }
}

pub async fn prices_even_out_what_the_tokens_ask_for(engine: &Rc<Engine>) {
    let skewed = |router| {
        let mut config = LayerConfig { router_bias: true, ..layer_with(8, router) };
        config.loss_weights.clear();
        config
    };
    let load = async |router: RouterConfig| {
        let config = skewed(router);
        let mut given = weights(&config, 6);
        given.router_bias = Some((0..8).map(|e| 0.5 * e as f32).collect());
        let mut layer = layer_of(engine, &config, &given).await;
        let options = ForwardOptions { train: true, ..ForwardOptions::default() };
        let output = layer.forward(&tokens(&config, 6, 512), &options).await.expect("a layer that runs");
        output.routing.expect("routing was read").load.into_iter().max()
    };
    let plain = load(RouterConfig::TopK(webmoe::config::TopK::new(1))).await;
    let balanced = load(RouterConfig::Sinkhorn(Sinkhorn { epsilon: 0.1, iterations: 50, ..Sinkhorn::new(1) })).await;
    assert!(plain > Some(128), "one expert is asked by twice its share and more: {plain:?}");
    assert!(balanced < Some(77), "none gets a fifth more than its share of 64: {balanced:?}");
}

pub async fn what_is_hashed_follows_the_setting(engine: &Rc<Engine>) {
    let ids = [5_u32, 7, 5, 1, 0, 5, 2, 9];
    let table: Vec<u32> = (0..10).collect();
    for (of, wanted) in [
        (Hashed::Token, [5, 7, 5, 1, 0, 5, 2, 9]),
        (Hashed::Previous, [5, 5, 7, 5, 0, 0, 5, 2]),
        (Hashed::Next, [7, 5, 1, 1, 5, 2, 9, 9]),
        (Hashed::Position, [0, 1, 2, 3, 0, 1, 2, 3]),
    ] {
        let router = RouterConfig::Hash(Hash { of, ..Hash::new(table.clone()) });
        let mut layer = layer(engine, &layer_with(10, router)).await;
        let options = ForwardOptions { token_ids: Some(ids.to_vec()), sequence: Some(4), ..ForwardOptions::default() };
        let output = layer.forward(&[0.5; 48], &options).await.expect("a layer that runs");
        assert_eq!(output.routing.expect("routing was read").experts, wanted, "{of:?}");
    }
}

pub async fn a_router_that_goes_by_ids_says_what_is_wrong_with_them(engine: &Rc<Engine>) {
    let mut layer = layer(engine, &layer_with(4, hash(4))).await;
    let x = [0.5; 12];
    let with = |token_ids| ForwardOptions { token_ids, ..ForwardOptions::default() };
    let error = layer.forward(&x, &with(None)).await.expect_err("no ids");
    assert!(matches!(error, Error::MissingLabels { what: "tokenIds", .. }), "{error}");
    let error = layer.forward(&x, &with(Some(vec![1]))).await.expect_err("one id for two tokens");
    assert!(matches!(error, Error::WrongLength { got: 1, wanted: 2, .. }), "{error}");
    let error = layer.forward(&x, &with(Some(vec![1, 40]))).await.expect_err("an id beyond the table");
    assert!(error.to_string().contains("tokenIds[1]") && error.to_string().contains("below 40"), "{error}");
    layer.forward(&x, &with(Some(vec![1, 39]))).await.expect("the layer still works");
}
