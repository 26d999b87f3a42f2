//! Second link of the chain of trust: the f32 twins, on the CPU engine.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::rc::Rc;

use common::engine::check_all;
use common::fixtures::cases;
use webmoe::cpu::CpuEngine;
use webmoe::engine::Engine;

#[test]
fn the_twins_agree_with_every_recorded_case() {
    pollster::block_on(check_all(&Rc::new(Engine::Cpu(CpuEngine::new())), &cases()));
}
