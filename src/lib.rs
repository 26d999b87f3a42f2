//! Sparse expert models in the browser: gating, routing, dispatch, expert FFNs and combine as WebGPU compute shaders, forward
//! and backward, on a mesh of virtual devices.
//!
//! Imports go down only (`tests/layers.rs`); `docs/ARCHITECTURE.md` has the picture.

pub mod bisect;
pub mod config;
pub mod cpu;
pub mod divergence;
pub mod engine;
pub mod error;
pub mod gpu;
pub mod init;
pub mod kernels;
pub mod labels;
pub mod layer;
pub mod mixture;
pub mod recording;
pub mod reference;
pub mod rng;
pub mod router;
pub mod session;
pub mod shader;
pub mod shape;
pub mod tables;
#[cfg(target_arch = "wasm32")]
pub mod wasm;
pub mod weights;
