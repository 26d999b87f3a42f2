//! Experts choose their tokens.
//!
//! # Source
//! Zhou et al. 2022, "Mixture-of-Experts with Expert Choice Routing" (arXiv:2202.09368), section 3.2; the bounded number of
//! experts per token: section 3.3. Which softmax the scores are of is the caller's: the paper takes it
//! [over the experts](super::over_experts), Mesh TensorFlow's `expert_selection` [over the tokens](super::over_tokens).

use std::collections::VecDeque;

use super::{Infeasible, Plan, Scores, all_finite, best, larger_first, pairs_descending};
use crate::reference::math::log_sum_exp;

/// Each expert takes the `c` tokens of the highest score in its column; its slots are their ranks.
///
/// # Errors
/// If there are fewer than `c` tokens.
pub fn choose(scores: Scores, c: usize) -> Result<Plan, Infeasible> {
    Infeasible::check(scores, c, scores.experts())?;
    Ok(top_c(scores, scores, c))
}

/// Each expert takes `c` tokens and each token at most `b` experts: [`greedy`], then experts left short are repaired.
///
/// An expert is left short where all tokens that still have room are its own already. It then takes a token from
/// another expert, which takes one instead, and so on until a token with room: a shortest such chain, the higher scores
/// tried first. One repair wins one place; while what is asked for is possible at all, there is a chain.
///
/// # Errors
/// If that is impossible: `c > T` or `c·E > b·T`.
pub fn capped(scores: Scores, c: usize, b: usize) -> Result<Plan, Infeasible> {
    Infeasible::check(scores, c, b)?;
    let mut taken = Taken::greedy(scores, c, b);
    for expert in 0..scores.experts() {
        while taken.load(expert) < c && taken.repair(expert, b) {}
    }
    Ok(taken.plan())
}

/// Visits all pairs by descending score and takes each one whose expert has fewer than `c` tokens and whose token has
/// fewer than `b` experts.
///
/// Since both sides rank by the same scores, this is their only stable matching (in the sense of Gale and Shapley 1962,
/// with quotas): the best pair of all cannot be refused by anyone, and so on down. Deferred acceptance finds it too.
pub fn greedy(scores: Scores, c: usize, b: usize) -> Plan {
    Taken::greedy(scores, c, b).plan()
}

/// The paper's bounded mode: how much entropy, and how often all three constraints are visited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dykstra {
    /// `λ`, the weight of the entropy; the smaller, the closer to a plain linear program, and the slower.
    pub lambda: f64,
    /// Rounds over the three constraints.
    pub iterations: usize,
}

/// The paper's bounded mode: each expert takes its `c` tokens of the largest [share](dykstra_shares).
///
/// Returns the plan and the number of tokens that got more than `b` experts: this step does not respect the bound.
///
/// # Errors
/// As [`capped`].
pub fn dykstra(scores: Scores, c: usize, b: usize, settings: Dykstra) -> Result<(Plan, usize), Infeasible> {
    let shares = dykstra_shares(scores, c, b, settings)?;
    let plan = top_c(scores, Scores::new(&shares, scores.experts()), c);
    let over = plan.experts.iter().filter(|chosen| chosen.len() > b).count();
    Ok((plan, over))
}

/// The `A: [T, E]` that maximises `⟨S, A⟩ + λ·Ent(A)` over `0 ≤ A ≤ 1` with `c` per expert and at most `b` per token, by
/// Dykstra's projections on logarithms: `ln A`.
///
/// # Errors
/// As [`capped`].
pub fn dykstra_shares(scores: Scores, c: usize, b: usize, settings: Dykstra) -> Result<Vec<f64>, Infeasible> {
    Infeasible::check(scores, c, b)?;
    let (tokens, experts) = (scores.tokens(), scores.experts());
    let mut a: Vec<f64> = all_finite(scores).iter().map(|s| s / settings.lambda).collect();
    let (mut q2, mut q3) = (vec![0.0; a.len()], vec![0.0; a.len()]);
    let (ln_c, ln_b) = ((c as f64).ln(), (b as f64).ln());
    for _ in 0..if c == 0 { 0 } else { settings.iterations } {
        // Every expert has exactly c.
        for expert in 0..experts {
            let excess = log_sum_exp(&Scores::new(&a, experts).column(expert)) - ln_c;
            (0..tokens).for_each(|token| a[token * experts + expert] -= excess);
        }
        // Every token has at most b.
        for token in 0..tokens {
            let row = token * experts..(token + 1) * experts;
            let before: Vec<f64> = row.clone().map(|i| a[i] + q2[i]).collect();
            let step = (ln_b - log_sum_exp(&before)).min(0.0);
            for (i, before) in row.zip(before) {
                a[i] = before + step;
                q2[i] = before - a[i];
            }
        }
        // No pair counts more than once.
        for (a, q3) in a.iter_mut().zip(&mut q3) {
            let before = *a + *q3;
            *a = before.min(0.0);
            *q3 = before - *a;
        }
    }
    Ok(a)
}

