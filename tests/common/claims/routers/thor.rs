//! THOR.

use std::rc::Rc;

use webmoe::config::{Draw, Hash, LayerConfig, RouterConfig, SharedExpert, Thor};
use webmoe::divergence::symmetric_kl;
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::labels::Labels;
use webmoe::layer::{PayloadKind, Traffic};
use webmoe::session::{BackwardOptions, ForwardOptions, LayerOutput, MoeLayer, Read};

use super::super::super::close::{Tol, assert_close};
use super::super::super::engine::{layer_of, passes};
use super::super::super::inputs::{bits, d_output, tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with, run};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    [Draw::Token, Draw::Sentence, Draw::Batch].map(|per| layer_with(experts, thor(Thor::new(per)))).to_vec()
}

fn thor(router: Thor) -> RouterConfig {
    RouterConfig::Thor(router)
}

fn ensemble() -> Thor {
    Thor { inference: Draw::Ensemble, ..Thor::new(Draw::Token) }
}

pub async fn thor_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("THOR, {name}"), config, count);
    let several = Thor { k: 3, ..Thor::new(Draw::Token) };
    let mesh = LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, thor(several.clone())) };
    check_trials(
        engine,
        &[
            trial("a draw for each token", layer_with(5, thor(Thor::new(Draw::Token))), 37),
            trial("a draw for each sentence", layer_with(5, thor(Thor::new(Draw::Sentence))), 37),
            trial("one draw", layer_with(5, thor(Thor::new(Draw::Batch))), 37),
            Trial { pass: 1, ..trial("the second pass", layer_with(5, thor(Thor::new(Draw::Sentence))), 37) },
            trial("several experts", layer_with(7, thor(several.clone())), 37),
            trial("all experts", layer_with(4, thor(Thor { k: 4, ..Thor::new(Draw::Token) })), 9),
            trial("most of many experts", layer_with(500, thor(Thor { k: 400, ..Thor::new(Draw::Batch) })), 2),
            trial("one expert", layer_with(1, thor(Thor::new(Draw::Token))), 9),
            trial("one token", layer_with(4, thor(Thor::new(Draw::Batch))), 1),
            trial("an ensemble in training", layer_with(5, thor(ensemble())), 37),
            Trial { train: false, ..trial("an ensemble", layer_with(5, thor(ensemble())), 37) },
            Trial {
                train: false,
                ..trial(
                    "an ensemble with drops",
                    LayerConfig { capacity: bounded(3), ..layer_with(5, thor(ensemble())) },
                    9,
                )
            },
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer_with(4, thor(several.clone())) }, 64),
            trial(
                "a residual expert",
                LayerConfig { shared_expert, residual: true, ..layer_with(5, thor(several)) },
                37,
            ),
            trial("a mesh", mesh.clone(), 64),
            trial("a mesh whose devices hold all experts", LayerConfig { replicated: true, ..mesh }, 64),
        ],
    )
    .await;
}

/// The experts of a pass of a step in training.
async fn drawn(engine: &Rc<Engine>, config: &LayerConfig, count: usize, (step, pass): (u32, u32)) -> Vec<i32> {
    let mut layer = layer_of(engine, config, &weights(config, 6)).await;
    let labels = Labels { sequence: Some(8), ..Labels::NONE };
    let options = ForwardOptions { train: true, step, pass, labels, ..ForwardOptions::default() };
    let output = layer.forward(&tokens(config, 6, count), &options).await.expect("a layer that runs");
    output.routing.expect("routing was read").experts
}

pub async fn tokens_that_share_a_draw_share_their_experts(engine: &Rc<Engine>) {
    for (per, together) in [(Draw::Token, 1), (Draw::Sentence, 8), (Draw::Batch, 64)] {
        let experts = drawn(engine, &layer_with(16, thor(Thor::new(per))), 64, (0, 0)).await;
        let draws: Vec<&[i32]> = experts.chunks(together).collect();
        assert!(draws.iter().all(|draw| draw.iter().all(|e| *e == draw[0])), "{per:?}: {experts:?}");
        let some_differ = draws.iter().any(|draw| draw[0] != draws[0][0]);
        assert_eq!(some_differ, per != Draw::Batch, "{per:?}: {experts:?}");
    }
}

