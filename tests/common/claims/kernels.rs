//! The GPU's kernels against their twins, one by one.

use std::rc::Rc;

use webmoe::bisect::bisect;
use webmoe::config::{
    Activation, Capacity, LayerConfig, Order, Priority, Renormalize, RouterConfig, Scoring, SharedExpert, Slots, Soft,
    TopK,
};
use webmoe::cpu::CpuEngine;
use webmoe::engine::Engine;
use webmoe::gpu::GpuEngine;
use webmoe::kernels::{ALL, COMBINE, Constants, Dims, EXPERT_IN, Kernel};
use webmoe::recording::{BufferId, Command, Dispatch, Grid, Recording};
use webmoe::shader::Tiling;

use super::super::step::{cpu_of, training_step};
use super::super::trial::{Trial, check_trials};
use super::super::variants::{extremes, tilings};
use super::experts;
use super::routers::one_of_each;

const TOKENS: usize = 48;

fn gpu(engine: &Engine) -> &GpuEngine {
    match engine {
        Engine::Gpu(gpu) => gpu,
        Engine::Cpu(_) => panic!("the claim is about GPUs"),
    }
}

/// Panics with every kernel of a training step that differs from its twin, in every tiling.
async fn assert_twins(engine: &Engine, label: &str, config: &LayerConfig) {
    for tiling in Tiling::ALL {
        let cpu = Engine::Cpu(CpuEngine::new());
        let rec = training_step(&cpu, config, TOKENS, tiling).await;
        let found = bisect(&rec, cpu_of(&cpu), gpu(engine)).await.expect("every kernel runs");
        assert_eq!(found, [], "{label}, {tiling:?}");
    }
}

/// One way of weighing, serving and computing.
fn layer(router: TopK, priority: Priority, activation: Activation, gated: bool, bias: bool) -> LayerConfig {
    LayerConfig {
        activation,
        gated,
        bias,
        router_bias: bias,
        capacity: Capacity::Bounded { slots: Slots::Fixed { slots: 7 }, priority, order: Order::Rank },
        groups: 4,
        loss_weights: ["loadBalance", "loadBalanceFirst", "z", "importance"].map(|name| (name.to_owned(), 0.3)).into(),
        ..LayerConfig::new(70, 37, 8, RouterConfig::TopK(router))
    }
}

pub async fn no_kernel_differs_from_its_twin(engine: &Rc<Engine>) {
    let softmax = TopK { renormalize: Renormalize::PreDrop, ..TopK::new(2) };
    assert_twins(engine, "plain", &layer(softmax, Priority::Arrival, Activation::Relu, false, false)).await;
    let sigmoid = TopK {
        scoring: Scoring::Sigmoid,
        renormalize: Renormalize::PostDrop,
        selection_bias: Some((0..8).map(|e| 0.05 * e as f32).collect()),
        expert_groups: 4,
        group_limit: 2,
        scale: 1.5,
        jitter: 0.1,
        dropout: 0.2,
        ..TopK::new(3)
    };
    assert_twins(engine, "all at once", &layer(sigmoid, Priority::Weight, Activation::Silu, true, true)).await;
}

pub async fn no_kernel_differs_from_its_twin_on_a_mesh(engine: &Rc<Engine>) {
    let plain = layer(TopK::new(2), Priority::Random, Activation::Gelu, false, true);
    let shared_expert = Some(SharedExpert { d_ff: 41, gate: true });
    assert_twins(engine, "a mesh", &LayerConfig { devices: 4, shared_expert, ..plain }).await;
}

pub async fn no_kernel_of_any_router_differs_from_its_twin(engine: &Rc<Engine>) {
    for config in one_of_each(8) {
        let cpu = Engine::Cpu(CpuEngine::new());
        let config = LayerConfig { groups: 4, ..config };
        let rec = training_step(&cpu, &config, TOKENS, Tiling::Direct).await;
        let found = bisect(&rec, cpu_of(&cpu), gpu(engine)).await.expect("every kernel runs");
        assert_eq!(found, [], "{:?}", config.router);
    }
}

pub async fn no_kernel_of_any_expert_differs_from_its_twin(engine: &Rc<Engine>) {
    for config in experts::examples(8) {
        assert_twins(engine, &format!("{:?}", config.router), &LayerConfig { groups: 4, devices: 4, ..config }).await;
    }
    let wide = LayerConfig {
        d_ff: 140,
        expert_widths: Some(vec![140, 1, 64, 65, 131, 7]),
        identity_experts: 2,
        ..layer(TopK::new(3), Priority::Arrival, Activation::Gelu, false, true)
    };
    assert_twins(engine, "wide", &wide).await;
    assert_twins(engine, "wide and gated", &LayerConfig { gated: true, ..wide }).await;
}

