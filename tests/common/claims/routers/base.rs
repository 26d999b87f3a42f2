//! Balanced assignment.

use std::rc::Rc;

use webmoe::config::{Base, LayerConfig, RouterConfig, SharedExpert};
use webmoe::engine::Engine;
use webmoe::layer::{Op, PayloadKind, Traffic};
use webmoe::reference::routing::Scores;
use webmoe::reference::routing::base::auction;
use webmoe::reference::routing::trades::trade;
use webmoe::session::{ForwardOptions, LayerOutput, Read};
use webmoe::weights::LayerWeights;

use super::super::super::engine::layer_of;
use super::super::super::families::base::logits;
use super::super::super::families::combine;
use super::super::super::fixture::family;
use super::super::super::inputs::{noise, tokens, weights};
use super::super::super::optimum::optimum;
use super::super::super::trial::{Trial, check_trials};
use super::{layer_with, run};

/// Layers of every form of it: with an auction that ends, unless there are many experts, and with one of shuffled tokens that is
/// stopped.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    let shuffled = RouterConfig::Base(Base { shuffle: true, iterations: 1, trades: 2 });
    vec![layer_with(experts, stopped(10)), layer_with(experts, shuffled)]
}

/// An auction of tokens in the order in which they are given.
fn in_order() -> RouterConfig {
    RouterConfig::Base(Base { shuffle: false, ..Base::new() })
}

/// The same, of so many rounds at most.
fn stopped(iterations: usize) -> RouterConfig {
    RouterConfig::Base(Base { shuffle: false, iterations, ..Base::new() })
}

/// The same, and of so many rounds of trades.
fn traded(iterations: usize, trades: usize) -> RouterConfig {
    RouterConfig::Base(Base { shuffle: false, iterations, trades })
}

/// A layer whose logits are its tokens.
fn shown(experts: usize, router: RouterConfig) -> LayerConfig {
    combine::config_of(experts, router)
}

/// A pass in training of a layer whose logits are its tokens.
async fn assigned(engine: &Rc<Engine>, config: &LayerConfig, logits: &[f32]) -> LayerOutput {
    let case = combine::case("an auction", config.clone(), logits.to_vec(), None);
    let mut layer = layer_of(engine, config, &case.weights).await;
    let read = vec![Read::Output, Read::Routing, Read::Solver];
    let options = ForwardOptions { train: true, read, ..ForwardOptions::default() };
    layer.forward(logits, &options).await.expect("a layer that runs")
}

fn experts_of(output: &LayerOutput) -> Vec<usize> {
    output.routing.iter().flat_map(|routing| &routing.experts).map(|e| *e as usize).collect()
}

fn wide(logits: &[f32]) -> Vec<f64> {
    logits.iter().map(|h| f64::from(*h)).collect()
}

pub async fn base_agrees_with_the_oracle(engine: &Rc<Engine>) {
    // more rounds than any of these auctions takes
    let base = || stopped(60);
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("BASE, {name}"), config, count);
    let all_alike = |name: &str, config: LayerConfig, count| {
        let change: fn(&mut LayerWeights) = |weights| weights.router.fill(0.0);
        Trial { change, ties: true, ..trial(name, config, count) }
    };
    check_trials(
        engine,
        &[
            trial("even shares", layer_with(4, base()), 48),
            trial("a number that does not divide", layer_with(5, base()), 37),
            trial("fewer tokens than experts", layer_with(6, base()), 3),
            trial("one token", layer_with(4, base()), 1),
            trial("one expert", layer_with(1, base()), 9),
            trial("many tokens", layer_with(3, base()), 333),
            trial("more experts than threads", layer_with(130, base()), 150),
            trial("stopped at once", layer_with(7, stopped(1)), 70),
            trial("stopped", layer_with(16, stopped(4)), 64),
            trial("without trades", layer_with(8, traded(60, 0)), 64),
            trial("stopped at once, a round of trades", layer_with(8, traded(1, 1)), 100),
            trial("stopped at once, three rounds of trades", layer_with(16, traded(1, 3)), 64),
            all_alike("equal scores", layer_with(4, base()), 70),
            all_alike("equal scores, stopped", layer_with(4, stopped(2)), 70),
            Trial { train: false, ..trial("outside training", layer_with(5, base()), 37) },
            trial("groups", LayerConfig { groups: 4, router_bias: true, ..layer_with(6, base()) }, 64),
            trial(
                "a shared expert on a mesh",
                LayerConfig { groups: 4, devices: 4, shared_expert, residual: true, ..layer_with(8, base()) },
                64,
            ),
        ],
    )
    .await;
}

