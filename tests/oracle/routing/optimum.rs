//! The exact optimum, which assignments are measured against, is that of trying everything.

use webmoe::reference::routing::Scores;

use super::{normal, tied};
use crate::common::optimum::optimum;

/// The largest total over all subsets of the pairs, of those with the most pairs, by trying them all.
fn by_force(scores: Scores, c: usize, b: usize) -> f64 {
    let (tokens, experts) = (scores.tokens(), scores.experts());
    let mut best = (0, 0.0);
    for subset in 0u32..1 << (tokens * experts) {
        let taken = |token: usize, expert: usize| subset >> (token * experts + expert) & 1 == 1;
        let fits = (0..experts).all(|e| (0..tokens).filter(|&t| taken(t, e)).count() <= c)
            && (0..tokens).all(|t| (0..experts).filter(|&e| taken(t, e)).count() <= b);
        let count = subset.count_ones();
        if fits && count >= best.0 {
            let values = (0..tokens * experts).filter(|i| subset >> i & 1 == 1).map(|i| scores.values()[i]);
            let total: f64 = values.sum();
            best = if count > best.0 { (count, total) } else { (count, total.max(best.1)) };
        }
    }
    best.1
}

#[test]
fn the_flow_finds_what_trying_everything_finds() {
    for seed in 0..6 {
        for (tokens, experts, c, b) in [(4, 3, 2, 1), (6, 2, 3, 1), (5, 3, 2, 2), (3, 4, 1, 1), (4, 3, 3, 3)] {
            for values in [normal(seed, tokens, experts), tied(seed, tokens, experts)] {
                let scores = Scores::new(&values, experts);
                let (got, want) = (optimum(scores, c, b).0, by_force(scores, c, b));
                assert!((got - want).abs() < 1e-9, "{tokens}×{experts}, c {c}, b {b}: {got}, wanted {want}");
            }
        }
    }
}
