//! BASE layers.

use serde::Serialize;

use super::{Chooses, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::{check_own_slots, whole};
use crate::config::limits::{ITERATIONS, TRADES};
use crate::config::read::Fields;
use crate::error::Error;

/// One expert for every token and, in training, as many tokens for every expert: an auction assigns each group's tokens so that
/// their scores add up to nearly the most that balance allows, then experts trade tokens until it is the most. Outside training a token takes the expert of its highest score.
///
/// A choice weighs `α = sigmoid(x · w_e)`, the only way for a gradient to the router; the auction has none. The layer gives
/// `α·f(x)`. With the caller's residual that is `x + α·f(x)`, which is the paper's `α·g(x) + (1 − α)·x` with its
/// `g(x) = x + f(x)`.
///
/// # Source
/// Lewis et al. 2021, "BASE Layers: Simplifying Training of Large, Sparse Models"; trades: Klein 1967, "A Primal Method for Minimal
/// Cost Flows".
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// In training tokens are routed in another order, which spreads each group's tokens over all groups at random: groups are then
    /// of unrelated tokens. It costs two exchanges each way.
    pub shuffle: bool,
    /// Rounds of the auction at most; after them tokens without an expert get one by score.
    pub iterations: usize,
    /// Rounds of trades after the auction at most: in each, tokens go around where experts gain by it together. 0: the auction alone.
    pub trades: usize,
}

impl Base {
    /// Everything at its default.
    pub fn new() -> Self {
        Base { shuffle: true, iterations: 150, trades: 64 }
    }

    /// Tokens of each of `experts` in a group of `tokens`; where they do not divide, some experts have fewer.
    pub fn share(&self, tokens: usize, experts: usize) -> usize {
        tokens.div_ceil(experts)
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let defaults = Base::new();
        let router = Base {
            shuffle: f.flag("shuffle")?.unwrap_or(defaults.shuffle),
            iterations: f.whole("iterations", ITERATIONS)?.unwrap_or(defaults.iterations),
            trades: f.whole("trades", TRADES)?.unwrap_or(defaults.trades),
        };
        f.finish()?;
        Ok(router)
    }
}

impl Default for Base {
    fn default() -> Self {
        Self::new()
    }
}

impl Router for Base {
    fn choices(&self, _experts: usize) -> usize {
        1
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::SIGMOID)
    }

    fn chooses(&self) -> Chooses {
        Chooses::Auction
    }

    fn shuffles(&self) -> bool {
        self.shuffle
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        whole("router.iterations", self.iterations, ITERATIONS)?;
        whole("router.trades", self.trades, TRADES)?;
        check_own_slots(layer)
    }
}
