//! Who goes where, before anyone is turned away: one function for each way of choosing.
//!
//! # Source
//! Fedus, Dean, Zoph 2022, the section on routing.

mod thresholds;
mod top_k;

use super::bandit::{self, Chance};
use super::policy;
use super::routing::token_then_expert::{self, Nominate, Rule};
use super::routing::{self, Plan, Scores};
use super::{Setting, branches, gumbel, lookup, sinkhorn_settings};
use crate::config::{Bandit, Draw, Key, LayerConfig, RouterConfig, Thor, TokenThenExpert};
use crate::error::Error;
use crate::labels::Labels;
use crate::rng::{
    ASK_LANE, DRAW_LANE, EXPLORE_LANE, NOISE_LANE, THOR_LANE, hash_u32, normal_quantile, open_uniform_f32, uniform_f32,
};
use crate::weights::Weights;

/// The choices of a batch.
pub(super) struct Choices {
    /// `[T]`: experts of each token, in order of choice; by number where it is they who chose.
    pub(super) experts: Vec<Vec<usize>>,
    /// Shaped as `experts`: places in the experts' buffers, from a router that seats its tokens itself.
    pub(super) places: Option<Vec<Vec<usize>>>,
    /// Shaped as `experts`: their weights, where they are not the router's to find; all 1 if there are none.
    pub(super) weights: Option<Vec<Vec<f64>>>,
    /// `[T]`: experts that each token named, of a router whose experts choose among those.
    pub(super) named: Option<Vec<Vec<usize>>>,
    /// `[E]`: thresholds after a pass in training, of a router whose experts have some.
    pub(super) thresholds: Option<Vec<f64>>,
}

impl Choices {
    /// Of tokens that choose by themselves.
    pub(super) fn by_tokens(experts: Vec<Vec<usize>>) -> Self {
        Choices { experts, places: None, weights: None, named: None, thresholds: None }
    }

    /// Of experts that choose, one plan a group.
    fn by_experts(groups: impl Iterator<Item = Plan>) -> Self {
        let (mut experts, mut places) = (Vec::new(), Vec::new());
        for plan in groups {
            for (of, at) in plan.experts.into_iter().zip(plan.slots) {
                let mut pairs: Vec<(usize, usize)> = of.into_iter().zip(at).collect();
                pairs.sort_unstable();
                let (of, at): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
                experts.push(of);
                places.push(at);
            }
        }
        Choices { places: Some(places), ..Choices::by_tokens(experts) }
    }
}

/// Where a token's random numbers come from.
#[derive(Clone, Copy)]
struct Draws<'a> {
    config: &'a LayerConfig,
    setting: Setting<'a>,
    token: u32,
}

impl Draws<'_> {
    /// What is added to the logit of expert `e` for it to be drawn.
    fn of_expert(&self, e: usize) -> f64 {
        match self.setting.draws {
            Some(given) => given[self.token as usize * self.config.experts + e],
            None => self.gumbel(DRAW_LANE + e as u32),
        }
    }

    /// A number in [0, 1), by which choice `j` is asked or not.
    fn of_choice(&self, j: usize) -> f64 {
        match self.setting.draws {
            Some(given) => given[self.token as usize * self.config.k() + j],
            None => self.uniform(ASK_LANE + j as u32),
        }
    }

    /// A number in [0, 1).
    fn uniform(&self, lane: u32) -> f64 {
        f64::from(uniform_f32(self.setting.seed(self.config), 0, self.setting.step, self.token, lane))
    }

    /// A number in (0, 1).
    fn open_uniform(&self, lane: u32) -> f64 {
        f64::from(open_uniform_f32(self.setting.seed(self.config), 0, self.setting.step, self.token, lane))
    }

    /// A number of the standard Gumbel distribution: `−ln(−ln u)`.
    fn gumbel(&self, lane: u32) -> f64 {
        -(-self.open_uniform(lane).ln()).ln()
    }

    /// A standard normal number.
    fn normal(&self, lane: u32) -> f64 {
        normal_quantile(self.open_uniform(lane))
    }

    /// 32 random bits.
    fn bits(&self, lane: u32) -> u32 {
        hash_u32(self.setting.seed(self.config), 0, self.setting.step, self.token, lane)
    }
}

