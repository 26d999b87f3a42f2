//! Multi-gate mixtures.

use std::rc::Rc;

use webmoe::config::{LayerConfig, MultiGate, RouterConfig, SharedExpert, TopK};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::layer::Op;
use webmoe::session::{BackwardRead, ForwardOptions, MoeLayer};
use webmoe::weights::LayerWeights;

use super::super::super::close::{Tol, assert_close};
use super::super::super::engine::layer_of;
use super::super::super::inputs::{bits, d_output, noise, tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with, routing, run};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![layer_with(experts, sparse(3, 2)), LayerConfig { capacity: bounded(2), ..layer_with(experts, sparse(2, 1)) }]
}

fn dense(tasks: usize) -> RouterConfig {
    RouterConfig::MultiGate(MultiGate::new(tasks))
}

fn sparse(tasks: usize, k: usize) -> RouterConfig {
    RouterConfig::MultiGate(MultiGate { k: Some(k), ..MultiGate::new(tasks) })
}

pub async fn multi_gate_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("multi-gate, {name}"), config, count);
    let all_alike: fn(&mut LayerWeights) = |weights| weights.router.fill(0.0);
    let mesh = LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, sparse(3, 2)) };
    check_trials(
        engine,
        &[
            trial("three tasks", layer_with(5, dense(3)), 37),
            trial("one task", layer_with(5, dense(1)), 37),
            trial("a bias", LayerConfig { router_bias: true, ..layer_with(5, dense(2)) }, 37),
            trial("two experts for each task", layer_with(7, sparse(3, 2)), 37),
            trial("more than there are experts together", layer_with(4, sparse(3, 2)), 37),
            trial("all experts for each task", layer_with(4, sparse(2, 4)), 9),
            trial("as many tasks as there may be", layer_with(3, sparse(64, 1)), 9),
            Trial { change: all_alike, ties: true, ..trial("equal logits", layer_with(6, sparse(2, 2)), 9) },
            trial("one expert", layer_with(1, dense(2)), 9),
            trial("one token", layer_with(4, sparse(2, 1)), 1),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer_with(6, sparse(2, 2)) }, 64),
            trial("a shared expert", LayerConfig { shared_expert, ..layer_with(5, dense(2)) }, 37),
            trial("a mesh", mesh.clone(), 64),
            trial("a mesh whose devices hold all experts", LayerConfig { replicated: true, ..mesh }, 64),
        ],
    )
    .await;
}

async fn output(layer: &mut MoeLayer, x: &[f32]) -> Vec<f32> {
    let output = layer.forward(x, &ForwardOptions::default()).await.expect("a layer that runs");
    output.output.expect("the output was read")
}

pub async fn with_one_task_it_is_a_soft_mixture(engine: &Rc<Engine>) {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    for (one_gate, top_k) in [(dense(1), TopK::new(5)), (sparse(1, 2), TopK::new(2))] {
        let config = layer_with(5, one_gate);
        let (given, x) = (weights(&config, 6), tokens(&config, 6, 37));
        let got = output(&mut layer_of(engine, &config, &given).await, &x).await;
        let plain = layer_with(5, RouterConfig::TopK(top_k));
        let want = output(&mut layer_of(engine, &plain, &given).await, &x).await;
        let tol = Tol { abs: 1e-5, rel: 1e-5 };
        assert_close("output", &wide(got), &wide(want), config.d_model, tol);
    }
}

pub async fn equal_gates_give_every_task_the_same_bits(engine: &Rc<Engine>) {
    for router in [dense(3), sparse(3, 2)] {
        let config = layer_with(5, router);
        let mut given = weights(&config, 6);
        given.router = given.router[..5 * config.d_model].repeat(3);
        let x = tokens(&config, 6, 37);
        let all = output(&mut layer_of(engine, &config, &given).await, &x).await;
        let tasks: Vec<Vec<u32>> = all.chunks(x.len()).map(bits).collect();
        assert_eq!(tasks.len(), 3);
        assert!(tasks.iter().all(|task| *task == tasks[0]), "{:?}", config.router);
    }
}

pub async fn the_loss_of_a_task_moves_no_other_gate(engine: &Rc<Engine>) {
    for router in [dense(3), sparse(3, 2)] {
        let config = LayerConfig { router_bias: true, ..layer_with(5, router) };
        let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
        let (x, all) = (tokens(&config, 6, 37), d_output(&config, 6, 37));
        for task in 0..3 {
            layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
            let mut of_task = vec![0.0; all.len()];
            of_task[task * x.len()..][..x.len()].copy_from_slice(&all[task * x.len()..][..x.len()]);
            let gradients = layer.backward(&of_task, &[BackwardRead::Weights]).await.expect("backward runs").weights;
            let router = gradients.expect("weights were read").router;
            for (gate, rows) in router.chunks(5 * config.d_model).enumerate() {
                let moved = rows.iter().any(|d| *d != 0.0);
                assert_eq!(
                    moved,
                    gate == task,
                    "the gate of task {gate} by the loss of task {task}: {:?}",
                    config.router
                );
            }
        }
    }
}

pub async fn experts_are_computed_once_however_many_tasks_ask_them(engine: &Rc<Engine>) {
    let row = 4.0 * 6.0;
    for tasks in [1, 3] {
        let got = run(engine, &LayerConfig { groups: 4, devices: 4, ..layer_with(8, dense(tasks)) }, 64).await;
        assert_eq!(routing(&got).load, [64; 8], "every token at every expert, once");
        let traffic = got.output.traffic.as_ref().expect("traffic was read");
        for op in [Op::Dispatch, Op::Combine] {
            let moved = traffic.iter().find(|t| t.op == op).expect("an exchange of rows");
            assert_eq!(moved.useful_bytes.iter().sum::<f64>(), 64.0 * 8.0 * row, "{tasks} tasks, {op:?}");
        }
    }
    let got = run(engine, &layer_with(8, sparse(3, 2)), 64).await;
    let routing = routing(&got);
    assert_eq!(routing.slots, 6, "as many as three tasks of two can ask");
    for (t, experts) in routing.experts.chunks(6).enumerate() {
        let asked: Vec<i32> = experts.iter().copied().filter(|e| *e >= 0).collect();
        assert!(asked.len() >= 2 && asked.is_sorted_by(|a, b| a < b), "each once, in order: {asked:?}");
        let served =
            |task: usize| routing.weights[(task * 64 + t) * 6..][..6].iter().filter(|weight| **weight > 0.0).count();
        assert_eq!([0, 1, 2].map(served), [2, 2, 2], "token {t}: two experts for each task");
    }
}

pub async fn a_gradient_for_too_few_tasks_is_refused(engine: &Rc<Engine>) {
    let config = layer_with(4, dense(2));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let x = tokens(&config, 6, 3);
    layer.forward(&x, &ForwardOptions::default()).await.expect("a layer that runs");
    let error = layer.backward(&x, &[]).await.expect_err("a gradient for one task of two");
    assert!(matches!(&error, Error::WrongLength { got: 18, wanted: 36, shape, .. } if shape == "[2, 3, 6]"), "{error}");
    layer.backward(&noise(6, 2, 36), &[]).await.expect("the layer still works");
}
