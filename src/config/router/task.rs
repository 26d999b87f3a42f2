//! Task routing.

use serde::Serialize;

use super::top_k::{check_choices, check_scale};
use super::{Gate, Renormalize, Router, Scoring, SoftmaxOver};
use crate::config::LayerConfig;
use crate::config::check::{invalid, whole};
use crate::config::limits::{CHOICES, TASKS};
use crate::config::read::Fields;
use crate::error::Error;

/// Token choice where the router reads the embedding of a token's task, which is learned, instead of the token: all tokens of a task
/// have the same experts with the same weights.
///
/// So a task needs no more than its `k` experts: [`MoeLayer::task_network`](crate::session::MoeLayer::task_network) takes them out.
///
/// # Source
/// Kudugunta et al. 2021, "Beyond Distillation: Task-level Mixture-of-Experts for Efficient Inference".
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Number of tasks.
    pub tasks: usize,
    /// Experts chosen by each task, `1..=E`.
    pub k: usize,
    /// How logits become scores.
    pub scoring: Scoring,
    /// Over which experts the softmax is taken; read only for [`Scoring::Softmax`].
    pub softmax_over: SoftmaxOver,
    /// When the chosen weights are divided by their sum.
    pub renormalize: Renormalize,
    /// Factor on the final weights.
    pub scale: f32,
}

impl Task {
    /// `k` choices for each of `tasks` tasks, by plain softmax scores.
    pub fn new(tasks: usize, k: usize) -> Self {
        let Gate { scoring, softmax_over, renormalize, scale, .. } = Gate::SOFTMAX;
        Task { tasks, k, scoring, softmax_over, renormalize, scale }
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let defaults = Task::new(f.required("tasks", TASKS)?, f.required("k", CHOICES)?);
        let router = Task {
            scoring: f.choice("scoring", &Scoring::NAMES)?.unwrap_or(defaults.scoring),
            softmax_over: f.choice("softmaxOver", &SoftmaxOver::NAMES)?.unwrap_or(defaults.softmax_over),
            renormalize: f.choice("renormalize", &Renormalize::NAMES)?.unwrap_or(defaults.renormalize),
            scale: f.number("scale")?.map_or(defaults.scale, |scale| scale as f32),
            ..defaults
        };
        f.finish()?;
        Ok(router)
    }
}

impl Router for Task {
    fn choices(&self, _experts: usize) -> usize {
        self.k
    }

    fn gate(&self) -> Option<Gate> {
        let Task { scoring, softmax_over, renormalize, scale, .. } = *self;
        Some(Gate { scoring, softmax_over, renormalize, scale, ..Gate::SOFTMAX })
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        whole("router.tasks", self.tasks, TASKS)?;
        check_choices(self.k, layer.experts)?;
        check_scale(self.scale)?;
        match layer.shared_expert {
            Some(shared) if shared.gate => {
                Err(invalid("sharedExpert.gate", true, "false: it reads tokens, and this router reads tasks alone"))
            }
            _ => Ok(()),
        }
    }
}
