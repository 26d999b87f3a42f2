//! Sizes as they lie in memory: rows are padded with zeros to whole `vec4f`s.

/// `n` rounded up to a multiple of 4: the padded length of a row of `n` f32s.
pub const fn pad4(n: usize) -> usize {
    n.next_multiple_of(4)
}

/// Copies rows of `width` f32s into rows of `pad4(width)`, the rest 0.
pub fn pad_rows(rows: &[f32], width: usize) -> Vec<f32> {
    let padded = pad4(width);
    if padded == width {
        return rows.to_vec();
    }
    let mut out = vec![0.0; rows.len() / width.max(1) * padded];
    for (from, to) in rows.chunks_exact(width).zip(out.chunks_exact_mut(padded)) {
        to[..width].copy_from_slice(from);
    }
    out
}

/// Copies the first `width` f32s of every row of `pad4(width)`.
pub fn strip_rows(rows: Vec<f32>, width: usize) -> Vec<f32> {
    let padded = pad4(width);
    if padded == width {
        return rows;
    }
    rows.chunks_exact(padded).flat_map(|r| &r[..width]).copied().collect()
}
