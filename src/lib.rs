//! Sparse expert models in the browser.
pub mod config;
pub mod error;
pub mod init;
pub mod reference;
pub mod rng;
pub mod weights;
