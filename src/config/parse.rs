//! From a description as it came to a checked one, with the defaults filled in.

use std::collections::BTreeMap;

use super::limits::{DEVICES, EXPERTS, GROUPS, MAX_SEED, SIZE, SLOTS, WIDTH};
use super::raw::{Node, RawLayerConfig};
use super::read::Fields;
use super::{
    Activation, Capacity, CapacityPer, LayerConfig, Order, Priority, Rounding, RouterConfig, SharedExpert, Slots,
};
use crate::error::Error;

impl LayerConfig {
    /// Checks a description and fills in what it leaves out.
    ///
    /// # Errors
    /// The first field that is wrong, missing or unknown, by its path; see also [`LayerConfig::check`].
    pub fn from_raw(raw: RawLayerConfig) -> Result<LayerConfig, Error> {
        let mut f = Fields::new("", raw.0);
        let d_model = f.required("dModel", WIDTH)?;
        let d_ff = f.required("dFf", WIDTH)?;
        let experts = f.required("experts", EXPERTS)?;
        let expert_widths = f.wholes("expertWidths", 1..=d_ff)?;
        let identity_experts = f.whole("identityExperts", 0..=experts - 1)?;
        let router = match f.object("router")? {
            Some(fields) => RouterConfig::read(fields)?,
            None => return Err(f.invalid("router", &Node::Absent, "an object with a `kind`")),
        };
        let defaults = LayerConfig::new(d_model, d_ff, experts, router);
        let activations = [
            ("relu", Activation::Relu),
            ("gelu", Activation::Gelu),
            ("geluTanh", Activation::GeluTanh),
            ("silu", Activation::Silu),
        ];
        let activation = f.choice("activation", &activations)?.unwrap_or(defaults.activation);
        let gated = f.flag("gated")?.unwrap_or(defaults.gated);
        let bias = f.flag("bias")?.unwrap_or(defaults.bias);
        let router_bias = f.flag("routerBias")?.unwrap_or(defaults.router_bias);
        // where no token may wait for later ones, capacity serves token by token
        let order = if defaults.router.thresholds().is_some() { Order::Token } else { Order::Rank };
        let capacity = capacity(&mut f, order)?;
        let shared_expert = f.object("sharedExpert")?.map(shared_expert).transpose()?;
        let residual = f.flag("residual")?.unwrap_or(defaults.residual);
        let devices = f.object("mesh")?.map(devices).transpose()?.flatten().unwrap_or(defaults.devices);
        let replicated = f.flag("replicated")?.unwrap_or(defaults.replicated);
        // devices that agree on who goes where do so as one group
        let one_each = if defaults.router.handshake().is_some() { 1 } else { devices };
        let groups = f.whole("groups", GROUPS)?.unwrap_or(one_each);
        let loss_weights = f.object("lossWeights")?.map_or(Ok(BTreeMap::new()), Fields::all_numbers)?;
        let seed = seed(&mut f)?.unwrap_or(defaults.seed);
        f.finish()?;
        let config = LayerConfig {
            expert_widths,
            identity_experts: identity_experts.unwrap_or(defaults.identity_experts),
            activation,
            gated,
            bias,
            router_bias,
            capacity,
            shared_expert,
            residual,
            groups,
            devices,
            replicated,
            loss_weights,
            seed,
            ..defaults
        };
        config.check()?;
        Ok(config)
    }
}

fn capacity(layer: &mut Fields, usual: Order) -> Result<Capacity, Error> {
    let wanted = "\"dropless\", or an object with `factor` or `slots`";
    let mut f = match layer.take("capacity") {
        Node::Absent => return Ok(Capacity::Dropless),
        Node::Text(word) if word == "dropless" => return Ok(Capacity::Dropless),
        Node::Object(fields) => Fields::new(&layer.at("capacity"), fields),
        got => return Err(layer.invalid("capacity", &got, wanted)),
    };
    let slots = match (f.has("slots"), f.has("factor")) {
        (true, false) => Slots::Fixed { slots: f.required("slots", SLOTS)? },
        (false, true) => slots_by_factor(&mut f)?,
        (both, _) => {
            let got = if both { "an object with both" } else { "an object with neither" };
            return Err(Error::InvalidConfig {
                field: layer.at("capacity"),
                got: got.to_owned(),
                wanted: wanted.to_owned(),
            });
        }
    };
    let priorities = [
        ("arrival", Priority::Arrival),
        ("batch", Priority::Batch),
        ("weight", Priority::Weight),
        ("random", Priority::Random),
    ];
    let capacity = Capacity::Bounded {
        slots,
        priority: f.choice("priority", &priorities)?.unwrap_or(Priority::Arrival),
        order: f.choice("order", &[("rank", Order::Rank), ("token", Order::Token)])?.unwrap_or(usual),
    };
    f.finish()?;
    Ok(capacity)
}

fn slots_by_factor(f: &mut Fields) -> Result<Slots, Error> {
    let factor = f.number("factor")?.unwrap_or(f64::NAN);
    let pers = [("token", CapacityPer::Token), ("assignment", CapacityPer::Assignment)];
    let rounds = [("floor", Rounding::Floor), ("ceil", Rounding::Ceil), ("round", Rounding::Round)];
    Ok(Slots::Factor {
        factor,
        eval_factor: f.number("evalFactor")?.unwrap_or(factor),
        per: f.choice("per", &pers)?.unwrap_or(CapacityPer::Token),
        round: f.choice("round", &rounds)?.unwrap_or(Rounding::Ceil),
        min: f.whole("min", SLOTS)?.unwrap_or(0),
        multiple_of: f.whole("multipleOf", SIZE)?.unwrap_or(1),
    })
}

fn shared_expert(mut f: Fields) -> Result<SharedExpert, Error> {
    let shared = SharedExpert { d_ff: f.required("dFf", SIZE)?, gate: f.flag("gate")?.unwrap_or(false) };
    f.finish()?;
    Ok(shared)
}

fn devices(mut f: Fields) -> Result<Option<usize>, Error> {
    let devices = f.whole("devices", DEVICES)?;
    f.finish()?;
    Ok(devices)
}

fn seed(f: &mut Fields) -> Result<Option<u64>, Error> {
    match f.number("seed")? {
        None => Ok(None),
        Some(n) if n.fract() == 0.0 && (0.0..=MAX_SEED as f64).contains(&n) => Ok(Some(n as u64)),
        Some(n) => Err(f.invalid("seed", &Node::Number(n), &format!("a whole number from 0 to {MAX_SEED}"))),
    }
}
