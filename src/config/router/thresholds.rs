//! Experts that admit tokens by thresholds, without a look at those that come later.

use serde::Serialize;

use crate::config::check::{invalid, real};
use crate::config::read::Fields;
use crate::config::{Capacity, LayerConfig, Order, Priority};
use crate::error::Error;

/// `causal: "threshold"`: an expert takes every token whose key reaches its threshold, so that no token's experts depend on other
/// tokens. Thresholds follow what the experts would take of whole batches: a pass in training goes by those from before it, and then
/// moves each to `decay·τ + (1 − decay)·κ`, where `κ` is the key of the last token that the expert would take of a group if it took
/// its best ones, as a mean over the groups. Outside training they stay.
///
/// They are the array `thresholds` of the weights, with no gradient. A new layer has none yet ([`crate::weights::NO_THRESHOLD`]):
/// every expert takes every token that named it, until the first pass in training has set the thresholds to its own `κ`.
///
/// # Source
/// The rule is ours. What it replaces: Zhou et al. 2022, where the choice of experts looks ahead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "causal", rename = "threshold")]
pub struct Thresholds {
    /// What a batch leaves of a threshold, at least 0 and below 1.
    #[serde(rename = "thresholdDecay")]
    pub decay: f32,
}

impl Thresholds {
    /// Reads `causal` and `thresholdDecay`.
    pub(super) fn read(f: &mut Fields) -> Result<Option<Self>, Error> {
        let causal = f.choice("causal", &[("threshold", Thresholds::default())])?;
        let decay = f.number("thresholdDecay")?;
        match (causal, decay) {
            (Some(defaults), decay) => Ok(Some(decay.map_or(defaults, |decay| Thresholds { decay: decay as f32 }))),
            (None, None) => Ok(None),
            (None, Some(decay)) => {
                Err(invalid("router.thresholdDecay", decay, "left out, or beside `causal: \"threshold\"`"))
            }
        }
    }

    /// Checks the settings, and that the layer's capacity turns away nobody for a later token.
    pub(super) fn check(self, layer: &LayerConfig) -> Result<(), Error> {
        let Thresholds { decay } = self;
        let valid = (0.0..1.0).contains(&decay);
        real("router.thresholdDecay", f64::from(decay), valid, "at least 0 and below 1")?;
        let Capacity::Bounded { priority, order, .. } = layer.capacity else { return Ok(()) };
        if priority != Priority::Arrival {
            let wanted = "\"arrival\" beside `causal`: by any other a later token may take the place of an earlier one";
            return Err(invalid("capacity.priority", format!("{priority:?}").to_lowercase(), wanted));
        }
        if order != Order::Token {
            let wanted = "\"token\" beside `causal`: by rank a later token may take the place of an earlier one";
            return Err(invalid("capacity.order", "rank", wanted));
        }
        Ok(())
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { decay: 0.99 }
    }
}

/// Refuses a quota of nobody: there is no last token whose key a threshold could follow.
pub(super) fn check_quota(slots: Option<usize>) -> Result<(), Error> {
    match slots {
        Some(0) => {
            Err(invalid("router.slots", 0, "at least 1 beside `causal`: a threshold follows the last token's key"))
        }
        _ => Ok(()),
    }
}
