//! What token choice may do besides taking the best: against arithmetic, on tokens that are their own logits.

mod exploration;
mod number;
mod prototypes;
mod second;

use webmoe::config::{LayerConfig, TopK};
use webmoe::reference::{Forward, Setting, forward};

use crate::common::families::combine;

/// A layer whose logits are its tokens, and its output the weights.
pub fn layer(experts: usize, router: TopK) -> LayerConfig {
    combine::config(experts, router)
}

/// One pass of a layer on `logits`: `[T, E]`.
pub fn run(config: &LayerConfig, logits: &[f32], setting: Setting) -> Forward {
    let case = combine::case("choices", config.clone(), logits.to_vec(), None);
    forward(config, &case.weights, &case.x, setting).expect("a layer that runs")
}

/// The same row of logits for many tokens.
pub fn repeated(row: &[f32], tokens: usize) -> Vec<f32> {
    row.repeat(tokens)
}

/// Shares of a softmax.
pub fn softmax(row: &[f32]) -> Vec<f64> {
    let powers: Vec<f64> = row.iter().map(|h| f64::from(*h).exp()).collect();
    powers.iter().map(|power| power / powers.iter().sum::<f64>()).collect()
}

/// Asserts that counts are those of independent draws: Pearson's statistic stays below the value that chance exceeds once in a
/// thousand times, by the approximation of Wilson and Hilferty.
#[track_caller]
pub fn assert_drawn(counts: &[usize], shares: &[f64]) {
    let draws = counts.iter().sum::<usize>() as f64;
    let term = |(count, share): (&usize, &f64)| (*count as f64 - draws * share).powi(2) / (draws * share);
    let statistic: f64 = counts.iter().zip(shares).map(term).sum();
    let freedom = counts.len() as f64 - 1.0;
    let spread = 2.0 / (9.0 * freedom);
    let most = freedom * (1.0 - spread + 3.0902 * spread.sqrt()).powi(3);
    assert!(statistic < most, "chi-square of {statistic}, at most {most}: {counts:?} of shares {shares:?}");
}