pub async fn every_expert_gets_its_share_whatever_the_scores(engine: &Rc<Engine>) {
    for (count, experts) in [(64, 2), (64, 64), (256, 16), (1024, 4), (4096, 2), (4096, 64)] {
        for iterations in [2, 150] {
            let got = run(engine, &layer_with(experts, stopped(iterations)), count).await;
            let share = (count / experts) as u32;
            let routing = got.output.routing.expect("routing was read");
            assert_eq!(routing.load, vec![share; experts], "{count} tokens, {iterations} rounds");
            assert!(routing.kept.iter().all(|kept| *kept == 1), "nobody is turned away");
        }
    }
}

pub async fn no_expert_has_more_than_its_share_where_tokens_do_not_divide(engine: &Rc<Engine>) {
    for (count, experts) in [(65, 64), (100, 7), (1000, 48), (4095, 2)] {
        for iterations in [1, 150] {
            let got = run(engine, &layer_with(experts, stopped(iterations)), count).await;
            let load = got.output.routing.expect("routing was read").load;
            let most = count.div_ceil(experts) as u32;
            assert!(load.iter().all(|n| *n <= most), "{count} tokens, {iterations} rounds: {load:?}");
            assert_eq!(load.iter().sum::<u32>(), count as u32, "every token has an expert");
        }
    }
}

/// The scores that tokens, as logits, have in all with the experts that they got.
fn total(logits: &[f32], experts: usize, got: &LayerOutput) -> f64 {
    experts_of(got).iter().zip(logits.chunks_exact(experts)).map(|(e, row)| f64::from(row[*e])).sum()
}

pub async fn every_recorded_assignment_has_99_hundredths_of_the_best_total(engine: &Rc<Engine>) {
    let mut better = 0;
    for f in family("base_assignment") {
        let (experts, given, best) = (f.size("E"), logits(&f), f.scalar("optimal_total"));
        let got = assigned(engine, &shown(experts, in_order()), &given).await;
        let with = total(&given, experts, &got);
        assert!(with >= 0.99 * best && with <= best + 1e-5 * best.abs(), "{}: {with} of {best}", f.id());
        let alone = assigned(engine, &shown(experts, traded(150, 0)), &given).await;
        better += usize::from(total(&given, experts, &alone) < 0.99 * best);
        assert_eq!(alone.solver.expect("the solver was read").trades, None);
    }
    assert_eq!(better, 2, "some have less without trades");
}

pub async fn trades_end_with_the_best_total(engine: &Rc<Engine>) {
    for (count, experts) in [(16, 2), (16, 16), (37, 5), (64, 32), (128, 8), (256, 64)] {
        // few values, so that many are equal; some experts are liked better by all
        let few = |i: usize, v: f32| (4.0 * v).floor() + (i % experts % 3) as f32;
        let smooth = |i: usize, v: f32| 2.0 + v + 0.1 * (i % experts) as f32;
        for (name, of) in [("few", &few as &dyn Fn(usize, f32) -> f32), ("smooth", &smooth)] {
            let given: Vec<f32> = noise(4, 7, count * experts).into_iter().enumerate().map(|(i, v)| of(i, v)).collect();
            let (best, _) = optimum(Scores::new(&wide(&given), experts), count.div_ceil(experts), 1);
            for iterations in [1, 150] {
                let got = assigned(engine, &shown(experts, stopped(iterations)), &given).await;
                let (label, sum) = (format!("{name}, {count}×{experts}"), total(&given, experts, &got));
                assert!((sum - best).abs() <= 1e-4 * best.abs(), "{label}: {sum} of {best}");
                assert_eq!(got.solver.expect("the solver was read").left, Some(vec![0]), "{label}: nothing is left");
            }
        }
    }
}

pub async fn the_golden_example_is_assigned_at_its_best(engine: &Rc<Engine>) {
    let logits = [2.0, 1.0, 0.0, 3.0, 2.5, 0.5, 1.5, 1.4, 0.2, 2.2, 0.1, 2.0, 0.3, 0.9, 0.4, 2.8, 0.0, 1.0];
    let got = assigned(engine, &shown(3, in_order()), &logits).await;
    assert_eq!(experts_of(&got), [0, 1, 1, 2, 2, 0]);
}

/// Numbers of which every sum is exact in an f32, from 0 to 12.5 in steps of 0.25, which is also the smallest raise.
fn exact(seed: u64, len: usize) -> Vec<f32> {
    let mut logits: Vec<f32> = noise(seed, 7, len).iter().map(|v| (25.0 * (v + 1.0)).floor() * 0.25).collect();
    (logits[0], logits[len - 1]) = (0.0, 12.5);
    logits
}

