//! The symmetric Kullback-Leibler divergence of two passes: the oracle by arithmetic and central differences, and the f32
//! implementation by the oracle.

use webmoe::divergence;
use webmoe::error::Error;
use webmoe::reference::divergence::symmetric_kl;

use crate::common::close::{Tol, assert_close};
use crate::differences::slopes;
use crate::routing::normal;

const CLASSES: usize = 7;

/// Two rows of logits, others for every seed.
fn pair(seed: u64) -> (Vec<f64>, Vec<f64>) {
    (normal(seed, 1, CLASSES), normal(seed + 100, 1, CLASSES))
}

#[test]
fn two_passes_that_agree_are_at_distance_zero_and_pull_at_nothing() {
    for seed in 0..20 {
        let (a, _) = pair(seed);
        let kl = symmetric_kl(&a, &a);
        assert_eq!(kl.value, 0.0);
        assert_close("pull", &[kl.d_a, kl.d_b].concat(), &[0.0; 2 * CLASSES], CLASSES, Tol { abs: 1e-16, rel: 0.0 });
        let moved: Vec<f64> = a.iter().map(|a| a + 3.0).collect();
        let same = symmetric_kl(&a, &moved).value;
        assert!(same.abs() < 1e-15, "what is added to all logits changes no prediction: {same:e}");
    }
}

#[test]
fn a_coin_of_a_quarter_and_a_fair_one_are_as_far_apart_as_by_hand() {
    // ½·[(¼ − ½)·ln(¼ / ½) + (¾ − ½)·ln(¾ / ½)] = ⅛·(ln 2 + ln 1.5) = ⅛·ln 3
    let kl = symmetric_kl(&[0.25_f64.ln(), 0.75_f64.ln()], &[0.0, 0.0]);
    assert_close("coins", &[kl.value], &[3.0_f64.ln() / 8.0], 1, Tol { abs: 1e-15, rel: 0.0 });
}

#[test]
fn swapping_the_passes_swaps_the_gradients_and_nothing_else() {
    for seed in 0..20 {
        let (a, b) = pair(seed);
        let (one, other) = (symmetric_kl(&a, &b), symmetric_kl(&b, &a));
        assert!(one.value > 0.0);
        let exact = Tol { abs: 1e-15, rel: 1e-14 };
        assert_close("value", &[other.value], &[one.value], 1, exact);
        assert_close("of a", &other.d_b, &one.d_a, CLASSES, exact);
        assert_close("of b", &other.d_a, &one.d_b, CLASSES, exact);
    }
}

#[test]
fn both_passes_get_the_gradient_that_differences_give() {
    for seed in 0..20 {
        let (a, b) = pair(seed);
        let kl = symmetric_kl(&a, &b);
        let d_a = slopes(&a, |a| symmetric_kl(a, &b).value);
        let d_b = slopes(&b, |b| symmetric_kl(&a, b).value);
        let tol = Tol { abs: 1e-9, rel: 1e-6 };
        assert_close("of a", &kl.d_a, &d_a, CLASSES, tol);
        assert_close("of b", &kl.d_b, &d_b, CLASSES, tol);
    }
}

#[test]
fn single_precision_agrees_row_by_row() {
    let rows = 5;
    for (seed, size) in [(1, 1.0), (2, 5.0), (3, 30.0)] {
        let [a, b] = [seed, seed + 50]
            .map(|seed| normal(seed, rows, CLASSES).iter().map(|h| (size * h) as f32).collect::<Vec<f32>>());
        let got = divergence::symmetric_kl(&a, &b, CLASSES).expect("whole rows");
        let wide = |of: &[f32]| of.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let (a, b) = (wide(&a), wide(&b));
        let want: Vec<_> = a.chunks(CLASSES).zip(b.chunks(CLASSES)).map(|(a, b)| symmetric_kl(a, b)).collect();
        let tol = Tol { abs: 2e-6 * size, rel: 1e-5 };
        assert_close("rows", &wide(&got.rows), &want.iter().map(|kl| kl.value).collect::<Vec<_>>(), 1, tol);
        let d_a: Vec<f64> = want.iter().flat_map(|kl| kl.d_a.clone()).collect();
        let d_b: Vec<f64> = want.iter().flat_map(|kl| kl.d_b.clone()).collect();
        assert_close("of a", &wide(&got.d_a), &d_a, CLASSES, tol);
        assert_close("of b", &wide(&got.d_b), &d_b, CLASSES, tol);
    }
}

#[test]
fn rows_that_are_not_whole_are_refused_by_name() {
    let kl = |a: usize, b: usize, classes| divergence::symmetric_kl(&vec![0.0; a], &vec![0.0; b], classes);
    let error = |what: &str, got, wanted, shape: &str| Error::WrongLength {
        what: what.into(),
        got,
        wanted,
        shape: shape.into(),
    };
    assert_eq!(kl(5, 5, 3), Err(error("a", 5, 6, "[2, 3]")));
    assert_eq!(kl(6, 5, 3), Err(error("b", 5, 6, "[2, 3]")));
    assert_eq!(kl(0, 0, 0).map_err(|e| e.code()), Err("INVALID_ARGUMENT"));
    assert_eq!(kl(0, 0, 3).map(|kl| kl.rows), Ok(Vec::new()));
}
