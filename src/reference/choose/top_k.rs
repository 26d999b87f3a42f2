//! Token choice.
//!
//! # Source
//! Fedus, Zoph, Shazeer 2021 (Switch), the appendix on exploration: argmax or samples of the softmax; draws without replacement:
//! Gumbel 1954. As many experts as it takes: Huang et al. 2024 (top-P). What becomes of the second choice: Lepikhin et al. 2020 (GShard), Algorithm 1. Group limits and the selection bias: DeepSeek-AI 2024 (DeepSeek-V3).

use super::Draws;
use crate::config::{Exploration, SecondPolicy, TopK};
use crate::reference::routing;

/// The experts a token chooses, at most `k`, best first; of equal ones the lower first. Of drawn ones the first drawn first. Of
/// several prototypes the best ones of all, then the next of all.
///
/// Plain scores have the order of their logits, which do not round to equal ones where the scores do.
pub(super) fn chosen(router: &TopK, h: &[f64], scores: &[f64], draws: Draws) -> Vec<usize> {
    if router.exploration == Exploration::Sample && draws.setting.train {
        return routing::best(&perturbed(h, draws), router.k);
    }
    if router.second_policy(draws.setting.train) == SecondPolicy::Sampling {
        let first = routing::best(h, 1);
        let others = routing::best(&perturbed(h, draws), router.k).into_iter().filter(|e| !first.contains(e));
        return first.iter().copied().chain(others).take(router.k).collect();
    }
    if router.prototypes > 1 {
        let size = h.len() / router.prototypes;
        let of_each: Vec<Vec<usize>> = h.chunks_exact(size).map(|h| routing::best(h, router.k)).collect();
        let of_rank = |rank| of_each.iter().enumerate().map(move |(prototype, best)| prototype * size + best[rank]);
        return (0..router.k).flat_map(of_rank).collect();
    }
    if router.goes_by_logits() {
        let mut best = routing::best(h, router.k);
        best.truncate(wanted(router, scores, &best));
        return best;
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

/// How many of its `best` experts a token takes.
fn wanted(router: &TopK, scores: &[f64], best: &[usize]) -> usize {
    if let Some(share) = router.top_p {
        let all: f64 = scores.iter().sum();
        let covers = |n: &usize| best[..*n].iter().map(|&e| scores[e]).sum::<f64>() >= f64::from(share) * all;
        return (1..=best.len()).find(covers).unwrap_or(best.len());
    }
    match router.min_score {
        Some(least) => best.iter().filter(|&&e| scores[e] > f64::from(least)).count(),
        None => best.len(),
    }
}

/// Which of the choices of weights `a` are asked: the first always, the others as the policy has it.
pub(super) fn asked(router: &TopK, a: &[f64], draws: Draws) -> Vec<bool> {
    let sum: f64 = a.iter().sum();
    let threshold = f64::from(router.second_threshold);
    let second = |j: usize| match router.second_policy(draws.setting.train) {
        SecondPolicy::All | SecondPolicy::Sampling => true,
        SecondPolicy::None => false,
        SecondPolicy::Random => draws.of_choice(j) < a[j] / sum / threshold,
        SecondPolicy::Threshold => a[j] / sum > threshold,
    };
    (0..a.len()).map(|j| j == 0 || second(j)).collect()
}

/// Logits whose largest are draws from their softmax.
fn perturbed(h: &[f64], draws: Draws) -> Vec<f64> {
    h.iter().enumerate().map(|(e, h)| h + draws.of_expert(e)).collect()
}
