//! What a description must satisfy, however it was made.

use std::ops::RangeInclusive;

use super::limits::{DEVICES, EXPERTS, GROUPS, MAX_FACTOR, MAX_SEED, SIZE, SLOTS, WIDTH};
use super::read::whole_wanted;
use super::{Capacity, LayerConfig, Slots};
use crate::error::Error;

impl LayerConfig {
    /// Checks every field's range and how the fields fit together.
    ///
    /// # Errors
    /// The first field out of its range, or the first two fields that do not fit.
    pub fn check(&self) -> Result<(), Error> {
        whole("dModel", self.d_model, WIDTH)?;
        whole("dFf", self.d_ff, WIDTH)?;
        whole("experts", self.experts, EXPERTS)?;
        whole("identityExperts", self.identity_experts, 0..=self.experts - 1)?;
        self.check_widths()?;
        self.router.check(self)?;
        if let Capacity::Bounded { slots, .. } = &self.capacity {
            check_slots(slots)?;
        }
        if let Some(shared) = &self.shared_expert {
            whole("sharedExpert.dFf", shared.d_ff, SIZE)?;
        }
        if self.residual && !self.shared_expert.is_some_and(|shared| shared.gate) {
            return Err(invalid("residual", true, "false, or beside a sharedExpert with `gate: true`"));
        }
        whole("mesh.devices", self.devices, DEVICES)?;
        whole("groups", self.groups, GROUPS)?;
        if !self.replicated && !self.experts.is_multiple_of(self.devices) {
            return Err(Error::ExpertsNotDivisible { experts: self.experts, devices: self.devices });
        }
        let shared = self.router.handshake().is_some() && self.devices.is_multiple_of(self.groups);
        if !self.groups.is_multiple_of(self.devices) && !shared {
            return Err(Error::GroupsNotDivisible { groups: self.groups, devices: self.devices });
        }
        self.check_loss_weights()?;
        real("seed", self.seed as f64, self.seed <= MAX_SEED, &format!("at most {MAX_SEED}"))
    }

    /// Checks that a batch can be split among the groups, and each group routed, and returns the tokens `S` of each group.
    ///
    /// # Errors
    /// [`Error::TokensNotDivisible`], by devices if they are the reason, else by groups; [`Error::TooManyPlaces`].
    pub fn tokens_per_group(&self, tokens: usize) -> Result<usize, Error> {
        for (by, parts) in [("devices", self.devices), ("groups", self.groups)] {
            if !tokens.is_multiple_of(parts) {
                return Err(Error::TokensNotDivisible { tokens, by, parts });
            }
        }
        self.router.check_group(tokens / self.groups, self.experts)?;
        Ok(tokens / self.groups)
    }

    fn check_widths(&self) -> Result<(), Error> {
        let Some(widths) = &self.expert_widths else { return Ok(()) };
        let wanted = self.feed_forward_experts();
        check_length("expertWidths", widths.len(), wanted)?;
        let mut all = widths.iter().enumerate();
        all.try_for_each(|(e, width)| whole(&format!("expertWidths[{e}]"), *width, 1..=self.d_ff))
    }

    fn check_loss_weights(&self) -> Result<(), Error> {
        let known = self.router.losses();
        for (name, weight) in &self.loss_weights {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Error::UnknownLoss { name: name.clone(), known });
            }
            real(&format!("lossWeights.{name}"), f64::from(*weight), weight.is_finite(), "a finite number")?;
        }
        Ok(())
    }
}

fn check_slots(slots: &Slots) -> Result<(), Error> {
    match slots {
        Slots::Fixed { slots } => whole("capacity.slots", *slots, SLOTS),
        Slots::Factor { factor, eval_factor, min, multiple_of, .. } => {
            check_factor("capacity.factor", *factor)?;
            check_factor("capacity.evalFactor", *eval_factor)?;
            whole("capacity.min", *min, SLOTS)?;
            whole("capacity.multipleOf", *multiple_of, SIZE)
        }
    }
}

/// Checks a capacity factor.
pub(super) fn check_factor(field: &str, factor: f64) -> Result<(), Error> {
    real(field, factor, factor > 0.0 && factor <= MAX_FACTOR, &format!("above 0 and at most {MAX_FACTOR}"))
}

/// Refuses a capacity beside a router that seats its tokens itself.
pub(super) fn check_own_slots(layer: &LayerConfig) -> Result<(), Error> {
    match layer.capacity {
        Capacity::Dropless => Ok(()),
        Capacity::Bounded { .. } => {
            Err(invalid("capacity", "given", "left out: with this router it is the experts that fill their slots"))
        }
    }
}

/// One value for each of `wanted` experts.
pub(super) fn check_length(field: &str, got: usize, wanted: usize) -> Result<(), Error> {
    if got == wanted {
        return Ok(());
    }
    Err(Error::WrongLength { what: field.to_owned(), got, wanted, shape: format!("[{wanted}]") })
}

pub(super) fn whole(field: &str, got: usize, range: RangeInclusive<usize>) -> Result<(), Error> {
    if range.contains(&got) { Ok(()) } else { Err(invalid(field, got, &whole_wanted(&range))) }
}

pub(super) fn real(field: &str, got: f64, valid: bool, wanted: &str) -> Result<(), Error> {
    if valid { Ok(()) } else { Err(invalid(field, got, wanted)) }
}

pub(super) fn invalid(field: &str, got: impl ToString, wanted: &str) -> Error {
    Error::InvalidConfig { field: field.to_owned(), got: got.to_string(), wanted: wanted.to_owned() }
}
