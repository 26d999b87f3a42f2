//! Trades after an auction: balance stays, totals rise, and in the end none is better.

use webmoe::reference::routing::base::auction;
use webmoe::reference::routing::trades::{Traded, trade};
use webmoe::reference::routing::{Plan, Scores};

use super::{assert_sound, normal, reordered, shuffled, skewed, tied};
use crate::common::optimum::optimum;

/// As many rounds as a layer makes by default.
const ROUNDS: usize = 64;

fn total(scores: Scores, experts: &[usize]) -> f64 {
    experts.iter().enumerate().map(|(token, &expert)| scores.at(token, expert)).sum()
}

/// How many tokens each expert has.
fn load(traded: &Traded, experts: usize) -> Vec<usize> {
    let plan = Plan::by_arrival(traded.experts.iter().map(|&expert| vec![expert]).collect(), experts);
    assert_sound(&plan, experts);
    plan.load(experts)
}

/// Products of tokens and experts of so many numbers: what a router makes.
fn products(seed: u64, tokens: usize, experts: usize, width: usize) -> Vec<f64> {
    let (x, w) = (normal(seed, tokens, width), normal(seed + 100, experts, width));
    let product = |x: &[f64], w: &[f64]| x.iter().zip(w).map(|(x, w)| x * w).sum();
    x.chunks(width).flat_map(|x| w.chunks(width).map(move |w| product(x, w))).collect()
}

#[test]
fn three_experts_trade_in_a_circle_where_no_two_of_them_would() {
    // 0→1, 1→2 and 2→0 are worth one more each, and every way back three less.
    let values = [5.0, 6.0, 2.0, 2.0, 5.0, 6.0, 6.0, 2.0, 5.0];
    let scores = Scores::new(&values, 3);
    let traded = trade(scores, vec![0, 1, 2], ROUNDS);
    assert_eq!((traded.experts, traded.moved), (vec![1, 2, 0], vec![3, 0]));
    let none = trade(scores, vec![0, 1, 2], 0);
    assert_eq!((none.experts, none.moved), (vec![0, 1, 2], vec![]));
}

#[test]
fn circles_without_an_expert_in_common_trade_in_the_same_round() {
    // Experts 0 and 1, and 2 and 3, have each other's token.
    let values: Vec<f64> = (0..16).map(|i| if i % 4 == i / 4 { 1.0 } else { 0.0 }).collect();
    let traded = trade(Scores::new(&values, 4), vec![1, 0, 3, 2], ROUNDS);
    assert_eq!((traded.experts, traded.moved), (vec![0, 1, 2, 3], vec![4, 0]));
}

#[test]
fn of_equal_gains_the_lower_token_and_the_lower_expert_trade() {
    // Experts 1 and 2 offer expert 0 the same, two tokens each of the same gain; only one of them can trade with it.
    let values = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    let traded = trade(Scores::new(&values, 3), vec![0, 0, 1, 1, 2, 2], 1);
    assert_eq!((traded.experts, traded.moved), (vec![1, 0, 0, 1, 2, 2], vec![2]));
}

#[test]
fn every_round_adds_to_the_total_and_leaves_the_loads() {
    for (tokens, experts) in [(64, 8), (100, 7), (128, 64)] {
        for values in [skewed(1, tokens, experts), tied(1, tokens, experts), products(1, tokens, experts, 6)] {
            let scores = Scores::new(&values, experts);
            let start = auction(scores, 1).experts;
            let [mut before, share] = [total(scores, &start), tokens.div_ceil(experts) as f64];
            let rounds = trade(scores, start.clone(), ROUNDS).moved.len();
            assert!(rounds > 1, "{tokens}×{experts}: something is left to gain");
            for made in 1..rounds {
                let traded = trade(scores, start.clone(), made);
                let loads = load(&traded, experts);
                assert!(loads.iter().all(|&n| n as f64 <= share), "{tokens}×{experts}: {loads:?}");
                assert!(!tokens.is_multiple_of(experts) || loads.iter().all(|&n| n as f64 == share), "{loads:?}");
                let now = total(scores, &traded.experts);
                assert!(now > before, "{tokens}×{experts}, round {made}: {now} after {before}");
                before = now;
            }
        }
    }
}

