//! Twin of `shaders/shared/grids.wgsl`.

/// Writes the n-th grid of those to come.
pub(super) fn write_grid(grids: &mut [u32], n: u32, x: u32, y: u32) {
    grids[4 * n as usize..][..3].copy_from_slice(&[x, y, 1]);
}
