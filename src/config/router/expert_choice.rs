//! Expert choice.

use serde::Serialize;

use super::{Chooses, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::{check_factor, check_own_slots, whole};
use crate::config::limits::SLOTS;
use crate::config::read::Fields;
use crate::error::Error;

/// Each expert takes its `c` best tokens of a group, by softmax scores over the experts: exactly balanced, with none to several experts for a token.
///
/// # Source
/// Zhou et al. 2022, "Mixture-of-Experts with Expert Choice Routing".
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpertChoice {
    /// Experts per token, on average: each takes `c = ⌈S·factor/E⌉` of a group's `S` tokens. Not read with `slots`.
    pub capacity_factor: f64,
    /// `c` itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<usize>,
}

impl ExpertChoice {
    /// `factor` experts per token on average, everything else as in the paper.
    pub fn new(capacity_factor: f64) -> Self {
        ExpertChoice { capacity_factor, slots: None }
    }

    /// Tokens that each of `experts` takes from a group of `tokens`; never more than there are.
    pub fn taken(&self, tokens: usize, experts: usize) -> usize {
        let by_factor = (tokens as f64 * self.capacity_factor / experts as f64).ceil();
        self.slots.unwrap_or(by_factor as usize).min(tokens)
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let defaults = ExpertChoice::new(f.number("capacityFactor")?.unwrap_or(2.0));
        let router = ExpertChoice { slots: f.whole("slots", SLOTS)?, ..defaults };
        f.finish()?;
        Ok(router)
    }
}

impl Router for ExpertChoice {
    fn choices(&self, experts: usize) -> usize {
        experts
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::SOFTMAX)
    }

    fn chooses(&self) -> Chooses {
        Chooses::Experts
    }

    /// No loss is needed; what can be measured is.
    fn losses(&self) -> &'static [&'static str] {
        &["z", "importance", "load"]
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        check_factor("router.capacityFactor", self.capacity_factor)?;
        whole("router.slots", self.slots.unwrap_or(0), SLOTS)?;
        check_own_slots(layer)
    }
}