/// Each expert takes its `c` tokens of the largest `by`.
fn top_c(scores: Scores, by: Scores, c: usize) -> Plan {
    let buffers: Vec<Vec<usize>> = (0..scores.experts()).map(|expert| best(&by.column(expert), c)).collect();
    Plan::from_buffers(scores, &buffers)
}

/// Which pairs are taken, while that still changes.
struct Taken<'a> {
    scores: Scores<'a>,
    /// `[T, E]`.
    taken: Vec<bool>,
}

impl<'a> Taken<'a> {
    fn greedy(scores: Scores<'a>, c: usize, b: usize) -> Self {
        let mut taken = Taken { scores, taken: vec![false; scores.values().len()] };
        let mut load = vec![0; scores.experts()];
        let mut held = vec![0; scores.tokens()];
        for (token, expert) in pairs_descending(scores) {
            if load[expert] < c && held[token] < b {
                taken.set(token, expert, true);
                load[expert] += 1;
                held[token] += 1;
            }
        }
        taken
    }

    fn has(&self, token: usize, expert: usize) -> bool {
        self.taken[token * self.scores.experts() + expert]
    }

    fn set(&mut self, token: usize, expert: usize, taken: bool) {
        self.taken[token * self.scores.experts() + expert] = taken;
    }

    fn load(&self, expert: usize) -> usize {
        (0..self.scores.tokens()).filter(|&token| self.has(token, expert)).count()
    }

    fn held(&self, token: usize) -> usize {
        (0..self.scores.experts()).filter(|&expert| self.has(token, expert)).count()
    }

    /// Tokens from the highest score of an expert's column down.
    fn column(&self, expert: usize) -> Vec<usize> {
        best(&self.scores.column(expert), self.scores.tokens())
    }

    /// Wins one more token for an expert by a shortest chain of exchanges; false if there is none.
    fn repair(&mut self, short: usize, b: usize) -> bool {
        let (tokens, experts) = (self.scores.tokens(), self.scores.experts());
        // The expert that reached for each token, and the token that each expert would give up for it.
        let mut reached_by = vec![None; tokens];
        let mut gives_up = vec![None; experts];
        let mut queue = VecDeque::from([short]);
        while let Some(expert) = queue.pop_front() {
            for token in self.column(expert) {
                if self.has(token, expert) || reached_by[token].is_some() {
                    continue;
                }
                reached_by[token] = Some(expert);
                if self.held(token) < b {
                    self.exchange(short, token, &reached_by, &gives_up);
                    return true;
                }
                for (holder, gives_up) in gives_up.iter_mut().enumerate() {
                    if holder != short && self.has(token, holder) && gives_up.is_none() {
                        *gives_up = Some(token);
                        queue.push_back(holder);
                    }
                }
            }
        }
        false
    }

    /// Follows a chain back from the token with room to the expert that was short.
    fn exchange(&mut self, short: usize, last: usize, reached_by: &[Option<usize>], gives_up: &[Option<usize>]) {
        let mut token = last;
        while let Some(expert) = reached_by[token] {
            self.set(token, expert, true);
            let Some(given_up) = gives_up[expert].filter(|_| expert != short) else { return };
            self.set(given_up, expert, false);
            token = given_up;
        }
    }

    fn plan(&self) -> Plan {
        let of_expert = |expert: usize| {
            let mut tokens: Vec<usize> = (0..self.scores.tokens()).filter(|&token| self.has(token, expert)).collect();
            tokens.sort_by(|&a, &b| larger_first(self.scores.at(a, expert), self.scores.at(b, expert)));
            tokens
        };
        let buffers: Vec<Vec<usize>> = (0..self.scores.experts()).map(of_expert).collect();
        Plan::from_buffers(self.scores, &buffers)
    }
}
