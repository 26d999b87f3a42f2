//! Expert choice.

use serde::Serialize;

use super::thresholds::{Thresholds, check_quota};
use super::{Chooses, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::{check_factor, check_own_slots, invalid, real, whole};
use crate::config::limits::{EXPERTS, ITERATIONS, SLOTS};
use crate::config::read::Fields;
use crate::error::Error;

/// What the softmax of the scores is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Across {
    /// Over the experts, for each token.
    Experts,
    /// Over the tokens of a group, for each expert.
    Tokens,
}

/// Each expert takes its `c` best tokens of a group, by softmax scores: exactly balanced, with none to several experts for a
/// token.
///
/// # Source
/// Zhou et al. 2022, "Mixture-of-Experts with Expert Choice Routing"; softmax over tokens: `expert_selection` of Mesh TensorFlow.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpertChoice {
    /// Experts per token, on average: each takes `c = ⌈S·factor/E⌉` of a group's `S` tokens. Not read with `slots`.
    pub capacity_factor: f64,
    /// `c` itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<usize>,
    /// What the scores are shares of. Experts rank tokens by them, so the two choose differently.
    pub softmax_over: Across,
    /// `b`: no token has more experts. Pairs are taken by descending score while both sides have room; an expert that this leaves
    /// short gets its tokens by exchanges with others, up to 32 in a group: only where most scores are equal are there more
    /// to make, and places that stay empty. By factor, `c` is at most `⌊b·S/E⌋`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_experts_per_token: Option<usize>,
    /// Rounds in which tokens that more than `b` experts took give some back; read with `max_experts_per_token` alone.
    pub rounds: usize,
    /// The paper's way to bound the experts of a token, which may miss the bound; `None`: the greedy one, as above.
    #[serde(flatten)]
    pub dykstra: Option<Dykstra>,
    /// The causal form: experts take whoever reaches their threshold, which follows the score of the `c`-th, and a token keeps its
    /// best `b`. Loads are no longer exact; the layer's capacity holds, if it has one.
    #[serde(flatten)]
    pub causal: Option<Thresholds>,
}

/// `capMode: "dykstra"`: the paper's way to bound the experts of a token, in place of the greedy one. Experts rank tokens by the shares
/// `A` of a soft plan that keeps all bounds and maximises `⟨S, A⟩ + λ·Ent(A)`, and take the `c` largest. So a token may still get more
/// than `b` experts; `read: ["solver"]` tells how many do.
///
/// # Source
/// Zhou et al. 2022, section 3.3.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "capMode", rename = "dykstra", rename_all = "camelCase")]
pub struct Dykstra {
    /// `λ`, the weight of the entropy: the smaller, the nearer to whole choices, and the slower.
    pub entropy_weight: f32,
    /// Times that each bound is gone back to, `1..=1000`: two dispatches each.
    pub iterations: usize,
}

impl Dykstra {
    /// Reads `capMode` and, beside `"dykstra"`, what belongs to it.
    fn read(f: &mut Fields) -> Result<Option<Self>, Error> {
        let modes = [("greedy", None), ("dykstra", Some(Dykstra::default()))];
        let mode = f.choice("capMode", &modes)?.flatten();
        let (weight, iterations) = (f.number("entropyWeight")?, f.whole("iterations", ITERATIONS)?);
        let Some(defaults) = mode else {
            let alone = [("entropyWeight", weight), ("iterations", iterations.map(|n| n as f64))];
            return match alone.into_iter().find_map(|(name, given)| Some((name, given?))) {
                None => Ok(None),
                Some((name, given)) => Err(invalid(&f.at(name), given, "left out, or beside `capMode: \"dykstra\"`")),
            };
        };
        Ok(Some(Dykstra {
            entropy_weight: weight.map_or(defaults.entropy_weight, |weight| weight as f32),
            iterations: iterations.unwrap_or(defaults.iterations),
        }))
    }
}

impl Default for Dykstra {
    fn default() -> Self {
        Dykstra { entropy_weight: 1e-3, iterations: 100 }
    }
}

impl ExpertChoice {
    /// `factor` experts per token on average, everything else as in the paper.
    pub fn new(capacity_factor: f64) -> Self {
        ExpertChoice {
            capacity_factor,
            slots: None,
            softmax_over: Across::Experts,
            max_experts_per_token: None,
            rounds: 64,
            dykstra: None,
            causal: None,
        }
    }

    /// `b`, where it keeps any of `experts` from a token.
    pub fn bound(&self, experts: usize) -> Option<usize> {
        self.max_experts_per_token.filter(|b| *b < experts)
    }

