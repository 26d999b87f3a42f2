//! Last link of the chain of trust: both engines in a page of a browser, the shaders through its own compiler.
#![cfg(target_arch = "wasm32")]

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use webmoe::cpu::CpuEngine;
use webmoe::engine::Engine;
use webmoe::gpu::{GpuEngine, Open};

wasm_bindgen_test_configure!(run_in_browser);

/// The one GPU engine of all tests: shaders are compiled once.
async fn gpu() -> Rc<Engine> {
    thread_local! {
        static GPU: RefCell<Option<Rc<Engine>>> = const { RefCell::new(None) };
    }
    if let Some(engine) = GPU.with_borrow(Clone::clone) {
        return engine;
    }
    let gpu = GpuEngine::open(Open::default()).await.unwrap_or_else(|e| panic!("{e}"));
    let engine = Rc::new(Engine::Gpu(Box::new(gpu)));
    GPU.set(Some(engine.clone()));
    engine
}

macro_rules! on_the_gpu {
    ($($group:ident::$claim:ident),* $(,)?) => {
        $(
            #[wasm_bindgen_test]
            async fn $claim() {
                crate::common::claims::$group::$claim(&super::gpu().await).await;
            }
        )*
    };
}

macro_rules! on_the_cpu {
    ($($group:ident::$claim:ident),* $(,)?) => {
        $(
            #[wasm_bindgen_test]
            async fn $claim() {
                crate::common::claims::$group::$claim(&super::cpu()).await;
            }
        )*
    };
}

fn cpu() -> Rc<Engine> {
    Rc::new(Engine::Cpu(CpuEngine::new()))
}

mod wgsl {
    use super::wasm_bindgen_test;
    crate::common::claims::on_every_engine!(on_the_gpu);
    crate::common::claims::on_every_gpu!(on_the_gpu);
}

mod twins {
    use super::wasm_bindgen_test;
    crate::common::claims::on_every_engine!(on_the_cpu);
}
