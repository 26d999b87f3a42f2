//! Tokens that take as many experts as they need.

use webmoe::config::{Renormalize, Scoring, SoftmaxOver, TopK};
use webmoe::reference::{Forward, Setting};
use webmoe::rng::uniform_f32;

use super::{layer, run, softmax};
use crate::common::close::{Tol, assert_close};

const TOL: Tol = Tol { abs: 1e-12, rel: 0.0 };

fn noise(len: usize) -> Vec<f32> {
    (0..len as u32).map(|i| 4.0 * uniform_f32(19, 0, 0, i, 0) - 2.0).collect()
}

/// Experts of each token.
fn rows(forward: &Forward) -> Vec<Vec<usize>> {
    let taken = |row: &[i32]| row.iter().filter(|e| **e >= 0).map(|e| *e as usize).collect();
    forward.routing.experts.chunks_exact(forward.routing.slots).map(taken).collect()
}

fn top_p(k: usize, share: f32) -> TopK {
    TopK { top_p: Some(share), ..TopK::new(k) }
}

fn min_score(k: usize, least: f32) -> TopK {
    TopK { min_score: Some(least), ..TopK::new(k) }
}

#[test]
fn a_token_takes_the_smallest_set_that_covers_the_share() {
    let logits = noise(6 * 200);
    for (k, share) in [(6, 0.5), (6, 0.8), (6, 0.99), (3, 0.8)] {
        let taken = rows(&run(&layer(6, top_p(k, share)), &logits, Setting::TRAIN));
        let mut sizes = vec![0; 7];
        for (taken, row) in taken.iter().zip(logits.chunks_exact(6)) {
            let p = softmax(row);
            // of all sets of experts that cover the share the smallest, and of those the largest sum; unless that takes more than k
            let sum = |set: usize| (0..6).filter(|e| set >> e & 1 == 1).map(|e| p[e]).sum::<f64>();
            let covering = (0..64_usize).filter(|set| sum(*set) >= f64::from(share));
            let smallest = covering.clone().map(usize::count_ones).min().expect("all of them do") as usize;
            let of_size = (0..64_usize).filter(|set| set.count_ones() as usize == smallest.min(k));
            let best = of_size.max_by(|a, b| sum(*a).total_cmp(&sum(*b))).expect("there is one");
            let mut sorted = taken.clone();
            sorted.sort_unstable();
            assert_eq!(
                sorted,
                (0..6).filter(|e| best >> e & 1 == 1).collect::<Vec<_>>(),
                "k {k}, share {share}: {p:?}"
            );
            sizes[taken.len()] += 1;
        }
        assert!(sizes.iter().filter(|n| **n > 0).count() > 1, "k {k}, share {share}: {sizes:?}");
    }
}

#[test]
fn a_token_takes_what_scores_above_the_least_and_may_take_nothing() {
    let logits = noise(6 * 200);
    for (scoring, least) in [(Scoring::Softmax, 0.3), (Scoring::Sigmoid, 0.8)] {
        let forward = run(&layer(6, TopK { scoring, ..min_score(3, least) }), &logits, Setting::TRAIN);
        let taken = rows(&forward);
        for (t, taken) in taken.iter().enumerate() {
            let scores = &forward.scores[6 * t..][..6];
            let above = scores.iter().filter(|s| **s > f64::from(least)).count();
            assert_eq!(taken.len(), above.min(3));
            assert!(taken.iter().all(|e| scores[*e] > f64::from(least)));
            assert!(!taken.is_empty() || forward.output[6 * t..][..6].iter().all(|y| *y == 0.0), "it passes through");
        }
        for n in 0..3 {
            assert!(taken.iter().any(|taken| taken.len() == n), "{scoring:?}: some take {n}");
        }
    }
}

#[test]
fn the_whole_share_and_no_least_score_are_plain_top_k() {
    let logits = noise(6 * 50);
    for renormalize in [Renormalize::None, Renormalize::PreDrop] {
        let of = |router| run(&layer(6, TopK { renormalize, ..router }), &logits, Setting::TRAIN);
        let plain = of(TopK::new(3));
        for router in [top_p(3, 1.0), min_score(3, 0.0)] {
            let got = of(router);
            assert_eq!((got.routing, got.output), (plain.routing.clone(), plain.output.clone()));
        }
    }
}

#[test]
fn equal_scores_take_as_many_as_cover_the_share() {
    for (share, count) in [(0.1, 1), (0.25, 1), (0.26, 2), (0.7, 3), (0.76, 4)] {
        let taken = rows(&run(&layer(4, top_p(4, share)), &[0.0; 4], Setting::TRAIN));
        assert_eq!(taken, [(0..count).collect::<Vec<_>>()], "share {share}");
        let sigmoid = TopK { scoring: Scoring::Sigmoid, ..top_p(4, share) };
        assert_eq!(rows(&run(&layer(4, sigmoid), &[0.0; 4], Setting::TRAIN)), taken, "of sigmoids, share {share}");
    }
}

#[test]
fn weights_are_divided_among_those_that_were_taken() {
    let logits = noise(6 * 50);
    let selected = TopK { softmax_over: SoftmaxOver::Selected, ..top_p(4, 0.7) };
    let renormalized = TopK { renormalize: Renormalize::PreDrop, ..top_p(4, 0.7) };
    let [one, other] = [selected, renormalized].map(|router| run(&layer(6, router), &logits, Setting::TRAIN));
    assert_close("weights", &one.routing.weights, &other.routing.weights, 4, TOL);
    for row in one.routing.weights.chunks_exact(4) {
        assert_close("sum of weights", &[row.iter().sum()], &[1.0], 1, TOL);
    }
}

#[test]
fn demand_counts_what_was_taken() {
    let logits = noise(6 * 50);
    let forward = run(&layer(6, min_score(4, 0.2)), &logits, Setting::TRAIN);
    let taken = rows(&forward);
    for e in 0..6 {
        assert_eq!(forward.routing.demanded[e] as usize, taken.iter().filter(|taken| taken.contains(&e)).count());
    }
    let mean = forward.routing.demanded.iter().sum::<u32>() as f64 / 50.0;
    assert!(mean > 0.0 && mean < 4.0, "{mean} experts for each token");
}
