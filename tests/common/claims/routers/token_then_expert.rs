//! Tokens name experts, then experts choose among those that named them.

use std::rc::Rc;

use webmoe::config::{
    Capacity, ExpertChoice, Key, LayerConfig, Negotiation, Order, Priority, RouterConfig, SharedExpert, Slots,
    TokenThenExpert, TopK,
};
use webmoe::engine::Engine;
use webmoe::layer::{Op, PayloadKind, Traffic};
use webmoe::reference::routing::expert_choice::greedy;
use webmoe::reference::routing::token_then_expert::{self, Nominate, Rule, blocking_pairs, deferred_within};
use webmoe::reference::routing::{Plan, Scores};
use webmoe::session::{ForwardOptions, Read, Routing, Solver};
use webmoe::weights::LayerWeights;

use super::super::super::engine::{Passes, layer_of, run as run_case};
use super::super::super::families::combine;
use super::super::super::inputs::{tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with, routing, run, thresholds};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    let all = [
        with(2, 3),
        TokenThenExpert { k: 1, rounds: 3, key: Key::Regret, ..with(3, 3) },
        TokenThenExpert { k: 1, rounds: 4, key: Key::Margin, deferred: true, ..with(3, 3) },
        ranks(3, 5),
        TokenThenExpert {
            k: 1,
            rounds: 2,
            key: Key::Logit,
            threshold: 0.125,
            exchange: Negotiation::Handshake,
            ..with(3, 3)
        },
    ];
    all.into_iter().map(|router| layer(experts, router)).chain(thresholds::examples_of_names(experts)).collect()
}

fn with(nominate: usize, slots: usize) -> TokenThenExpert {
    TokenThenExpert { slots: Some(slots), ..TokenThenExpert::new(nominate) }
}

fn ranks(ranks: usize, slots: usize) -> TokenThenExpert {
    TokenThenExpert { slots: Some(slots), ..TokenThenExpert::no_token_left_behind(ranks) }
}

fn deferred(nominate: usize, k: usize, slots: usize) -> TokenThenExpert {
    TokenThenExpert { k, deferred: true, rounds: TokenThenExpert::DEFERRED_ROUNDS, ..with(nominate, slots) }
}

fn layer(experts: usize, router: TokenThenExpert) -> LayerConfig {
    layer_with(experts, RouterConfig::TokenThenExpert(router))
}

/// Kept (token, expert, place), in order.
fn kept(routing: &Routing) -> Vec<(usize, i32, i32)> {
    let at = (0..routing.kept.len()).filter(|at| routing.kept[*at] == 1);
    let mut all: Vec<_> = at.map(|at| (at / routing.slots, routing.experts[at], routing.positions[at])).collect();
    all.sort_unstable();
    all
}

fn pairs(routing: &Routing) -> Vec<(usize, i32)> {
    kept(routing).into_iter().map(|(token, expert, _)| (token, expert)).collect()
}

