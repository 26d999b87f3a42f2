//! Experts at random: how often each set comes.

use std::collections::BTreeMap;

use webmoe::reference::routing::draw::distinct;
use webmoe::rng::hash_u32;

fn draw(experts: usize, k: usize, of: u32) -> Vec<usize> {
    distinct(experts, k, |j| hash_u32(5, 0, 0, of, j as u32))
}

/// `Σ (n − expected)² / expected` of counts that should be equal.
fn chi_square(counts: &[usize]) -> f64 {
    let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    counts.iter().map(|n| (*n as f64 - expected).powi(2) / expected).sum()
}

/// Nearly certain not to be passed by chance: the mean of a chi-square of so many degrees of freedom and five of its deviations.
fn at_most(degrees: usize) -> f64 {
    degrees as f64 + 5.0 * (2.0 * degrees as f64).sqrt()
}

#[test]
fn one_expert_at_a_time_is_each_equally_often() {
    for experts in [2, 3, 7, 64, 100] {
        let mut counts = vec![0; experts];
        (0..20_000).for_each(|of| counts[draw(experts, 1, of)[0]] += 1);
        let got = chi_square(&counts);
        assert!(got < at_most(experts - 1), "{experts} experts: {got}");
    }
}

#[test]
fn every_set_of_several_comes_equally_often() {
    for (experts, k, sets) in [(5, 2, 10), (6, 3, 20), (4, 3, 4), (7, 6, 7)] {
        let mut counts: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        for of in 0..20_000 {
            let mut set = draw(experts, k, of);
            set.sort_unstable();
            *counts.entry(set).or_default() += 1;
        }
        assert_eq!(counts.len(), sets, "{k} of {experts}");
        let got = chi_square(&counts.into_values().collect::<Vec<_>>());
        assert!(got < at_most(sets - 1), "{k} of {experts}: {got}");
    }
}

#[test]
fn no_expert_comes_twice_and_all_come_in_order() {
    for of in 0..200 {
        let mut drawn = draw(9, 5, of);
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() == 5 && drawn.iter().all(|e| *e < 9), "{drawn:?}");
        assert_eq!(draw(9, 9, of), (0..9).collect::<Vec<_>>());
    }
    assert_eq!(draw(1, 1, 0), [0]);
}
