//! The plan of a batch: every token's choices, served group by group, and their final weights.

use super::choose::Choices;
use super::{Setting, gate, slots};
use crate::config::{Gate, LayerConfig, Renormalize};

/// What became of every token's choices.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// `T`.
    pub tokens: usize,
    /// Columns of the arrays below: `k`.
    pub slots: usize,
    /// `[T, k]`: experts, best first; -1 where there is none, or it is not asked.
    pub experts: Vec<i32>,
    /// `[T, k]`: the gate values used in the output; 0 where dropped; `[tasks, T, k]` where each task has a gate.
    pub weights: Vec<f64>,
    /// `[T, k]`: place in the expert's buffer of the token's group, in the order of service; -1 where dropped.
    pub positions: Vec<i32>,
    /// `[T, k]`: whether the expert had a place.
    pub kept: Vec<bool>,
    /// `[E]`: assignments before drops.
    pub demanded: Vec<u32>,
    /// `[E]`: assignments kept.
    pub load: Vec<u32>,
}

impl Routing {
    /// The served (token, expert) pairs.
    pub(super) fn kept_pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let pair = |i: usize| (i / self.slots, self.experts[i] as usize);
        (0..self.kept.len()).filter(|&i| self.kept[i]).map(pair)
    }
}

/// A token's row of the plan, as wide as the widest.
fn padded<T: Clone>(row: impl Iterator<Item = T>, width: usize, with: T) -> impl Iterator<Item = T> {
    row.chain(std::iter::repeat(with)).take(width)
}

/// A token's experts that are asked, and -1 in place of the others.
fn shown<'a>(chosen: &'a [usize], asked: &'a [bool]) -> impl Iterator<Item = i32> {
    chosen.iter().zip(asked).map(|(&e, &asked)| if asked { e as i32 } else { -1 })
}

/// What the tokens want.
pub(super) struct Wishes<'a> {
    /// Experts, and places where they are known.
    pub(super) choices: &'a Choices,
    /// `[T]` of `[k]`: which of them are asked.
    pub(super) asked: &'a [Vec<bool>],
    /// `[T]` of `[k]`.
    pub(super) raw_weights: &'a [Vec<f64>],
    /// `f64[T, E]`.
    pub(super) scores: &'a [f64],
}

/// Serves the choices of all groups of `group_tokens` tokens and weighs what was kept.
///
/// - `capacity`: slots of each expert in each group; `None` if dropless
pub(super) fn plan(
    config: &LayerConfig,
    group_tokens: usize,
    capacity: Option<usize>,
    setting: Setting,
    wishes: &Wishes,
) -> Routing {
    let &Wishes { choices, asked, raw_weights, scores } = wishes;
    let (chosen, k) = (&choices.experts, config.k());
    let router = config.router.gate().unwrap_or(Gate::SOFTMAX);
    let undropped: Vec<Vec<f64>> = match router.renormalize {
        Renormalize::PreDrop => raw_weights.iter().map(|a| gate::weights(&router, a, &vec![true; a.len()])).collect(),
        Renormalize::None | Renormalize::PostDrop => raw_weights.to_vec(),
    };
    let empty = |tokens: usize| vec![f64::NEG_INFINITY; tokens];
    let best_scores: Vec<f64> = match scores {
        [] => empty(chosen.len()),
        _ => scores.chunks_exact(config.experts).map(|s| s.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect(),
    };
    let mut routing = Routing {
        tokens: chosen.len(),
        slots: k,
        experts: chosen.iter().zip(asked).flat_map(|(row, asked)| padded(shown(row, asked), k, -1)).collect(),
        weights: Vec::new(),
        positions: Vec::new(),
        kept: Vec::new(),
        demanded: vec![0; config.experts],
        load: vec![0; config.experts],
    };
    for group in 0..chosen.len().checked_div(group_tokens).unwrap_or(0) {
        let tokens = group * group_tokens..(group + 1) * group_tokens;
        let group = slots::Group {
            first_token: tokens.start,
            chosen: &chosen[tokens.clone()],
            asked: &asked[tokens.clone()],
            weights: &undropped[tokens.clone()],
            best_scores: &best_scores[tokens.clone()],
        };
        let places: Vec<Vec<Option<usize>>> = match &choices.places {
            Some(places) => places[tokens.clone()].iter().map(|row| row.iter().copied().map(Some).collect()).collect(),
            None => slots::serve(config, &group, capacity, setting),
        };
        for (token, places) in tokens.zip(places) {
            let kept: Vec<bool> = places.iter().map(Option::is_some).collect();
            routing.weights.extend(padded(gate::weights(&router, &raw_weights[token], &kept).into_iter(), k, 0.0));
            routing.positions.extend(padded(places.iter().map(|place| place.map_or(-1, |place| place as i32)), k, -1));
            for (j, &e) in chosen[token].iter().enumerate() {
                routing.demanded[e] += u32::from(asked[token][j]);
                routing.load[e] += u32::from(kept[j]);
            }
            routing.kept.extend(padded(kept.into_iter(), k, false));
        }
    }
    routing
}
