//! Soft mixtures: what they must be by their definition.

use webmoe::config::{LayerConfig, RouterConfig, Soft};
use webmoe::reference::{Forward, Setting, backward_exact, forward_exact};
use webmoe::rng::uniform_f32;
use webmoe::weights::{NAMES, Weights};

use crate::common::close::{Tol, assert_close};

const EXPERTS: usize = 3;
const SLOTS: usize = 2;
const WIDTH: usize = 4;
const TOKENS: usize = 7;
const TOL: Tol = Tol { abs: 1e-13, rel: 1e-12 };

fn noise(stream: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| 2.0 * f64::from(uniform_f32(13, 0, 0, i, stream)) - 1.0).collect()
}

fn layer(experts: usize, slots: usize) -> LayerConfig {
    LayerConfig { bias: true, ..LayerConfig::new(WIDTH, 3, experts, RouterConfig::Soft(Soft::new(slots))) }
}

fn weights(config: &LayerConfig) -> Weights<f64> {
    let stream = |name| 100 + NAMES.iter().position(|known| *known == name).unwrap_or(0) as u32;
    Weights::build(config, |name, len| noise(stream(name), len))
}

fn run(config: &LayerConfig, weights: &Weights<f64>, x: &[f64]) -> Forward {
    forward_exact(config, weights, x, Setting::TRAIN).expect("a layer that runs")
}

/// What the experts make of one token that all of their slots get, whatever the embeddings: the mean, as there is nothing to mix.
fn of_lone_token(config: &LayerConfig, given: &Weights<f64>, token: &[f64]) -> Vec<f64> {
    let alike = Weights { router: vec![0.0; given.router.len()], ..given.clone() };
    run(config, &alike, token).output
}

#[test]
fn tokens_share_every_slot_and_experts_every_output() {
    let config = layer(EXPERTS, SLOTS);
    let got = run(&config, &weights(&config), &noise(1, TOKENS * WIDTH));
    let slots = EXPERTS * SLOTS;
    let of_slot = |m: usize| got.scores.iter().skip(m).step_by(slots).sum::<f64>();
    assert_close("shares of the tokens", &(0..slots).map(of_slot).collect::<Vec<_>>(), &[1.0; EXPERTS * SLOTS], 1, TOL);
    let of_token: Vec<f64> = got.routing.weights.chunks(EXPERTS).map(|weights| weights.iter().sum()).collect();
    assert_close("weights of the experts", &of_token, &[1.0; TOKENS], 1, TOL);
    assert!(got.routing.weights.iter().chain(&got.scores).all(|share| *share > 0.0), "everything has a share");
    assert_eq!((got.routing.load.as_slice(), got.capacity), (&[TOKENS as u32; EXPERTS][..], Some(SLOTS)));
    assert!(got.routing.kept.iter().all(|kept| *kept), "nothing is dropped");
}

#[test]
fn one_slot_of_one_expert_gives_every_token_the_same() {
    let config = layer(1, 1);
    let given = weights(&config);
    let x = noise(1, TOKENS * WIDTH);
    let got = run(&config, &given, &x);
    // the softmax of the tokens' logits, by hand
    let logit = |x: &[f64]| x.iter().zip(&given.router).map(|(x, w)| x * w).sum::<f64>().exp();
    let total: f64 = x.chunks(WIDTH).map(logit).sum();
    let mut mixture = [0.0; WIDTH];
    for x in x.chunks(WIDTH) {
        mixture.iter_mut().zip(x).for_each(|(mixture, value)| *mixture += logit(x) / total * value);
    }
    let want = of_lone_token(&config, &given, &mixture);
    assert_close("output", &got.output, &want.repeat(TOKENS), WIDTH, TOL);
}