pub async fn token_then_expert_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let trial =
        |name: &str, config: LayerConfig, count| Trial::new(format!("token then expert, {name}"), config, count);
    let all_alike = |name: &str, config: LayerConfig, count| {
        let change: fn(&mut LayerWeights) = |weights| weights.router.fill(0.0);
        Trial { change, ties: true, ..trial(name, config, count) }
    };
    let mut trials = Vec::new();
    for key in [Key::Prob, Key::Logit, Key::Margin, Key::Regret, Key::Arrival] {
        let rounds = TokenThenExpert { k: 1, rounds: 3, key, ..with(3, 7) };
        let immediate = TokenThenExpert { immediate: true, rounds: 3, k: 2, key, ..with(3, 7) };
        trials.push(trial(&format!("{key:?}, three rounds"), layer(5, rounds), 37));
        trials.push(trial(&format!("{key:?}, for good"), layer(5, immediate), 37));
    }
    for router in [
        with(2, 7),
        TokenThenExpert { key: Key::Margin, ..with(2, 7) },
        TokenThenExpert { k: 2, rounds: 20, deferred: true, ..with(4, 6) },
        TokenThenExpert { k: 2, rounds: 20, deferred: true, key: Key::Regret, ..with(4, 6) },
    ] {
        trials.push(trial(&format!("{router:?}"), layer(5, router.clone()), 37));
        trials.push(all_alike(&format!("{router:?}"), layer(5, router), 37));
    }
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let meshed = |groups, router| LayerConfig { groups, devices: 4, shared_expert, ..layer(8, router) };
    let handshake = |router| TokenThenExpert { exchange: Negotiation::Handshake, ..router };
    trials.extend([
        trial("by factor", layer(5, TokenThenExpert { k: 1, ..TokenThenExpert::new(2) }), 37),
        trial("a threshold", layer(6, TokenThenExpert { threshold: 0.2, ..with(6, 9) }), 61),
        trial("weights that add up to one", layer(6, TokenThenExpert { renormalize: true, ..with(3, 9) }), 61),
        trial("many tokens", layer(3, TokenThenExpert { k: 1, rounds: 4, ..with(2, 70) }), 333),
        trial("one expert", layer(1, with(1, 5)), 9),
        trial("every expert", layer(4, with(4, 5)), 11),
        trial("no place", layer(4, TokenThenExpert { k: 1, rounds: 2, ..with(2, 0) }), 11),
        trial("one token", layer(4, TokenThenExpert { k: 1, rounds: 2, ..with(2, 3) }), 1),
        trial("no token", layer(4, with(2, 3)), 0),
        trial("groups", LayerConfig { groups: 4, router_bias: true, ..layer(6, deferred(3, 1, 3)) }, 64),
        trial("a mesh", meshed(4, deferred(3, 1, 3)), 64),
        trial("a handshake of all devices", meshed(1, handshake(deferred(3, 1, 9))), 64),
        trial("a handshake of two and two", meshed(2, handshake(with(3, 6))), 64),
        trial("a handshake on one device", layer(6, handshake(with(3, 6))), 48),
        trial("a handshake of no token", meshed(1, handshake(with(3, 6))), 0),
    ]);
    check_trials(engine, &trials).await;
}

pub async fn the_golden_example_comes_out_in_every_form(engine: &Rc<Engine>) {
    let logits = [2.0, 1.0, 0.0, 3.0, 2.5, 0.5, 1.5, 1.4, 0.2, 2.2, 0.1, 2.0, 0.3, 0.9, 0.4, 2.8, 0.0, 1.0];
    for (router, wanted) in [
        (with(1, 2), [vec![5, 0], vec![4], vec![]]),
        (with(2, 2), [vec![5, 0], vec![4, 2], vec![3, 4]]),
        (deferred(2, 1, 2), [vec![5, 0], vec![4, 2], vec![3]]),
        (ranks(3, 2), [vec![0, 1], vec![4, 2], vec![3, 5]]),
        (ranks(1, 2), [vec![0, 1], vec![4], vec![]]),
    ] {
        let config = combine::config_of(3, RouterConfig::TokenThenExpert(router.clone()));
        let got = run_case(engine, &combine::case("golden", config, logits.to_vec(), None)).await;
        let routing = got.expect("a layer that runs").routing;
        let mut buffers = [vec![], vec![], vec![]];
        for at in (0..routing.kept.len()).filter(|at| routing.kept[*at]) {
            buffers[routing.experts[at] as usize].push((routing.positions[at], at / routing.slots));
        }
        let buffers = buffers.map(|mut buffer| {
            buffer.sort_unstable();
            buffer.into_iter().map(|(_, token)| token).collect::<Vec<_>>()
        });
        assert_eq!(buffers, wanted, "{router:?}");
    }
}

pub async fn one_nomination_is_batch_priority_with_one_choice(engine: &Rc<Engine>) {
    let slots = Slots::Fixed { slots: 7 };
    let capacity = Capacity::Bounded { slots, priority: Priority::Batch, order: Order::Rank };
    let batch = LayerConfig { capacity, ..layer_with(5, RouterConfig::TopK(TopK::new(1))) };
    let (named, batch) = (run(engine, &layer(5, with(1, 7)), 61).await, run(engine, &batch, 61).await);
    assert_eq!(kept(routing(&named)), kept(routing(&batch)));
    assert!(kept(routing(&named)).len() < 61, "some are dropped");
    assert_eq!(named.bits()[0], batch.bits()[0], "the output");
}

pub async fn naming_every_expert_in_one_round_is_expert_choice(engine: &Rc<Engine>) {
    let chosen = RouterConfig::ExpertChoice(ExpertChoice { slots: Some(9), ..ExpertChoice::new(1.0) });
    let (named, chosen) = (run(engine, &layer(5, with(5, 9)), 61).await, run(engine, &layer_with(5, chosen), 61).await);
    assert_eq!(routing(&named), routing(&chosen));
    assert_eq!(named.bits(), chosen.bits(), "output, losses and gradients");
}