pub async fn passes_and_steps_draw_apart_and_every_expert_equally_often(engine: &Rc<Engine>) {
    const EXPERTS: usize = 8;
    const TOKENS: usize = 4096;
    let config = layer_with(EXPERTS, thor(Thor::new(Draw::Token)));
    let mut agree = Vec::new();
    let first = drawn(engine, &config, TOKENS, (3, 0)).await;
    assert_eq!(first, drawn(engine, &config, TOKENS, (3, 0)).await, "the same pass of the same step");
    for place in [(3, 1), (4, 0), (4, 1)] {
        let other = drawn(engine, &config, TOKENS, place).await;
        agree.push(first.iter().zip(&other).filter(|(a, b)| a == b).count() as f64);
        let mut counts = [0.0; EXPERTS];
        other.iter().for_each(|e| counts[*e as usize] += 1.0);
        let expected = (TOKENS / EXPERTS) as f64;
        let chi_square: f64 = counts.iter().map(|n: &f64| (n - expected).powi(2) / expected).sum();
        assert!(chi_square < 24.3, "one in a thousand is beyond this, of 7 degrees of freedom: {counts:?}");
    }
    // two passes agree about one token in eight: 512, within five deviations of 21
    assert!(agree.iter().all(|n| (n - 512.0).abs() < 106.0), "{agree:?}");
}

pub async fn an_ensemble_is_the_mean_of_its_experts(engine: &Rc<Engine>) {
    const EXPERTS: usize = 4;
    let config = layer_with(EXPERTS, thor(ensemble()));
    let (given, x) = (weights(&config, 6), tokens(&config, 6, 20));
    let output = async |router: RouterConfig| -> LayerOutput {
        let mut layer = layer_of(engine, &layer_with(EXPERTS, router), &given).await;
        let labels = Labels { token_ids: Some(vec![0; 20]), ..Labels::NONE };
        let options = ForwardOptions { labels, ..ForwardOptions::default() };
        layer.forward(&x, &options).await.expect("a layer that runs")
    };
    let wide = |output: &LayerOutput| -> Vec<f64> { output.output.iter().flatten().map(|y| f64::from(*y)).collect() };
    let all = output(thor(ensemble())).await;
    let mut mean = vec![0.0; x.len()];
    for e in 0..EXPERTS as u32 {
        let alone = wide(&output(RouterConfig::Hash(Hash::new(vec![e]))).await);
        mean.iter_mut().zip(alone).for_each(|(mean, y)| *mean += y / EXPERTS as f64);
    }
    assert_close("ensemble", &wide(&all), &mean, config.d_model, Tol { abs: 1e-5, rel: 1e-5 });
    let routing = all.routing.expect("routing was read");
    assert!(routing.weights.iter().all(|w| *w == 0.25), "{:?}", routing.weights);
}

fn payloads<'a>(traffic: impl IntoIterator<Item = &'a Option<Vec<Traffic>>>) -> Vec<&'a Traffic> {
    let all = traffic.into_iter().flat_map(|pass| pass.as_ref().expect("traffic was read"));
    all.filter(|t| t.kind == PayloadKind::Payload).collect()
}

pub async fn a_step_of_two_passes_moves_rows_four_times_each_way(engine: &Rc<Engine>) {
    let config = LayerConfig { groups: 4, devices: 4, ..layer_with(8, thor(Thor::new(Draw::Token))) };
    let (x, d_output) = (tokens(&config, 6, 64), d_output(&config, 6, 64));
    let mut traffic = Vec::new();
    for pass in 0..2 {
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        let options = ForwardOptions { train: true, pass, ..ForwardOptions::default() };
        let got = passes(&mut layer, &x, &d_output, &options).await.expect("a layer that runs");
        traffic.extend([got.output.traffic, got.gradients.traffic]);
    }
    let all = payloads(&traffic);
    assert_eq!(all.len(), 8, "two exchanges a direction and pass");
    let row = 4.0 * config.d_model as f64;
    assert!(all.iter().all(|t| t.useful_bytes.iter().sum::<f64>() == 64.0 * row), "a row of each token in each");
}