pub async fn ties_go_where_the_oracle_lets_them_go(engine: &Rc<Engine>) {
    for (count, experts) in [(48, 4), (61, 5), (128, 16)] {
        for seed in 0..3 {
            for (iterations, trades) in [(1, 0), (3, 0), (400, 0), (1, 1), (1, 200), (400, 200)] {
                let logits = exact(seed, count * experts);
                let scores = wide(&logits);
                let scores = Scores::new(&scores, experts);
                let won = auction(scores, iterations);
                let wanted = trade(scores, won.experts, trades);
                let got = assigned(engine, &shown(experts, traded(iterations, trades)), &logits).await;
                let label =
                    format!("{count}×{experts}, {iterations} rounds and {trades} of trades at most, seed {seed}");
                assert_eq!(experts_of(&got), wanted.experts, "{label}");
                let solver = got.solver.expect("the solver was read");
                assert_eq!(solver.iterations, [won.rounds as u32], "{label}");
                let repaired = solver.repaired.expect("an auction tells");
                assert_eq!(repaired[0] > 0, won.repaired, "{label}: {repaired:?} without a bid");
                if trades > 0 {
                    assert_eq!(solver.trades, Some(vec![wanted.moved.len() as u32]), "{label}");
                    assert_eq!(solver.traded, Some(vec![wanted.moved.iter().sum::<usize>() as u32]), "{label}");
                }
            }
        }
    }
}

pub async fn the_total_comes_close_to_the_best_whatever_experts_add_to_their_scores(engine: &Rc<Engine>) {
    for (count, experts) in [(64, 4), (128, 8), (256, 16)] {
        let config = layer_with(experts, in_order());
        let config = LayerConfig { router_bias: true, ..config };
        let x = tokens(&config, 6, count);
        let mut given = weights(&config, 6);
        for lift in [0.0, 3.0] {
            let offset = |e: usize| lift * (e as f32 * 1.7).sin();
            given.router_bias = Some((0..experts).map(offset).collect());
            let mut layer = layer_of(engine, &config, &given).await;
            let options = ForwardOptions { train: true, read: vec![Read::Routing], ..ForwardOptions::default() };
            let got = layer.forward(&x, &options).await.expect("a layer that runs");
            // what is added to an expert's scores is added to every balanced total: measured are the scores without it
            let logit = |t: usize, e: usize| -> f64 {
                let row = x[t * 6..(t + 1) * 6].iter().zip(&given.router[e * 6..(e + 1) * 6]);
                row.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum()
            };
            let values: Vec<f64> = (0..count * experts).map(|i| logit(i / experts, i % experts)).collect();
            let (best, _) = optimum(Scores::new(&values, experts), count / experts, 1);
            let total: f64 = experts_of(&got).iter().enumerate().map(|(t, e)| values[t * experts + e]).sum();
            assert!(total <= best + 1e-3 && total >= 0.99 * best, "{count}×{experts}, {lift}: {total} of {best}");
        }
    }
}

pub async fn scores_that_are_no_numbers_count_as_the_least_and_spoil_nothing_else(engine: &Rc<Engine>) {
    let (count, experts) = (40, 5);
    let config = shown(experts, in_order());
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut logits = exact(2, count * experts);
        for token in [3, 17, 18] {
            logits[token * experts..(token + 1) * experts].fill(0.0);
        }
        let mended = assigned(engine, &config, &logits).await;
        for token in [3, 17, 18] {
            // times the zeros of the router it is no number for any expert
            logits[token * experts + 2] = bad;
        }
        let broken = assigned(engine, &config, &logits).await;
        assert_eq!(experts_of(&broken), experts_of(&mended), "{bad}");
        let output = broken.output.expect("the output was read");
        for (token, row) in output.chunks_exact(experts).enumerate() {
            assert!([3, 17, 18].contains(&token) || row.iter().all(|y| y.is_finite()), "{bad}: token {token}");
        }
    }
    let all = assigned(engine, &config, &vec![f32::NAN; count * experts]).await;
    assert_eq!(all.routing.expect("routing was read").load, [8; 5], "balanced all the same");
}

pub async fn outside_training_nothing_is_solved_and_nobody_is_turned_away(engine: &Rc<Engine>) {
    let config = shown(4, in_order());
    let logits: Vec<f32> = (0..32 * 4).map(|i| if i % 4 == 2 { 1.0 } else { 0.0 }).collect();
    let case = combine::case("all for one", config.clone(), logits.clone(), None);
    let mut layer = layer_of(engine, &config, &case.weights).await;
    let read = vec![Read::Routing, Read::Solver];
    let options = ForwardOptions { read, ..ForwardOptions::default() };
    let got = layer.forward(&logits, &options).await.expect("a layer that runs");
    assert_eq!(got.solver, None);
    assert_eq!(got.routing.expect("routing was read").load, [0, 0, 32, 0]);
}

