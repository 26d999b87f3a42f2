//! What a sparse expert layer is: the checked description every other module reads.
//!
//! Symbols: `T` tokens, `d` = [`LayerConfig::d_model`], `F` = [`LayerConfig::d_ff`], `E` = [`LayerConfig::experts`],
//! `k` choices per token, `G` = [`LayerConfig::groups`] routing groups, `N` = [`LayerConfig::devices`] virtual devices,
//! `C` slots of an expert in one group.

use std::collections::BTreeMap;

use serde::Serialize;

mod check;
mod limits;
mod parse;
mod raw;
mod read;
mod router;

pub use raw::RawLayerConfig;
pub use router::{
    Across, Bandit, Base, Baseline, Branches, Chooses, DenseGate, DenseToSparse, Domain, Draw, Draws, Dykstra,
    Exchanges, ExpertChoice, Exploration, Gate, Hash, Hashed, Key, Language, MultiGate, Negotiation, Noise, NoisyTopK,
    Policy, Reinforce, Renormalize, RouterConfig, Schedule, Scoring, SecondPolicy, Side, Sinkhorn, SinkhornGate, Soft,
    SoftmaxOver, Task, Thor, Thresholds, TokenThenExpert, TopK,
};

/// The nonlinearity of an expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x · Φ(x)` with the exact normal distribution function (erf).
    Gelu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// `x · sigmoid(x)`.
    Silu,
}

/// Whether a capacity factor counts `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CapacityPer {
    /// `C = f(factor·S/E)` (Switch, Mesh TensorFlow): convention A.
    Token,
    /// `C = f(k·factor·S/E)` (V-MoE, DeepSpeed): convention B.
    Assignment,
}

/// How a fractional capacity becomes whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Rounding {
    /// Down (Mesh TensorFlow).
    Floor,
    /// Up (V-MoE, DeepSpeed).
    Ceil,
    /// To the nearest, halves to even (Flaxformer, as Python's `round`).
    Round,
}

/// How many slots an expert has in each group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Slots {
    /// In proportion to the tokens of a group.
    Factor {
        /// Capacity factor in training.
        factor: f64,
        /// Capacity factor outside training.
        eval_factor: f64,
        /// Whether `k` counts.
        per: CapacityPer,
        /// Rounding of the fraction.
        round: Rounding,
        /// At least this many slots.
        min: usize,
        /// Rounded up to a multiple of this.
        multiple_of: usize,
    },
    /// A fixed number.
    Fixed {
        /// Slots of each expert in each group; 0 drops everything.
        slots: usize,
    },
}

/// Who gets a slot first when an expert is over capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Priority {
    /// The token that comes first in its group.
    Arrival,
    /// The token with the larger best score over all experts (V-MoE's batch priority).
    Batch,
    /// An expert keeps its largest weights, as they are before any drop (Megatron's `probs` policy);
    /// [`Order`] plays no part.
    Weight,
    /// A seeded random order of the group's tokens (DeepSpeed's random token selection).
    Random,
}

/// Whether all first choices outrank all second ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// All first choices, then all second choices (GShard).
    Rank,
    /// Token by token, each with all its choices (strictly causal).
    Token,
}

/// The buffer of each expert.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Capacity {
    /// Every assignment is kept.
    #[serde(serialize_with = "dropless")]
    Dropless,
    /// Bounded, with drops.
    Bounded {
        /// Number of slots.
        #[serde(flatten)]
        slots: Slots,
        /// Who is served first.
        priority: Priority,
        /// Whether rank or token comes first in the order.
        order: Order,
    },
}

fn dropless<S: serde::Serializer>(s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str("dropless")
}

/// An expert that every token passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedExpert {
    /// Its hidden width.
    pub d_ff: usize,
    /// Whether its output is multiplied by `sigmoid(x · g)` (Qwen-MoE).
    pub gate: bool,
}

/// A sparse expert layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerConfig {
    /// Width of a token, `d`.
    pub d_model: usize,
    /// Hidden width of an expert, `F`.
    pub d_ff: usize,
    /// Number of experts, `E`.
    pub experts: usize,
    /// Hidden width of each expert that has weights, at most `d_ff`; `None`: `d_ff` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expert_widths: Option<Vec<usize>>,
    /// How many of the experts, the last ones, return their token as it is: they cost nothing and have no weights.
    pub identity_experts: usize,
    /// Nonlinearity of the experts.
    pub activation: Activation,
    /// `act(x·W1) ⊙ (x·W3)` instead of `act(x·W1)` (SwiGLU, GEGLU).
    pub gated: bool,
    /// Whether experts have biases b1, b2 (and b3 if gated).
    pub bias: bool,
    /// Whether the router's logits have a bias.
    pub router_bias: bool,
    /// The router.
    pub router: RouterConfig,
    /// The buffers of the experts.
    pub capacity: Capacity,
    /// An expert for every token, replicated on every device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_expert: Option<SharedExpert>,
    /// The gate `s = sigmoid(x · g)` of the shared expert mixes: the weights of routed experts are multiplied by `1 − s`
    /// (PR-MoE: Rajbhandari et al. 2022). This is the softmax of two logits linear in `x`, whose difference is `x · g`.
    pub residual: bool,
    /// Routing groups, `G`, a multiple of `devices`; or, where devices agree by a handshake, a divisor of it. Capacity, slots and
    /// losses are per group.
    pub groups: usize,
    /// Virtual devices, `N`; tokens, groups and experts are split evenly among them.
    #[serde(rename = "mesh", serialize_with = "mesh")]
    pub devices: usize,
    /// Every device holds all experts: rows stay where they are, and nothing is exchanged. What it costs to keep the copies
    /// alike is not counted, as it is not for the shared expert.
    pub replicated: bool,
    /// Weights of the auxiliary losses in backward, by name. `secondPlace` is found only if it has one, 0 perhaps.
    pub loss_weights: BTreeMap<String, f32>,
    /// Seed of the weights and of every random number.
    pub seed: u64,
}

