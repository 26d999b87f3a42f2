//! Tokens name experts, then experts choose among the tokens that named them.
//!
//! # Source
//! No paper has it in this generality. The special case of one nomination is the batch priority of Riquelme et al. 2021
//! (V-MoE, arXiv:2106.05974) and `switch_max` of Mesh TensorFlow; with all experts nominated it is expert choice (Zhou et al.
//! 2022, arXiv:2202.09368). [`deferred`] is Gale and Shapley 1962, "College Admissions and the Stability of Marriage", with
//! quotas on both sides; [`immediate`] accepts for good, as the "Boston mechanism" (Abdulkadiroğlu and Sönmez 2003).
//!
//! Tokens rank experts by probability, experts rank tokens by [`Key`].

use super::{Plan, Scores, best, descending, larger_first, over_experts};

/// Which experts a token names, best first: those of the `most` highest logits that have at least the probability `least`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nominate {
    /// `m`.
    pub most: usize,
    /// `θ`.
    pub least: f64,
}

impl Nominate {
    /// Those of the `m` highest logits.
    pub fn top(m: usize) -> Self {
        Nominate { most: m, least: 0.0 }
    }

    /// All of at least this probability.
    pub fn at_least(least: f64) -> Self {
        Nominate { most: usize::MAX, least }
    }
}

/// What experts rank tokens by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key {
    /// The token's probability of the expert.
    Prob,
    /// Its logit.
    Logit,
    /// Its probability of the expert, less that of its best other expert.
    Margin,
    /// As [`Key::Margin`], of other experts counting only those that have room: what the token loses if refused.
    Regret,
    /// The order of arrival.
    Arrival,
}

/// What all forms share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Which experts are named.
    pub nominate: Nominate,
    /// What they rank tokens by.
    pub key: Key,
    /// `C`, the tokens that each expert may take.
    pub slots: usize,
}

/// The nominees of each token, best first.
pub fn nominees(logits: Scores, nominate: Nominate) -> Vec<Vec<usize>> {
    let p = over_experts(logits);
    let p = Scores::new(&p, logits.experts());
    let of_token = |token: usize| -> Vec<usize> {
        best(logits.row(token), nominate.most).into_iter().filter(|&e| p.at(token, e) >= nominate.least).collect()
    };
    (0..logits.tokens()).map(of_token).collect()
}

/// The keys `[T, E]`.
///
/// - `room`: `[E]`: which experts have room, for [`Key::Regret`]
///
/// A token without another expert (with room) has nothing else to get: 0.
pub fn keys(logits: Scores, key: Key, room: &[bool]) -> Vec<f64> {
    let (tokens, experts) = (logits.tokens(), logits.experts());
    let p = over_experts(logits);
    let p = Scores::new(&p, experts);
    let best_other = |token: usize, expert: usize, counts: &dyn Fn(usize) -> bool| {
        let others = (0..experts).filter(|&other| other != expert && counts(other));
        others.map(|other| p.at(token, other)).fold(0.0, f64::max)
    };
    let of_pair = |token: usize, expert: usize| match key {
        Key::Prob => p.at(token, expert),
        Key::Logit => logits.at(token, expert),
        Key::Margin => p.at(token, expert) - best_other(token, expert, &|_| true),
        Key::Regret => p.at(token, expert) - best_other(token, expert, &|other| room[other]),
        Key::Arrival => -(token as f64),
    };
    (0..tokens * experts).map(|i| of_pair(i / experts, i % experts)).collect()
}

/// Each expert takes the `C` tokens of the highest key among those that named it. One look, no bound on a token's experts.
pub fn once(logits: Scores, rule: Rule) -> Plan {
    rounds(logits, rule, logits.experts(), 1)
}

/// [`once`], with at most `k` experts for each token and second looks.
///
/// In each round every expert with room takes the best tokens that named it and have not been its own before; then each
/// token that has more than `k` experts keeps its best `k` and leaves the others, for good. After enough rounds
/// nobody leaves: deferred acceptance with the experts proposing.
///
/// Buffers are in the order of the keys of the last round.
pub fn rounds(logits: Scores, rule: Rule, k: usize, rounds: usize) -> Plan {
    in_rounds(logits, rule, k, rounds, false).0
}

/// [`rounds`] in which a token that has `k` experts is closed to all that it ranks lower than these, who then ask
/// others instead: as far on the way to [`deferred`] as so many rounds lead, and how many tokens left an expert in the last
/// of them. If none did, the plan is that of [`deferred`].
///
/// [`Key::Regret`] is [`Key::Margin`] here.
pub fn deferred_within(logits: Scores, rule: Rule, k: usize, rounds: usize) -> (Plan, usize) {
    let key = if rule.key == Key::Regret { Key::Margin } else { rule.key };
    in_rounds(logits, Rule { key, ..rule }, k, rounds, true)
}

