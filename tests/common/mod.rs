//! Recorded results of other projects' code as cases of our layer, and how to compare with them.
//!
//! Works natively and in a browser: the fixtures are part of the test binary.
#![allow(dead_code, unused_macros, unused_imports, reason = "every test binary uses its own part of this")]

pub mod case;
pub mod claims;
pub mod close;
pub mod engine;
pub mod families;
pub mod fixture;
pub mod fixtures;
pub mod got;
pub mod inputs;
pub mod optimum;
pub mod step;
pub mod trial;
pub mod variants;
