//! Sparse expert models in the browser.
pub mod config;
pub mod error;
