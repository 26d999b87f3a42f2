//! Sparse expert models in the browser.
pub mod config;
