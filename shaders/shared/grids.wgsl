//! grids.wgsl — the grids of dispatches to come, which run no workgroup while theirs is 0. The kernel declares `grids`, four words
//! each.

/// Writes the n-th; any number of invocations may write the same.
fn write_grid(n: u32, x: u32, y: u32) {
    atomicStore(&grids[4u * n], x);
    atomicStore(&grids[4u * n + 1u], y);
    atomicStore(&grids[4u * n + 2u], 1u);
}
