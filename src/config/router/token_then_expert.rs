//! Tokens name experts, then experts choose among those that named them.

use serde::Serialize;

use super::thresholds::{Thresholds, check_quota};
use super::{Chooses, Gate, Renormalize, Router};
use crate::config::LayerConfig;
use crate::config::check::{check_factor, check_own_slots, invalid, real, whole};
use crate::config::limits::{CHOICES, ITERATIONS, SLOTS};
use crate::config::read::Fields;
use crate::error::Error;

/// What experts rank the tokens by that named them; equal keys go to the lower token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Key {
    /// The token's probability of the expert.
    Prob,
    /// Its logit.
    Logit,
    /// Its probability of the expert, less that of the best other.
    Margin,
    /// The same, where of others only those count that have room in this round: what the token loses if it is refused.
    Regret,
    /// None: those who come first.
    Arrival,
}

/// Whose tokens an expert chooses among.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Negotiation {
    /// Those of one device, group by group.
    Local,
    /// Those of all devices that share a group: they send nominations first, and rows only once they are accepted.
    Handshake,
}

/// Each token names its `m` best experts; each expert takes the best of those that named it, at most `C` of a group.
///
/// With `k < m` a token that more than `k` experts take keeps its best `k`, and what it leaves is free for others in the next
/// round. One nomination is batch priority with `k = 1` (V-MoE); all experts named, in one round and without a bound `k`, is
/// expert choice; by arrival and for good (`immediate`) with `k = 1` it is no-token-left-behind (Switch).
///
/// # Source
/// In this generality nobody's. The special cases: Riquelme et al. 2021 (V-MoE); Zhou et al. 2022 (expert choice); Fedus, Zoph,
/// Shazeer 2021 (Switch, no-token-left-behind). `deferred`: Gale and Shapley 1962.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenThenExpert {
    /// Experts that a token names, `m`, `1..=E`.
    pub nominate: usize,
    /// Experts that a token keeps at most, `1..=m`.
    pub k: usize,
    /// A token names no expert that it gives a smaller probability.
    pub threshold: f32,
    /// What experts rank tokens by.
    pub key: Key,
    /// A token with `k` experts is no longer asked by those that it likes less: rounds then soon end, with no token and expert
    /// that would rather have each other. [`Key::Regret`] is [`Key::Margin`] here, since keys must not move.
    pub deferred: bool,
    /// In round `j` a token asks its `j`-th best expert, unless it has `k`; who is taken stays.
    pub immediate: bool,
    /// Rounds, all of them recorded; those after nobody left an expert find nothing to do.
    pub rounds: usize,
    /// Each expert takes at most `C = ⌈S·k·factor/E⌉` of a group's `S` tokens. Not read with `slots`.
    pub capacity_factor: f64,
    /// `C` itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<usize>,
    /// Whether the weights of a token's experts are divided by their sum.
    pub renormalize: bool,
    /// Whose tokens an expert chooses among.
    pub exchange: Negotiation,
    /// The causal form: experts take whoever named them and reaches their threshold, which follows the key of the `C`-th, and a token
    /// keeps its best `k`, in one round. An expert that fewer than `C` name lets its threshold follow the least key of all tokens.
    /// `C` is no bound then; the layer's capacity holds, if it has one. [`Key::Regret`] is [`Key::Margin`] here.
    #[serde(flatten)]
    pub causal: Option<Thresholds>,
}

impl TokenThenExpert {
    /// Rounds of `deferred` where none are given: several times what random scores need.
    pub const DEFERRED_ROUNDS: usize = 64;

    /// `nominate` nominations in one round by probability, everything else at its default.
    pub fn new(nominate: usize) -> Self {
        TokenThenExpert {
            nominate,
            k: nominate,
            threshold: 0.0,
            key: Key::Prob,
            deferred: false,
            immediate: false,
            rounds: 1,
            capacity_factor: 1.25,
            slots: None,
            renormalize: false,
            exchange: Negotiation::Local,
            causal: None,
        }
    }

    /// No-token-left-behind: tokens that find their best expert full try the next, up to the `ranks`-th, in order of arrival.
    ///
    /// # Source
    /// Fedus, Zoph, Shazeer 2021 (Switch), the appendix of that name.
    pub fn no_token_left_behind(ranks: usize) -> Self {
        TokenThenExpert { k: 1, key: Key::Arrival, immediate: true, rounds: ranks, ..TokenThenExpert::new(ranks) }
    }

