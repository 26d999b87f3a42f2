//! `cargo xtask build`: Rust to wasm to the npm package in `pkg/` and the static page in `dist/`.

use crate::call::Call;
use crate::{house, needs};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Where the npm package takes the bindings from.
const BINDINGS: &str = "www/package/src/wasm";
/// wasm-bindgen's name for the module.
const MODULE: &str = "webmoe_bg.wasm";
const OPTIMISATION: &str = "-O3";

/// Installs what is missing and builds everything.
///
/// # Errors
/// What is missing, or which step failed.
pub fn build() -> Result<(), String> {
    needs::install(needs::BUILD)?;
    assemble()
}

/// Builds everything with what is installed.
///
/// # Errors
/// The step that failed, or the size that is over its limit.
pub fn assemble() -> Result<(), String> {
    let target = house::as_typed(&house::target());
    Call::new("cargo build --package webmoe --lib --profile wasm --target wasm32-unknown-unknown --target-dir")
        .arg(&target)
        .for_wasm()
        .run()?;
    bind(&target)?;
    Call::new("npm --prefix www run build --workspace webmoe").run()?;
    Call::new("npm --prefix www run build --workspace webmoe-demo").run()?;
    Call::new("node xtask/sizes.mjs pkg/dist").run()
}

/// Makes the bindings and the optimised module, and puts them where the npm package looks.
fn bind(target: &str) -> Result<(), String> {
    let fresh = house::target().join("wasm-bindgen");
    // Without names of functions and tools: a tenth of the size, and nothing that a visitor could use.
    Call::new("wasm-bindgen --target web --remove-name-section --remove-producers-section --out-dir")
        .arg(house::as_typed(&fresh))
        .arg(format!("{target}/wasm32-unknown-unknown/wasm/webmoe.wasm"))
        .run()?;
    let optimised = optimise(&fresh.join(MODULE))?;
    let bindings = house::root().join(BINDINGS);
    fs::create_dir_all(&bindings).map_err(|e| cannot("make", &bindings, &e))?;
    for file in ["webmoe.js", "webmoe.d.ts", "webmoe_bg.wasm.d.ts"] {
        copy(&fresh.join(file), &bindings.join(file))?;
    }
    copy(&optimised, &bindings.join(MODULE))
}

/// The optimised form of a module. It is kept under a hash of all that it was made from, because making it takes longer
/// than all other steps of a small change together.
fn optimise(module: &Path) -> Result<PathBuf, String> {
    let kept = house::target().join("wasm-opt");
    let mut hash = DefaultHasher::new();
    for input in [module, &house::root().join("www/node_modules/binaryen/package.json")] {
        fs::read(input).map_err(|e| cannot("read", input, &e))?.hash(&mut hash);
    }
    OPTIMISATION.hash(&mut hash);
    let output = kept.join(format!("{:016x}.wasm", hash.finish()));
    if output.exists() {
        return Ok(output);
    }
    // Only the latest is kept.
    if kept.exists() {
        fs::remove_dir_all(&kept).map_err(|e| cannot("clear", &kept, &e))?;
    }
    fs::create_dir_all(&kept).map_err(|e| cannot("make", &kept, &e))?;
    // Under another name until it is whole, so that an interrupted run leaves nothing that looks finished.
    let partial = kept.join("partial.wasm");
    Call::new("node www/node_modules/binaryen/bin/wasm-opt")
        .arg(OPTIMISATION)
        .arg(house::as_typed(module))
        .arg("-o")
        .arg(house::as_typed(&partial))
        .run()?;
    fs::rename(&partial, &output).map_err(|e| cannot("rename", &partial, &e))?;
    Ok(output)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(|_| ()).map_err(|e| cannot("copy", from, &e))
}

fn cannot(act: &str, path: &Path, error: &std::io::Error) -> String {
    format!("can't {act} {}: {error}", house::as_typed(path))
}