/// The kernel with another WGSL, which never ends: pipelines are kept by name.
fn broken(kernel: &'static Kernel, name: &'static str, line: &str, instead: &str) -> &'static Kernel {
    assert!(kernel.source.contains(line), "{} has the line that is to be broken", kernel.name);
    let source = Box::leak(kernel.source.replace(line, instead).into_boxed_str());
    Box::leak(Box::new(Kernel { name, source, ..*kernel }))
}

pub async fn a_broken_kernel_is_named(engine: &Rc<Engine>) {
    let config = layer(TopK::new(2), Priority::Arrival, Activation::Relu, false, false);
    let wrong_sign = broken(&COMBINE, "combine, broken", "sum += weight[a]", "sum -= weight[a]");
    let wrong_place = broken(&EXPERT_IN, "expert_in, broken", "before[row * dims.n4 + col] = u;", "");
    for (kernel, broken, binding) in [(&COMBINE, wrong_sign, 4), (&EXPERT_IN, wrong_place, 7)] {
        let cpu = Engine::Cpu(CpuEngine::new());
        let mut rec = training_step(&cpu, &config, TOKENS, Tiling::Direct).await;
        for command in &mut rec.commands {
            if let Command::Dispatch(dispatch) = command
                && dispatch.kernel.name == kernel.name
            {
                dispatch.kernel = broken;
            }
        }
        let at = rec.dispatches().position(|dispatch| dispatch.kernel.name == broken.name).expect("it is dispatched");
        let found = bisect(&rec, cpu_of(&cpu), gpu(engine)).await.expect("every kernel runs");
        let named: Vec<_> = found.iter().map(|d| (d.dispatch, d.kernel, d.binding)).collect();
        assert_eq!(named, [(at, broken.name, binding)], "{found:?}");
        assert!(found[0].count > 0 && found[0].worst.1 != found[0].worst.2, "{found:?}");
    }
}

pub async fn every_tiling_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let config = LayerConfig {
        capacity: Capacity::Dropless,
        shared_expert: Some(SharedExpert { d_ff: 41, gate: true }),
        ..layer(TopK::new(2), Priority::Arrival, Activation::Silu, true, true)
    };
    let unlike = LayerConfig { expert_widths: Some(vec![37, 1, 8, 21, 33, 37]), identity_experts: 2, ..config.clone() };
    let mixtures = LayerConfig {
        router: RouterConfig::Soft(Soft::new(9)),
        loss_weights: Default::default(),
        groups: 2,
        ..unlike.clone()
    };
    for tiling in Tiling::ALL {
        let preferred = gpu(engine).set_tiling(tiling);
        let trial = |name, config: &LayerConfig| Trial::new(format!("{name}, {tiling:?}"), config.clone(), TOKENS);
        let trials =
            [trial("experts of one kind", &config), trial("of several", &unlike), trial("mixtures", &mixtures)];
        check_trials(engine, &trials).await;
        gpu(engine).set_tiling(preferred);
    }
}

/// Every kernel in every tiling, each override at its lowest and its highest value, through the platform's own compiler:
/// dispatches of no workgroups.
pub async fn every_kernel_compiles_in_every_tiling(engine: &Rc<Engine>) {
    let before = engine.counters();
    let buffers = engine.create(&[("a placeholder", 64); 8]).await.expect("there is room");
    let mut refused = Vec::new();
    for kernel in ALL {
        for (tiling, _) in tilings(kernel) {
            for constants in extremes(kernel) {
                let label = format!("{} {tiling:?} {:?}", kernel.name, constants.0);
                let mut rec = Recording::default();
                rec.dispatch(nothing(kernel, constants, tiling, &buffers));
                refused.extend(engine.run(&rec).await.err().map(|error| format!("{label}: {error}")));
            }
        }
    }
    buffers.into_iter().for_each(|id| engine.destroy(id));
    assert_eq!(engine.counters().buffers, before.buffers);
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

fn nothing(kernel: &'static Kernel, constants: Constants, tiling: Tiling, buffers: &[BufferId]) -> Dispatch {
    let buffers = buffers[..kernel.bindings.len()].to_vec();
    Dispatch { kernel, constants, tiling, dims: Dims::default(), buffers, grid: Grid::Direct([0, 0, 0]) }
}
