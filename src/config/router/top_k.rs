//! Token choice.

use serde::Serialize;

use super::{Draws, Gate, Renormalize, Router, Scoring, SoftmaxOver};
use crate::config::LayerConfig;
use crate::config::check::{check_length, invalid, real, whole};
use crate::config::limits::{CHOICES, EXPERTS};
use crate::config::read::Fields;
use crate::error::Error;

/// How a token comes to its experts in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Exploration {
    /// It takes the best.
    Argmax,
    /// It draws them from the softmax of its logits, without replacement; how they are weighed stays the same (Switch; DeepSpeed's
    /// `RSample`).
    Sample,
}

/// Which of a token's choices after the first are asked. One that is not holds no slot, but still counts in the sum by which
/// [`Renormalize::PreDrop`](super::Renormalize::PreDrop) divides. Shares are those of the chosen weights in their sum, before drops.
///
/// # Source
/// Lepikhin et al. 2020 (GShard), Algorithm 1; the names: Mesh TensorFlow and Lingvo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SecondPolicy {
    /// All of them.
    All,
    /// None.
    None,
    /// All of them, but they are drawn from the softmax over the other experts, without replacement.
    Sampling,
    /// Each with the probability `min(1, share / threshold)`.
    Random,
    /// Those whose share is above the threshold.
    Threshold,
}

/// Token-choice top-k routing and its settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopK {
    /// Experts chosen by each token, `1..=E`; of every prototype.
    pub k: usize,
    /// Equal runs of experts, each with a softmax and `k` choices of its own, whose outputs add up (M6-T).
    pub prototypes: usize,
    /// How logits become scores.
    pub scoring: Scoring,
    /// Over which experts the softmax is taken; read only for [`Scoring::Softmax`].
    pub softmax_over: SoftmaxOver,
    /// When the chosen weights are divided by their sum.
    pub renormalize: Renormalize,
    /// `f32[E]`, added to the scores to choose, never to weigh (DeepSeek-V3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection_bias: Option<Vec<f32>>,
    /// Number of expert groups for group-limited routing; 1 = no limit.
    pub expert_groups: usize,
    /// Groups a token may choose from, `1..=expert_groups`; a group scores the sum of its two best
    /// (biased) scores (DeepSeek-V3).
    pub group_limit: usize,
    /// Factor on the final weights.
    pub scale: f32,
    /// In training the router's input is multiplied by U(1−jitter, 1+jitter) (Switch).
    pub jitter: f32,
    /// In training this share of the router's input is dropped, and the rest divided by 1−dropout (Switch).
    pub dropout: f32,
    /// How a token comes to its experts in training; outside training it takes the best.
    pub exploration: Exploration,
    /// Which choices after the first are asked, in training.
    pub second_policy: SecondPolicy,
    /// The same outside training.
    pub eval_second_policy: SecondPolicy,
    /// What [`SecondPolicy::Random`] and [`SecondPolicy::Threshold`] compare shares with, above 0 and at most 1.
    pub second_threshold: f32,
    /// A token takes no more experts than it needs for their scores to be this share of all, above 0 and at most 1; still at
    /// most `k`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// A token takes only experts that score above this, from 0 to below 1; still at most `k`, maybe none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_score: Option<f32>,
}

impl TopK {
    /// `k` choices by plain softmax scores: everything else at its default.
    pub fn new(k: usize) -> Self {
        TopK {
            k,
            prototypes: 1,
            scoring: Scoring::Softmax,
            softmax_over: SoftmaxOver::All,
            renormalize: Renormalize::None,
            selection_bias: None,
            expert_groups: 1,
            group_limit: 1,
            scale: 1.0,
            jitter: 0.0,
            dropout: 0.0,
            exploration: Exploration::Argmax,
            second_policy: SecondPolicy::All,
            eval_second_policy: SecondPolicy::All,
            second_threshold: 0.5,
            top_p: None,
            min_score: None,
        }
    }

    /// Which choices after the first are asked.
    pub fn second_policy(&self, train: bool) -> SecondPolicy {
        if train { self.second_policy } else { self.eval_second_policy }
    }

