//! Balanced shares by entropic optimal transport.
//!
//! # Source
//! Clark et al. 2022, "Unified Scaling Laws for Routed Language Models" (arXiv:2202.01169), the section on S-BASE; the
//! iteration: Cuturi 2013 (arXiv:1306.0895), on logarithms.
//!
//! The shares are `Π = exp(h/ε + f + g)` with `f` for every token and `g` for every expert. A token's `f` is the same for
//! all its experts, so its best expert is `argmax (h + ε·g)`: all that the solver has to deliver are `E` prices.

use super::{Scores, all_finite, best};
use crate::reference::math::log_sum_exp;

/// When to stop, and how sharp the shares are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// `ε`, the weight of the entropy: the smaller, the closer to an assignment, and the slower.
    pub eps: f64,
    /// Iterations at most.
    pub iterations: usize,
    /// Stops once no `g` changes by this much; 0 never stops.
    pub tolerance: f64,
}

/// What the iteration ends with.
#[derive(Clone, Debug, PartialEq)]
pub struct Balanced {
    /// `[T]`: one price for each token, in units of `ε`.
    pub f: Vec<f64>,
    /// `[E]`: one price for each expert, in units of `ε`.
    pub g: Vec<f64>,
    /// Iterations made.
    pub iterations: usize,
    /// `[T, E]`: the shares; columns sum to their marginals, rows to `1/T` nearly.
    pub shares: Vec<f64>,
}

impl Balanced {
    /// The `k` experts of the largest share of each token, largest first.
    pub fn choices(&self, scores: Scores, eps: f64, k: usize) -> Vec<Vec<usize>> {
        choices(scores, eps, &self.g, k)
    }
}

/// Alternates [`token_prices`] and [`expert_prices`] from `g = 0`.
///
/// - `columns`: `[E]`: what the columns sum to; `None`: `1/E` each
///
/// Scores that are not finite count as the smallest that is.
pub fn balance(scores: Scores, columns: Option<&[f64]>, settings: Settings) -> Balanced {
    let values = all_finite(scores);
    let h = Scores::new(&values, scores.experts());
    let mut g = vec![0.0; h.experts()];
    let mut f = vec![0.0; h.tokens()];
    let mut iterations = 0;
    while iterations < settings.iterations && h.tokens() > 0 {
        f = token_prices(h, settings.eps, &g);
        let next = expert_prices(h, settings.eps, &f, columns);
        let change = g.iter().zip(&next).map(|(old, new)| (new - old).abs()).fold(0.0, f64::max);
        g = next;
        iterations += 1;
        if change < settings.tolerance {
            break;
        }
    }
    let shares = shares(h, settings.eps, &f, &g);
    Balanced { f, g, iterations, shares }
}

/// `f[t] = −ln T − ln Σₑ exp(h[t, e]/ε + g[e])`: makes every row sum to `1/T`.
pub fn token_prices(h: Scores, eps: f64, g: &[f64]) -> Vec<f64> {
    let row = |token: usize| {
        let terms: Vec<f64> = h.row(token).iter().zip(g).map(|(h, g)| h / eps + g).collect();
        -(h.tokens() as f64).ln() - log_sum_exp(&terms)
    };
    (0..h.tokens()).map(row).collect()
}

/// `g[e] = ln column[e] − ln Σₜ exp(h[t, e]/ε + f[t])`: makes every column sum to its marginal, `1/E` unless given.
pub fn expert_prices(h: Scores, eps: f64, f: &[f64], columns: Option<&[f64]>) -> Vec<f64> {
    let column = |expert: usize| {
        let wanted = columns.map_or(1.0 / h.experts() as f64, |columns| columns[expert]);
        let terms: Vec<f64> = h.column(expert).iter().zip(f).map(|(h, f)| h / eps + f).collect();
        wanted.ln() - log_sum_exp(&terms)
    };
    (0..h.experts()).map(column).collect()
}

/// `Π[t, e] = exp(h[t, e]/ε + f[t] + g[e])`.
pub fn shares(h: Scores, eps: f64, f: &[f64], g: &[f64]) -> Vec<f64> {
    let row = |token: usize| h.row(token).iter().zip(g).map(move |(h, g)| (h / eps + f[token] + g).exp());
    (0..h.tokens()).flat_map(row).collect()
}

/// The `k` experts of each token with the largest `h + ε·g`, largest first: those of the largest share.
pub fn choices(scores: Scores, eps: f64, g: &[f64], k: usize) -> Vec<Vec<usize>> {
    let values = all_finite(scores);
    let h = Scores::new(&values, scores.experts());
    let priced = |token: usize| h.row(token).iter().zip(g).map(|(h, g)| h + eps * g).collect::<Vec<f64>>();
    (0..h.tokens()).map(|token| best(&priced(token), k)).collect()
}