#[test]
fn no_total_is_better_than_that_after_trades() {
    for (tokens, experts) in [(16, 2), (16, 16), (37, 5), (64, 4), (64, 64), (100, 7), (128, 8), (256, 2)] {
        for seed in 0..2 {
            let all = [normal(seed, tokens, experts), tied(seed, tokens, experts), products(seed, tokens, experts, 6)];
            for values in all {
                let scores = Scores::new(&values, experts);
                let best = optimum(scores, tokens.div_ceil(experts), 1).0;
                for rounds in [1, 150] {
                    let traded = trade(scores, auction(scores, rounds).experts, ROUNDS);
                    assert_eq!(traded.moved.last(), Some(&0), "{tokens}×{experts}: {:?}", traded.moved);
                    let got = total(scores, &traded.experts);
                    assert!((got - best).abs() <= 1e-4 * best, "{tokens}×{experts}: {got} of {best}");
                }
            }
        }
    }
}

#[test]
fn sixty_four_rounds_bring_larger_groups_within_a_hundredth_of_the_best() {
    for (tokens, experts) in [(512, 16), (256, 64)] {
        for values in [skewed(1, tokens, experts), tied(1, tokens, experts), products(1, tokens, experts, 6)] {
            let scores = Scores::new(&values, experts);
            let (best, _) = optimum(scores, tokens / experts, 1);
            let traded = trade(scores, auction(scores, 150).experts, ROUNDS);
            let got = total(scores, &traded.experts);
            assert!(got <= best + 1e-9 && got >= 0.99 * best, "{tokens}×{experts}: {got} of {best}");
        }
    }
}

#[test]
fn where_all_scores_are_equal_nobody_trades() {
    let traded = trade(Scores::new(&[0.1; 40], 4), auction(Scores::new(&[0.1; 40], 4), 1).experts, ROUNDS);
    assert_eq!(traded.moved, [0]);
}

#[test]
fn names_do_not_matter() {
    for seed in 0..4 {
        let values = skewed(seed, 48, 6);
        let (tokens, experts) = (shuffled(seed, 48), shuffled(seed + 9, 6));
        let moved = reordered(Scores::new(&values, 6), &tokens, &experts);
        let [one, two] = [&values, &moved].map(|values| {
            let scores = Scores::new(values, 6);
            trade(scores, auction(scores, 1).experts, ROUNDS)
        });
        assert_eq!(one.moved, two.moved);
        for (row, &token) in tokens.iter().enumerate() {
            assert_eq!(experts[two.experts[row]], one.experts[token], "seed {seed}");
        }
    }
}

#[test]
fn scores_that_are_no_numbers_count_as_the_smallest() {
    let values = normal(8, 16, 4);
    let smallest = values.iter().copied().fold(f64::MAX, f64::min);
    let start: Vec<usize> = (0..16).map(|token| token % 4).collect();
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let [broken, mended] = [bad, smallest].map(|replacement| {
            let mut values = values.clone();
            // none of them is the smallest, which therefore stays
            [1, 21, 22].into_iter().for_each(|i| values[i] = replacement);
            trade(Scores::new(&values, 4), start.clone(), ROUNDS)
        });
        assert_eq!(broken, mended, "{bad}");
    }
}

#[test]
fn one_expert_has_nobody_to_trade_with_and_no_tokens_make_no_trade() {
    let one = trade(Scores::new(&normal(9, 5, 1), 1), vec![0; 5], ROUNDS);
    assert_eq!((one.experts, one.moved), (vec![0; 5], vec![0]));
    let none = trade(Scores::new(&[], 4), Vec::new(), ROUNDS);
    assert_eq!((none.experts, none.moved), (vec![], vec![0]));
}
