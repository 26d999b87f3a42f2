//! Trades among experts that have as many tokens each: they pass some on in circles, as long as that adds to the scores in all.
//!
//! # Source
//! Klein 1967, "A Primal Method for Minimal Cost Flows with Applications to the Assignment and Transportation Problems": an
//! assignment is the best one if and only if no circle of passes gains. Circles are found by Bellman's relaxation (Bellman 1958).

use std::iter::{repeat_n, successors};

use super::Scores;
use super::base::made_whole;

/// Steps of the relaxation in a round.
const STEPS: usize = 12;
/// Experts of the longest circle that is looked for.
const LONGEST: usize = 64;
/// A walk must gain this part of the scores' range to count, so that rounding makes no circle.
const LEAST_GAIN: f64 = 1.0 / 65536.0;

/// What trades end with.
#[derive(Clone, Debug, PartialEq)]
pub struct Traded {
    /// `[T]`: each token's expert.
    pub experts: Vec<usize>,
    /// Tokens that went to another expert in each round made; 0 in the last one, unless there might have been more.
    pub moved: Vec<usize>,
}

/// The token that an expert passes to another, and what its score rises by.
#[derive(Clone, Copy)]
struct Offer {
    token: usize,
    gain: f64,
}

/// At most `rounds` rounds of trades, from an assignment that gives no expert more than `⌈T/E⌉` tokens: `experts`, each token's.
///
/// In each round every expert offers to every other the one of its tokens whose score rises most there. Then walks of passes
/// grow, step by step: each expert takes the pass that makes the walk that ends at it gain more than any before, and remembers who
/// gives. As soon as passes that are remembered close circles, the tokens of all of these go round. A round in which none has closed
/// after 12 steps, or no walk gains any more, is the last. Of equal gains the lower token is offered, and the lower expert gives.
///
/// As in the auction, tokens are made up where they do not divide, and scores that are not finite count as the smallest that is.
pub fn trade(scores: Scores, experts: Vec<usize>, rounds: usize) -> Traded {
    let (tokens, e) = (scores.tokens(), scores.experts());
    let (values, [lowest, highest]) = made_whole(scores);
    let mut owners = experts;
    for expert in 0..e {
        let held = owners.iter().filter(|owner| **owner == expert).count();
        owners.extend(repeat_n(expert, tokens.div_ceil(e) - held));
    }
    let mut moved = Vec::new();
    while moved.len() < rounds && moved.last() != Some(&0) {
        let passes = circles(&offers(Scores::new(&values, e), &owners), (highest - lowest) * LEAST_GAIN);
        moved.push(passes.len());
        passes.into_iter().for_each(|(token, taker)| owners[token] = taker);
    }
    owners.truncate(tokens);
    Traded { experts: owners, moved }
}

/// `[E, E]`, by who gives, then by who takes; empty rows where there are no tokens.
fn offers(scores: Scores, owners: &[usize]) -> Vec<Vec<Offer>> {
    let of_pair = |held: &[usize], giver: usize, taker: usize| {
        let offer = |&token: &usize| Offer { token, gain: scores.at(token, taker) - scores.at(token, giver) };
        held.iter().map(offer).reduce(|a, b| if b.gain > a.gain { b } else { a })
    };
    let of_giver = |giver: usize| {
        let held: Vec<usize> = (0..owners.len()).filter(|token| owners[*token] == giver).collect();
        (0..scores.experts()).filter_map(|taker| of_pair(&held, giver, taker)).collect()
    };
    (0..scores.experts()).map(of_giver).collect()
}

/// Tokens that go round, and to whom.
fn circles(offers: &[Vec<Offer>], enough: f64) -> Vec<(usize, usize)> {
    let mut gained = vec![0.0; offers.len()];
    let mut givers = vec![None; offers.len()];
    for _ in 0..STEPS {
        let longer = |taker: usize| {
            let by = |giver: usize| Some((giver, gained[giver] + offers[giver].get(taker)?.gain));
            let others = (0..offers.len()).filter(|giver| *giver != taker).filter_map(by);
            let most = others.reduce(|a, b| if b.1 > a.1 { b } else { a })?;
            (most.1 > gained[taker] + enough).then_some(most)
        };
        let step: Vec<Option<(usize, f64)>> = (0..offers.len()).map(longer).collect();
        for (taker, longer) in step.iter().enumerate() {
            if let Some((giver, gain)) = *longer {
                (givers[taker], gained[taker]) = (Some(giver), gain);
            }
        }
        let back =
            |taker: usize| successors(givers[taker], |giver: &usize| givers[*giver]).take(LONGEST).any(|e| e == taker);
        let pass = |taker: usize| Some((offers[givers[taker]?][taker].token, taker));
        let passes: Vec<(usize, usize)> = (0..offers.len()).filter(|taker| back(*taker)).filter_map(pass).collect();
        if !passes.is_empty() || step.iter().all(Option::is_none) {
            return passes;
        }
    }
    Vec::new()
}
