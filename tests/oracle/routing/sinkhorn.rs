//! Balanced shares: marginals, invariances and limits.

use webmoe::reference::routing::sinkhorn::{Balanced, Settings, balance};
use webmoe::reference::routing::{Plan, Scores, best};

use super::{normal, reordered, shuffled, skewed};
use crate::common::close::{Tol, assert_close};
use crate::common::optimum::optimum;

fn solve(scores: Scores, eps: f64) -> Balanced {
    balance(scores, None, Settings { eps, iterations: 20_000, tolerance: 1e-12 })
}

fn sums(balanced: &Balanced, experts: usize) -> (Vec<f64>, Vec<f64>) {
    let shares = Scores::new(&balanced.shares, experts);
    let rows = (0..shares.tokens()).map(|t| shares.row(t).iter().sum()).collect();
    (rows, (0..experts).map(|e| shares.column(e).iter().sum()).collect())
}

#[test]
fn columns_sum_to_one_nth_after_any_number_of_iterations_and_rows_in_the_end() {
    for (tokens, experts) in [(16, 4), (37, 5), (5, 8), (64, 64), (10, 1)] {
        let values = skewed(1, tokens, experts);
        let scores = Scores::new(&values, experts);
        for iterations in [1, 2, 7] {
            let balanced = balance(scores, None, Settings { eps: 0.5, iterations, tolerance: 0.0 });
            assert_eq!(balanced.iterations, iterations, "a tolerance of 0 never stops");
            let (_, columns) = sums(&balanced, experts);
            assert_close("columns", &columns, &vec![1.0 / experts as f64; experts], 1, Tol { abs: 1e-13, rel: 0.0 });
        }
        let (rows, _) = sums(&solve(scores, 0.5), experts);
        assert_close("rows", &rows, &vec![1.0 / tokens as f64; tokens], 1, Tol { abs: 1e-11, rel: 0.0 });
    }
}

#[test]
fn columns_sum_to_the_marginals_given() {
    let values = skewed(2, 20, 4);
    let wanted = [0.4, 0.3, 0.2, 0.1];
    let settings = Settings { eps: 0.3, iterations: 5000, tolerance: 1e-12 };
    let (rows, columns) = sums(&balance(Scores::new(&values, 4), Some(&wanted), settings), 4);
    assert_close("columns", &columns, &wanted, 4, Tol { abs: 1e-13, rel: 0.0 });
    assert_close("rows", &rows, &[0.05; 20], 1, Tol { abs: 1e-11, rel: 0.0 });
}

#[test]
fn shares_solve_the_problem() {
    // At the optimum of ⟨Π, h⟩ + ε·Ent(Π) no exchange around a rectangle gains: h/ε − ln Π has no mixed differences.
    let values = skewed(3, 12, 5);
    let h = Scores::new(&values, 5);
    let balanced = solve(h, 0.4);
    let shares = Scores::new(&balanced.shares, 5);
    let slack = |t: usize, e: usize| h.at(t, e) / 0.4 - shares.at(t, e).ln();
    for t in 1..12 {
        for e in 1..5 {
            let mixed = slack(t, e) - slack(t, 0) - slack(0, e) + slack(0, 0);
            assert!(mixed.abs() < 1e-9, "[{t}, {e}]: {mixed:e}");
        }
    }
}

#[test]
fn it_stops_once_prices_stand_still() {
    let values = skewed(4, 30, 6);
    let scores = Scores::new(&values, 6);
    let at = |tolerance| balance(scores, None, Settings { eps: 0.5, iterations: 10_000, tolerance }).iterations;
    assert!(at(1e-2) < at(1e-5) && at(1e-5) < at(1e-10) && at(1e-10) < 10_000);
}

#[test]
fn what_a_token_adds_to_all_its_scores_changes_nothing() {
    let values = skewed(5, 24, 4);
    let moved: Vec<f64> = values.iter().enumerate().map(|(i, h)| h + 3.0 * ((i / 4) as f64).sin()).collect();
    let (one, two) = (solve(Scores::new(&values, 4), 0.7), solve(Scores::new(&moved, 4), 0.7));
    assert_close("g", &two.g, &one.g, 4, Tol { abs: 1e-11, rel: 0.0 });
    assert_close("shares", &two.shares, &one.shares, 4, Tol { abs: 1e-12, rel: 0.0 });
}

#[test]
fn what_an_expert_adds_to_all_its_scores_goes_into_its_price() {
    let values = normal(6, 24, 4);
    let offsets = [5.0, -1.0, 0.0, 2.0];
    let moved: Vec<f64> = values.iter().enumerate().map(|(i, h)| h + offsets[i % 4]).collect();
    let (one, two) = (solve(Scores::new(&values, 4), 0.5), solve(Scores::new(&moved, 4), 0.5));
    assert_close("shares", &two.shares, &one.shares, 4, Tol { abs: 1e-11, rel: 0.0 });
}

