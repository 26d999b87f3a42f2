//! Task routing.

use std::rc::Rc;

use webmoe::config::{LayerConfig, Renormalize, RouterConfig, Scoring, SharedExpert, SoftmaxOver, Task};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::labels::Labels;
use webmoe::session::{ForwardOptions, Read};
use webmoe::weights::LayerWeights;

use super::super::super::engine::{layer_of, passes};
use super::super::super::inputs::{bits, d_output, tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![layer_with(experts, RouterConfig::Task(Task::new(7, 2)))]
}

fn task(experts: usize, router: Task) -> LayerConfig {
    layer_with(experts, RouterConfig::Task(router))
}

pub async fn task_routing_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: false });
    let three = || Task::new(3, 2);
    let sigmoid = Task { scoring: Scoring::Sigmoid, renormalize: Renormalize::PreDrop, scale: 1.5, ..Task::new(9, 3) };
    let selected = Task { softmax_over: SoftmaxOver::Selected, ..Task::new(17, 2) };
    let post = Task { renormalize: Renormalize::PostDrop, ..three() };
    let mesh = LayerConfig { groups: 4, devices: 4, shared_expert, router_bias: true, ..task(8, three()) };
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("tasks, {name}"), config, count);
    let all_alike = |name: &str, config: LayerConfig, count| {
        let change: fn(&mut LayerWeights) = |weights| weights.router.fill(0.0);
        Trial { change, ties: true, ..trial(name, config, count) }
    };
    check_trials(
        engine,
        &[
            trial("softmax", task(5, three()), 37),
            trial("sigmoid, divided", task(6, sigmoid), 37),
            trial("softmax over the chosen", task(5, selected), 37),
            trial("one expert", task(1, Task::new(3, 1)), 9),
            trial("all experts", task(4, Task::new(3, 4)), 11),
            trial("one task", task(5, Task::new(1, 2)), 37),
            trial("more tasks than tokens", task(5, Task::new(40, 2)), 5),
            trial("one token", task(4, three()), 1),
            all_alike("equal scores", task(4, three()), 37),
            trial("drops", LayerConfig { capacity: bounded(5), groups: 4, ..task(4, post) }, 64),
            trial("a mesh", mesh, 64),
        ],
    )
    .await;
}

fn of(task: Vec<u32>) -> Labels {
    Labels { task: Some(task), ..Labels::NONE }
}

pub async fn all_tokens_of_a_task_have_its_experts_whatever_they_are(engine: &Rc<Engine>) {
    let config = task(6, Task::new(4, 2));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let tasks: Vec<u32> = (0..30).map(|t| t * t % 4).collect();
    let mut plans = Vec::new();
    for seed in [1, 2] {
        let options = ForwardOptions { labels: of(tasks.clone()), ..ForwardOptions::default() };
        let output = layer.forward(&tokens(&config, seed, 30), &options).await.expect("a layer that runs");
        plans.push(output.routing.expect("routing was read"));
    }
    assert_eq!(plans[0], plans[1]);
    let row = |t: usize| (&plans[0].experts[2 * t..2 * t + 2], bits(&plans[0].weights[2 * t..2 * t + 2]));
    for (t, task) in tasks.iter().enumerate() {
        let first = tasks.iter().position(|other| other == task).expect("the task comes");
        assert_eq!(row(t), row(first), "token {t}");
    }
}

pub async fn the_network_of_a_task_gives_the_bits_of_the_layer(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: false });
    let sigmoid = Task { scoring: Scoring::Sigmoid, renormalize: Renormalize::PreDrop, scale: 1.5, ..Task::new(3, 3) };
    let widths = Some(vec![10, 3, 7, 10, 1, 5, 8, 10]);
    for config in [
        task(8, Task::new(3, 2)),
        LayerConfig { gated: true, bias: true, router_bias: true, shared_expert, ..task(8, sigmoid) },
        LayerConfig { expert_widths: widths, groups: 4, devices: 4, ..task(8, Task::new(3, 2)) },
    ] {
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        for (task, count) in [(0, 40), (2, 4)] {
            let x = tokens(&config, 6, count);
            let options = ForwardOptions { labels: of(vec![task; count]), ..ForwardOptions::default() };
            let whole = layer.forward(&x, &options).await.expect("a layer that runs");
            let (own, given) = layer.task_network(task).await.expect("a task of the layer");
            assert_eq!((own.experts, own.devices), (config.k(), 1), "the task's experts alone");
            let mut alone = layer_of(engine, &own, &given).await;
            let options = ForwardOptions { read: vec![Read::Output], ..ForwardOptions::default() };
            let alone = alone.forward(&x, &options).await.expect("a layer that runs");
            let output = |output: Option<Vec<f32>>| bits(&output.expect("output was read"));
            assert_eq!(output(alone.output), output(whole.output), "task {task} of {config:?}");
        }
    }
}

pub async fn what_a_task_network_cannot_be_made_of_is_refused(engine: &Rc<Engine>) {
    let refused = async |config: LayerConfig, task: u32| {
        let layer = layer_of(engine, &config, &weights(&config, 6)).await;
        layer.task_network(task).await.expect_err("it cannot be made").to_string()
    };
    assert!(refused(task(4, Task::new(3, 2)), 3).await.contains("`task[0]` is 3; it must be below 3"));
    let identities = LayerConfig { identity_experts: 1, ..task(4, Task::new(3, 2)) };
    assert!(refused(identities, 0).await.contains("identityExperts"));
    let other = layer_with(4, RouterConfig::TopK(webmoe::config::TopK::new(2)));
    assert!(refused(other, 0).await.contains("kind \"task\""));
    let config = task(4, Task::new(3, 2));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let error = layer.forward(&tokens(&config, 6, 2), &ForwardOptions::default()).await.expect_err("no task");
    assert_eq!(error, Error::MissingLabels { what: "task", router: "task" });
}

pub async fn a_step_moves_the_embeddings_of_the_tasks_that_came(engine: &Rc<Engine>) {
    let config = task(4, Task::new(3, 2));
    let before = weights(&config, 6);
    let mut layer = layer_of(engine, &config, &before).await;
    let options = ForwardOptions { train: true, labels: of([0, 2].repeat(10)), ..ForwardOptions::default() };
    let (x, d_output) = (tokens(&config, 6, 20), d_output(&config, 6, 20));
    let gradients = passes(&mut layer, &x, &d_output, &options).await.expect("a layer that runs").gradients;
    layer.apply_sgd(0.5).await.expect("gradients of the last pass");
    let after = layer.weights().await.expect("the weights");
    let of = |weights: Option<LayerWeights>| weights.and_then(|w| w.task_embedding).expect("embeddings of the tasks");
    let (before, after, gradient) = (of(Some(before)), of(Some(after)), of(gradients.weights));
    let moved: Vec<f32> = before.iter().zip(&gradient).map(|(w, g)| w - 0.5 * g).collect();
    let d = config.d_model;
    assert_eq!(bits(&after), bits(&moved));
    assert_eq!(bits(&after[d..2 * d]), bits(&before[d..2 * d]), "task 1 did not come");
    assert!(after[..d] != before[..d] && after[2 * d..] != before[2 * d..], "tasks 0 and 2 did");
}
