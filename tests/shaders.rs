//! The text of the shaders: valid WGSL to naga in every form, within the base limits of WebGPU, and the mirror of what Rust
//! declares.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::collections::BTreeSet;

use common::variants::{combinations, tilings};
use naga::back::PipelineConstants;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, StorageAccess, TypeInner};
use webmoe::kernels::{ALL, Access, Dims, Kernel};
use webmoe::shader::{Tile, compose};

/// WebGPU's base limits: what every browser grants.
const STORAGE_BUFFERS: usize = 8;
const WORKGROUP_BYTES: u32 = 16_384;
const WORKGROUP_INVOCATIONS: u32 = 256;

fn validator() -> Validator {
    Validator::new(ValidationFlags::all(), Capabilities::empty())
}

/// A kernel's module in one tiling, validated.
fn module(kernel: &Kernel, tile: Option<&Tile>) -> (Module, ModuleInfo) {
    let source = compose(kernel.parts, tile, kernel.source);
    let module = naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(&source, kernel.name)));
    let info = validator()
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(&source, kernel.name)));
    (module, info)
}

/// Every kernel in every tiling.
fn modules() -> impl Iterator<Item = (String, &'static Kernel, Module, ModuleInfo)> {
    ALL.into_iter().flat_map(|kernel| {
        tilings(kernel).into_iter().map(move |(_, tile)| {
            let (module, info) = module(kernel, tile);
            let tile = tile.map_or("", |tile| tile.part.name);
            (format!("{} {tile}", kernel.name), kernel, module, info)
        })
    })
}

#[test]
fn every_combination_of_overrides_is_valid_in_every_tiling() {
    for (label, kernel, module, info) in modules() {
        for constants in combinations(kernel) {
            let values: PipelineConstants =
                constants.0.iter().map(|(name, value)| ((*name).to_owned(), f64::from(*value))).collect();
            let (resolved, _) = naga::back::pipeline_constants::process_overrides(&module, &info, None, &values)
                .unwrap_or_else(|e| panic!("{label} {constants:?}: {e}"));
            validator()
                .validate_resolved_overrides(&resolved)
                .unwrap_or_else(|e| panic!("{label} {constants:?}: {e:?}"));
        }
    }
}

#[test]
fn kernels_declare_exactly_the_overrides_of_their_wgsl() {
    for (label, kernel, module, _) in modules() {
        let written: BTreeSet<&str> = module.overrides.iter().filter_map(|(_, o)| o.name.as_deref()).collect();
        assert_eq!(written, kernel.constants.iter().copied().collect(), "{label}");
    }
}

#[test]
fn kernels_declare_exactly_the_bindings_of_their_wgsl() {
    for (label, kernel, module, _) in modules() {
        let mut bindings: Vec<(u32, Option<Access>)> = module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let binding = variable.binding?;
                assert_eq!(binding.group, 0, "{label}: {:?}", variable.name);
                let access = match variable.space {
                    AddressSpace::Uniform => None,
                    AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Some(Access::Write),
                    AddressSpace::Storage { .. } => Some(Access::Read),
                    other => panic!("{label}: {:?} is in {other:?}", variable.name),
                };
                Some((binding.binding, access))
            })
            .collect();
        bindings.sort_by_key(|(binding, _)| *binding);
        let declared = kernel.bindings.iter().map(|access| Some(*access));
        let wanted: Vec<_> = (0..).zip(std::iter::once(None).chain(declared)).collect();
        assert_eq!(bindings, wanted, "{label}: the uniform, then the storage bindings");
        assert!(kernel.bindings.len() <= STORAGE_BUFFERS, "{label}: {} storage buffers", kernel.bindings.len());
    }
}

#[test]
fn kernels_stay_within_the_base_limits_of_a_workgroup() {
    for (label, _, module, _) in modules() {
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).expect("types with a layout");
        let shared = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, v)| layouter[v.ty].size.next_multiple_of(16)).sum();
        assert!(bytes <= WORKGROUP_BYTES, "{label}: {bytes} bytes of workgroup memory");
        let [entry] = &module.entry_points[..] else { panic!("{label}: one entry point a file") };
        assert_eq!(entry.name, "main", "{label}");
        let invocations: u32 = entry.workgroup_size.iter().product();
        assert!((1..=WORKGROUP_INVOCATIONS).contains(&invocations), "{label}: {invocations} invocations");
    }
}

