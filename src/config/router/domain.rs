//! Domain experts.

use serde::Serialize;

use super::{Chooses, Exchanges, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::{check_length, invalid};
use crate::config::read::Fields;
use crate::error::Error;

/// An expert for each domain: the label of a token's text names its expert, whose weight is 1.
///
/// With a `mixture` all experts may work for a token, each with a weight of its own: that of the batch, or of the layer where the
/// batch has none. A token with a label still has that expert alone.
///
/// # Source
/// Gururangan et al. 2021, "DEMix Layers: Disentangling Domains for Modular Language Modeling". There, outputs are mixed as
/// probabilities of the next token, after whole models of one domain each: for that, run the model once for every domain and see
/// [`crate::mixture`]. Mixing inside a layer is cheaper, and not the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    /// `f32[E]`: the experts' weights for tokens of which nothing is said; `None`: every token must have a label, and buffers have
    /// room for one expert a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixture: Option<Vec<f32>>,
    /// Whether a token may lie elsewhere than its expert.
    pub exchange: Exchanges,
}

impl Default for Domain {
    fn default() -> Self {
        Domain { mixture: None, exchange: Exchanges::None }
    }
}

impl Domain {
    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let exchange = f.choice("exchange", &Exchanges::NAMES)?.unwrap_or(Exchanges::None);
        let router = Domain { mixture: f.numbers("mixture")?, exchange };
        f.finish()?;
        Ok(router)
    }
}

impl Router for Domain {
    fn choices(&self, experts: usize) -> usize {
        if self.mixture.is_some() { experts } else { 1 }
    }

    fn gate(&self) -> Option<Gate> {
        None
    }

    fn chooses(&self) -> Chooses {
        Chooses::Labels
    }

    fn exchange(&self) -> Exchanges {
        self.exchange
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        let Some(mixture) = &self.mixture else { return Ok(()) };
        check_length("router.mixture", mixture.len(), layer.experts)?;
        match mixture.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            Some(e) => Err(invalid(&format!("router.mixture[{e}]"), mixture[e], "a finite number from 0 on")),
            None => Ok(()),
        }
    }
}
