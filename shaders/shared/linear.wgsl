//! linear.wgsl — one index over a grid whose x is at most LINEAR_SPAN invocations, for arrays longer than 65,535 workgroups.

const LINEAR_WORKGROUP = 64u;
const LINEAR_SPAN = 65535u * LINEAR_WORKGROUP;

fn linear(id: vec3u) -> u32 { return id.y * LINEAR_SPAN + id.x; }
