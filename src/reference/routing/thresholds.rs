//! Experts that admit tokens one by one, by thresholds that follow what they would have taken of whole batches.
//!
//! # Source
//! The rule is ours; it is the causal form of expert choice (Zhou et al. 2022, arXiv:2202.09368), in which every expert ranks all tokens
//! of a batch.

use super::{Scores, best};

/// `[T]`: each token's experts, by number: the first `k` of those it named that find its key no less than their threshold.
///
/// - `keys`: `[T, E]`
/// - `named`: `[T]`, best first
/// - `thresholds`: `[E]`
pub fn admitted(keys: Scores, named: &[Vec<usize>], thresholds: &[f64], k: usize) -> Vec<Vec<usize>> {
    let of_token = |(token, named): (usize, &Vec<usize>)| {
        let admit = |expert: &&usize| keys.at(token, **expert) >= thresholds[**expert];
        let mut experts: Vec<usize> = named.iter().filter(admit).take(k).copied().collect();
        experts.sort_unstable();
        experts
    };
    named.iter().enumerate().map(of_token).collect()
}

/// `[E]`: the key of the last token that each expert would take of a group, if it took the `quota` best of those that named it; where
/// fewer did, the least key of all tokens.
///
/// # Panics
/// If there is no token.
pub fn last_keys(keys: Scores, named: &[Vec<usize>], quota: usize) -> Vec<f64> {
    let of_expert = |expert: usize| {
        let nominators = (0..keys.tokens()).filter(|&token| named[token].contains(&expert));
        let named: Vec<f64> = nominators.map(|token| keys.at(token, expert)).collect();
        let all = keys.column(expert);
        let last = |keys: &[f64], n: usize| best(keys, n).last().map(|&at| keys[at]);
        let found = if named.len() < quota { last(&all, all.len()) } else { last(&named, quota) };
        found.expect("a group has tokens, and a quota is at least one of them")
    };
    (0..keys.experts()).map(of_expert).collect()
}

/// `[E]`: thresholds after a batch: `decay` of each is kept, and the rest comes from the mean of the groups' [`last_keys`]. A threshold
/// of `none` gives way to that mean.
pub fn followed(thresholds: &[f64], of_groups: &[Vec<f64>], decay: f64, none: f64) -> Vec<f64> {
    let of_expert = |(expert, &before): (usize, &f64)| {
        let mean = of_groups.iter().map(|keys| keys[expert]).sum::<f64>() / of_groups.len() as f64;
        if before == none { mean } else { before + (1.0 - decay) * (mean - before) }
    };
    thresholds.iter().enumerate().map(of_expert).collect()
}