pub async fn with_room_for_all_it_is_token_choice(engine: &Rc<Engine>) {
    let chosen = run(engine, &layer_with(5, RouterConfig::TopK(TopK::new(2))), 61).await.got();
    for router in [with(2, 61), TokenThenExpert { k: 2, rounds: 5, ..with(4, 61) }, deferred(3, 2, 61)] {
        let named = run(engine, &layer(5, router.clone()), 61).await.got();
        assert_eq!(named.routing.dense_weights(), chosen.routing.dense_weights(), "{router:?}");
    }
}

pub async fn no_token_left_behind_drops_only_whom_switch_drops(engine: &Rc<Engine>) {
    let switch = LayerConfig { capacity: bounded(8), ..layer_with(8, RouterConfig::TopK(TopK::new(1))) };
    let switch = pairs(routing(&run(engine, &switch, 64).await));
    let mut before = switch.len();
    for ranks_tried in 1..=8 {
        let served = pairs(routing(&run(engine, &layer(8, ranks(ranks_tried, 8)), 64).await));
        assert!(switch.iter().all(|pair| served.contains(pair)), "{ranks_tried} ranks: first choices are as they were");
        assert!(served.len() >= before, "{ranks_tried} ranks serve no fewer than one less");
        before = served.len();
    }
    assert!(switch.len() < 64 && before == 64, "Switch drops some; with all ranks and places for all, nobody is");
}

pub async fn more_places_keep_all_that_fewer_kept(engine: &Rc<Engine>) {
    let mut before = Vec::new();
    for slots in [0, 1, 3, 8, 20, 61] {
        let now = pairs(routing(&run(engine, &layer(5, with(2, slots)), 61).await));
        assert!(before.iter().all(|pair| now.contains(pair)), "{slots} places");
        before = now;
    }
}

/// Outside training: the plan of the scores that a pass gives, those scores, and how its rounds ended.
async fn solved(engine: &Rc<Engine>, config: &LayerConfig, count: usize) -> (Routing, Vec<f64>, Option<Solver>) {
    let mut layer = layer_of(engine, config, &weights(config, 6)).await;
    let read = vec![Read::Scores, Read::Routing, Read::Solver];
    let options = ForwardOptions { read, ..ForwardOptions::default() };
    let output = layer.forward(&tokens(config, 6, count), &options).await.expect("a layer that runs");
    let scores = output.scores.expect("scores were read").into_iter().map(f64::from).collect();
    (output.routing.expect("routing was read"), scores, output.solver)
}

fn plan_of(routing: &Routing, logits: Scores) -> Plan {
    let mut buffers = vec![Vec::new(); logits.experts()];
    let mut all = kept(routing);
    all.sort_unstable_by_key(|(_, _, place)| *place);
    all.into_iter().for_each(|(token, expert, _)| buffers[expert as usize].push(token));
    Plan::from_buffers(logits, &buffers)
}

pub async fn deferred_acceptance_leaves_no_pair_that_would_rather_have_each_other(engine: &Rc<Engine>) {
    for (key, of) in [
        (Key::Prob, token_then_expert::Key::Prob),
        (Key::Margin, token_then_expert::Key::Margin),
        (Key::Arrival, token_then_expert::Key::Arrival),
    ] {
        let config = layer(8, TokenThenExpert { key, ..deferred(5, 2, 30) });
        let (routing, scores, solver) = solved(engine, &config, 160).await;
        let solver = solver.expect("rounds were made");
        assert_eq!(solver.left, Some(vec![0]), "{key:?}: nobody left in the last of {:?} rounds", solver.iterations);
        // logits of these very scores
        let logits: Vec<f64> = scores.iter().map(|p| p.ln()).collect();
        let logits = Scores::new(&logits, 8);
        let rule = Rule { nominate: Nominate::top(5), key: of, slots: 30 };
        assert_eq!(blocking_pairs(logits, rule, 2, &plan_of(&routing, logits)), 0, "{key:?}");
    }
}

pub async fn deferred_acceptance_of_thousands_of_tokens_takes_pairs_by_their_scores(engine: &Rc<Engine>) {
    let (routing, scores, solver) = solved(engine, &layer(64, deferred(64, 1, 64)), 4096).await;
    let solver = solver.expect("rounds were made");
    assert_eq!(solver.left, Some(vec![0]), "after {:?} rounds", solver.iterations);
    let scores = Scores::new(&scores, 64);
    assert_eq!(plan_of(&routing, scores).buffers(64), greedy(scores, 64, 1).buffers(64));
}

