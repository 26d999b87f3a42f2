//! The tokens in another order while they are routed: each group's are spread over all groups at random.
//!
//! # Source
//! Lewis et al. 2021 (BASE layers), section 3.2.

use super::traffic::{Op, with_shuffle};
use super::{Forward, Gradients, Pass, Routing, Setting};
use crate::config::LayerConfig;
use crate::rng::{SHUFFLE_LANE, hash_u32};

/// Who stands where while the tokens are routed.
#[derive(Clone, Debug)]
pub(super) struct Shuffle {
    /// `[T]`: the place of each token.
    places: Vec<usize>,
    /// `[T]`: the token of each place.
    tokens: Vec<usize>,
}

impl Shuffle {
    /// That of a pass over `tokens` tokens, unless they are routed in the order in which they are given.
    ///
    /// The tokens of each group in random order, group after group, are dealt out to the groups, one by one.
    pub(super) fn of(config: &LayerConfig, tokens: usize, setting: Setting) -> Option<Self> {
        if !setting.train || !config.shuffles() {
            return None;
        }
        let in_group = tokens / config.groups;
        let key = |&token: &usize| hash_u32(setting.seed(config), 0, setting.step, token as u32, SHUFFLE_LANE);
        let mut dealt = vec![Vec::new(); config.groups];
        let mut turns = (0..config.groups).cycle();
        for group in 0..config.groups {
            let mut own: Vec<usize> = (group * in_group..(group + 1) * in_group).collect();
            own.sort_by_key(key);
            own.into_iter().zip(&mut turns).for_each(|(token, to)| dealt[to].push(token));
        }
        let tokens = dealt.concat();
        let mut places = vec![0; tokens.len()];
        tokens.iter().enumerate().for_each(|(place, &token)| places[token] = place);
        Some(Shuffle { places, tokens })
    }

    /// Rows in the order in which they are routed.
    pub(super) fn there<T: Clone>(&self, rows: &[T]) -> Vec<T> {
        picked(rows, &self.tokens)
    }

    /// Rows in the order of the tokens.
    pub(super) fn back<T: Clone>(&self, rows: &[T]) -> Vec<T> {
        picked(rows, &self.places)
    }

    /// What a pass over the shuffled tokens found out, told in the order of the tokens.
    pub(super) fn told(self, config: &LayerConfig, routed: Forward) -> Forward {
        let of = &routed.routing;
        Forward {
            output: self.back(&routed.output),
            logits: self.back(&routed.logits),
            scores: self.back(&routed.scores),
            routing: Routing {
                experts: self.back(&of.experts),
                weights: self.back(&of.weights),
                positions: self.back(&of.positions),
                kept: self.back(&of.kept),
                ..of.clone()
            },
            traffic: with_shuffle(config, Pass::Forward, &self.places, &routed.traffic, [Op::Shuffle, Op::Unshuffle]),
            shuffled: Some(Box::new((self, routed.clone()))),
            ..routed
        }
    }

    /// The gradients of a pass over the shuffled tokens, told in the order of the tokens.
    pub(super) fn told_back(&self, config: &LayerConfig, routed: Gradients) -> Gradients {
        let ends = [Op::Unshuffle, Op::Shuffle];
        Gradients {
            x: self.back(&routed.x),
            logits: self.back(&routed.logits),
            traffic: with_shuffle(config, Pass::Backward, &self.places, &routed.traffic, ends),
            ..routed
        }
    }
}

fn picked<T: Clone>(rows: &[T], order: &[usize]) -> Vec<T> {
    let width = rows.len().checked_div(order.len()).unwrap_or(0);
    order.iter().flat_map(|&row| &rows[row * width..(row + 1) * width]).cloned().collect()
}
