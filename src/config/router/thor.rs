//! THOR.

use serde::Serialize;

use super::top_k::check_choices;
use super::{Chooses, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::invalid;
use crate::config::limits::CHOICES;
use crate::config::read::Fields;
use crate::error::Error;

/// Experts are drawn at random, all equally likely, and nothing is learned about who goes where. A token's output is the mean
/// over the experts drawn for it: with one of them, that expert's own.
///
/// In training a step makes two passes that draw apart (`pass` of the options of `forward`), and the loss asks that they agree
/// ([`symmetric_kl`](crate::divergence::symmetric_kl)).
///
/// # Source
/// Zuo et al. 2021, "Taming Sparsely Activated Transformer with Stochastic Experts" (THOR).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Thor {
    /// Experts drawn at a time, all different, `1..=E`.
    pub k: usize,
    /// What shares a draw in training: not [`Draw::Ensemble`].
    pub per: Draw,
    /// What shares a draw outside training.
    pub inference: Draw,
}

/// Which tokens have the same experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Draw {
    /// None but by chance: each token draws for itself.
    Token,
    /// Those of a sequence.
    Sentence,
    /// All of the batch.
    Batch,
    /// All, since nothing is drawn: every token has every expert.
    Ensemble,
}

impl Thor {
    /// One expert for each token, drawn in training as at inference.
    pub fn new(per: Draw) -> Self {
        Thor { k: 1, per, inference: per }
    }

    /// What shares a draw.
    pub fn draw(&self, train: bool) -> Draw {
        if train { self.per } else { self.inference }
    }

    /// Experts of a token, of `experts`.
    pub fn drawn(&self, experts: usize, train: bool) -> usize {
        if self.draw(train) == Draw::Ensemble { experts } else { self.k }
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let draws = [
            ("token", Draw::Token),
            ("sentence", Draw::Sentence),
            ("batch", Draw::Batch),
            ("ensemble", Draw::Ensemble),
        ];
        let per = f.choice("per", &draws[..3])?.unwrap_or(Draw::Token);
        let router = Thor {
            k: f.whole("k", CHOICES)?.unwrap_or(1),
            per,
            inference: f.choice("inference", &draws)?.unwrap_or(per),
        };
        f.finish()?;
        Ok(router)
    }
}

impl Router for Thor {
    fn choices(&self, experts: usize) -> usize {
        self.drawn(experts, true).max(self.drawn(experts, false))
    }

    fn asked(&self, experts: usize, train: bool) -> usize {
        self.drawn(experts, train)
    }

    fn gate(&self) -> Option<Gate> {
        None
    }

    fn chooses(&self) -> Chooses {
        Chooses::Labels
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        check_choices(self.k, layer.experts)?;
        match self.per {
            Draw::Ensemble => {
                let wanted = "\"token\", \"sentence\" or \"batch\"; with `k` = experts all are drawn";
                Err(invalid("router.per", "\"ensemble\"", wanted))
            }
            Draw::Token | Draw::Sentence | Draw::Batch => Ok(()),
        }
    }
}