/// `closes`: whether a token that has `k` experts refuses beforehand those that it ranks lower.
fn in_rounds(logits: Scores, rule: Rule, k: usize, rounds: usize, closes: bool) -> (Plan, usize) {
    let experts = logits.experts();
    let ranks: Vec<Vec<usize>> = (0..logits.tokens()).map(|token| descending(logits.row(token))).collect();
    let mut leavers = 0;
    let named_by = nominators(logits, rule.nominate);
    let mut buffers: Vec<Vec<usize>> = vec![Vec::new(); experts];
    let mut left: Vec<Vec<usize>> = vec![Vec::new(); experts];
    let mut keys_now = Vec::new();
    for _ in 0..rounds {
        let room: Vec<bool> = buffers.iter().map(|buffer| buffer.len() < rule.slots).collect();
        keys_now = keys(logits, rule.key, &room);
        let keys = Scores::new(&keys_now, experts);
        for expert in 0..experts {
            let is_new = |token: &usize| !buffers[expert].contains(token) && !left[expert].contains(token);
            let new = by_key(keys, expert, named_by[expert].iter().copied().filter(is_new).collect());
            let free = rule.slots - buffers[expert].len();
            buffers[expert].extend(new.into_iter().take(free));
        }
        let plan = Plan::from_buffers(logits, &buffers);
        leavers = 0;
        for (token, chosen) in plan.experts.iter().enumerate() {
            for &expert in chosen.iter().skip(k) {
                buffers[expert].retain(|&other| other != token);
                left[expert].push(token);
                leavers += 1;
            }
            if closes && k > 0 && chosen.len() >= k {
                let lower = ranks[token].iter().skip_while(|&&expert| expert != chosen[k - 1]).skip(1);
                lower.for_each(|&expert| left[expert].push(token));
            }
        }
    }
    (in_order_of_keys(logits, &keys_now, buffers), leavers)
}

/// Deferred acceptance: each token that fewer than `k` experts hold proposes to its next nominee; an expert holds the `C`
/// of the highest key among those that proposed and lets the others go on.
///
/// Ends with a stable plan, in whatever order the tokens propose. There is only one: every key grows with the
/// probability along a token's row (or is the same all along it), so both sides rank by the keys, and nothing can block
/// the pair of the highest key of all, nor then the next one. So taking nominated pairs by descending key while
/// both sides have room gives the same plan, as does [`rounds`] when it goes on for long enough.
///
/// [`Key::Regret`] is [`Key::Margin`] here: a ranking that moves with the plan has no stable plans.
pub fn deferred(logits: Scores, rule: Rule, k: usize) -> Plan {
    let (tokens, experts) = (logits.tokens(), logits.experts());
    let nominees = nominees(logits, rule.nominate);
    let key_values = keys(logits, rule.key, &vec![true; experts]);
    let keys = Scores::new(&key_values, experts);
    let mut buffers: Vec<Vec<usize>> = vec![Vec::new(); experts];
    let mut next = vec![0; tokens];
    let held = |buffers: &[Vec<usize>], token: usize| buffers.iter().filter(|buffer| buffer.contains(&token)).count();
    while let Some(token) = (0..tokens).find(|&t| next[t] < nominees[t].len() && held(&buffers, t) < k) {
        let expert = nominees[token][next[token]];
        next[token] += 1;
        buffers[expert].push(token);
        buffers[expert] = by_key(keys, expert, std::mem::take(&mut buffers[expert]));
        buffers[expert].truncate(rule.slots);
    }
    in_order_of_keys(logits, &key_values, buffers)
}

/// Immediate acceptance: in round `j` each token that fewer than `k` experts hold proposes to its `j`-th nominee; experts
/// take the highest keys while they have room, and keep them.
///
/// Buffers are in the order in which tokens were taken.
pub fn immediate(logits: Scores, rule: Rule, k: usize) -> Plan {
    let experts = logits.experts();
    let nominees = nominees(logits, rule.nominate);
    let mut buffers: Vec<Vec<usize>> = vec![Vec::new(); experts];
    let mut held = vec![0; logits.tokens()];
    for round in 0..nominees.iter().map(Vec::len).max().unwrap_or(0) {
        let room: Vec<bool> = buffers.iter().map(|buffer| buffer.len() < rule.slots).collect();
        let key_values = keys(logits, rule.key, &room);
        for (expert, buffer) in buffers.iter_mut().enumerate() {
            let proposes = |&token: &usize| held[token] < k && nominees[token].get(round) == Some(&expert);
            let proposals = (0..logits.tokens()).filter(proposes).collect();
            let free = rule.slots - buffer.len();
            let taken = by_key(Scores::new(&key_values, experts), expert, proposals);
            buffer.extend(taken.into_iter().take(free));
        }
        held = Plan::from_buffers(logits, &buffers).experts.iter().map(Vec::len).collect();
    }
    Plan::from_buffers(logits, &buffers)
}