    /// Whether it goes in rounds until nobody leaves an expert, which may or may not come to pass.
    pub fn iterates(&self) -> bool {
        self.rounds > 1 && !self.immediate
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let nominate = f.required("nominate", CHOICES)?;
        let keys = [
            ("prob", Key::Prob),
            ("logit", Key::Logit),
            ("margin", Key::Margin),
            ("regret", Key::Regret),
            ("arrival", Key::Arrival),
        ];
        let exchanges = [("local", Negotiation::Local), ("handshake", Negotiation::Handshake)];
        let defaults = TokenThenExpert::new(nominate);
        let deferred = f.flag("deferred")?.unwrap_or(defaults.deferred);
        let immediate = f.flag("immediate")?.unwrap_or(defaults.immediate);
        let rounds = match (deferred, immediate) {
            (true, _) => TokenThenExpert::DEFERRED_ROUNDS,
            (false, true) => nominate,
            (false, false) => defaults.rounds,
        };
        let router = TokenThenExpert {
            nominate,
            k: f.whole("k", CHOICES)?.unwrap_or(defaults.k),
            threshold: f.number("threshold")?.map_or(defaults.threshold, |threshold| threshold as f32),
            key: f.choice("key", &keys)?.unwrap_or(defaults.key),
            deferred,
            immediate,
            rounds: f.whole("rounds", ITERATIONS)?.unwrap_or(rounds),
            capacity_factor: f.number("capacityFactor")?.unwrap_or(defaults.capacity_factor),
            slots: f.whole("slots", SLOTS)?,
            renormalize: f.flag("renormalize")?.unwrap_or(defaults.renormalize),
            exchange: f.choice("exchange", &exchanges)?.unwrap_or(defaults.exchange),
            causal: Thresholds::read(&mut f)?,
        };
        f.finish()?;
        Ok(router)
    }

    /// Checks that nothing but thresholds decides, if there are any.
    fn check_causal(&self, thresholds: Thresholds, layer: &LayerConfig) -> Result<(), Error> {
        let alone = |field: &str, got: &str, wanted: &str| {
            Err(invalid(&format!("router.{field}"), got, &format!("{wanted} beside `causal`")))
        };
        match self {
            TokenThenExpert { deferred: true, .. } => alone("deferred", "true", "false: nobody is asked twice"),
            TokenThenExpert { immediate: true, .. } => alone("immediate", "true", "false: nobody is asked twice"),
            TokenThenExpert { rounds: 2.., .. } => {
                alone("rounds", &self.rounds.to_string(), "1: nobody is asked twice")
            }
            TokenThenExpert { key: Key::Arrival, .. } => {
                alone("key", "arrival", "another: a threshold tells keys apart, and by arrival all are equal")
            }
            TokenThenExpert { exchange: Negotiation::Handshake, .. } => {
                alone("exchange", "handshake", "\"local\": a token knows by the thresholds who takes it")
            }
            _ => check_quota(self.slots).and_then(|()| thresholds.check(layer)),
        }
    }

    fn check_rounds(&self) -> Result<(), Error> {
        if self.immediate && self.deferred {
            return Err(invalid(
                "router.immediate",
                true,
                "false beside `deferred`: an expert keeps a token for good or not",
            ));
        }
        if self.immediate && self.rounds != self.nominate {
            let wanted = format!("left out, or nominate = {}: each nomination has its round", self.nominate);
            return Err(invalid("router.rounds", self.rounds, &wanted));
        }
        whole("router.rounds", self.rounds, ITERATIONS)
    }
}

impl Router for TokenThenExpert {
    fn choices(&self, _experts: usize) -> usize {
        self.k
    }

    fn gate(&self) -> Option<Gate> {
        let renormalize = if self.renormalize { Renormalize::PostDrop } else { Renormalize::None };
        Some(Gate { renormalize, ..Gate::SOFTMAX })
    }

    fn chooses(&self) -> Chooses {
        if self.causal.is_some() { Chooses::Tokens } else { Chooses::Experts }
    }

    /// No loss is needed: an expert is never over-filled, though it may be under-filled.
    fn losses(&self) -> &'static [&'static str] {
        &["z", "importance", "load"]
    }

    fn own_slots(&self, tokens: usize, experts: usize) -> Option<usize> {
        self.causal.is_none().then(|| self.quota(tokens, experts))
    }

    fn thresholds(&self) -> Option<Thresholds> {
        self.causal
    }

    /// `C`: never more than there are tokens.
    fn quota(&self, tokens: usize, experts: usize) -> usize {
        let by_factor = (tokens as f64 * self.k as f64 * self.capacity_factor / experts as f64).ceil();
        self.slots.unwrap_or(by_factor as usize).min(tokens)
    }

    fn handshake(&self) -> Option<usize> {
        (self.exchange == Negotiation::Handshake).then_some(self.rounds)
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        if self.nominate > layer.experts {
            let wanted = format!("at most experts = {}", layer.experts);
            return Err(invalid("router.nominate", self.nominate, &wanted));
        }
        whole("router.nominate", self.nominate, CHOICES)?;
        whole("router.k", self.k, CHOICES)?;
        if self.k > self.nominate {
            return Err(Error::TooManyChoices { k: self.k, experts: self.nominate, raise: "router.nominate" });
        }
        let threshold = f64::from(self.threshold);
        real("router.threshold", threshold, (0.0..=1.0).contains(&threshold), "a probability, from 0 to 1")?;
        self.check_rounds()?;
        check_factor("router.capacityFactor", self.capacity_factor)?;
        whole("router.slots", self.slots.unwrap_or(0), SLOTS)?;
        match self.causal {
            Some(thresholds) => self.check_causal(thresholds, layer),
            None => check_own_slots(layer),
        }
    }
}
