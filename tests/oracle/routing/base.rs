//! The auction: balance always, and nearly the best total.

use webmoe::reference::routing::Scores;
use webmoe::reference::routing::base::{Assignment, auction};

use super::{assert_sound, normal, reordered, shuffled, skewed, tied};
use crate::common::optimum::optimum;

const ROUNDS: usize = 2000;

#[track_caller]
fn assert_balanced(assignment: &Assignment, tokens: usize, experts: usize) {
    assert_eq!(assignment.experts.len(), tokens, "every token once");
    let plan = assignment.plan(experts);
    assert_sound(&plan, experts);
    let (load, share) = (plan.load(experts), tokens.div_ceil(experts));
    assert!(load.iter().all(|&n| n <= share), "{tokens}×{experts}: {load:?}");
    assert!(!tokens.is_multiple_of(experts) || load.iter().all(|&n| n == share), "{tokens}×{experts}: {load:?}");
}

#[test]
fn loads_are_equal_whatever_the_scores() {
    for tokens in [64, 256, 1024] {
        for experts in [2, 4, 8, 16, 32, 64] {
            let all = [skewed(1, tokens, experts), tied(1, tokens, experts), vec![0.5; tokens * experts]];
            for values in all.iter().take(if tokens == 1024 { 1 } else { 3 }) {
                let assignment = auction(Scores::new(values, experts), 300);
                assert_balanced(&assignment, tokens, experts);
            }
        }
    }
}

#[test]
fn four_thousand_tokens_are_balanced_too() {
    let values = skewed(2, 4096, 16);
    let assignment = auction(Scores::new(&values, 16), ROUNDS);
    assert_balanced(&assignment, 4096, 16);
    assert!(!assignment.repaired && assignment.rounds < 100, "{} rounds", assignment.rounds);
}

#[test]
fn no_expert_has_more_than_its_share_where_tokens_do_not_divide() {
    for (tokens, experts) in [(37, 5), (3, 6), (1, 4), (7, 2), (65, 64), (63, 64), (100, 7)] {
        for values in [skewed(3, tokens, experts), tied(3, tokens, experts), vec![1.0; tokens * experts]] {
            assert_balanced(&auction(Scores::new(&values, experts), ROUNDS), tokens, experts);
        }
    }
}

#[test]
fn totals_come_close_to_the_optimum() {
    for (tokens, experts) in [(64, 4), (64, 16), (128, 8), (256, 8), (256, 64)] {
        for seed in 0..3 {
            let values = skewed(seed, tokens, experts);
            let scores = Scores::new(&values, experts);
            let assignment = auction(scores, ROUNDS);
            let (best, got) = (optimum(scores, tokens / experts, 1).0, assignment.total(scores));
            assert!(!assignment.repaired, "{tokens}×{experts}");
            assert!(got <= best + 1e-9 && got >= 0.98 * best, "{tokens}×{experts}: {got} of {best}");
        }
    }
}

#[test]
fn what_an_expert_adds_to_all_its_scores_changes_no_optimum() {
    let offsets = [3.0, 0.0, -2.0, 1.0];
    for seed in 0..3 {
        let values = normal(seed, 64, 4);
        let moved: Vec<f64> = values.iter().enumerate().map(|(i, s)| s + offsets[i % 4]).collect();
        let (before, after) = (Scores::new(&values, 4), Scores::new(&moved, 4));
        assert_eq!(optimum(before, 16, 1).1, optimum(after, 16, 1).1, "seed {seed}");
        let (best, got) = (optimum(before, 16, 1).0, auction(after, ROUNDS).total(after) - 16.0 * 2.0);
        assert!(got >= 0.98 * best, "seed {seed}: {got} of {best}");
    }
}

#[test]
fn names_do_not_matter() {
    for seed in 0..4 {
        let values = skewed(seed, 48, 6);
        let scores = Scores::new(&values, 6);
        let (tokens, experts) = (shuffled(seed, 48), shuffled(seed + 9, 6));
        let moved = reordered(scores, &tokens, &experts);
        let (one, two) = (auction(scores, ROUNDS), auction(Scores::new(&moved, 6), ROUNDS));
        for (row, &token) in tokens.iter().enumerate() {
            assert_eq!(experts[two.experts[row]], one.experts[token], "seed {seed}");
            assert!((two.prices[row] - one.prices[token]).abs() < 1e-9, "seed {seed}");
        }
        assert_eq!(one.rounds, two.rounds);
    }
}

#[test]
fn prices_rise_by_at_least_a_raise_where_a_token_was_ever_wanted() {
    let values = skewed(5, 64, 8);
    let assignment = auction(Scores::new(&values, 8), ROUNDS);
    let range = values.iter().copied().fold(f64::MIN, f64::max) - values.iter().copied().fold(f64::MAX, f64::min);
    assert_eq!(assignment.raise, range / 50.0);
    assert!(assignment.prices.iter().all(|&price| price == 0.0 || price >= assignment.raise));
    assert!(assignment.prices.iter().any(|&price| price > 0.0), "somebody was wanted by two");
}

#[test]
fn a_stopped_auction_is_repaired_to_balance() {
    for rounds in [0, 1, 3] {
        for (tokens, experts) in [(64, 8), (37, 5), (3, 6)] {
            let values = skewed(6, tokens, experts);
            let assignment = auction(Scores::new(&values, experts), rounds);
            assert_balanced(&assignment, tokens, experts);
            assert!(assignment.rounds <= rounds);
            assert!(assignment.repaired || (tokens, experts) == (3, 6), "{rounds} rounds are not enough");
        }
    }
    // Without any round, tokens go by score: 1→0 is best, then 0→1 since expert 0 is full.
    let assignment = auction(Scores::new(&[5.0, 1.0, 6.0, 4.0], 2), 0);
    assert_eq!((assignment.experts, assignment.repaired), (vec![1, 0], true));
}

#[test]
fn equal_tokens_are_spread_like_any_others() {
    let row = normal(7, 1, 4);
    let values: Vec<f64> = row.repeat(12);
    let assignment = auction(Scores::new(&values, 4), ROUNDS);
    assert_balanced(&assignment, 12, 4);
    let total = assignment.total(Scores::new(&values, 4));
    assert!((total - 3.0 * row.iter().sum::<f64>()).abs() < 1e-9, "every balanced assignment has this total");
}

#[test]
fn scores_that_are_no_numbers_count_as_the_smallest() {
    let values = normal(8, 16, 4);
    let smallest = values.iter().copied().fold(f64::MAX, f64::min);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let with = |replacement: f64| {
            let mut values = values.clone();
            [0, 21, 22, 63].into_iter().for_each(|i| values[i] = replacement);
            values
        };
        let least = with(0.0).iter().copied().fold(smallest, f64::min);
        let (broken, mended) = (with(bad), with(least));
        let [one, two] = [&broken, &mended].map(|values| auction(Scores::new(values, 4), ROUNDS));
        assert_eq!(one, two, "{bad}");
    }
    assert_balanced(&auction(Scores::new(&[f64::NAN; 12], 3), ROUNDS), 4, 3);
}

#[test]
fn one_expert_takes_all_and_no_tokens_need_no_auction() {
    let values = normal(9, 5, 1);
    let one = auction(Scores::new(&values, 1), ROUNDS);
    assert_eq!((one.experts, one.rounds, one.repaired), (vec![0; 5], 1, false));
    let none = auction(Scores::new(&[], 4), ROUNDS);
    assert_eq!((none.experts.len(), none.prices.len(), none.rounds), (0, 0, 0));
}