pub async fn layers_of_shuffled_tokens_agree_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let base = |experts| layer_with(experts, RouterConfig::Base(Base::new()));
    let stopped =
        |experts| layer_with(experts, RouterConfig::Base(Base { shuffle: true, iterations: 1, ..Base::new() }));
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("a shuffle, {name}"), config, count);
    check_trials(
        engine,
        &[
            trial("one group", base(4), 48),
            trial("groups on one device", LayerConfig { groups: 4, ..base(4) }, 64),
            trial("groups on two devices", LayerConfig { groups: 4, devices: 2, ..base(6) }, 96),
            trial("fewer tokens than groups, in each", LayerConfig { groups: 8, devices: 8, ..base(8) }, 40),
            trial("a number that does not divide", LayerConfig { groups: 4, devices: 4, ..stopped(8) }, 28),
            trial("a shared expert", LayerConfig { groups: 4, devices: 4, shared_expert, ..base(8) }, 64),
            Trial { train: false, ..trial("outside training", LayerConfig { groups: 4, devices: 4, ..base(4) }, 64) },
        ],
    )
    .await;
}

/// Four devices of 256 tokens, eight experts, width 64: three quarters of its tokens' rows leave a device in every exchange.
pub async fn a_shuffle_makes_it_four_exchanges_each_way_of_the_golden_bytes(engine: &Rc<Engine>) {
    let sizes = LayerConfig::new(64, 4, 8, RouterConfig::Base(Base::new()));
    let got = run(engine, &LayerConfig { groups: 4, devices: 4, ..sizes }, 1024).await;
    let [there, back] = [got.output.traffic, got.gradients.traffic].map(|all| all.expect("traffic was read"));
    let ops = |all: &[Traffic]| all.iter().map(|exchange| exchange.op).collect::<Vec<_>>();
    assert_eq!(ops(&there), [Op::Shuffle, Op::Dispatch, Op::Combine, Op::Unshuffle]);
    assert_eq!(ops(&back), [Op::Unshuffle, Op::Combine, Op::Dispatch, Op::Shuffle]);
    let all: Vec<Traffic> = [there, back].concat();
    for device in 0..4 {
        let sent = |exchange: &Traffic| -> f64 {
            (0..4).filter(|to| *to != device).map(|to| exchange.bytes[device * 4 + to]).sum()
        };
        for exchange in &all {
            assert_eq!(exchange.kind, PayloadKind::Payload);
            assert_eq!(exchange.bytes, exchange.useful_bytes, "no padding");
            assert_eq!(sent(exchange), 49_152.0, "device {device}, {:?} {:?}", exchange.pass, exchange.op);
        }
        assert_eq!(all.iter().map(sent).sum::<f64>(), 393_216.0, "device {device}, the whole step");
    }
}

pub async fn a_shuffle_is_undone_and_told_in_the_order_of_the_tokens(engine: &Rc<Engine>) {
    let experts = 8;
    let layer = layer_with(experts, RouterConfig::Base(Base::new()));
    let config = LayerConfig { identity_experts: 6, groups: 4, devices: 4, ..layer };
    let (x, given) = (tokens(&config, 6, 64), weights(&config, 6));
    let got = run(engine, &config, 64).await.output;
    let (routing, output) = (got.routing.expect("routing was read"), got.output.expect("the output was read"));
    for (t, (x, y)) in x.chunks_exact(6).zip(output.chunks_exact(6)).enumerate() {
        let (expert, weight) = (routing.experts[t] as usize, routing.weights[t]);
        let h: f32 = x.iter().zip(&given.router[expert * 6..]).map(|(x, w)| x * w).sum();
        assert!((weight - 1.0 / (1.0 + (-h).exp())).abs() < 1e-5, "token {t}: the weight is of its own score");
        if expert >= 2 {
            let own: Vec<f32> = x.iter().map(|x| weight * x).collect();
            assert_eq!(y, own, "token {t}: an identity gives it back");
        }
    }
    let served = routing.experts.iter().filter(|e| **e >= 2).count();
    assert_eq!(served, 48, "six of eight experts are identities, all with the same share");
}

pub async fn every_step_shuffles_anew_and_the_same_step_alike(engine: &Rc<Engine>) {
    let config = LayerConfig { groups: 4, ..layer_with(4, RouterConfig::Base(Base::new())) };
    let x = tokens(&config, 6, 64);
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let mut choices = async |step| {
        let options = ForwardOptions { train: true, step, read: vec![Read::Routing], ..ForwardOptions::default() };
        layer.forward(&x, &options).await.expect("a layer that runs").routing.expect("routing was read").experts
    };
    let (first, second, again) = (choices(1).await, choices(2).await, choices(1).await);
    assert_ne!(first, second, "other tokens meet in a group");
    assert_eq!(first, again);
}
