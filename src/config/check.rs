//! What a description must satisfy, however it was made.

use std::ops::RangeInclusive;

use super::limits::{CHOICES, DEVICES, EXPERTS, GROUPS, MAX_FACTOR, MAX_SEED, SIZE, SLOTS, WIDTH};
use super::read::whole_wanted;
use super::{Capacity, LayerConfig, RouterConfig, Slots, TopK};
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
        match &self.router {
            RouterConfig::TopK(router) => check_top_k(router, self.experts)?,
        }
        if let Capacity::Bounded { slots, .. } = &self.capacity {
            check_slots(slots)?;
        }
        if let Some(shared) = &self.shared_expert {
            whole("sharedExpert.dFf", shared.d_ff, SIZE)?;
        }
        whole("mesh.devices", self.devices, DEVICES)?;
        whole("groups", self.groups, GROUPS)?;
        if !self.experts.is_multiple_of(self.devices) {
            return Err(Error::ExpertsNotDivisible { experts: self.experts, devices: self.devices });
        }
        if !self.groups.is_multiple_of(self.devices) {
            return Err(Error::GroupsNotDivisible { groups: self.groups, devices: self.devices });
        }
        self.check_loss_weights()?;
        real("seed", self.seed as f64, self.seed <= MAX_SEED, &format!("at most {MAX_SEED}"))
    }

    /// Checks that a batch can be split among the groups, and returns the tokens `S` of each group.
    ///
    /// # Errors
    /// [`Error::TokensNotDivisible`], by devices if they are the reason, else by groups.
    pub fn tokens_per_group(&self, tokens: usize) -> Result<usize, Error> {
        for (by, parts) in [("devices", self.devices), ("groups", self.groups)] {
            if !tokens.is_multiple_of(parts) {
                return Err(Error::TokensNotDivisible { tokens, by, parts });
            }
        }
        Ok(tokens / self.groups)
    }

    fn check_loss_weights(&self) -> Result<(), Error> {
        let known = self.router.losses();
        for (name, weight) in &self.loss_weights {
            if !known.contains(&name.as_str()) {
                return Err(Error::UnknownLoss { name: name.clone(), known: known.join(", ") });
            }
            real(&format!("lossWeights.{name}"), f64::from(*weight), weight.is_finite(), "a finite number")?;
        }
        Ok(())
    }
}

fn check_top_k(router: &TopK, experts: usize) -> Result<(), Error> {
    whole("router.k", router.k, CHOICES)?;
    if router.k > experts {
        return Err(Error::TooManyChoices { k: router.k, experts, raise: "experts" });
    }
    whole("router.expertGroups", router.expert_groups, EXPERTS)?;
    if !experts.is_multiple_of(router.expert_groups) {
        return Err(invalid("router.expertGroups", router.expert_groups, &format!("a divisor of experts = {experts}")));
    }
    whole("router.groupLimit", router.group_limit, 1..=router.expert_groups)?;
    let reach = experts / router.expert_groups * router.group_limit;
    if router.k > reach {
        return Err(Error::TooManyChoices { k: router.k, experts: reach, raise: "router.groupLimit" });
    }
    if let Some(bias) = &router.selection_bias {
        check_selection_bias(bias, experts)?;
    }
    let scale = router.scale;
    real("router.scale", f64::from(scale), scale.is_finite() && scale > 0.0, "a finite number above 0")?;
    let jitter = router.jitter;
    real("router.jitter", f64::from(jitter), (0.0..1.0).contains(&jitter), "at least 0 and below 1")
}

fn check_selection_bias(bias: &[f32], experts: usize) -> Result<(), Error> {
    let what = "router.selectionBias".to_owned();
    if bias.len() != experts {
        return Err(Error::WrongLength { what, got: bias.len(), wanted: experts, shape: format!("[{experts}]") });
    }
    match bias.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NonFinite { what, index, value: bias[index].to_string() }),
        None => Ok(()),
    }
}

fn check_slots(slots: &Slots) -> Result<(), Error> {
    match slots {
        Slots::Fixed { slots } => whole("capacity.slots", *slots, SLOTS),
        Slots::Factor { factor, eval_factor, min, multiple_of, .. } => {
            let wanted = format!("above 0 and at most {MAX_FACTOR}");
            for (field, value) in [("capacity.factor", *factor), ("capacity.evalFactor", *eval_factor)] {
                real(field, value, value > 0.0 && value <= MAX_FACTOR, &wanted)?;
            }
            whole("capacity.min", *min, SLOTS)?;
            whole("capacity.multipleOf", *multiple_of, SIZE)
        }
    }
}

fn whole(field: &str, got: usize, range: RangeInclusive<usize>) -> Result<(), Error> {
    if range.contains(&got) { Ok(()) } else { Err(invalid(field, got, &whole_wanted(&range))) }
}

fn real(field: &str, got: f64, valid: bool, wanted: &str) -> Result<(), Error> {
    if valid { Ok(()) } else { Err(invalid(field, got, wanted)) }
}

fn invalid(field: &str, got: impl ToString, wanted: &str) -> Error {
    Error::InvalidConfig { field: field.to_owned(), got: got.to_string(), wanted: wanted.to_owned() }
}