#[test]
fn of_one_token_every_slot_is_that_token() {
    let config = LayerConfig { groups: TOKENS, ..layer(EXPERTS, SLOTS) };
    let given = weights(&config);
    let x = noise(1, TOKENS * WIDTH);
    let got = run(&config, &given, &x);
    assert!(got.scores.iter().all(|share| *share == 1.0), "alone in its group, a token is all of every slot");
    // one slot an expert gets the same, weighed by what both had
    let alone = layer(EXPERTS, 1);
    let outputs = |expert: usize, token: &[f64]| {
        let mut only = Weights { router: vec![0.0; EXPERTS * WIDTH], ..given.clone() };
        only.router_bias = None;
        let one = |values: &[f64]| {
            let size = values.len() / EXPERTS;
            values[expert * size..(expert + 1) * size].repeat(EXPERTS)
        };
        (only.w1, only.w2) = (one(&given.w1), one(&given.w2));
        (only.b1, only.b2) = (given.b1.as_deref().map(one), given.b2.as_deref().map(one));
        run(&alone, &only, token).output
    };
    for (t, token) in x.chunks(WIDTH).enumerate() {
        let mut want = [0.0; WIDTH];
        for expert in 0..EXPERTS {
            let weight = got.routing.weights[t * EXPERTS + expert];
            want.iter_mut().zip(outputs(expert, token)).for_each(|(want, out)| *want += weight * out);
        }
        assert_close("output", &got.output[t * WIDTH..][..WIDTH], &want, WIDTH, TOL);
    }
}

#[test]
fn equal_embeddings_make_equal_slots() {
    let config = layer(EXPERTS, SLOTS);
    let mut given = weights(&config);
    let x = noise(1, TOKENS * WIDTH);
    given.router = given.router.chunks(WIDTH * SLOTS).flat_map(|rows| rows[..WIDTH].repeat(SLOTS)).collect();
    let got = run(&config, &given, &x);
    for row in got.scores.chunks(SLOTS) {
        assert!(row.iter().all(|share| *share == row[0]), "slots of an expert: {row:?}");
    }
    // as many slots as one, if all experts have as many alike
    let one = layer(EXPERTS, 1);
    let alone = Weights {
        router: given.router.chunks(WIDTH * SLOTS).flat_map(|rows| rows[..WIDTH].to_vec()).collect(),
        ..given.clone()
    };
    let want = run(&one, &alone, &x);
    assert_close("output", &got.output, &want.output, WIDTH, TOL);
    assert_close("weights", &got.routing.weights, &want.routing.weights, EXPERTS, TOL);
}

#[test]
fn another_order_of_the_tokens_is_another_order_of_the_outputs() {
    let config = layer(EXPERTS, SLOTS);
    let given = weights(&config);
    let (x, dy) = (noise(1, TOKENS * WIDTH), noise(2, TOKENS * WIDTH));
    let turned = |rows: &[f64]| -> Vec<f64> { rows.chunks(WIDTH).rev().flatten().copied().collect() };
    let (here, there) = (run(&config, &given, &x), run(&config, &given, &turned(&x)));
    assert_close("output", &turned(&there.output), &here.output, WIDTH, TOL);
    let back = |x: &[f64], forward: &Forward, dy: &[f64]| {
        backward_exact(&config, &given, x, forward, dy).expect("a layer that runs")
    };
    let (here, there) = (back(&x, &here, &dy), back(&turned(&x), &there, &turned(&dy)));
    assert_close("x", &turned(&there.x), &here.x, WIDTH, TOL);
    assert_close("router", &there.weights.router, &here.weights.router, WIDTH, TOL);
}

#[test]
fn a_group_sees_no_other() {
    let config = LayerConfig { groups: 2, ..layer(EXPERTS, SLOTS) };
    let given = weights(&config);
    let x = noise(1, 2 * TOKENS * WIDTH);
    let alone = layer(EXPERTS, SLOTS);
    let want: Vec<f64> = x.chunks(TOKENS * WIDTH).flat_map(|x| run(&alone, &given, x).output).collect();
    assert_close("output", &run(&config, &given, &x).output, &want, WIDTH, TOL);
}

#[test]
fn of_no_token_there_is_nothing() {
    let config = layer(EXPERTS, SLOTS);
    let got = run(&config, &weights(&config), &[]);
    assert!(got.output.is_empty() && got.routing.load == [0; EXPERTS]);
    assert!(got.traffic.exchanges.iter().all(|exchange| exchange.bytes.iter().all(|bytes| *bytes == 0)));
}

#[test]
fn the_logits_may_be_as_large_as_they_like() {
    let config = layer(EXPERTS, SLOTS);
    for size in [1e-300, 1e300] {
        let mut given = weights(&config);
        given.router.iter_mut().for_each(|v| *v *= size);
        let x = noise(1, TOKENS * WIDTH);
        let forward = run(&config, &given, &x);
        let gradients = backward_exact(&config, &given, &x, &forward, &noise(2, x.len())).expect("a layer that runs");
        assert!(forward.output.iter().chain(&gradients.weights.router).all(|v| v.is_finite()), "{size:e}");
    }
}