fn mesh<S: serde::Serializer>(devices: &usize, s: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeStruct;
    let mut m = s.serialize_struct("Mesh", 1)?;
    m.serialize_field("devices", devices)?;
    m.end()
}

impl LayerConfig {
    /// A layer with everything but its sizes and its router at its default: GELU experts without gating or biases,
    /// dropless, on one device.
    pub fn new(d_model: usize, d_ff: usize, experts: usize, router: RouterConfig) -> Self {
        LayerConfig {
            d_model,
            d_ff,
            experts,
            expert_widths: None,
            identity_experts: 0,
            activation: Activation::Gelu,
            gated: false,
            bias: false,
            router_bias: false,
            router,
            capacity: Capacity::Dropless,
            shared_expert: None,
            residual: false,
            groups: 1,
            devices: 1,
            replicated: false,
            loss_weights: BTreeMap::new(),
            seed: 0,
        }
    }

    /// Most choices of a token, `k`.
    pub fn k(&self) -> usize {
        self.router.choices(self.experts)
    }

    /// Whether the loss `secondPlace` is found: it takes a dispatch of its own.
    pub fn second_place(&self) -> bool {
        self.loss_weights.contains_key("secondPlace")
    }

    /// Names of the losses that the layer finds.
    pub fn losses(&self) -> impl Iterator<Item = &'static str> {
        self.router.losses().iter().copied().filter(|name| *name != "secondPlace" || self.second_place())
    }

    /// Experts that have weights: all but the identities.
    pub fn feed_forward_experts(&self) -> usize {
        self.experts - self.identity_experts
    }

    /// Hidden width `F_e` of expert `e`: 0 for an identity.
    pub fn width(&self, e: usize) -> usize {
        match &self.expert_widths {
            _ if e >= self.feed_forward_experts() => 0,
            Some(widths) => widths[e],
            None => self.d_ff,
        }
    }

    /// Whether tokens cross between devices on their way to the experts and back.
    pub fn exchanges(&self) -> bool {
        self.devices > 1 && !self.stays()
    }

    /// Whether rows stay on their device, however many devices there are: each has the experts of its tokens.
    pub fn stays(&self) -> bool {
        self.replicated || self.router.exchange() == Exchanges::None
    }

    /// Whether in training the tokens are spread over the groups at random before they are routed; not where rows stay anyway.
    pub fn shuffles(&self) -> bool {
        self.router.shuffles() && !self.stays()
    }

    /// Rows of the router's weights: an expert each, perhaps more behind them, or none where nothing is learned.
    pub fn router_rows(&self) -> usize {
        self.router.rows(self.experts)
    }

    /// Rows of the weights that the width of the router's noise is learned by: one for each row of the router, or none.
    pub fn noise_rows(&self) -> usize {
        if self.router.learns_noise() { self.router_rows() } else { 0 }
    }

    /// Logits that a token chooses by: one of each expert, then one of each of their branches, if there are any.
    pub fn logits(&self) -> usize {
        self.experts + self.router.branches()
    }

    /// Who is served first, and whether rank or token comes first, also where nobody is turned away:
    /// dropless numbers its assignments like [`Priority::Arrival`] and [`Order::Rank`].
    pub fn slot_order(&self) -> (Priority, Order) {
        match self.capacity {
            Capacity::Dropless => (Priority::Arrival, Order::Rank),
            Capacity::Bounded { priority, order, .. } => (priority, order),
        }
    }

    /// Slots `C` of each expert in a group of `tokens` tokens, or `None` if dropless.
    ///
    /// # Source
    /// Conventions A and B of the capacity factor: Fedus, Zoph, Shazeer 2021 (Switch), eq. 3; Riquelme et al. 2021 (V-MoE).
    /// Convention A is capped at the group's tokens, as in Mesh TensorFlow, before the minimum and the multiple are applied.
    pub fn slots(&self, tokens: usize, train: bool) -> Option<usize> {
        if let (RouterConfig::Base(router), true) = (&self.router, train) {
            return Some(router.share(tokens, self.experts));
        }
        if let Some(slots) = self.router.own_slots(tokens, self.experts) {
            return Some(slots);
        }
        let Capacity::Bounded { slots, .. } = &self.capacity else { return None };
        Some(match slots {
            Slots::Fixed { slots } => *slots,
            Slots::Factor { factor, eval_factor, per, round, min, multiple_of } => {
                let share = tokens as f64 / self.experts as f64 * if train { *factor } else { *eval_factor };
                let asked = self.router.asked(self.experts, train) as f64;
                let share = if *per == CapacityPer::Assignment { share * asked } else { share };
                let whole = match round {
                    Rounding::Floor => share.floor(),
                    Rounding::Ceil => share.ceil(),
                    Rounding::Round => share.round_ties_even(),
                } as usize;
                let whole = if *per == CapacityPer::Token { whole.min(tokens) } else { whole };
                let whole = whole.max(*min);
                whole.checked_next_multiple_of((*multiple_of).max(1)).unwrap_or(usize::MAX)
            }
        })
    }
}
