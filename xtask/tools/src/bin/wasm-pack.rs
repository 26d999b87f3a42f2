//! `wasm-pack`: builds tests for the browser and runs them there. Leaves out the upstream program's look for a newer
//! release at every start: the version is the lock file's business, and a build works offline.

use clap::Parser;
use wasm_pack::{Cli, PBAR, command::run_wasm_pack};

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    PBAR.set_log_level(cli.log_level);
    PBAR.set_quiet(cli.quiet);
    run_wasm_pack(cli.cmd)
}
