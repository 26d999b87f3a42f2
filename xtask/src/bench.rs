//! `cargo xtask bench`: the side-by-side benchmark of the peers and webmoe.

use crate::call::Call;
use crate::{build, house, needs};
use std::fs;

/// Builds everything and runs the benchmark, which gets `flags` as they are. The native figures beside it take a build of
/// their own and are left out of a quick run.
///
/// # Errors
/// What is missing, or which step failed.
pub fn bench(flags: &[&str]) -> Result<(), String> {
    needs::install(needs::BENCH)?;
    build::assemble()?;
    if let ["--routers", flags @ ..] = flags {
        return flags.iter().fold(Call::new("node benches/routers/run.mjs"), |call, flag| call.arg(*flag)).run();
    }
    let peers = flags.iter().fold(Call::new("node benches/peers/run.mjs"), |call, flag| call.arg(*flag));
    if flags.contains(&"--quick") { peers.run() } else { peers.arg("--native").arg(natively()?).run() }
}

/// Runs `benches/native.rs` and returns the file with its lines.
fn natively() -> Result<String, String> {
    let mut lines = String::new();
    Call::new("cargo bench --package webmoe --bench native").watch(|line| {
        // cargo's own messages go elsewhere, but drivers print as they like
        if line.starts_with('{') {
            lines.push_str(line);
            lines.push('\n');
        }
    })?;
    let folder = house::target().join("bench");
    let file = folder.join("native.jsonl");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&file, lines))
        .map_err(|e| format!("can't write {}: {e}", house::as_typed(&file)))?;
    Ok(house::as_typed(&file))
}