    /// Whether nothing but its logits decides which experts a token takes.
    pub fn goes_by_logits(&self) -> bool {
        self.selection_bias.is_none() && self.group_limit == self.expert_groups
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let defaults = TopK::new(f.required("k", CHOICES)?);
        let explorations = [("argmax", Exploration::Argmax), ("sample", Exploration::Sample)];
        let policies = [
            ("all", SecondPolicy::All),
            ("none", SecondPolicy::None),
            ("sampling", SecondPolicy::Sampling),
            ("random", SecondPolicy::Random),
            ("threshold", SecondPolicy::Threshold),
        ];
        let second_policy = f.choice("secondPolicy", &policies)?.unwrap_or(defaults.second_policy);
        let expert_groups = f.whole("expertGroups", EXPERTS)?.unwrap_or(defaults.expert_groups);
        let router = TopK {
            k: defaults.k,
            prototypes: f.whole("prototypes", EXPERTS)?.unwrap_or(defaults.prototypes),
            scoring: f.choice("scoring", &Scoring::NAMES)?.unwrap_or(defaults.scoring),
            softmax_over: f.choice("softmaxOver", &SoftmaxOver::NAMES)?.unwrap_or(defaults.softmax_over),
            renormalize: f.choice("renormalize", &Renormalize::NAMES)?.unwrap_or(defaults.renormalize),
            selection_bias: f.numbers("selectionBias")?,
            expert_groups,
            group_limit: f.whole("groupLimit", EXPERTS)?.unwrap_or(expert_groups),
            scale: f.number("scale")?.map_or(defaults.scale, |scale| scale as f32),
            jitter: f.number("jitter")?.map_or(defaults.jitter, |jitter| jitter as f32),
            dropout: f.number("dropout")?.map_or(defaults.dropout, |dropout| dropout as f32),
            exploration: f.choice("exploration", &explorations)?.unwrap_or(defaults.exploration),
            second_policy,
            eval_second_policy: f.choice("evalSecondPolicy", &policies)?.unwrap_or(second_policy),
            second_threshold: f.number("secondThreshold")?.map_or(defaults.second_threshold, |share| share as f32),
            top_p: f.number("topP")?.map(|share| share as f32),
            min_score: f.number("minScore")?.map(|score| score as f32),
        };
        f.finish()?;
        Ok(router)
    }
}

impl Router for TopK {
    fn choices(&self, _experts: usize) -> usize {
        self.k * self.prototypes
    }

    fn gate(&self) -> Option<Gate> {
        let TopK { scoring, softmax_over, renormalize, scale, prototypes, .. } = *self;
        Some(Gate { scoring, softmax_over, renormalize, scale, prototypes })
    }

    fn jitter(&self) -> f32 {
        self.jitter
    }

    fn dropout(&self) -> f32 {
        self.dropout
    }

    /// `secondPlace`, where there are exactly two choices of a softmax: GShard's loss on second choices.
    fn losses(&self) -> &'static [&'static str] {
        let two = self.k == 2 && self.prototypes == 1 && self.scoring == Scoring::Softmax;
        if two && self.top_p.is_none() && self.min_score.is_none() {
            &["loadBalance", "loadBalanceFirst", "z", "importance", "load", "secondPlace"]
        } else {
            &["loadBalance", "loadBalanceFirst", "z", "importance", "load"]
        }
    }

    fn draws(&self, train: bool) -> Option<Draws> {
        match self.second_policy(train) {
            SecondPolicy::All if train && self.exploration == Exploration::Sample => Some(Draws::Gumbel),
            SecondPolicy::All | SecondPolicy::None | SecondPolicy::Threshold => None,
            SecondPolicy::Sampling => Some(Draws::Gumbel),
            SecondPolicy::Random => Some(Draws::Uniform),
        }
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        let experts = layer.experts;
        check_choices(self.k, experts)?;
        whole("router.expertGroups", self.expert_groups, EXPERTS)?;
        if !experts.is_multiple_of(self.expert_groups) {
            let wanted = format!("a divisor of experts = {experts}");
            return Err(invalid("router.expertGroups", self.expert_groups, &wanted));
        }
        whole("router.groupLimit", self.group_limit, 1..=self.expert_groups)?;
        let reach = experts / self.expert_groups * self.group_limit;
        if self.k > reach {
            return Err(Error::TooManyChoices { k: self.k, experts: reach, raise: "router.groupLimit" });
        }
        if let Some(bias) = &self.selection_bias {
            check_selection_bias(bias, experts)?;
        }
        check_scale(self.scale)?;
        for (field, share) in [("router.jitter", self.jitter), ("router.dropout", self.dropout)] {
            real(field, f64::from(share), (0.0..1.0).contains(&share), "at least 0 and below 1")?;
        }
        if self.exploration == Exploration::Sample && !self.goes_by_logits() {
            return Err(invalid("router.exploration", "\"sample\"", &format!("\"argmax\" {NOT_BY_LOGITS}")));
        }
        for (field, policy) in
            [("router.secondPolicy", self.second_policy), ("router.evalSecondPolicy", self.eval_second_policy)]
        {
            self.check_policy(field, policy)?;
        }
        let threshold = self.second_threshold;
        let valid = threshold > 0.0 && threshold <= 1.0;
        real("router.secondThreshold", f64::from(threshold), valid, "above 0 and at most 1")?;
        self.check_number()?;
        self.check_prototypes(experts)
    }
}

