//! Third link of the chain of trust: the WGSL on native Vulkan.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::rc::Rc;

use common::engine::check_all;
use common::fixtures::cases;
use webmoe::engine::Engine;
use webmoe::gpu::{GpuEngine, Open};

#[test]
fn the_wgsl_agrees_with_every_recorded_case() {
    let gpu = pollster::block_on(GpuEngine::open(Open::default())).unwrap_or_else(|e| panic!("{e}"));
    println!("{:?}", gpu.adapter());
    pollster::block_on(check_all(&Rc::new(Engine::Gpu(Box::new(gpu))), &cases()));
}