#[test]
fn names_do_not_matter() {
    let values = skewed(7, 20, 5);
    let scores = Scores::new(&values, 5);
    let (tokens, experts) = (shuffled(7, 20), shuffled(8, 5));
    let other = solve(Scores::new(&reordered(scores, &tokens, &experts), 5), 0.5);
    let shares = solve(scores, 0.5).shares;
    let want = reordered(Scores::new(&shares, 5), &tokens, &experts);
    assert_close("shares", &other.shares, &want, 5, Tol { abs: 1e-12, rel: 0.0 });
}

#[test]
fn the_largest_shares_are_the_largest_scores_with_prices() {
    for (eps, k) in [(1.0, 1), (0.2, 2), (0.05, 3)] {
        let values = skewed(9, 50, 6);
        let scores = Scores::new(&values, 6);
        let balanced = solve(scores, eps);
        let by_share: Vec<_> = balanced.shares.chunks_exact(6).map(|row| best(row, k)).collect();
        assert_eq!(balanced.choices(scores, eps, k), by_share);
    }
}

#[test]
fn with_much_entropy_all_shares_are_equal() {
    let values = skewed(10, 15, 3);
    let shares = solve(Scores::new(&values, 3), 1e9).shares;
    assert_close("shares", &shares, &[1.0 / 45.0; 45], 3, Tol { abs: 1e-9, rel: 0.0 });
}

#[test]
fn shares_score_less_than_the_best_balanced_assignment_by_at_most_what_entropy_is_worth() {
    // ⟨Π, h⟩ + ε·Ent(Π) is at least that of the assignment, whose entropy is ln T; that of Π is at most ln T·E.
    for (seed, eps) in [(0, 1.0), (1, 0.3), (2, 0.1), (2, 0.02)] {
        let values = skewed(seed, 64, 4);
        let scores = Scores::new(&values, 4);
        let balanced = solve(scores, eps);
        let (best, _) = optimum(scores, 16, 1);
        let got: f64 = 64.0 * balanced.shares.iter().zip(&values).map(|(share, h)| share * h).sum::<f64>();
        let worth = eps * 64.0 * 4f64.ln();
        assert!(got <= best + 1e-6 && got >= best - worth - 1e-6, "ε {eps}: {got} of {best}");
        if eps < 0.1 {
            // The argmax need not be balanced, so it may even score more.
            let total = Plan::by_arrival(balanced.choices(scores, eps, 1), 4).total(scores);
            assert!(total >= 0.99 * best, "{total} of {best}");
        }
    }
}

#[test]
fn the_argmax_is_far_better_balanced_than_without_prices_but_not_exactly() {
    let values = skewed(3, 1024, 16);
    let scores = Scores::new(&values, 16);
    let fullest =
        |choices: Vec<Vec<usize>>| Plan::by_arrival(choices, 16).load(16).into_iter().max().unwrap_or(0) as f64 / 64.0;
    let plain = fullest((0..1024).map(|t| best(scores.row(t), 1)).collect());
    let settings = Settings { eps: 0.3, iterations: 1000, tolerance: 1e-6 };
    let priced = fullest(balance(scores, None, settings).choices(scores, 0.3, 1));
    assert!(plain > 2.5 && priced > 1.0 && priced < 1.3, "{plain} and {priced} times the mean");
}

#[test]
fn equal_tokens_get_equal_shares_and_equal_scores_equal_ones() {
    let rows = normal(11, 4, 3);
    let twins: Vec<f64> = rows.chunks_exact(3).flat_map(|row| [row, row].concat()).collect();
    let shares = solve(Scores::new(&twins, 3), 0.5).shares;
    for pair in shares.chunks_exact(6) {
        assert_eq!(pair[..3], pair[3..]);
    }
    let constant = solve(Scores::new(&[2.5; 20], 4), 0.1);
    assert_close("constant", &constant.shares, &[0.05; 20], 4, Tol { abs: 1e-15, rel: 0.0 });
    assert_eq!(constant.choices(Scores::new(&[2.5; 20], 4), 0.1, 2), vec![vec![0, 1]; 5], "the lower experts");
}

#[test]
fn extreme_scores_neither_overflow_nor_spread() {
    for bad in [1e4, -1e4, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut values = normal(12, 8, 4);
        values[5] = bad;
        values[18] = bad;
        let balanced = balance(Scores::new(&values, 4), None, Settings { eps: 1.0, iterations: 50, tolerance: 1e-9 });
        assert!(balanced.shares.iter().chain(&balanced.f).chain(&balanced.g).all(|v| v.is_finite()), "{bad}");
        let (_, columns) = sums(&balanced, 4);
        assert_close("columns", &columns, &[0.25; 4], 1, Tol { abs: 1e-12, rel: 0.0 });
    }
}

#[test]
fn with_one_expert_or_no_tokens_there_is_nothing_to_balance() {
    let values = normal(13, 6, 1);
    let one = solve(Scores::new(&values, 1), 0.5);
    assert_eq!(one.choices(Scores::new(&values, 1), 0.5, 1), [[0]; 6]);
    assert_close("shares", &one.shares, &[1.0 / 6.0; 6], 1, Tol { abs: 1e-14, rel: 0.0 });
    let none = solve(Scores::new(&[], 3), 0.5);
    assert_eq!((none.f.len(), none.g, none.iterations, none.shares.len()), (0, vec![0.0; 3], 0, 0));
}
