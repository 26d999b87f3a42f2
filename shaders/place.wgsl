//! place.wgsl — slot and row of every assignment, what each row holds, and the final weights.
//! Twin: src/kernels/place.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> expert_of: array<u32>;       // u32[T, k]
@group(0) @binding(2) var<storage, read> chosen: array<f32>;          // f32[tasks, T, columns]
@group(0) @binding(3) var<storage, read> place_in_block: array<u32>;  // u32[T, k]
@group(0) @binding(4) var<storage, read> counts: array<u32>;          // u32[G, blocks, E]: the slot a block begins with
@group(0) @binding(5) var<storage, read> starts: array<u32>;          // u32[G, E] row of slot 0, then u32[units]
@group(0) @binding(6) var<storage, read_write> placement: array<vec2u>; // u32[T, columns, 2]: slot and row, or DROPPED
@group(0) @binding(7) var<storage, read_write> weight: array<f32>;    // f32[tasks, T, columns]: 0 where dropped
@group(0) @binding(8) var<storage, read_write> held: array<u32>;      // u32[rows]: the assignment (token · columns + choice) of a row

override BY_TOKEN: u32 = 0u;     // as in slot_count
override BLOCK: u32 = 128u;      // as in slot_count
override RENORMALIZE: u32 = 0u;  // 0 none, 1 before drops, 2 after drops
override RESIDUAL: u32 = 0u;     // 1: what the shared expert's gate leaves is for the others

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let g = t / dims.group_tokens;
    let in_group = t % dims.group_tokens;
    var sum = 0.0;
    for (var j = 0u; j < dims.choices; j++) {
        let own = t * dims.choices + j;
        let at = t * dims.columns + j;
        let e = expert_of[own];
        var p = j * dims.group_tokens + in_group;
        if (BY_TOKEN == 1u) { p = in_group * dims.choices + j; }
        var slot = DROPPED;
        if (e < DECLINED) { slot = counts[(g * dims.blocks + p / BLOCK) * dims.experts + e] + place_in_block[own]; }
        let kept = e < DECLINED && slot < dims.slots;
        if (kept) {
            let row = starts[g * dims.experts + e] + slot;
            placement[at] = vec2u(slot, row);
            held[row] = at;
        } else {
            placement[at] = vec2u(DROPPED, DROPPED);
        }
        if (RENORMALIZE == 1u || (RENORMALIZE == 2u && kept)) { sum += chosen[at]; }
    }
    if (RENORMALIZE == 0u) { sum = 1.0; }
    var scale = dims.scale;
    if (RESIDUAL == 1u) { scale *= 1.0 - chosen[t * dims.columns + dims.choices]; }
    for (var j = dims.choices; j < dims.columns; j++) {
        let at = t * dims.columns + j;
        let row = starts[dims.groups * dims.experts + j - dims.choices] + t;
        placement[at] = vec2u(t, row);
        held[row] = at;
    }
    for (var task = 0u; task < dims.tasks; task++) {
        let own = (task * dims.tokens + t) * dims.columns;
        for (var j = 0u; j < dims.choices; j++) {
            var w = 0.0;
            if (placement[t * dims.columns + j].y != DROPPED && sum > 0.0) { w = scale * chosen[own + j] / sum; }
            weight[own + j] = w;
        }
        for (var j = dims.choices; j < dims.columns; j++) { weight[own + j] = chosen[own + j]; }
    }
}