#[test]
fn dims_lies_in_memory_as_rust_writes_it() {
    let source = compose(&[&webmoe::shader::DIMS], None, "");
    let module = naga::front::wgsl::parse_str(&source).expect("the part is WGSL of its own");
    let (_, dims) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Dims")).expect("a struct Dims");
    let TypeInner::Struct { members, span } = &dims.inner else { panic!("Dims is a struct") };
    macro_rules! offsets {
        ($($field:ident),* $(,)?) => {
            vec![$((stringify!($field), std::mem::offset_of!(Dims, $field) as u32)),*]
        };
    }
    let rust = offsets![
        tokens,
        group_tokens,
        groups,
        experts,
        choices,
        columns,
        slots,
        stride,
        devices,
        blocks,
        d4,
        expert_groups,
        group_limit,
        scale,
        jitter,
        seed_lo,
        seed_hi,
        step,
        balance,
        balance_first,
        z,
        importance,
        load,
        column_blocks_in,
        column_blocks_out,
        column_blocks_hidden,
        counter_base,
        learning_rate,
        length,
        k4,
        m4,
        n4,
        hidden4,
        gate_at,
        vocabulary,
        iterations,
        tolerance,
        epsilon,
        temperature,
        noise,
        threshold,
        iteration,
        nominees,
        decay,
        entropy,
        tasks,
        identities,
        dropout,
        second_place,
        prototypes,
        quota,
        mixtures,
        exploration,
        prior_mean,
        prior_weight,
        logits,
        branches,
        branch_choices,
    ];
    let wgsl: Vec<(&str, u32)> =
        members.iter().map(|member| (member.name.as_deref().unwrap_or_default(), member.offset)).collect();
    assert_eq!(wgsl, rust);
    assert_eq!(*span as usize, size_of::<Dims>());
    let floats: BTreeSet<&str> = members
        .iter()
        .filter(|member| module.types[member.ty].inner.scalar_kind() == Some(naga::ScalarKind::Float))
        .filter_map(|member| member.name.as_deref())
        .collect();
    let wanted = [
        "scale",
        "jitter",
        "balance",
        "balance_first",
        "z",
        "importance",
        "load",
        "learning_rate",
        "tolerance",
        "epsilon",
        "temperature",
        "noise",
        "threshold",
        "dropout",
        "second_place",
        "decay",
        "entropy",
        "exploration",
        "prior_mean",
        "prior_weight",
    ];
    assert_eq!(floats, wanted.into(), "the rest are u32");
}

/// Lines of a kernel's own file that declare a storage binding.
fn storage_lines(kernel: &Kernel) -> Vec<&'static str> {
    kernel.source.lines().filter(|line| line.contains("var<storage")).collect()
}

#[test]
fn every_binding_has_a_line_and_its_shape_beside_it() {
    for kernel in ALL {
        let lines = storage_lines(kernel);
        assert_eq!(lines.len(), kernel.bindings.len(), "{}: a line a binding", kernel.name);
        for (line, binding) in lines.into_iter().zip(1..) {
            assert!(line.contains(&format!("@binding({binding})")), "{}: in order: {line}", kernel.name);
            let comment = line.split_once("//").map(|(_, comment)| comment.trim());
            let shaped = comment.is_some_and(|c| (c.starts_with("f32[") || c.starts_with("u32[")) && c.contains(']'));
            assert!(shaped, "{}: a shape such as f32[T, d] beside {line}", kernel.name);
        }
    }
}

#[test]
fn the_element_in_the_comment_is_the_element_of_the_array() {
    for kernel in ALL {
        for line in storage_lines(kernel) {
            let (code, comment) = line.split_once("//").expect("every binding has a comment");
            let floats = ["f32>", "vec2f>", "vec4f>"].iter().any(|element| code.contains(element));
            let said = if floats { "f32[" } else { "u32[" };
            assert!(comment.trim().starts_with(said), "{}: {line}", kernel.name);
        }
    }
}

#[test]
fn every_kernel_says_what_it_is_and_who_its_twin_is() {
    for kernel in ALL {
        let mut lines = kernel.source.lines();
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with(&format!("//! {}.wgsl — ", kernel.name)), "{first}");
        let header: Vec<&str> = kernel.source.lines().take_while(|line| line.starts_with("//!")).collect();
        let twin = format!("Twin: src/kernels/{}.rs", kernel.name);
        assert!(header.iter().any(|line| line.contains(&twin)), "{}: {header:?}", kernel.name);
        let parts = header.iter().find_map(|line| line.strip_prefix("//! Parts: ")).expect("a line of parts");
        let mut wanted: Vec<String> = kernel.parts.iter().map(|part| part.name.to_owned()).collect();
        wanted
            .extend(kernel.product.map(|product| format!("a tile of kind {}", format!("{product:?}").to_lowercase())));
        assert_eq!(parts, wanted.join(", "), "{}", kernel.name);
    }
}

#[test]
fn every_shader_has_a_kernel() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the shaders are readable")
        .filter_map(|file| file.ok()?.file_name().to_str()?.strip_suffix(".wgsl").map(str::to_owned))
        .collect();
    assert_eq!(files, ALL.iter().map(|kernel| kernel.name.to_owned()).collect());
}