pub async fn one_draw_for_the_batch_makes_a_hot_spot_or_moves_nothing(engine: &Rc<Engine>) {
    let split = LayerConfig { groups: 4, devices: 4, ..layer_with(8, thor(Thor::new(Draw::Batch))) };
    let copied = LayerConfig { replicated: true, ..split.clone() };
    let (split, copied) = (run(engine, &split, 64).await, run(engine, &copied, 64).await);
    for traffic in [&split.output.traffic, &split.gradients.traffic] {
        for exchange in payloads([traffic]) {
            let there = exchange.useful_bytes.chunks(4);
            let busy = (0..4).filter(|to| there.clone().any(|from| from[*to] > 0.0)).count();
            let from = there.clone().filter(|from| from.iter().any(|bytes| *bytes > 0.0)).count();
            assert_eq!(busy.min(from), 1, "all rows go to one device, or come from it: {exchange:?}");
        }
    }
    assert_eq!(copied.output.traffic, Some(Vec::new()));
    assert_eq!(copied.gradients.traffic, Some(Vec::new()));
    for ((name, copied), (_, split)) in copied.bits().into_iter().zip(split.bits()) {
        assert!(copied == split, "{name} has other bits");
    }
}

/// The outputs stand for logits: the layer is the last of a model whose vocabulary is as wide as a token.
pub async fn equal_draws_agree_and_others_do_not(engine: &Rc<Engine>) {
    for experts in [1, 8] {
        let config = layer_with(experts, thor(Thor::new(Draw::Sentence)));
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        let x = tokens(&config, 6, 40);
        let labels = Labels { sequence: Some(5), ..Labels::NONE };
        let mut output = async |pass| {
            let options = ForwardOptions { train: true, pass, labels: labels.clone(), ..ForwardOptions::default() };
            layer.forward(&x, &options).await.expect("a layer that runs")
        };
        let (one, other) = (output(0).await, output(1).await);
        let experts_of = |output: &LayerOutput| output.routing.as_ref().expect("routing was read").experts.clone();
        let logits = |output: &LayerOutput| output.output.clone().expect("the output was read");
        let kl = symmetric_kl(&logits(&one), &logits(&other), config.d_model).expect("whole rows");
        let mut equal = 0;
        for (t, (a, b)) in experts_of(&one).into_iter().zip(experts_of(&other)).enumerate() {
            assert_eq!(kl.rows[t] == 0.0, a == b, "token {t} of {experts} experts: {a} and {b}, {}", kl.rows[t]);
            equal += usize::from(a == b);
        }
        assert_eq!(equal == 40, experts == 1, "{equal} of 40 tokens had the same expert twice");
        let swapped = symmetric_kl(&logits(&other), &logits(&one), config.d_model).expect("whole rows");
        assert_eq!(bits(&swapped.rows), bits(&kl.rows));
    }
}

/// Cross-entropy of each row with its class, and its gradient by the row.
fn cross_entropy(logits: &[f32], classes: &[usize], width: usize) -> (Vec<f64>, Vec<f32>) {
    let (mut losses, mut gradient) = (Vec::new(), Vec::new());
    for (row, class) in logits.chunks_exact(width).zip(classes) {
        let sum = row.iter().map(|h| f64::from(*h).exp()).sum::<f64>();
        losses.push(sum.ln() - f64::from(row[*class]));
        gradient.extend(
            row.iter().enumerate().map(|(c, h)| (f64::from(*h).exp() / sum) as f32 - f32::from(u8::from(c == *class))),
        );
    }
    (losses, gradient)
}