/// The form for generating text: an expert takes tokens that named it with a key of at least its threshold, in order of
/// arrival while it has room. No token's place depends on a later one.
///
/// - `thresholds`: `[E]`, such as running means of the `C`-th keys of earlier batches
///
/// [`Key::Regret`] is [`Key::Margin`] here.
pub fn threshold(logits: Scores, rule: Rule, thresholds: &[f64]) -> Plan {
    let key_values = keys(logits, rule.key, &vec![true; logits.experts()]);
    let keys = Scores::new(&key_values, logits.experts());
    let passes = |expert: usize| move |&token: &usize| keys.at(token, expert) >= thresholds[expert];
    let buffers: Vec<Vec<usize>> = nominators(logits, rule.nominate)
        .into_iter()
        .enumerate()
        .map(|(expert, tokens)| tokens.into_iter().filter(passes(expert)).take(rule.slots).collect())
        .collect();
    Plan::from_buffers(logits, &buffers)
}

/// Number of pairs, nominated and not in the plan, that both would rather have than what they got.
///
/// A token would if it has fewer than `k` experts or ranks one of them lower; an expert if it has fewer than `C` tokens or
/// ranks one of them lower. 0: the plan is stable. [`Key::Regret`] is [`Key::Margin`] here.
pub fn blocking_pairs(logits: Scores, rule: Rule, k: usize, plan: &Plan) -> usize {
    let experts = logits.experts();
    let key_values = keys(logits, rule.key, &vec![true; experts]);
    let keys = Scores::new(&key_values, experts);
    let buffers = plan.buffers(experts);
    let token_would = |token: usize, expert: usize| {
        let ranks = descending(logits.row(token));
        let rank = |e: usize| ranks.iter().position(|&other| other == e);
        let chosen = &plan.experts[token];
        k > 0 && (chosen.len() < k || chosen.iter().any(|&other| rank(other) > rank(expert)))
    };
    let expert_would = |token: usize, expert: usize| {
        let first = |other: usize| by_key(keys, expert, vec![token.min(other), token.max(other)])[0] == token;
        let buffer = &buffers[expert];
        rule.slots > 0 && (buffer.len() < rule.slots || buffer.iter().any(|&other| first(other)))
    };
    let nominees = nominees(logits, rule.nominate);
    let pairs = nominees.iter().enumerate().flat_map(|(token, named)| named.iter().map(move |&expert| (token, expert)));
    let outside = pairs.filter(|&(token, expert)| !plan.experts[token].contains(&expert));
    outside.filter(|&(token, expert)| token_would(token, expert) && expert_would(token, expert)).count()
}

/// `[E]` of the tokens that named each expert, in order of arrival.
fn nominators(logits: Scores, nominate: Nominate) -> Vec<Vec<usize>> {
    let nominees = nominees(logits, nominate);
    let of_expert = |expert: usize| (0..logits.tokens()).filter(|&t| nominees[t].contains(&expert)).collect();
    (0..logits.experts()).map(of_expert).collect()
}

/// Tokens in the order in which an expert ranks them; of equal ones the lower first.
fn by_key(keys: Scores, expert: usize, mut tokens: Vec<usize>) -> Vec<usize> {
    tokens.sort_unstable();
    tokens.sort_by(|&a, &b| larger_first(keys.at(a, expert), keys.at(b, expert)));
    tokens
}

/// The plan of these buffers, each sorted by the expert's keys.
fn in_order_of_keys(logits: Scores, key_values: &[f64], buffers: Vec<Vec<usize>>) -> Plan {
    let sorted = |(expert, tokens): (usize, Vec<usize>)| match tokens.is_empty() {
        true => tokens,
        false => by_key(Scores::new(key_values, logits.experts()), expert, tokens),
    };
    let buffers: Vec<Vec<usize>> = buffers.into_iter().enumerate().map(sorted).collect();
    Plan::from_buffers(logits, &buffers)
}
