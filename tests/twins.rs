//! Second link of the chain of trust: the f32 twins, on the CPU engine.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::rc::Rc;

use webmoe::cpu::CpuEngine;
use webmoe::engine::Engine;

macro_rules! tests {
    ($($group:ident::$claim:ident),* $(,)?) => {
        $(
            #[test]
            fn $claim() {
                pollster::block_on(common::claims::$group::$claim(&Rc::new(Engine::Cpu(CpuEngine::new()))));
            }
        )*
    };
}

common::claims::on_every_engine!(tests);
