//! Routers: each turns its settings into the override constants of the routing kernels, and records them.

mod top_k;

pub use top_k::record;

use crate::config::{LayerConfig, Order, Priority, Renormalize, RouterConfig, Scoring, SoftmaxOver};
use crate::kernels::{BLOCK, Constants};

/// Switches of the routing kernels, forward and backward, from a layer's description.
pub struct Switches<'a>(pub &'a LayerConfig);

impl Switches<'_> {
    fn top_k(&self) -> &crate::config::TopK {
        let RouterConfig::TopK(router) = &self.0.router;
        router
    }

    /// Of `route`.
    pub fn route(&self) -> Constants {
        let router = self.top_k();
        Constants(vec![
            ("SIGMOID", self.sigmoid()),
            ("SELECTED", self.selected()),
            ("BIASED", u32::from(router.selection_bias.is_some())),
            ("GROUP_LIMITED", u32::from(router.group_limit < router.expert_groups)),
            ("SHARED_GATE", self.shared_gate()),
        ])
    }

    /// Of `slot_count`.
    pub fn slot_count(&self) -> Constants {
        Constants(vec![("BY_TOKEN", self.by_token()), ("BLOCK", BLOCK)])
    }

    /// Of `slot_count_by_key`.
    pub fn slot_count_by_key(&self) -> Constants {
        let priority = match self.0.slot_order().0 {
            Priority::Arrival => unreachable!("arrival is counted by slot_count"),
            Priority::Batch => 1,
            Priority::Weight => 2,
            Priority::Random => 3,
        };
        let pre_drop = u32::from(self.top_k().renormalize == Renormalize::PreDrop);
        Constants(vec![("PRIORITY", priority), ("BY_TOKEN", self.by_token()), ("PRE_DROP", pre_drop)])
    }

    /// Of `place`; `block`: assignments of a block.
    pub fn place(&self, block: u32) -> Constants {
        Constants(vec![("BY_TOKEN", self.by_token()), ("BLOCK", block), ("RENORMALIZE", self.renormalize())])
    }

    /// Of `gate_backward`.
    pub fn gate_backward(&self) -> Constants {
        Constants(vec![
            ("SIGMOID", self.sigmoid()),
            ("SELECTED", self.selected()),
            ("SHARED_GATE", self.shared_gate()),
            ("RENORMALIZE", self.renormalize()),
        ])
    }

    /// Of the kernels that read the router's input.
    pub fn jitter(&self, train: bool) -> Constants {
        Constants(vec![("JITTER", u32::from(self.jittered(train)))])
    }

    /// Whether the router's input is jittered.
    pub fn jittered(&self, train: bool) -> bool {
        train && self.top_k().jitter > 0.0
    }

    /// Whether assignments are served by a key instead of by arrival.
    pub fn by_key(&self) -> bool {
        self.0.slot_order().0 != Priority::Arrival
    }

    fn by_token(&self) -> u32 {
        u32::from(self.0.slot_order().1 == Order::Token)
    }

    fn sigmoid(&self) -> u32 {
        u32::from(self.top_k().scoring == Scoring::Sigmoid)
    }

    fn selected(&self) -> u32 {
        u32::from(self.sigmoid() == 0 && self.top_k().softmax_over == SoftmaxOver::Selected)
    }

    fn shared_gate(&self) -> u32 {
        u32::from(self.0.shared_expert.is_some_and(|s| s.gate))
    }

    fn renormalize(&self) -> u32 {
        match self.top_k().renormalize {
            Renormalize::None => 0,
            Renormalize::PreDrop => 1,
            Renormalize::PostDrop => 2,
        }
    }
}
