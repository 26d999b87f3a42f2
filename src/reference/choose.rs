//! Who goes where, before anyone is turned away: one function for each way of choosing.
//!
//! # Source
//! Fedus, Dean, Zoph 2022, the section on routing; group limits and the selection bias: DeepSeek-AI 2024 (DeepSeek-V3).

use super::routing::{self, Scores};
use super::{Setting, lookup, sinkhorn_settings};
use crate::config::{LayerConfig, RouterConfig, TopK};
use crate::error::Error;
use crate::labels::Labels;

/// The choices of a batch.
pub(super) struct Choices {
    /// `[T]`: experts of each token, in order of choice; by number where it is they who chose.
    pub(super) experts: Vec<Vec<usize>>,
    /// Shaped as `experts`: places in the experts' buffers, from a router that seats its tokens itself.
    pub(super) places: Option<Vec<Vec<usize>>>,
    /// Shaped as `experts`: their weights, where they are not the router's to find; all 1 if there are none.
    pub(super) weights: Option<Vec<Vec<f64>>>,
}

/// The choices of `tokens` tokens in groups of `group_tokens`; `logits`, `scores`: `f64[T, E]`, empty where nothing is scored.
pub(super) fn choices(
    config: &LayerConfig,
    setting: Setting,
    (tokens, group_tokens): (usize, usize),
    logits: &[f64],
    scores: &[f64],
) -> Result<Choices, Error> {
    let e = config.experts;
    let labels = setting.labels.unwrap_or(&Labels::NONE);
    let by_token = |experts| Choices { experts, places: None, weights: None };
    let groups = |of: &'_ [f64]| -> Vec<Vec<f64>> { of.chunks(group_tokens.max(1) * e).map(<[f64]>::to_vec).collect() };
    Ok(match &config.router {
        RouterConfig::TopK(router) => {
            by_token(logits.chunks_exact(e).zip(scores.chunks_exact(e)).map(|(h, s)| top_k(router, h, s)).collect())
        }
        RouterConfig::Sinkhorn(router) if setting.train => {
            let of_group = |h: Vec<f64>| {
                let h = Scores::new(&h, e);
                let eps = f64::from(router.epsilon);
                routing::sinkhorn::balance(h, None, sinkhorn_settings(router)).choices(h, eps, router.k)
            };
            by_token(groups(logits).into_iter().flat_map(of_group).collect())
        }
        RouterConfig::Sinkhorn(router) => {
            by_token(logits.chunks_exact(e).map(|h| routing::best(h, router.k)).collect())
        }
        RouterConfig::ExpertChoice(router) => {
            let (mut experts, mut places) = (Vec::new(), Vec::new());
            for scores in groups(scores) {
                let plan = routing::expert_choice::choose(Scores::new(&scores, e), router.taken(group_tokens, e));
                let plan = plan.expect("no more tokens are taken than there are");
                for (of, at) in plan.experts.into_iter().zip(plan.slots) {
                    let mut pairs: Vec<(usize, usize)> = of.into_iter().zip(at).collect();
                    pairs.sort_unstable();
                    let (of, at): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
                    experts.push(of);
                    places.push(at);
                }
            }
            Choices { experts, places: Some(places), weights: None }
        }
        RouterConfig::Hash(router) => by_token(lookup::hashed(config, router, labels, tokens)?),
        RouterConfig::Domain(router) => {
            let (experts, weights) = lookup::domains(config, router, labels, tokens)?;
            Choices { experts, places: None, weights: Some(weights) }
        }
        RouterConfig::Language(router) => by_token(lookup::languages(config, router, labels, tokens)?),
    })
}

/// The `k` experts a token chooses, best first; of equal ones the lower first.
///
/// Plain scores have the order of their logits, which do not round to equal ones where the scores do.
fn top_k(router: &TopK, h: &[f64], scores: &[f64]) -> Vec<usize> {
    if router.selection_bias.is_none() && router.group_limit == router.expert_groups {
        return routing::best(h, router.k);
    }
    let bias = |e: usize| router.selection_bias.as_ref().map_or(0.0, |bias| f64::from(bias[e]));
    let biased: Vec<f64> = scores.iter().enumerate().map(|(e, s)| s + bias(e)).collect();
    let size = scores.len() / router.expert_groups;
    let group_scores: Vec<f64> = biased
        .chunks_exact(size)
        .map(|group| routing::best(group, 2.min(size)).into_iter().map(|i| group[i]).sum())
        .collect();
    let open = routing::best(&group_scores, router.group_limit);
    let within: Vec<f64> = biased
        .iter()
        .enumerate()
        .map(|(e, s)| if open.contains(&(e / size)) { *s } else { f64::NEG_INFINITY })
        .collect();
    routing::best(&within, router.k)
}
