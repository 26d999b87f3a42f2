//! Cutting and turning arrays of rows.

/// The rows of `width` values at the given places, in their order.
pub fn pick<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|&row| values[row * width..(row + 1) * width].iter().copied()).collect()
}

/// The `part`-th of `parts` equal pieces of each of `count` equal blocks, joined.
pub fn piece<T: Copy>(values: &[T], count: usize, parts: usize, part: usize) -> Vec<T> {
    let block = values.len() / count;
    let size = block / parts;
    values.chunks_exact(block).flat_map(|block| block[part * size..(part + 1) * size].iter().copied()).collect()
}

/// Each of the matrices of `rows` by `columns`, one after the other, transposed.
pub fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    let turn = |m: &[T]| (0..rows * columns).map(|i| m[i % rows * columns + i / rows]).collect::<Vec<T>>();
    values.chunks_exact(rows * columns).flat_map(turn).collect()
}

/// A `[T, width]` array with `values[t, j]` at `[t, columns[t, j]]`, 0 elsewhere.
pub fn scattered(values: &[f64], columns: &[usize], k: usize, width: usize) -> Vec<f64> {
    let mut dense = vec![0.0; values.len() / k * width];
    for (i, (&value, &column)) in values.iter().zip(columns).enumerate() {
        dense[i / k * width + column] = value;
    }
    dense
}

/// Each value times `factor`.
pub fn times(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|value| value * factor).collect()
}
