//! `A·Bᵀ`, where both keep what is summed over side by side: weights as they lie need no packing.

use wide::f32x4;

use super::Matrix;

/// What is multiplied at once.
type Lanes = [f32; 4];

/// Values of `a` that are multiplied by all of `b` before the next: 512 KiB, half of a common second-level cache. Measured
/// with 4096 rows of 512: 56 GFLOP/s, and 41 without this bound.
const AT_ONCE: usize = 1 << 17;

/// `c[m, n] = a[m, k] · b[n, k]ᵀ` into the first `n` of each `row` values of `c`; rows of `a` and `b` lie without gaps between
/// their elements, `a.row` and `b.column` apart. `n` and `k` are multiples of 4.
///
/// Four rows of `b` are multiplied at once, and they are a quarter of `b` apart, so that memory sees four streams that run from
/// end to end. Four neighbours would be four short pieces, and arrive at half the speed where `b` is in no cache.
pub(super) fn multiply(c: &mut [f32], row: usize, [m, n, k]: [usize; 3], a: Matrix, b: Matrix) {
    let at_once = (AT_ONCE / k).max(1).next_multiple_of(2);
    for first in (0..m).step_by(at_once) {
        let end = m.min(first + at_once);
        for j in 0..n / 4 {
            let b: [_; 4] = std::array::from_fn(|i| &b.data[(i * (n / 4) + j) * b.column..][..k]);
            for i in (first..end).step_by(2) {
                let (a, c) = (|i: usize| &a.data[i * a.row..][..k], &mut c[i * row + j..]);
                if i + 1 < end { block(c, [row, n], [a(i), a(i + 1)], b) } else { block(c, [row, n], [a(i)], b) }
            }
        }
    }
}

/// Results of `R` rows of `a`: each is summed in four lanes in the order of `k`, whatever `R` is.
#[inline(always)]
fn block<const R: usize>(c: &mut [f32], [row, n]: [usize; 2], a: [&[f32]; R], b: [&[f32]; 4]) {
    let (a, b) = (a.map(|row| row.as_chunks().0), b.map(|row| row.as_chunks().0));
    // of one length, so that no index below is checked
    let k4 = b[0].len();
    let (a, b): ([&[Lanes]; R], [&[Lanes]; 4]) = (a.map(|row| &row[..k4]), b.map(|row| &row[..k4]));
    let mut sums = [[f32x4::ZERO; 4]; R];
    for p in 0..k4 {
        let b = b.map(|row| f32x4::new(row[p]));
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = f32x4::new(a[p]);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    for (c, sums) in c.chunks_mut(row).zip(sums) {
        for (c, sum) in c.iter_mut().step_by(n / 4).zip(sums) {
            let [x, y, z, w] = sum.to_array();
            *c = (x + z) + (y + w);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Matrix;

    /// Rows without gaps.
    fn multiply(c: &mut [f32], [n, k]: [usize; 2], a: &[f32], b: &[f32]) {
        let (m, a, b) = (a.len() / k, Matrix { data: a, row: k, column: 1 }, Matrix { data: b, row: 1, column: k });
        super::multiply(c, n, [m, n, k], a, b);
    }

    /// Each row of `of` with `gap` values after it that are not numbers.
    fn spread(of: &[f32], row: usize, gap: usize) -> Vec<f32> {
        of.chunks(row).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(f32::NAN, gap))).collect()
    }

    #[test]
    fn gaps_between_rows_are_neither_read_nor_written() {
        let ([m, n, k], value) = ([5, 8, 12], |i: usize| (i * 37 % 101) as f32 / 50.0 - 1.0);
        let (a, b): (Vec<f32>, Vec<f32>) =
            ((0..m * k).map(value).collect(), (0..n * k).map(|i| value(i + 7)).collect());
        let (mut want, mut got) = (vec![0.0; m * n], vec![7.0; m * (n + 3)]);
        multiply(&mut want, [n, k], &a, &b);
        let (a, b) = (spread(&a, k, 1), spread(&b, k, 2));
        let (a, b) = (Matrix { data: &a, row: k + 1, column: 1 }, Matrix { data: &b, row: 1, column: k + 2 });
        super::multiply(&mut got, n + 3, [m, n, k], a, b);
        for (got, want) in got.chunks(n + 3).zip(want.chunks(n)) {
            assert_eq!((&got[..n], &got[n..]), (want, &[7.0; 3][..]));
        }
    }

    #[test]
    fn every_result_is_the_sum_of_products_whatever_the_number_of_rows() {
        let value = |i: usize| ((i * 7919 % 1013) as f32 - 500.0) / 500.0;
        for [m, n, k] in [[1, 4, 4], [2, 8, 12], [5, 12, 8], [7, 20, 36], [33, 64, 64], [3, 4, 1 << 17]] {
            let a: Vec<f32> = (0..m * k).map(value).collect();
            let b: Vec<f32> = (0..n * k).map(|i| value(i + 17)).collect();
            let mut all = vec![f32::NAN; m * n];
            multiply(&mut all, [n, k], &a, &b);
            for (i, got) in all.iter().enumerate() {
                let (a, b) = (&a[i / n * k..][..k], &b[i % n * k..][..k]);
                let products = || a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
                let (want, size): (f64, f64) = (products().sum(), products().map(f64::abs).sum());
                // a product, then k / 4 sums in its lane and two across lanes: as many roundings, each of at most half an ulp
                let roundings = (k / 4 + 3) as f64;
                let bound = roundings * f64::from(f32::EPSILON) / 2.0 * size * 1.01;
                assert!((f64::from(*got) - want).abs() <= bound, "{m}x{n}x{k}, {i}: {got}, want {want}");
            }
            for (row, all) in a.chunks(k).zip(all.chunks(n)) {
                let mut alone = vec![f32::NAN; n];
                multiply(&mut alone, [n, k], row, &b);
                assert_eq!(alone, all, "{m}x{n}x{k}: a row alone has the bits that it has among others");
            }
        }
    }
}