const NOT_BY_LOGITS: &str = "beside a selectionBias or a groupLimit, which choose by scores and not by chance";

impl TopK {
    /// Checks what makes the number of a token's experts vary.
    fn check_number(&self) -> Result<(), Error> {
        if let Some(share) = self.top_p {
            real("router.topP", f64::from(share), share > 0.0 && share <= 1.0, "above 0 and at most 1")?;
        }
        if let Some(score) = self.min_score {
            real("router.minScore", f64::from(score), (0.0..1.0).contains(&score), "at least 0 and below 1")?;
        }
        let (field, value) = match (self.top_p, self.min_score) {
            (None, None) => return Ok(()),
            (Some(_), Some(score)) => {
                return Err(invalid("router.minScore", score, "left out beside topP, or topP beside it"));
            }
            (Some(share), None) => ("router.topP", share),
            (None, Some(score)) => ("router.minScore", score),
        };
        let wanted = if !self.goes_by_logits() {
            "left out beside a selectionBias or a groupLimit, which choose by something else than scores"
        } else if self.exploration == Exploration::Sample {
            "left out where choices are drawn: exploration = \"sample\""
        } else if [self.second_policy, self.eval_second_policy] != [SecondPolicy::All; 2] {
            "left out beside a secondPolicy, which decides about the same choices"
        } else {
            return Ok(());
        };
        Err(invalid(field, value, wanted))
    }

    /// Checks that the experts can be split, and that nothing else is asked for.
    fn check_prototypes(&self, experts: usize) -> Result<(), Error> {
        let (field, prototypes) = ("router.prototypes", self.prototypes);
        whole(field, prototypes, EXPERTS)?;
        if !experts.is_multiple_of(prototypes) {
            return Err(invalid(field, prototypes, &format!("a divisor of experts = {experts}")));
        }
        let own = experts / prototypes;
        if self.k > own {
            return Err(Error::TooManyChoices {
                k: self.k,
                experts: own,
                raise: "experts, or lower router.prototypes",
            });
        }
        let TopK { k, scale, jitter, dropout, .. } = *self;
        let plain = TopK { prototypes, scale, jitter, dropout, ..TopK::new(k) };
        let same = TopK { second_threshold: plain.second_threshold, ..self.clone() } == plain;
        let wanted = "1 beside any setting but k, scale, jitter and dropout";
        if prototypes == 1 || same { Ok(()) } else { Err(invalid(field, prototypes, wanted)) }
    }

    fn check_policy(&self, field: &str, policy: SecondPolicy) -> Result<(), Error> {
        let name = match policy {
            SecondPolicy::All => return Ok(()),
            SecondPolicy::None => "\"none\"",
            SecondPolicy::Sampling => "\"sampling\"",
            SecondPolicy::Random => "\"random\"",
            SecondPolicy::Threshold => "\"threshold\"",
        };
        if self.k == 1 {
            return Err(invalid(field, name, "\"all\" where there is no second choice: k = 1"));
        }
        if self.exploration == Exploration::Sample {
            return Err(invalid(field, name, "\"all\" where all choices are drawn: exploration = \"sample\""));
        }
        if policy == SecondPolicy::Sampling && !self.goes_by_logits() {
            return Err(invalid(field, name, &format!("another policy {NOT_BY_LOGITS}")));
        }
        Ok(())
    }
}

/// Checks the factor on the weights.
pub(super) fn check_scale(scale: f32) -> Result<(), Error> {
    real("router.scale", f64::from(scale), scale.is_finite() && scale > 0.0, "a finite number above 0")
}

/// Checks that there are as many experts as choices.
pub(super) fn check_choices(k: usize, experts: usize) -> Result<(), Error> {
    whole("router.k", k, CHOICES)?;
    if k > experts { Err(Error::TooManyChoices { k, experts, raise: "experts" }) } else { Ok(()) }
}

fn check_selection_bias(bias: &[f32], experts: usize) -> Result<(), Error> {
    let what = "router.selectionBias".to_owned();
    check_length(&what, bias.len(), experts)?;
    match bias.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NonFinite { what, index, value: bias[index].to_string() }),
        None => Ok(()),
    }
}
