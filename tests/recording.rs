//! What a step is before anything runs: the kernels of a recording, their order and their number.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use common::step::training_step;
use webmoe::config::{Capacity, LayerConfig, Order, Priority, RouterConfig, Slots, TopK};
use webmoe::cpu::CpuEngine;
use webmoe::engine::Engine;
use webmoe::kernels::Constants;
use webmoe::recording::Recording;
use webmoe::shader::Tiling;

fn layer(devices: usize, priority: Priority) -> LayerConfig {
    let slots = Slots::Fixed { slots: 7 };
    LayerConfig {
        capacity: Capacity::Bounded { slots, priority, order: Order::Token },
        groups: 4,
        devices,
        ..LayerConfig::new(6, 5, 8, RouterConfig::TopK(TopK::new(2)))
    }
}

fn recorded(config: &LayerConfig, tokens: usize) -> Recording {
    let cpu = Engine::Cpu(CpuEngine::new());
    pollster::block_on(training_step(&cpu, config, tokens, Tiling::Direct))
}

/// What a GPU compiles for a recording.
fn pipelines(recording: &Recording) -> Vec<(&'static str, Constants)> {
    recording.dispatches().map(|dispatch| (dispatch.kernel.name, dispatch.constants.clone())).collect()
}

#[test]
fn a_batch_of_another_length_needs_no_other_pipelines() {
    for priority in [Priority::Arrival, Priority::Batch, Priority::Weight, Priority::Random] {
        let config = layer(4, priority);
        let short = pipelines(&recorded(&config, 8));
        for tokens in [12, 48, 400] {
            assert_eq!(pipelines(&recorded(&config, tokens)), short, "{priority:?}, {tokens} tokens");
        }
    }
}

#[test]
fn another_number_of_experts_needs_no_other_pipelines() {
    let config = layer(4, Priority::Arrival);
    let few = pipelines(&recorded(&config, 48));
    for experts in [16, 512] {
        let many = LayerConfig { experts, ..config.clone() };
        assert_eq!(pipelines(&recorded(&many, 48)), few, "{experts} experts");
    }
}

#[test]
fn a_schedule_reads_as_the_layer_is_described() {
    let forward = |devices| -> Vec<&str> {
        let rec = recorded(&layer(devices, Priority::Arrival), 48);
        let names: Vec<&str> = rec.dispatches().map(|dispatch| dispatch.kernel.name).collect();
        names.into_iter().take_while(|name| *name != "loss_sums").collect()
    };
    let gate = ["router_logits", "route", "slot_count", "slot_scan", "place"];
    let local = ["expert_in", "expert_out", "combine"];
    assert_eq!(forward(1), [&gate[..], &local].concat());
    let mesh = ["exchange", "expert_in", "expert_out", "exchange", "combine"];
    assert_eq!(forward(4), [&gate[..], &mesh].concat());
}

#[test]
fn a_recording_prints_a_command_a_line() {
    let rec = recorded(&layer(1, Priority::Arrival), 48);
    let printed = rec.to_string();
    assert_eq!(printed.lines().count(), rec.commands.len());
    let kernels = printed.lines().filter(|line| line.starts_with("dispatch  ")).map(|line| line.split(' ').nth(2));
    assert!(kernels.eq(rec.dispatches().map(|dispatch| Some(dispatch.kernel.name))), "{printed}");
}
