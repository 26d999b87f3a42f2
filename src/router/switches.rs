//! Override constants of the routing kernels, forward and backward, from a layer's description.

use crate::config::{
    Chooses, DenseGate, Exploration, Gate, LayerConfig, Order, Priority, Renormalize, RouterConfig, Scoring,
    SecondPolicy, SoftmaxOver,
};
use crate::kernels::{BLOCK, Constants};

/// POLICY of `route`: the best, until their scores are the threshold's part of all.
pub(super) const COVER: u32 = 6;
/// POLICY of `route`: the best, as long as they score above the threshold.
pub(super) const ABOVE: u32 = 7;

/// Switches of the kernels that every router shares.
pub struct Switches<'a>(pub &'a LayerConfig);

impl Switches<'_> {
    /// Of `route`; `unchosen`: when choices are made, `biased`: what is added to the keys, `policy`: what else decides; `given`:
    /// whether the random numbers of that lie in their buffer.
    pub(super) fn route(&self, unchosen: u32, biased: u32, policy: u32, given: bool) -> Constants {
        let limited = match &self.0.router {
            RouterConfig::TopK(router) => router.group_limit < router.expert_groups,
            _ => false,
        };
        Constants(vec![
            ("SIGMOID", self.sigmoid()),
            ("SELECTED", self.selected()),
            ("BIASED", biased),
            ("UNCHOSEN", unchosen),
            ("GROUP_LIMITED", u32::from(limited)),
            ("SHARED_GATE", self.shared_gate()),
            ("POLICY", policy),
            ("GIVEN", u32::from(given)),
        ])
    }

    /// The POLICY of `route` that the layer's router asks for.
    pub(super) fn policy(&self, train: bool) -> u32 {
        let RouterConfig::TopK(router) = &self.0.router else { return 0 };
        match router.second_policy(train) {
            SecondPolicy::All if train && router.exploration == Exploration::Sample => 1,
            SecondPolicy::All if router.top_p.is_some() => COVER,
            SecondPolicy::All if router.min_score.is_some() => ABOVE,
            SecondPolicy::All => 0,
            SecondPolicy::Sampling => 2,
            SecondPolicy::None => 3,
            SecondPolicy::Random => 4,
            SecondPolicy::Threshold => 5,
        }
    }

    /// Of `slot_count`.
    pub(super) fn slot_count(&self) -> Constants {
        Constants(vec![("BY_TOKEN", self.by_token()), ("BLOCK", BLOCK)])
    }

    /// Of `slot_count_by_key`.
    pub(super) fn slot_count_by_key(&self) -> Constants {
        let priority = match self.0.slot_order().0 {
            Priority::Arrival => unreachable!("arrival is counted by slot_count"),
            Priority::Batch => 1,
            Priority::Weight => 2,
            Priority::Random => 3,
        };
        let pre_drop = u32::from(self.gate().renormalize == Renormalize::PreDrop);
        Constants(vec![("PRIORITY", priority), ("BY_TOKEN", self.by_token()), ("PRE_DROP", pre_drop)])
    }

    /// Of `place`; `block`: assignments of a block.
    pub(super) fn place(&self, block: u32) -> Constants {
        Constants(vec![
            ("BY_TOKEN", self.by_token()),
            ("BLOCK", block),
            ("RENORMALIZE", self.renormalize()),
            ("RESIDUAL", u32::from(self.0.residual)),
        ])
    }

    /// Of `losses`.
    pub fn losses(&self) -> Constants {
        Constants(vec![("PER_TOKEN", u32::from(matches!(self.0.router, RouterConfig::DenseToSparse(_))))])
    }

    /// Of `gate_backward`, after a pass in training or outside.
    pub fn gate_backward(&self, train: bool) -> Constants {
        let cooled = match &self.0.router {
            RouterConfig::DenseToSparse(router) => train && router.gate == DenseGate::Gumbel,
            _ => false,
        };
        Constants(vec![
            ("SIGMOID", self.sigmoid()),
            ("SELECTED", self.selected()),
            ("SHARED_GATE", self.shared_gate()),
            ("OVER_TOKENS", u32::from(self.0.router.over_tokens())),
            ("LABELS", u32::from(!self.0.router.learned())),
            ("COOLED", u32::from(cooled)),
            ("UNWEIGHED", u32::from(!self.0.router.weighs())),
            ("RENORMALIZE", self.renormalize()),
            ("RESIDUAL", u32::from(self.0.residual)),
        ])
    }

    /// Of `multi_gate_backward`.
    pub fn multi_gate_backward(&self) -> Constants {
        Constants(vec![("SHARED_GATE", self.shared_gate())])
    }

    /// Of the kernels that read the router's input.
    pub fn input_noise(&self, train: bool) -> Constants {
        let on = |strength: f32| u32::from(train && strength > 0.0);
        Constants(vec![("JITTER", on(self.0.router.jitter())), ("DROPOUT", on(self.0.router.dropout()))])
    }

    /// Whether assignments are served by a key instead of by arrival.
    pub fn by_key(&self) -> bool {
        self.0.slot_order().0 != Priority::Arrival
    }

    /// Whether a group's assignments are counted as one block, however many they are.
    pub fn one_block(&self) -> bool {
        self.by_key() || matches!(self.0.router.chooses(), Chooses::Experts | Chooses::Nobody)
    }

    /// Whether the shared expert has a gate.
    pub(super) fn shared_gate(&self) -> u32 {
        u32::from(self.0.shared_expert.is_some_and(|s| s.gate))
    }

    fn gate(&self) -> Gate {
        self.0.router.gate().unwrap_or(Gate::SOFTMAX)
    }

    fn by_token(&self) -> u32 {
        u32::from(self.0.slot_order().1 == Order::Token)
    }

    fn sigmoid(&self) -> u32 {
        u32::from(self.gate().scoring == Scoring::Sigmoid)
    }

    fn selected(&self) -> u32 {
        u32::from(self.sigmoid() == 0 && self.gate().softmax_over == SoftmaxOver::Selected)
    }

    fn renormalize(&self) -> u32 {
        match self.gate().renormalize {
            Renormalize::None => 0,
            Renormalize::PreDrop => 1,
            Renormalize::PostDrop => 2,
        }
    }
}
