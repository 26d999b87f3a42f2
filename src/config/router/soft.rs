//! Soft mixtures.

use serde::Serialize;

use super::{Chooses, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::{check_own_slots, invalid, whole};
use crate::config::limits::{MIXTURES, MOST_MIXTURES};
use crate::config::read::Fields;
use crate::error::Error;

/// Every expert gets mixtures of all tokens of a group in place of tokens (Soft MoE): as many as it has slots. With the logits
/// `h = x·Φᵀ` of a token for all `E·s` slots, whose embeddings `Φ` are the router's weights, the input of a slot is the mean of the
/// group's tokens by the softmax of its logits over them, and the output of a token the mean of all slots' outputs by the softmax
/// of its logits over these.
///
/// Nothing is chosen, so that nothing is dropped, all experts have the same load, and everything has a gradient.
///
/// # Source
/// Puigcerver, Riquelme, Mustafa, Houlsby 2023, "From Sparse to Soft Mixtures of Experts".
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Soft {
    /// Slots of each expert in each group, `s`: row `e·s + i` of the router is the embedding of slot `i` of expert `e`.
    pub slots: usize,
}

impl Soft {
    /// `slots` slots for each expert.
    pub fn new(slots: usize) -> Self {
        Soft { slots }
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let router = Soft::new(f.required("slots", MIXTURES)?);
        f.finish()?;
        Ok(router)
    }
}

impl Router for Soft {
    fn choices(&self, experts: usize) -> usize {
        experts
    }

    fn rows(&self, experts: usize) -> usize {
        self.slots.saturating_mul(experts)
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::SOFTMAX)
    }

    fn chooses(&self) -> Chooses {
        Chooses::Nobody
    }

    fn own_slots(&self, tokens: usize, _experts: usize) -> Option<usize> {
        // of no tokens there is no mixture
        Some(if tokens == 0 { 0 } else { self.slots })
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        whole("router.slots", self.slots, MIXTURES)?;
        if self.rows(layer.experts) > MOST_MIXTURES {
            let wanted = format!("small enough that experts · router.slots is at most {MOST_MIXTURES}");
            return Err(invalid("router.slots", self.slots, &wanted));
        }
        if layer.residual {
            let wanted =
                "false: with this router a token has no experts that its shared expert could be weighed against";
            return Err(invalid("residual", true, wanted));
        }
        check_own_slots(layer)
    }
}
