//! Token choice by noisy logits.

use serde::Serialize;

use super::top_k::check_choices;
use super::{Draws, Gate, Router, SoftmaxOver};
use crate::config::LayerConfig;
use crate::config::check::{invalid, real, whole};
use crate::config::limits::{CHOICES, EXPERTS};
use crate::config::read::Fields;
use crate::error::Error;

/// Token choice by logits with noise: in training token `t` takes the `k` experts with the largest `H = c + σ ⊙ z`, where `c`
/// are the logits and `z` is standard normal; outside training by `c`. The noise spreads tokens that are not sure yet, and makes
/// it a matter of chance who is chosen, so that the expected load of an expert has a gradient: the loss `load`.
///
/// Learned noise is weighed by a softmax over the chosen `H`; noise of fixed width by their shares in the softmax over all `H`.
///
/// With [`branches`](Self::branches) all of this happens twice: a token chooses branches of the experts by a primary router, then in
/// each of them `k` experts, and a choice weighs `G_primary(x)_i · G_i(x)_j`. Its loads are those of appendix B: the load of the branch
/// times the expert's share of the tokens there, an even one if there are none.
///
/// # Source
/// Shazeer et al. 2017, "Outrageously Large Neural Networks", section 2.1 and appendix A; branches: appendix B; noise of fixed width:
/// Riquelme et al. 2021 (V-MoE), appendix A.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoisyTopK {
    /// Experts chosen by each token, `1..=E`, or in each of its branches. With learned noise and `k = 1` a weight is always 1, and
    /// the router learns from its losses alone.
    pub k: usize,
    /// How the experts are split, if a token chooses on two levels; only with [`Noise::Learned`].
    #[serde(flatten)]
    pub branches: Option<Branches>,
    /// Where `σ` comes from.
    #[serde(flatten)]
    pub noise: Noise,
}

/// Equal runs of experts that a token chooses among before it chooses experts: the hierarchical mixture of experts.
///
/// Row `E + i` of the router, and of the weights `noise`, is that of branch `i`, which has the experts from `i·E/branches` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Branches {
    /// How many there are, a divisor of `E`.
    pub branches: usize,
    /// How many of them a token chooses, `1..=branches`; in each it chooses `k` experts.
    pub branch_k: usize,
}

/// The width `σ` of the noise on a logit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "noise")]
pub enum Noise {
    /// `softplus(x · Wₙ) + epsilon`, with weights `noise` of the layer (Shazeer et al. 2017).
    Learned {
        /// It can fall no lower, however sure a token is.
        #[serde(rename = "noiseEpsilon")]
        epsilon: f32,
    },
    /// `std / E` (V-MoE).
    Fixed {
        /// Width times `E`.
        #[serde(rename = "noiseStd")]
        std: f32,
    },
}

impl NoisyTopK {
    /// `k` choices with learned noise, everything else at its default.
    pub fn new(k: usize) -> Self {
        NoisyTopK { k, branches: None, noise: Noise::Learned { epsilon: 0.01 } }
    }

    /// `k` choices with learned noise in each of `branch_k` of `branches` branches.
    pub fn hierarchical(branches: usize, branch_k: usize, k: usize) -> Self {
        NoisyTopK { branches: Some(Branches { branches, branch_k }), ..NoisyTopK::new(k) }
    }

    /// `k` choices with noise of the width `1/E`, as V-MoE has it.
    pub fn fixed(k: usize) -> Self {
        NoisyTopK { noise: Noise::Fixed { std: 1.0 }, ..NoisyTopK::new(k) }
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let k = f.required("k", CHOICES)?;
        let kinds = [("learned", NoisyTopK::new(k)), ("fixed", NoisyTopK::fixed(k))];
        let mut router = f.choice("noise", &kinds)?.unwrap_or(NoisyTopK::new(k));
        let (field, width) = match &mut router.noise {
            Noise::Learned { epsilon } => ("noiseEpsilon", epsilon),
            Noise::Fixed { std } => ("noiseStd", std),
        };
        if let Some(given) = f.number(field)? {
            *width = given as f32;
        }
        if let Some(branches) = f.whole("branches", EXPERTS)? {
            let branch_k = f.whole("branchK", EXPERTS)?.unwrap_or(branches.min(2));
            router.branches = Some(Branches { branches, branch_k });
        }
        f.finish()?;
        Ok(router)
    }

    /// Checks how the `experts` are split.
    fn check_branches(&self, Branches { branches, branch_k }: Branches, experts: usize) -> Result<(), Error> {
        whole("router.branches", branches, 1..=experts)?;
        if !experts.is_multiple_of(branches) {
            return Err(invalid("router.branches", branches, &format!("a divisor of experts = {experts}")));
        }
        whole("router.branchK", branch_k, 1..=branches)?;
        let size = experts / branches;
        if self.k > size {
            let wanted = format!("at most the {size} experts of a branch: experts / branches = {experts} / {branches}");
            return Err(invalid("router.k", self.k, &wanted));
        }
        match self.noise {
            Noise::Learned { .. } => Ok(()),
            Noise::Fixed { .. } => {
                let wanted = "\"learned\" beside branches, whose choices weigh by a softmax over the chosen ones";
                Err(invalid("router.noise", "\"fixed\"", wanted))
            }
        }
    }
}

impl Router for NoisyTopK {
    fn choices(&self, _experts: usize) -> usize {
        self.branch_choices().max(1).saturating_mul(self.k)
    }

    fn branches(&self) -> usize {
        self.branches.map_or(0, |split| split.branches)
    }

    fn branch_choices(&self) -> usize {
        self.branches.map_or(0, |split| split.branch_k)
    }

    fn rows(&self, experts: usize) -> usize {
        experts + self.branches()
    }

    fn scored(&self, experts: usize) -> usize {
        experts
    }

    fn gate(&self) -> Option<Gate> {
        Some(match self.noise {
            Noise::Learned { .. } => Gate { softmax_over: SoftmaxOver::Selected, ..Gate::SOFTMAX },
            Noise::Fixed { .. } => Gate::SOFTMAX,
        })
    }

    fn adds_noise(&self) -> bool {
        true
    }

    fn draws(&self, train: bool) -> Option<Draws> {
        train.then_some(Draws::Normal)
    }

    fn learns_noise(&self) -> bool {
        matches!(self.noise, Noise::Learned { .. })
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        check_choices(self.k, layer.experts)?;
        if let Some(branches) = self.branches {
            self.check_branches(branches, layer.experts)?;
        }
        match self.noise {
            Noise::Learned { epsilon: e } => {
                real("router.noiseEpsilon", f64::from(e), e.is_finite() && e >= 0.0, "a finite number from 0 on")
            }
            Noise::Fixed { std } => {
                real("router.noiseStd", f64::from(std), std.is_finite() && std > 0.0, "a finite number above 0")
            }
        }
    }
}