    /// The paper's way to `b`, where it keeps any of `experts` from a token.
    pub fn projects(&self, experts: usize) -> Option<(usize, Dykstra)> {
        Some((self.bound(experts)?, self.dykstra?))
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let defaults = ExpertChoice::new(f.number("capacityFactor")?.unwrap_or(2.0));
        let over = [("experts", Across::Experts), ("tokens", Across::Tokens)];
        let router = ExpertChoice {
            slots: f.whole("slots", SLOTS)?,
            softmax_over: f.choice("softmaxOver", &over)?.unwrap_or(defaults.softmax_over),
            max_experts_per_token: f.whole("maxExpertsPerToken", EXPERTS)?,
            rounds: f.whole("rounds", ITERATIONS)?.unwrap_or(defaults.rounds),
            dykstra: Dykstra::read(&mut f)?,
            causal: Thresholds::read(&mut f)?,
            ..defaults
        };
        f.finish()?;
        Ok(router)
    }
}

impl Router for ExpertChoice {
    /// By the paper's way to a bound a token may have all.
    fn choices(&self, experts: usize) -> usize {
        self.bound(experts).filter(|_| self.dykstra.is_none()).unwrap_or(experts)
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::SOFTMAX)
    }

    fn chooses(&self) -> Chooses {
        if self.causal.is_some() { Chooses::Tokens } else { Chooses::Experts }
    }

    fn own_slots(&self, tokens: usize, experts: usize) -> Option<usize> {
        self.causal.is_none().then(|| self.quota(tokens, experts))
    }

    fn thresholds(&self) -> Option<Thresholds> {
        self.causal
    }

    /// `c`: never more than there are tokens.
    fn quota(&self, tokens: usize, experts: usize) -> usize {
        let by_factor = (tokens as f64 * self.capacity_factor / experts as f64).ceil() as usize;
        let within = self.bound(experts).map_or(usize::MAX, |b| (volume(b, tokens) / experts as u64) as usize);
        self.slots.unwrap_or(by_factor.min(within)).min(tokens)
    }

    fn over_tokens(&self) -> bool {
        self.softmax_over == Across::Tokens
    }

    /// No loss is needed; what can be measured is. Scores over tokens have the same sum for every expert.
    fn losses(&self) -> &'static [&'static str] {
        match self.softmax_over {
            Across::Experts => &["z", "importance", "load"],
            Across::Tokens => &["z", "load"],
        }
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        check_factor("router.capacityFactor", self.capacity_factor)?;
        whole("router.slots", self.slots.unwrap_or(0), SLOTS)?;
        whole("router.rounds", self.rounds, ITERATIONS)?;
        if let Some(b) = self.max_experts_per_token {
            whole("router.maxExpertsPerToken", b, EXPERTS)?;
            if self.slots.is_none() && self.capacity_factor > b as f64 {
                let wanted = format!("at most maxExpertsPerToken = {b}, the experts that a token may have");
                return Err(invalid("router.capacityFactor", self.capacity_factor, &wanted));
            }
        }
        if let Some(Dykstra { entropy_weight, iterations }) = self.dykstra {
            if self.max_experts_per_token.is_none() {
                return Err(invalid(
                    "router.capMode",
                    "dykstra",
                    "left out without `maxExpertsPerToken`: it is a way to keep that",
                ));
            }
            // by less the scores in its units lie beyond f32
            let wanted = "a finite number of at least 1e-30";
            let valid = entropy_weight.is_finite() && entropy_weight >= 1e-30;
            real("router.entropyWeight", f64::from(entropy_weight), valid, wanted)?;
            whole("router.iterations", iterations, ITERATIONS)?;
        }
        let Some(thresholds) = self.causal else { return check_own_slots(layer) };
        if self.dykstra.is_some() {
            let wanted = "\"greedy\" beside `causal`: a token keeps its best, and shares depend on all tokens";
            return Err(invalid("router.capMode", "dykstra", wanted));
        }
        if self.over_tokens() {
            let wanted = "\"experts\" beside `causal`: a share of an expert's tokens depends on all of them";
            return Err(invalid("router.softmaxOver", "tokens", wanted));
        }
        check_quota(self.slots)?;
        thresholds.check(layer)
    }

    fn check_group(&self, tokens: usize, experts: usize) -> Result<(), Error> {
        let (Some(slots), Some(most)) = (self.own_slots(tokens, experts), self.bound(experts)) else {
            return Ok(());
        };
        let (places, found) = (volume(slots, experts), volume(most, tokens));
        if places > found { Err(Error::TooManyPlaces { experts, slots, tokens, most, places, found }) } else { Ok(()) }
    }
}

/// A product that a wasm32 `usize` may be too small for.
fn volume(a: usize, b: usize) -> u64 {
    a as u64 * b as u64
}
