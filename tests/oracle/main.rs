//! First link of the chain of trust: the f64 oracle against other projects' recorded results, against the golden
//! example, against its own finite differences, and at its edges.
#![cfg(not(target_arch = "wasm32"))]

#[path = "../common/mod.rs"]
mod common;

mod bandit;
mod choices;
mod differences;
mod divergence;
mod edges;
mod experts;
mod golden;
mod hash;
mod labels;
mod mixture;
mod multi_gate;
mod papers;
mod properties;
mod recorded;
mod reinforce;
mod routing;
mod soft;
mod tables;
mod task;
mod traffic;
