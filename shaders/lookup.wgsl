//! lookup.wgsl — the experts of every token, from what is said of it.
//! Twin: src/kernels/lookup.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims
//!
//! With n tables the experts are n equal runs, and choice j is the expert of run j that table j names. Where experts are mixed the
//! labels are their weights, and the choices those that weigh anything.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> labels: array<u32>;          // u32[T], or f32[T, E] if MIXED
@group(0) @binding(2) var<storage, read> tables: array<u32>;          // u32[k, vocabulary]
@group(0) @binding(3) var<storage, read> router: array<f32>;          // f32[2, T, stride]: [0] the logit of the shared gate
@group(0) @binding(4) var<storage, read_write> expert_of: array<u32>; // u32[T, k]
@group(0) @binding(5) var<storage, read_write> chosen: array<f32>;    // f32[T, columns]: weights, then the shared gate
@group(0) @binding(6) var<storage, read_write> stats: array<vec4f>;   // f32[T, 4]: 0, since nothing is scored

override MIXED: u32 = 0u;       // 1: a weight for each expert instead of a label
override SHARED_GATE: u32 = 0u; // as in route

/// Takes the experts that weigh anything, in their order.
fn mix(t: u32) {
    var taken = 0u;
    for (var e = 0u; e < dims.experts; e++) {
        let weight = bitcast<f32>(labels[t * dims.experts + e]);
        if (weight > 0.0) {
            expert_of[t * dims.choices + taken] = e;
            chosen[t * dims.columns + taken] = weight;
            taken++;
        }
    }
    for (; taken < dims.choices; taken++) {
        expert_of[t * dims.choices + taken] = NONE;
        chosen[t * dims.columns + taken] = 0.0;
    }
}

/// Takes the expert of every table.
fn name(t: u32) {
    let run = dims.experts / dims.choices;
    for (var j = 0u; j < dims.choices; j++) {
        expert_of[t * dims.choices + j] = j * run + tables[j * dims.vocabulary + labels[t]];
        chosen[t * dims.columns + j] = 1.0;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    stats[t] = vec4f();
    if (MIXED == 1u) { mix(t); } else { name(t); }
    var gate = 1.0;
    if (SHARED_GATE == 1u) { gate = 1.0 / (1.0 + exp(-router[t * dims.stride + dims.gate_at])); }
    for (var j = dims.choices; j < dims.columns; j++) { chosen[t * dims.columns + j] = gate; }
}
