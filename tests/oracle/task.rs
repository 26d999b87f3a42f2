//! Task routing: the router reads the task, and nothing else.

use webmoe::config::{LayerConfig, Renormalize, RouterConfig, Scoring, SharedExpert, SoftmaxOver, Task, TopK};
use webmoe::error::Error;
use webmoe::labels::Labels;
use webmoe::reference::{Forward, Setting, forward_exact};
use webmoe::rng::uniform_f32;
use webmoe::weights::{NAMES, Weights};

use super::differences::{TOKENS, assert_labelled_differences_agree};
use crate::common::close::{Tol, assert_close};

const D: usize = 4;
const TASKS: [u32; TOKENS] = [2, 0, 2, 1, 1, 0, 2, 2];

fn noise(stream: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| 2.0 * f64::from(uniform_f32(23, 0, 0, i, stream)) - 1.0).collect()
}

fn layer(router: Task) -> LayerConfig {
    LayerConfig {
        bias: true,
        router_bias: true,
        shared_expert: Some(SharedExpert { d_ff: 3, gate: false }),
        loss_weights: ["loadBalance", "z", "importance"].map(|name| (name.to_owned(), 0.3)).into(),
        ..LayerConfig::new(D, 5, 4, RouterConfig::Task(router))
    }
}

fn random_weights(config: &LayerConfig) -> Weights<f64> {
    let stream = |name: &str| 100 + NAMES.iter().position(|&known| known == name).unwrap_or(0) as u32;
    Weights::build(config, |name, len| noise(stream(name), len))
}

fn of(tasks: &[u32]) -> Labels {
    Labels { task: Some(tasks.to_vec()), ..Labels::NONE }
}

fn run(config: &LayerConfig, x: &[f64], labels: &Labels) -> Result<Forward, Error> {
    forward_exact(config, &random_weights(config), x, Setting { labels: Some(labels), ..Setting::TRAIN })
}

#[test]
fn the_plan_is_one_of_the_task_alone() {
    let config = layer(Task::new(3, 2));
    let plans: Vec<_> = [1, 2]
        .map(|stream| run(&config, &noise(stream, TOKENS * D), &of(&TASKS)).expect("a layer that runs").routing)
        .into();
    assert_eq!(plans[0], plans[1], "whatever the tokens are");
    for (t, task) in TASKS.iter().enumerate() {
        let first = TASKS.iter().position(|other| other == task).expect("the task comes");
        assert_eq!(plans[0].experts[2 * t..2 * t + 2], plans[0].experts[2 * first..2 * first + 2], "token {t}");
        assert_eq!(plans[0].weights[2 * t..2 * t + 2], plans[0].weights[2 * first..2 * first + 2], "token {t}");
    }
}

#[test]
fn tasks_are_routed_as_tokens_that_are_their_embeddings() {
    let config = layer(Task { renormalize: Renormalize::PreDrop, ..Task::new(3, 2) });
    let weights = random_weights(&config);
    let embedding = weights.task_embedding.clone().expect("a task router has embeddings");
    let x: Vec<f64> = TASKS.iter().flat_map(|task| embedding[*task as usize * D..][..D].to_vec()).collect();
    let by_token = TopK { renormalize: Renormalize::PreDrop, ..TopK::new(2) };
    let by_token = LayerConfig { router: RouterConfig::TopK(by_token), ..config.clone() };
    let own = Weights { task_embedding: None, ..weights };
    let want = forward_exact(&by_token, &own, &x, Setting::TRAIN).expect("a layer that runs");
    let got = run(&config, &x, &of(&TASKS)).expect("a layer that runs");
    assert_eq!((got.routing, got.output, got.losses), (want.routing, want.output, want.losses));
}

#[test]
fn gradients_of_embeddings_router_and_experts_are_their_differences() {
    let plain = Task::new(3, 2);
    for (name, router) in [
        ("softmax", plain.clone()),
        ("selected, divided", Task { softmax_over: SoftmaxOver::Selected, scale: 1.5, ..plain.clone() }),
        ("sigmoid, divided", Task { scoring: Scoring::Sigmoid, renormalize: Renormalize::PreDrop, ..plain }),
    ] {
        assert_labelled_differences_agree(name, &layer(router), &of(&TASKS));
    }
}

#[test]
fn a_task_that_does_not_come_learns_nothing_and_one_that_is_not_there_is_refused() {
    let config = layer(Task::new(4, 1));
    let x = noise(1, TOKENS * D);
    let forward = run(&config, &x, &of(&TASKS)).expect("a layer that runs");
    let weights = random_weights(&config);
    let gradients = webmoe::reference::backward_exact(&config, &weights, &x, &forward, &noise(2, TOKENS * D));
    let embedding = gradients.expect("a layer that runs").weights.task_embedding.expect("embeddings have gradients");
    assert_close("task 3", &embedding[3 * D..], &[0.0; D], D, Tol::EXACT);
    assert!(embedding[..3 * D].iter().all(|g| *g != 0.0), "{embedding:?}");
    let error = run(&config, &x, &of(&[0, 1, 4, 0, 0, 0, 0, 0])).expect_err("there is no task 4");
    assert!(matches!(&error, Error::InvalidArgument { what, .. } if what == "task[2]"), "{error}");
    let error = run(&config, &x, &Labels::NONE).expect_err("no task is the default");
    assert_eq!(error, Error::MissingLabels { what: "task", router: "task" });
}
