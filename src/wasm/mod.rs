//! Bindings for JavaScript: translation only. The package in `www/package` wraps them in the public interface.

mod convert;
mod layer;
mod runtime;
mod tools;

pub use layer::WasmLayer;
pub use runtime::WasmRuntime;
pub use tools::{add_domain, hash_table, mix_domains, remove_domain};
