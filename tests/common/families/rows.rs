//! Cutting and turning arrays of rows.

use super::super::case::Expect;

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

/// Each row of `width` values with zeros after it, `wide` in all.
pub fn wider(values: &[f32], width: usize, wide: usize) -> Vec<f32> {
    let row = |row: &[f32]| row.iter().copied().chain(std::iter::repeat_n(0.0, wide - width)).collect::<Vec<f32>>();
    values.chunks_exact(width).flat_map(row).collect()
}

/// What is known of rows of `width` values, where they lie at the beginning of rows of `wide` values of which no more is known.
pub fn in_wider_rows(mut expect: Expect, width: usize, wide: usize) -> Expect {
    if wide > width {
        expect.at = Some((0..expect.want.len()).map(|i| i / width * wide + i % width).collect());
    }
    expect
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
