//! Routing algorithms that look at more than one token, as plain functions of the scores of one routing group.
//!
//! They know of no layer and no configuration. Everywhere: the larger score comes first; of equal scores the lower index,
//! where 0 and −0 are equal; NaN counts as −∞, so it is chosen last and never spreads.

pub mod base;
pub mod draw;
pub mod expert_choice;
pub mod no_token_left_behind;
pub mod noisy_top_k;
pub mod sinkhorn;
pub mod thresholds;
pub mod token_then_expert;
pub mod trades;

use std::cmp::Ordering;

/// Scores `[T, E]` of the tokens of one group for all experts, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    values: &'a [f64],
    experts: usize,
}

impl<'a> Scores<'a> {
    /// Rows of `experts` values each.
    ///
    /// # Panics
    /// If there are no experts, or the values are not whole rows.
    pub fn new(values: &'a [f64], experts: usize) -> Self {
        assert!(experts > 0 && values.len().is_multiple_of(experts), "whole rows of at least one expert");
        Scores { values, experts }
    }

    /// `T`.
    pub fn tokens(self) -> usize {
        self.values.len() / self.experts
    }

    /// `E`.
    pub fn experts(self) -> usize {
        self.experts
    }

    /// All of them, row-major.
    pub fn values(self) -> &'a [f64] {
        self.values
    }

    /// The score of one pair.
    pub fn at(self, token: usize, expert: usize) -> f64 {
        self.values[token * self.experts + expert]
    }

    /// What a token's row holds.
    pub fn row(self, token: usize) -> &'a [f64] {
        &self.values[token * self.experts..(token + 1) * self.experts]
    }

    /// What an expert's column holds.
    pub fn column(self, expert: usize) -> Vec<f64> {
        (0..self.tokens()).map(|token| self.at(token, expert)).collect()
    }
}

/// Who goes where.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// `[T]`: each token's experts, the one of the highest score first.
    pub experts: Vec<Vec<usize>>,
    /// The same shape: the place in that expert's buffer.
    pub slots: Vec<Vec<usize>>,
}

impl Plan {
    /// The plan that fills the experts' buffers with these tokens, in this order.
    ///
    /// - `scores`: what the tokens sort their experts by
    /// - `buffers`: `[E]` of tokens
    pub fn from_buffers(scores: Scores, buffers: &[Vec<usize>]) -> Self {
        let place = |token: usize, expert: usize| buffers[expert].iter().position(|&other| other == token);
        let of_token = |token: usize| -> Vec<(usize, usize)> {
            let by_score = descending(scores.row(token)).into_iter();
            by_score.filter_map(|expert| Some((expert, place(token, expert)?))).collect()
        };
        let (experts, slots) = (0..scores.tokens()).map(|token| of_token(token).into_iter().unzip()).unzip();
        Plan { experts, slots }
    }

    /// The plan of tokens that are all served, first choices before second ones, in order of arrival.
    pub fn by_arrival(choices: Vec<Vec<usize>>, experts: usize) -> Self {
        let mut filled = vec![0; experts];
        let mut slots: Vec<Vec<usize>> = choices.iter().map(|choices| vec![0; choices.len()]).collect();
        let longest = choices.iter().map(Vec::len).max().unwrap_or(0);
        for rank in 0..longest {
            for (choices, slots) in choices.iter().zip(&mut slots) {
                if let (Some(&expert), Some(slot)) = (choices.get(rank), slots.get_mut(rank)) {
                    *slot = filled[expert];
                    filled[expert] += 1;
                }
            }
        }
        Plan { experts: choices, slots }
    }

    /// The same plan as the experts see it: the tokens of each, in the order of their slots.
    pub fn buffers(&self, experts: usize) -> Vec<Vec<usize>> {
        let mut buffers = vec![Vec::new(); experts];
        for (token, (chosen, slots)) in self.experts.iter().zip(&self.slots).enumerate() {
            for (&expert, &slot) in chosen.iter().zip(slots) {
                buffers[expert].push((slot, token));
            }
        }
        let in_order = |mut buffer: Vec<(usize, usize)>| {
            buffer.sort_unstable();
            buffer.into_iter().map(|(_, token)| token).collect()
        };
        buffers.into_iter().map(in_order).collect()
    }

