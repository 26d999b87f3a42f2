//! `cargo xtask bench`: the side-by-side benchmark of the peers and webmoe.

use crate::call::Call;
use crate::{build, needs};

/// Builds everything and runs the benchmark, which gets `flags` as they are.
///
/// # Errors
/// What is missing, or which step failed.
pub fn bench(flags: &[&str]) -> Result<(), String> {
    needs::install(needs::BENCH)?;
    build::assemble()?;
    flags.iter().fold(Call::new("node benches/peers/run.mjs"), |call, flag| call.arg(*flag)).run()
}