/// The choices of `tokens` tokens in groups of `group_tokens`; `logits`: `f64[T, E + branches]`, those that
/// choices are made by; `scores`: `f64[T, E]`; both empty where nothing is scored.
pub(super) fn choices(
    config: &LayerConfig,
    setting: Setting,
    (tokens, group_tokens): (usize, usize),
    weights: &Weights<f64>,
    logits: &[f64],
    scores: &[f64],
) -> Result<Choices, Error> {
    if let Some(before) = &weights.thresholds {
        return Ok(thresholds::choices(config, setting, group_tokens, Scores::new(logits, config.experts), before));
    }
    let e = config.experts;
    let labels = setting.labels.unwrap_or(&Labels::NONE);
    let groups = |of: &'_ [f64]| -> Vec<Vec<f64>> { of.chunks(group_tokens.max(1) * e).map(<[f64]>::to_vec).collect() };
    Ok(match &config.router {
        RouterConfig::TopK(router) => {
            let tokens = logits.chunks_exact(e).zip(scores.chunks_exact(e)).zip(0..);
            Choices::by_tokens(
                tokens.map(|((h, s), t)| top_k::chosen(router, h, s, Draws { config, setting, token: t })).collect(),
            )
        }
        RouterConfig::NoisyTopK(router) => {
            let of_token = |h: &[f64]| match router.branches {
                Some(split) => branches::choose(split, router.k, h),
                None => routing::best(h, router.k),
            };
            Choices::by_tokens(logits.chunks_exact(config.logits()).map(of_token).collect())
        }
        RouterConfig::Base(router) if setting.train => {
            let of_group = |h: Vec<f64>| {
                let won = routing::base::auction(Scores::new(&h, e), router.iterations).experts;
                routing::trades::trade(Scores::new(&h, e), won, router.trades).experts
            };
            Choices::by_tokens(groups(logits).into_iter().flat_map(of_group).map(|expert| vec![expert]).collect())
        }
        RouterConfig::Base(_) => Choices::by_tokens(logits.chunks_exact(e).map(|h| routing::best(h, 1)).collect()),
        RouterConfig::Sinkhorn(router) if setting.train => {
            let of_group = |h: Vec<f64>| {
                let h = Scores::new(&h, e);
                let eps = f64::from(router.epsilon);
                routing::sinkhorn::balance(h, Some(&router.columns(config.experts)), sinkhorn_settings(router))
                    .choices(h, eps, router.k)
            };
            Choices::by_tokens(groups(logits).into_iter().flat_map(of_group).collect())
        }
        RouterConfig::Sinkhorn(router) => {
            Choices::by_tokens(logits.chunks_exact(e).map(|h| routing::best(h, router.k)).collect())
        }
        RouterConfig::ExpertChoice(router) => {
            let slots = config.slots(group_tokens, setting.train).unwrap_or(group_tokens);
            let of_group = |scores: Vec<f64>| {
                let scores = Scores::new(&scores, e);
                let plan = match (router.projects(e), router.max_experts_per_token) {
                    (Some((most, dykstra)), _) => {
                        let lambda = f64::from(dykstra.entropy_weight);
                        let settings = routing::expert_choice::Dykstra { lambda, iterations: dykstra.iterations };
                        routing::expert_choice::dykstra(scores, slots, most, settings).map(|(plan, _)| plan)
                    }
                    (None, Some(most)) => routing::expert_choice::capped(scores, slots, most),
                    (None, None) => routing::expert_choice::choose(scores, slots),
                };
                plan.expect("the group was found to have tokens enough")
            };
            Choices::by_experts(groups(scores).into_iter().map(of_group))
        }
        RouterConfig::Hash(router) => Choices::by_tokens(lookup::hashed(config, router, labels, tokens)?),
        RouterConfig::MultiGate(_) | RouterConfig::Soft(_) => unreachable!("its forward pass is its own"),
        RouterConfig::Reinforce(_) => {
            let of_token = |(z, token): (&[f64], u32)| {
                let draws = Draws { config, setting, token };
                let noise = |e: usize| draws.gumbel(DRAW_LANE + e as u32);
                vec![policy::action(z, if setting.train { Some(&noise) } else { None })]
            };
            Choices::by_tokens(logits.chunks_exact(e).zip(0..).map(of_token).collect())
        }
        RouterConfig::Bandit(router) => {
            let ids = labels.of("tokenIds", "bandit", tokens, (router.vocabulary, "router.vocabulary"))?;
            let draws = |token| Draws { config, setting, token };
            let of_token = |(id, token): (&u32, u32)| pulled(router, weights, *id as usize, draws(token));
            Choices::by_tokens(ids.iter().zip(0..).map(of_token).collect())
        }
        RouterConfig::Thor(router) => {
            let experts: Vec<Vec<usize>> = (0..tokens).map(|t| thor(router, config, setting, (t, tokens))).collect();
            let mean = |drawn: &Vec<usize>| vec![1.0 / drawn.len() as f64; drawn.len()];
            let weights = Some(experts.iter().map(mean).collect());
            Choices { weights, ..Choices::by_tokens(experts) }
        }
        RouterConfig::Domain(router) => {
            let (experts, weights) = lookup::domains(config, router, labels, tokens)?;
            Choices { weights: Some(weights), ..Choices::by_tokens(experts) }
        }
        RouterConfig::Language(router) => Choices::by_tokens(lookup::languages(config, router, labels, tokens)?),
        RouterConfig::TokenThenExpert(router) => {
            let slots = config.slots(group_tokens, setting.train).unwrap_or(group_tokens);
            let rule = rule(router, slots);
            let of_group = |h: Vec<f64>| agreed(router, Scores::new(&h, e), rule);
            let named = token_then_expert::nominees(Scores::new(logits, e), rule.nominate);
            Choices { named: Some(named), ..Choices::by_experts(groups(logits).into_iter().map(of_group)) }
        }
        RouterConfig::Task(router) => {
            Choices::by_tokens(logits.chunks_exact(e).map(|h| routing::best(h, router.k)).collect())
        }
        RouterConfig::DenseToSparse(router) => {
            Choices::by_tokens(logits.chunks_exact(e).map(|h| gumbel::choose(router, setting, h)).collect())
        }
    })
}

