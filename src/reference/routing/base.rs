//! Balanced assignment by auction: every expert gets the same number of tokens, every token one expert.
//!
//! # Source
//! Lewis et al. 2021, "BASE Layers" (arXiv:2103.16716), section 3.1, after Bertsekas 1992; the constants are those of the
//! authors' code in fairseq.

use super::{Plan, Scores, all_finite, larger_first, pairs_descending};

/// Rounds in which experts hold on to what they have won.
const HOLDING_ROUNDS: usize = 100;
/// The scores' range over this is the smallest raise of a bid.
const RAISES: f64 = 50.0;
/// The smallest raise where all scores are nearly equal.
const SMALLEST_RAISE: f64 = 1e-4;

/// What an auction ends with.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// `[T]`: each token's expert.
    pub experts: Vec<usize>,
    /// Rounds of bids.
    pub rounds: usize,
    /// `[T]`: what the tokens cost in the end.
    pub prices: Vec<f64>,
    /// The smallest raise of a bid.
    pub raise: f64,
    /// Whether the auction was stopped, and the tokens without a buyer given away by score.
    pub repaired: bool,
}

impl Assignment {
    /// The assignment as a plan, in order of arrival.
    pub fn plan(&self, experts: usize) -> Plan {
        Plan::by_arrival(self.experts.iter().map(|&expert| vec![expert]).collect(), experts)
    }

    /// The sum of the scores of all tokens with their experts.
    pub fn total(&self, scores: Scores) -> f64 {
        self.experts.iter().enumerate().map(|(token, &expert)| scores.at(token, expert)).sum()
    }
}

/// Assigns every token to one expert and to each expert at most `K = ⌈T/E⌉` tokens, so exactly `T/E` if that is whole.
///
/// In each round every expert bids on its `K` tokens of the highest value, which is score less price: its advantage over
/// the next best token and a raise. Each token goes to the highest bid, of equal ones to the lower expert's, and its
/// price rises by it. For 100 rounds experts hold on to what they have won: it has the highest value of all for them, and
/// they bid only the raise on it. After that it counts with its score, and they bid on it as on any other. The auction
/// is over once every token has a bid; it is exactly one then, since there are as many bids as tokens.
///
/// - `rounds`: after so many the auction is stopped; then all tokens with a bid in the last one stay with its winner, and pairs
///   of the others with experts that have room are taken by descending score
///
/// Tokens that make the last expert's share whole are made up, with the smallest score for all experts: whatever expert
/// they go to, it does not change which assignment of the others is best, and they are nobody's first wish.
/// Scores that are not finite count as the smallest that is.
pub fn auction(scores: Scores, rounds: usize) -> Assignment {
    let (tokens, experts) = (scores.tokens(), scores.experts());
    let share = tokens.div_ceil(experts);
    let (values, [lowest, highest]) = made_whole(scores);
    let scores = Scores::new(&values, experts);
    let raise = ((highest - lowest) / RAISES).max(SMALLEST_RAISE);

    let mut auction = Auction { scores, share, highest, raise, round: 0, holders: vec![None; share * experts] };
    let mut prices = vec![0.0; share * experts];
    while auction.holders.contains(&None) && auction.round < rounds {
        let bids: Vec<Vec<(usize, f64)>> = (0..experts).map(|expert| auction.bids(expert, &prices)).collect();
        let best = highest_bids(&bids, scores.tokens());
        for (price, bid) in prices.iter_mut().zip(&best) {
            *price += bid.map_or(0.0, |(_, amount)| amount);
        }
        auction.holders = best.iter().map(|bid| bid.map(|(expert, _)| expert)).collect();
        auction.round += 1;
    }
    let repaired = auction.holders.contains(&None);
    prices.truncate(tokens);
    let experts = auction.give_away()[..tokens].to_vec();
    Assignment { experts, rounds: auction.round, prices, raise, repaired }
}

/// The scores `[K·E, E]` of the real tokens, all numbers, then of the made-up ones; and the lowest and the highest of them.
pub(super) fn made_whole(scores: Scores) -> (Vec<f64>, [f64; 2]) {
    let (tokens, experts) = (scores.tokens(), scores.experts());
    let mut values = all_finite(scores);
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.resize(tokens.div_ceil(experts) * experts * experts, lowest);
    (values, [lowest, highest])
}

/// The state between two rounds, prices apart.
struct Auction<'a> {
    /// `[K·E, E]`: of the real tokens, then of the made-up ones.
    scores: Scores<'a>,
    /// `K`.
    share: usize,
    highest: f64,
    raise: f64,
    round: usize,
    /// `[K·E]`: whose bid won the token in the last round.
    holders: Vec<Option<usize>>,
}

impl Auction<'_> {
    /// What an expert bids on its `K` best tokens.
    fn bids(&self, expert: usize, prices: &[f64]) -> Vec<(usize, f64)> {
        let held = |token: usize| self.holders[token] == Some(expert);
        let value = |token: usize| match held(token) {
            true if self.round <= HOLDING_ROUNDS => self.highest,
            true => self.scores.at(token, expert),
            false => self.scores.at(token, expert) - prices[token],
        };
        let values: Vec<f64> = (0..self.scores.tokens()).map(value).collect();
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| larger_first(values[a], values[b]).then(held(b).cmp(&held(a))));
        // With one expert there is no next best token, and nothing to outbid.
        let next = order.get(self.share).or(order.last()).map_or(0.0, |&token| values[token]);
        let holds = |token: usize| held(token) && self.round < HOLDING_ROUNDS;
        let advantage = |token: usize| if holds(token) { 0.0 } else { values[token] - next };
        order.truncate(self.share);
        order.into_iter().map(|token| (token, advantage(token) + self.raise)).collect()
    }

    /// Every token that has no holder goes to the expert with room that its score is highest for, the highest first.
    fn give_away(&self) -> Vec<usize> {
        let mut assigned = self.holders.clone();
        let mut room = vec![self.share; self.scores.experts()];
        self.holders.iter().flatten().for_each(|&expert| room[expert] -= 1);
        for (token, expert) in pairs_descending(self.scores) {
            if assigned[token].is_none() && room[expert] > 0 {
                assigned[token] = Some(expert);
                room[expert] -= 1;
            }
        }
        assigned.into_iter().flatten().collect()
    }
}

/// `[tokens]`: who bids most on each, and how much; of equal bids the lower expert's.
fn highest_bids(bids: &[Vec<(usize, f64)>], tokens: usize) -> Vec<Option<(usize, f64)>> {
    let mut best: Vec<Option<(usize, f64)>> = vec![None; tokens];
    for (expert, bids) in bids.iter().enumerate() {
        for &(token, amount) in bids {
            if best[token].is_none_or(|(_, highest)| amount > highest) {
                best[token] = Some((expert, amount));
            }
        }
    }
    best
}