/// One step of the paper: both passes' cross-entropies and `alpha` times their divergence. The first pass runs once more, since
/// backward is that of the last forward pass.
async fn train_two_passes(layer: &mut MoeLayer, x: &[f32], classes: &[usize], (step, alpha): (u32, f32)) {
    let width = layer.config().d_model;
    let options =
        |pass| ForwardOptions { train: true, step, pass, read: vec![Read::Output], ..ForwardOptions::default() };
    let mut logits = Vec::new();
    for pass in [1, 0] {
        let output = layer.forward(x, &options(pass)).await.expect("a layer that runs").output;
        logits.push(output.expect("the output was read"));
    }
    let apart = symmetric_kl(&logits[0], &logits[1], width).expect("whole rows");
    let gradient = |logits: &[f32], apart: &[f32]| -> Vec<f32> {
        let (_, gradient) = cross_entropy(logits, classes, width);
        gradient.iter().zip(apart).map(|(g, apart)| g + alpha * apart).collect()
    };
    layer.backward(&gradient(&logits[1], &apart.d_b), &[]).await.expect("backward of pass 0");
    layer.forward(x, &options(1)).await.expect("a layer that runs");
    let options = BackwardOptions { accumulate: true, ..BackwardOptions::default() };
    layer.backward(&gradient(&logits[0], &apart.d_a), options).await.expect("backward of pass 1");
    layer.apply_sgd(0.02).await.expect("there are gradients");
}

/// The layer is the last of a model that tells which of six classes a token is of.
pub async fn experts_that_must_agree_come_to_do_alike(engine: &Rc<Engine>) {
    const TOKENS: usize = 48;
    let config = layer_with(4, thor(Thor::new(Draw::Token)));
    let x = tokens(&config, 6, TOKENS);
    let largest = |x: &[f32]| (0..x.len()).max_by(|a, b| x[*a].total_cmp(&x[*b])).unwrap_or(0);
    let classes: Vec<usize> = x.chunks_exact(config.d_model).map(largest).collect();
    let mut spread = Vec::new();
    for alpha in [0.0, 5.0] {
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        for step in 0..60 {
            train_two_passes(&mut layer, &x, &classes, (step, alpha)).await;
        }
        let trained = layer.weights().await.expect("weights can be read");
        let mut losses = Vec::new();
        for e in 0..4 {
            let mut alone = layer_of(engine, &layer_with(4, RouterConfig::Hash(Hash::new(vec![e]))), &trained).await;
            let labels = Labels { token_ids: Some(vec![0; TOKENS]), ..Labels::NONE };
            let options = ForwardOptions { labels, ..ForwardOptions::default() };
            let output = alone.forward(&x, &options).await.expect("a layer that runs").output;
            let (of_rows, _) = cross_entropy(&output.expect("the output was read"), &classes, config.d_model);
            losses.push(of_rows.iter().sum::<f64>() / TOKENS as f64);
        }
        let mean = losses.iter().sum::<f64>() / 4.0;
        spread.push((losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 4.0, mean));
    }
    let [(free, _), (bound, mean)] = spread[..] else { unreachable!("two trainings") };
    assert!(bound < 0.5 * free, "variance over the experts with {bound} and without {free}");
    assert!(mean < 6_f64.ln(), "they have learned something besides: {mean}");
}

pub async fn a_pass_that_cannot_be_told_apart_is_refused(engine: &Rc<Engine>) {
    let config = layer_with(4, thor(Thor::new(Draw::Token)));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let with = |pass| ForwardOptions { pass, ..ForwardOptions::default() };
    let error = layer.forward(&[0.5; 12], &with(2048)).await.expect_err("there are 2048 passes, from 0 on");
    assert!(matches!(&error, Error::InvalidArgument { what, .. } if what == "pass"), "{error}");
    layer.forward(&[0.5; 12], &with(2047)).await.expect("the layer still works");
}
