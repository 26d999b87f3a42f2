//! Imports go down only: `docs/ARCHITECTURE.md` has the picture, this file has the table, and nothing else decides.
#![cfg(not(target_arch = "wasm32"))]

#[path = "layers/source.rs"]
mod source;

use std::fs;
use std::path::Path;

/// The modules at the crate's root, from the ground up. A module imports from its own layer and those below it.
const LAYERS: [&[&str]; 7] = [
    &["error", "config", "labels", "shape", "rng", "divergence", "init", "weights", "tables", "mixture"],
    &["reference", "cluster", "laws", "data"],
    &["shader", "kernels"],
    &["recording", "gpu", "cpu", "engine", "bisect"],
    &["router", "layer", "model", "train", "inspect", "compress"],
    &["session"],
    &["wasm"],
];

/// Modules that may not import each other, whatever their layers: an oracle that shares code with what it judges
/// would share its errors too.
const STRANGERS: [(&str, &str); 1] = [("reference", "kernels")];

/// The outside world, and the only modules that may name it.
const OUTSIDE: [(&[&str], &[&str]); 2] = [
    (&["wgpu"], &["gpu"]),
    (&["js_sys", "web_sys", "wasm_bindgen", "wasm_bindgen_futures", "serde_wasm_bindgen"], &["gpu", "wasm"]),
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// What a file does that the house does not allow, a line each. `file` is relative to `src/`.
fn violations(file: &str, text: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let module = path.split('/').next().unwrap_or(path);
    let Some(own) = layer(module) else {
        return vec![format!("src/{file}: module {module} has no layer; give it one in tests/layers.rs")];
    };
    let tokens = source::tokens(text);
    let mut found = Vec::new();
    for import in source::imports(&tokens, path.split('/').count()) {
        let (line, other) = (import.line, import.module);
        match layer(other) {
            None => found.push(format!(
                "src/{file}:{line}: {other} is not a module with a layer; name the module it comes from"
            )),
            Some(above) if above > own => found.push(format!(
                "src/{file}:{line}: {module} (layer {own}) imports {other} (layer {above}); imports go down only"
            )),
            Some(_) if are_strangers(module, other) => {
                found.push(format!("src/{file}:{line}: {module} and {other} may not import each other"))
            }
            Some(_) => {}
        }
    }
    for token in &tokens {
        for (names, allowed) in OUTSIDE {
            if names.contains(&token.text) && !allowed.contains(&module) {
                found.push(format!(
                    "src/{file}:{}: {module} names {}, which only {} may",
                    token.line,
                    token.text,
                    allowed.join(" and ")
                ));
            }
        }
    }
    found
}

fn are_strangers(one: &str, other: &str) -> bool {
    STRANGERS.contains(&(one, other)) || STRANGERS.contains(&(other, one))
}

/// The Rust files below `folder`, as paths relative to it, sorted.
fn rust_files(folder: &Path) -> Vec<String> {
    fn collect(folder: &Path, base: &Path, files: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("the sources are readable") {
            let path = entry.expect("the sources are readable").path();
            if path.is_dir() {
                collect(&path, base, files);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let relative = path.strip_prefix(base).expect("the file lies below");
                files.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    let mut files = Vec::new();
    collect(folder, folder, &mut files);
    files.sort();
    files
}

#[test]
fn every_module_imports_from_its_own_layer_or_below() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = rust_files(&src);
    // The root declares the modules and stands outside the layers.
    files.retain(|file| file != "lib.rs");
    assert!(files.iter().any(|file| file == "config/check.rs"), "the walk goes into folders: {files:?}");
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(src.join(file)).expect("the sources are readable");
            violations(file, &text)
        })
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn an_import_from_above_names_the_file_the_line_and_both_layers() {
    let text = "use crate::error::Error;\n\nuse crate::session::Session;\n";
    assert_eq!(
        violations("config/check.rs", text),
        ["src/config/check.rs:3: config (layer 0) imports session (layer 5); imports go down only"]
    );
}

#[test]
fn imports_from_the_own_layer_and_below_are_allowed() {
    let text =
        "use crate::{error::Error, kernels::{mod_a, mod_b}, gpu};\npub(crate) fn f(x: crate::config::LayerConfig) {}\n";
    assert_eq!(violations("cpu.rs", text), [""; 0]);
}

#[test]
fn every_path_of_a_group_is_seen() {
    let text = "use crate::{\n    error::{Error, gpu},\n    session,\n    config as c,\n    wasm::bindings,\n};\n";
    let modules: Vec<(&str, usize)> =
        source::imports(&source::tokens(text), 1).iter().map(|import| (import.module, import.line)).collect();
    assert_eq!(modules, [("error", 2), ("session", 3), ("config", 4), ("wasm", 5)]);
}

#[test]
fn a_path_in_the_middle_of_code_is_an_import() {
    let text = "fn f() {\n    let x = crate::layer::Layer::new();\n}\n";
    assert_eq!(
        violations("recording.rs", text),
        ["src/recording.rs:2: recording (layer 3) imports layer (layer 4); imports go down only"]
    );
}

#[test]
fn super_counts_as_an_import_where_it_reaches_the_root() {
    let reaches = "use super::super::session;\n";
    assert_eq!(
        violations("config/check.rs", reaches),
        ["src/config/check.rs:1: config (layer 0) imports session (layer 5); imports go down only"]
    );
    let stays = "use super::session;\nmod tests {\n    use super::super::session;\n}\n";
    assert_eq!(violations("config/check.rs", stays), [""; 0]);
    let from_within = "mod tests {\n    use super::super::session;\n}\nuse super::wasm;\n";
    assert_eq!(violations("config.rs", from_within).len(), 2);
    assert_eq!(violations("config/mod.rs", from_within).len(), 2);
}

#[test]
fn comments_and_literals_are_no_imports() {
    let text = r##"
//! crate::session
/* crate::session /* nested */ crate::session */
fn f<'wgpu>(quote: char, s: &'wgpu str) {
    let a = "crate::session \" crate::session";
    let b = r#"crate::session " wgpu"#;
    let c = ['"', '\'', '\\'];
    let d = b"wgpu";
}
"##;
    assert_eq!(violations("config.rs", text), [""; 0]);
    let after = format!("{text}use crate::session;");
    assert_eq!(violations("config.rs", &after).len(), 1, "the reader is back in code after every literal");
}

#[test]
fn oracles_and_kernels_do_not_import_each_other() {
    assert_eq!(
        violations("kernels/route.rs", "use crate::reference::route;"),
        ["src/kernels/route.rs:1: kernels and reference may not import each other"]
    );
    assert_eq!(violations("reference/route.rs", "use crate::kernels::route;").len(), 1);
}

#[test]
fn only_the_gpu_engine_names_wgpu_and_only_gpu_and_wasm_name_javascript() {
    let text = "fn f(x: wgpu::Buffer) {}\n#[wasm_bindgen]\nfn g() {}\n";
    assert_eq!(
        violations("cluster/mesh.rs", text),
        [
            "src/cluster/mesh.rs:1: cluster names wgpu, which only gpu may",
            "src/cluster/mesh.rs:2: cluster names wasm_bindgen, which only gpu and wasm may",
        ]
    );
    assert_eq!(violations("gpu/device.rs", text), [""; 0]);
    assert_eq!(violations("wasm.rs", text).len(), 1);
}

#[test]
fn a_module_without_a_layer_is_told_to_take_one() {
    assert_eq!(
        violations("attic/box.rs", ""),
        ["src/attic/box.rs: module attic has no layer; give it one in tests/layers.rs"]
    );
    assert_eq!(
        violations("cpu.rs", "use crate::Hidden;").len(),
        1,
        "a re-export at the root would hide the layer it comes from"
    );
}