pub async fn the_rounds_tell_how_they_ended(engine: &Rc<Engine>) {
    for rounds in [2, 3] {
        let router = TokenThenExpert { rounds, ..deferred(5, 1, 20) };
        let (_, scores, solver) = solved(engine, &layer(8, router), 160).await;
        let logits: Vec<f64> = scores.iter().map(|p| p.ln()).collect();
        let rule = Rule { nominate: Nominate::top(5), key: token_then_expert::Key::Prob, slots: 20 };
        let (_, left) = deferred_within(Scores::new(&logits, 8), rule, 1, rounds);
        assert!(left > 0, "{rounds} rounds are not enough");
        let (iterations, left) = (vec![rounds as u32], Some(vec![left as u32]));
        assert_eq!(solver, Some(Solver { iterations, left, ..Solver::default() }));
    }
    let enough = solved(engine, &layer(8, deferred(5, 1, 20)), 160).await.2.expect("rounds were made");
    assert!(enough.iterations[0] < TokenThenExpert::DEFERRED_ROUNDS as u32, "{:?}", enough.iterations);
    assert_eq!(solved(engine, &layer(8, with(2, 20)), 160).await.2, None, "one look is no solver");
}

fn traffic(passes: &Passes) -> [&[Traffic]; 2] {
    [&passes.output.traffic, &passes.gradients.traffic].map(|of_pass| of_pass.as_deref().expect("traffic was read"))
}

pub async fn with_a_handshake_experts_choose_over_all_devices(engine: &Rc<Engine>) {
    let router = TokenThenExpert { exchange: Negotiation::Handshake, ..deferred(3, 1, 24) };
    let alone = layer(8, router);
    let one = run(engine, &alone, 192).await;
    for devices in [2, 4, 8] {
        let many = run(engine, &LayerConfig { devices, ..alone.clone() }, 192).await;
        assert_eq!(routing(&many), routing(&one), "the plan on {devices} devices");
        assert_eq!(many.bits(), one.bits(), "{devices} devices");
    }
}

/// Four devices of 256 tokens, eight experts: eight bytes a nomination, a bit a reply, and rows for whom they accept alone.
pub async fn a_handshake_is_two_exchanges_of_numbers_and_then_no_row_for_nothing(engine: &Rc<Engine>) {
    let handshake = TokenThenExpert { exchange: Negotiation::Handshake, ..TokenThenExpert::new(2) };
    for (router, asked, told) in [
        (handshake.clone(), 4096.0, 64.0),
        (TokenThenExpert { k: 1, rounds: 3, ..handshake }, 4096.0 + 2.0 * 64.0, 3.0 * 64.0),
    ] {
        let rounds = router.rounds as f64;
        let config = LayerConfig { devices: 4, ..layer(8, router) };
        let got = run(engine, &config, 1024).await;
        let [forward, backward] = traffic(&got);
        let ops = |of: &[Traffic]| of.iter().map(|t| (t.op, t.kind)).collect::<Vec<_>>();
        let (payload, meta) = (PayloadKind::Payload, PayloadKind::Meta);
        let there = [(Op::Nominate, meta), (Op::Reply, meta), (Op::Dispatch, payload), (Op::Combine, payload)];
        assert_eq!(ops(forward), there);
        assert_eq!(ops(backward), [(Op::Combine, payload), (Op::Dispatch, payload)]);
        for device in 0..4 {
            let sent: f64 = forward[0].bytes[4 * device..][..4].iter().sum();
            let heard: f64 = (0..4).map(|from| forward[1].bytes[4 * from + device]).sum();
            // a message of bits is whole bytes
            assert!((asked..asked + 4.0 * (rounds - 1.0) + 1.0).contains(&sent), "device {device} asks with {sent}");
            assert!((told..told + 4.0 * rounds).contains(&heard), "device {device} is told {heard}");
        }
        let load: u32 = routing(&got).load.iter().sum();
        for exchange in forward[2..].iter().chain(backward) {
            assert_eq!(exchange.bytes, exchange.useful_bytes, "nothing is padding");
            assert_eq!(exchange.bytes.iter().sum::<f64>(), f64::from(load) * 24.0, "a row of six for each kept pair");
        }
    }
}
