//! Both engines in a dedicated worker.
#![cfg(target_arch = "wasm32")]

mod common;

use std::rc::Rc;

use common::trial::{Trial, check_trials};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use webmoe::config::{LayerConfig, RouterConfig, TopK};
use webmoe::cpu::CpuEngine;
use webmoe::engine::Engine;
use webmoe::gpu::{GpuEngine, Open};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

async fn check(engine: Engine) {
    let layer = LayerConfig::new(10, 7, 4, RouterConfig::TopK(TopK::new(2)));
    let config = LayerConfig { devices: 2, groups: 2, ..layer };
    check_trials(&Rc::new(engine), &[Trial::new("a layer on a mesh", config, 24)]).await;
}

#[wasm_bindgen_test]
async fn the_twins_agree_with_the_oracle_in_a_worker() {
    check(Engine::Cpu(CpuEngine::new())).await;
}

#[wasm_bindgen_test]
async fn the_wgsl_agrees_with_the_oracle_in_a_worker() {
    let gpu = GpuEngine::open(Open::default()).await.unwrap_or_else(|e| panic!("{e}"));
    check(Engine::Gpu(Box::new(gpu))).await;
}
