//! Where things are.

use std::env;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask/ has a parent").to_path_buf()
}

/// Cargo's build folder, absolute.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(dir).expect("the current folder is readable"),
        None => root().join("target"),
    }
}

/// Where the programs built from `xtask/tools` lie.
pub fn tools() -> PathBuf {
    target().join("tools").join("release")
}

/// `path` as it is typed in the root: relative if it lies below, else as it is.
pub fn as_typed(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