    /// Number of tokens of each expert.
    pub fn load(&self, experts: usize) -> Vec<usize> {
        self.buffers(experts).iter().map(Vec::len).collect()
    }

    /// All (token, expert) pairs, by token, then by expert.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        let of_token = |(token, chosen): (usize, &Vec<usize>)| {
            let mut chosen = chosen.clone();
            chosen.sort_unstable();
            chosen.into_iter().map(move |expert| (token, expert))
        };
        self.experts.iter().enumerate().flat_map(of_token).collect()
    }

    /// The sum of the scores of all pairs.
    pub fn total(&self, scores: Scores) -> f64 {
        self.pairs().into_iter().map(|(token, expert)| scores.at(token, expert)).sum()
    }
}

/// Experts or tokens were asked for more than there is.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "{experts} experts cannot take {per_expert} of {tokens} tokens each with at most {per_token} experts a token; \
     ask for fewer tokens an expert or allow more experts a token"
)]
pub struct Infeasible {
    /// `T`.
    pub tokens: usize,
    /// `E`.
    pub experts: usize,
    /// Tokens that each expert should take.
    pub per_expert: usize,
    /// Experts that a token may have.
    pub per_token: usize,
}

impl Infeasible {
    /// Whether `per_expert` tokens for each expert exist: `c ≤ T` and `c·E ≤ b·T`.
    ///
    /// That is all it takes: no cut between experts and tokens is smaller than `c·E` then.
    fn check(scores: Scores, per_expert: usize, per_token: usize) -> Result<(), Self> {
        let (tokens, experts) = (scores.tokens(), scores.experts());
        match per_expert <= tokens && per_expert * experts <= per_token * tokens {
            true => Ok(()),
            false => Err(Infeasible { tokens, experts, per_expert, per_token }),
        }
    }
}

/// Larger scores first; NaN counts as −∞.
fn larger_first(a: f64, b: f64) -> Ordering {
    let known = |x: f64| if x.is_nan() { f64::NEG_INFINITY } else { x };
    known(b).partial_cmp(&known(a)).unwrap_or(Ordering::Equal)
}

/// All indices, that of the largest value first, of equal values the lower one first.
pub fn descending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| larger_first(values[a], values[b]));
    order
}

/// The first `n` of [`descending`], or all if there are fewer.
pub fn best(values: &[f64], n: usize) -> Vec<usize> {
    let mut order = descending(values);
    order.truncate(n);
    order
}

/// All pairs `(token, expert)`, the highest score first; of equal ones the lower token, then the lower expert.
pub fn pairs_descending(scores: Scores) -> Vec<(usize, usize)> {
    let pair = |i: usize| (i / scores.experts(), i % scores.experts());
    descending(scores.values()).into_iter().map(pair).collect()
}

/// Softmax of each token's logits over the experts, `[T, E]`.
pub fn over_experts(logits: Scores) -> Vec<f64> {
    (0..logits.tokens()).flat_map(|token| shares(logits.row(token))).collect()
}

/// Softmax of each expert's logits over the tokens, `[T, E]`.
pub fn over_tokens(logits: Scores) -> Vec<f64> {
    let columns: Vec<Vec<f64>> = (0..logits.experts()).map(|expert| shares(&logits.column(expert))).collect();
    (0..logits.tokens()).flat_map(|token| columns.iter().map(move |column| column[token])).collect()
}

/// Softmax that gives nothing to NaN, and nothing at all where there is nothing but −∞.
fn shares(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |&h: &f64| match h {
        h if h.is_nan() || h == f64::NEG_INFINITY => 0.0,
        h if h == top => 1.0,
        h => (h - top).exp(),
    };
    let weights: Vec<f64> = logits.iter().map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| if sum > 0.0 { weight / sum } else { 0.0 }).collect()
}

/// The scores with everything that is no number, and infinities, replaced by the smallest finite one; 0 if there is none.
fn all_finite(scores: Scores) -> Vec<f64> {
    let finite = scores.values().iter().copied().filter(|s| s.is_finite());
    let smallest = finite.reduce(f64::min).unwrap_or(0.0);
    scores.values().iter().map(|&s| if s.is_finite() { s } else { smallest }).collect()
}
