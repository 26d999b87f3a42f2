//! Multi-gate mixtures.

use serde::Serialize;

use super::top_k::check_choices;
use super::{Gate, Router};
use crate::config::check::{invalid, whole};
use crate::config::limits::{CHOICES, GATES};
use crate::config::read::Fields;
use crate::config::{Capacity, LayerConfig, Priority};
use crate::error::Error;

/// One gate a task over the same experts (MMoE): the output of task `k` is `Σ_e softmax(h_k)_e · f_e(x)`, so that a layer has as
/// many outputs as tasks. Each expert is computed once for a token, however many tasks ask it.
///
/// With `k`, each task takes its `k` best experts as top-k does, and a token goes to all that any of its tasks took.
///
/// # Source
/// Ma et al. 2018, "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts".
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MultiGate {
    /// Tasks, each with a gate: row `k·E + e` of the router is that of task `k` for expert `e`.
    pub tasks: usize,
    /// Experts that each task takes, `1..=E`; `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k: Option<usize>,
}

impl MultiGate {
    /// All experts for each of `tasks` tasks.
    pub fn new(tasks: usize) -> Self {
        MultiGate { tasks, k: None }
    }

    /// Experts that a task takes, of `experts`.
    pub fn taken(&self, experts: usize) -> usize {
        self.k.unwrap_or(experts)
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let router = MultiGate { tasks: f.required("tasks", GATES)?, k: f.whole("k", CHOICES)? };
        f.finish()?;
        Ok(router)
    }
}

impl Router for MultiGate {
    fn choices(&self, experts: usize) -> usize {
        self.taken(experts).saturating_mul(self.tasks).min(experts)
    }

    fn rows(&self, experts: usize) -> usize {
        self.tasks * experts
    }

    fn outputs(&self) -> usize {
        self.tasks
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::SOFTMAX)
    }

    fn losses(&self) -> &'static [&'static str] {
        &["load"]
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        whole("router.tasks", self.tasks, GATES)?;
        check_choices(self.taken(layer.experts), layer.experts)?;
        if layer.residual {
            return Err(invalid("residual", true, "false: with this router the shared expert is added for every task"));
        }
        match layer.capacity {
            Capacity::Bounded { priority: Priority::Weight, .. } => {
                let wanted = "another one: with this router a choice has a weight for each task";
                Err(invalid("capacity.priority", "\"weight\"", wanted))
            }
            _ => Ok(()),
        }
    }
}