/// The expert that a token of an id pulls.
fn pulled(router: &Bandit, weights: &Weights<f64>, id: usize, draws: Draws) -> Vec<usize> {
    let experts = draws.config.experts;
    let normal = |e: usize| draws.normal(NOISE_LANE + e as u32);
    let any = draws.bits(THOR_LANE) as usize % experts;
    let chance = Chance { explores: draws.uniform(EXPLORE_LANE), any, normal: &normal };
    vec![bandit::pull(router, &bandit::arms(weights, experts, id), draws.setting.train.then_some(chance))]
}

/// The experts drawn for one token of a batch.
fn thor(router: &Thor, config: &LayerConfig, setting: Setting, (token, tokens): (usize, usize)) -> Vec<usize> {
    let draw = match if setting.train { router.per } else { router.inference } {
        Draw::Ensemble => return (0..config.experts).collect(),
        Draw::Token => token,
        Draw::Sentence => token / setting.labels.unwrap_or(&Labels::NONE).sequence(tokens),
        Draw::Batch => 0,
    };
    let bits = |j: usize| hash_u32(setting.seed(config), 0, setting.step, draw as u32, THOR_LANE + j as u32);
    routing::draw::distinct(config.experts, router.k, bits)
}

/// Which choices, of weights `raw_weights`: `[T]` of `[k]`, are asked for a place.
pub(super) fn asked(config: &LayerConfig, setting: Setting, raw_weights: &[Vec<f64>]) -> Vec<Vec<bool>> {
    let of_token = |(a, token): (&Vec<f64>, u32)| match &config.router {
        RouterConfig::TopK(router) => top_k::asked(router, a, Draws { config, setting, token }),
        _ => vec![true; a.len()],
    };
    raw_weights.iter().zip(0..).map(of_token).collect()
}

fn rule(router: &TokenThenExpert, slots: usize) -> Rule {
    let key = match router.key {
        Key::Prob => token_then_expert::Key::Prob,
        Key::Logit => token_then_expert::Key::Logit,
        Key::Margin => token_then_expert::Key::Margin,
        Key::Regret => token_then_expert::Key::Regret,
        Key::Arrival => token_then_expert::Key::Arrival,
    };
    Rule { nominate: Nominate { most: router.nominate, least: f64::from(router.threshold) }, key, slots }
}

fn agreed(router: &TokenThenExpert, logits: Scores, rule: Rule) -> Plan {
    if router.immediate {
        token_then_expert::immediate(logits, rule, router.k)
    } else if router.deferred {
        token_then_expert::deferred_within(logits, rule, router.k, router.rounds).0
    } else {
        token_then_expert::rounds(logits, rule, router.k, router.rounds)
    }
}
