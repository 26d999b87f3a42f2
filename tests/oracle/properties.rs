//! What holds for every layer and every input.

use proptest::prelude::*;
use webmoe::config::{
    Capacity, CapacityPer, LayerConfig, Order, Priority, Renormalize, Rounding, RouterConfig, Scoring, Slots, TopK,
};
use webmoe::init::init;
use webmoe::reference::{Forward, Op, Setting, forward};
use webmoe::rng::uniform_f32;

fn capacities() -> impl Strategy<Value = Capacity> {
    let per = prop_oneof![Just(CapacityPer::Token), Just(CapacityPer::Assignment)];
    let round = prop_oneof![Just(Rounding::Floor), Just(Rounding::Ceil), Just(Rounding::Round)];
    let by_factor = (0.1..3.0, per, round, 0usize..4, 1usize..5).prop_map(|(factor, per, round, min, multiple_of)| {
        Slots::Factor { factor, eval_factor: factor, per, round, min, multiple_of }
    });
    let slots = prop_oneof![by_factor, (0usize..6).prop_map(|slots| Slots::Fixed { slots })];
    let priority =
        prop_oneof![Just(Priority::Arrival), Just(Priority::Batch), Just(Priority::Weight), Just(Priority::Random)];
    let order = prop_oneof![Just(Order::Rank), Just(Order::Token)];
    prop_oneof![
        1 => Just(Capacity::Dropless),
        4 => (slots, priority, order)
            .prop_map(|(slots, priority, order)| Capacity::Bounded { slots, priority, order }),
    ]
}

fn routers(experts: usize) -> impl Strategy<Value = TopK> {
    let scoring = prop_oneof![Just(Scoring::Softmax), Just(Scoring::Sigmoid)];
    let renormalize = prop_oneof![Just(Renormalize::None), Just(Renormalize::PreDrop), Just(Renormalize::PostDrop)];
    (1..=experts, scoring, renormalize).prop_map(|(k, scoring, renormalize)| TopK {
        scoring,
        renormalize,
        ..TopK::new(k)
    })
}

/// A small layer on a mesh, and a number of tokens that it can split.
fn layers() -> impl Strategy<Value = (LayerConfig, usize)> {
    (1usize..4, 1usize..4, 1usize..3, 0usize..9, any::<u32>()).prop_flat_map(
        |(devices, per_device, groups, s, seed)| {
            let experts = devices * per_device;
            (routers(experts), capacities()).prop_map(move |(router, capacity)| {
                let layer = LayerConfig::new(3, 2, experts, RouterConfig::TopK(router));
                let groups = groups * devices;
                (LayerConfig { capacity, devices, groups, seed: u64::from(seed), ..layer }, groups * s)
            })
        },
    )
}

fn run(config: &LayerConfig, tokens: usize) -> Forward {
    let x: Vec<f32> = (0..tokens * 3).map(|i| 4.0 * uniform_f32(config.seed, 9, 0, i as u32, 0) - 2.0).collect();
    forward(config, &init(config), &x, Setting::TRAIN).expect("a layer that runs")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_assignment_is_kept_or_dropped_exactly_once((config, tokens) in layers()) {
        prop_assert!(config.check().is_ok());
        let forward = run(&config, tokens);
        let (routing, k) = (&forward.routing, config.k());
        for row in routing.experts.chunks_exact(k) {
            let mut distinct = row.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), k, "no expert twice: {:?}", row);
        }
        let count = |of: &dyn Fn(usize) -> bool, e: usize| {
            (0..tokens * k).filter(|&i| routing.experts[i] == e as i32 && of(i)).count() as u32
        };
        for e in 0..config.experts {
            prop_assert_eq!(routing.demanded[e], count(&|_| true, e));
            prop_assert_eq!(routing.load[e], count(&|i| routing.kept[i], e));
        }
        for i in 0..tokens * k {
            prop_assert_eq!(routing.kept[i], routing.positions[i] >= 0);
            prop_assert!(routing.kept[i] || routing.weights[i] == 0.0, "a dropped choice weighs nothing");
        }
    }

    #[test]
    fn an_expert_fills_its_places_from_the_first_and_drops_only_when_full((config, tokens) in layers()) {
        let forward = run(&config, tokens);
        let (routing, k, s) = (&forward.routing, config.k(), tokens / config.groups);
        for group in 0..config.groups {
            for e in 0..config.experts {
                let of_expert: Vec<i32> = (group * s * k..(group + 1) * s * k)
                    .filter(|&i| routing.experts[i] == e as i32)
                    .map(|i| routing.positions[i])
                    .collect();
                let mut places: Vec<i32> = of_expert.iter().copied().filter(|&p| p >= 0).collect();
                places.sort_unstable();
                let kept = forward.capacity.map_or(of_expert.len(), |c| c.min(of_expert.len()));
                prop_assert_eq!(places, (0..kept as i32).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn kept_rows_and_useful_bytes_are_the_same_number((config, tokens) in layers()) {
        let forward = run(&config, tokens);
        let rows: u64 = forward.routing.load.iter().map(|&n| u64::from(n)).sum();
        for exchange in forward.traffic.exchanges.iter().filter(|exchange| exchange.op != Op::Counts) {
            prop_assert_eq!(exchange.useful_bytes.iter().sum::<u64>(), rows * 3 * 4);
            let fits = exchange.bytes.iter().zip(&exchange.useful_bytes).all(|(wire, useful)| wire >= useful);
            prop_assert!(fits, "padding never takes away");
        }
    }

    #[test]
    fn groups_are_routed_independently((config, tokens) in layers()) {
        let s = tokens / config.groups;
        let whole = run(&config, tokens);
        // The order of random priority depends on where in the batch a token stands, and jitter is off.
        let random = matches!(config.capacity, Capacity::Bounded { priority: Priority::Random, .. });
        prop_assume!(!random && s > 0);
        let x: Vec<f32> = (0..s * 3).map(|i| 4.0 * uniform_f32(config.seed, 9, 0, i as u32, 0) - 2.0).collect();
        let alone = LayerConfig { groups: 1, devices: 1, ..config.clone() };
        let alone = forward(&alone, &init(&alone), &x, Setting::TRAIN).expect("a layer that runs");
        prop_assert_eq!(&alone.routing.positions[..], &whole.routing.positions[..s * config.k()]);
        prop_assert_eq!(&alone.output[..], &whole.output[..s * 3]);
    }

    #[test]
    fn an_expert_that_keeps_its_best_drops_nothing_better((config, tokens) in layers()) {
        let best = Capacity::Bounded { slots: Slots::Fixed { slots: 2 }, priority: Priority::Weight, order: Order::Rank };
        let plain = TopK::new(config.k());
        let config = LayerConfig { capacity: best, groups: 1, devices: 1, router: RouterConfig::TopK(plain), ..config };
        let forward = run(&config, tokens);
        let routing = &forward.routing;
        let score = |i: usize| forward.scores[i / config.k() * config.experts + routing.experts[i] as usize];
        for i in 0..routing.kept.len() {
            for j in 0..routing.kept.len() {
                let rivals = routing.experts[i] == routing.experts[j] && routing.kept[i] && !routing.kept[j];
                prop_assert!(!rivals || score(i) >= score(j));
            }
        }
    }
}
