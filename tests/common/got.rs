//! What one run of a layer gave, in the same plain form for every implementation.

use std::collections::BTreeMap;

use webmoe::reference::{Forward, Gradients, Routing};
use webmoe::weights::NAMES;

/// The results of one forward and one backward pass, as f64.
#[derive(Clone, Debug, Default)]
pub struct Got {
    /// `[T, d]`.
    pub output: Vec<f64>,
    /// `[T, E]`, where the implementation shows them.
    pub logits: Option<Vec<f64>>,
    /// The plan.
    pub routing: GotRouting,
    /// Auxiliary losses by name.
    pub losses: BTreeMap<String, f64>,
    /// Gradients by name: `x` and the names of the weights.
    pub gradients: BTreeMap<String, Vec<f64>>,
}

/// The plan of a layer, as the JavaScript API gives it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GotRouting {
    /// Columns of the arrays below.
    pub slots: usize,
    /// `[T, slots]`, -1 = none.
    pub experts: Vec<i32>,
    /// `[T, slots]`.
    pub weights: Vec<f64>,
    /// `[T, slots]`, -1 = dropped.
    pub positions: Vec<i32>,
    /// `[T, slots]`.
    pub kept: Vec<bool>,
    /// `[E]`.
    pub demanded: Vec<u32>,
    /// `[E]`.
    pub load: Vec<u32>,
}

impl GotRouting {
    /// A `[T, E]` array with `value(i)` for every entry `i` of the plan that is there, `fill` elsewhere.
    pub fn dense(&self, fill: f64, value: impl Fn(usize) -> f64) -> Vec<f64> {
        let experts = self.demanded.len();
        let tokens = self.experts.len() / self.slots;
        let mut dense = vec![fill; tokens * experts];
        for (i, &expert) in self.experts.iter().enumerate() {
            if expert >= 0 {
                dense[i / self.slots * experts + expert as usize] = value(i);
            }
        }
        dense
    }

    /// Weights in the output, `[T, E]`.
    pub fn dense_weights(&self) -> Vec<f64> {
        self.dense(0.0, |i| self.weights[i])
    }

    /// 1 for every kept pair, `[T, E]`.
    pub fn dense_kept(&self) -> Vec<f64> {
        self.dense(0.0, |i| f64::from(u8::from(self.kept[i])))
    }

    /// Places in the experts' buffers, `[T, E]`; -1 where there is none.
    pub fn dense_positions(&self) -> Vec<f64> {
        self.dense(-1.0, |i| f64::from(self.positions[i]))
    }
}

impl From<&Routing> for GotRouting {
    fn from(routing: &Routing) -> Self {
        GotRouting {
            slots: routing.slots,
            experts: routing.experts.clone(),
            weights: routing.weights.clone(),
            positions: routing.positions.clone(),
            kept: routing.kept.clone(),
            demanded: routing.demanded.clone(),
            load: routing.load.clone(),
        }
    }
}

impl Got {
    /// The results of the oracle.
    pub fn from_oracle(forward: &Forward, gradients: &Gradients) -> Self {
        let weights = NAMES.into_iter().filter_map(|name| Some((name, gradients.weights.get(name)?.to_vec())));
        Got {
            output: forward.output.clone(),
            logits: Some(forward.logits.clone()),
            routing: GotRouting::from(&forward.routing),
            losses: forward.losses.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            gradients: [("x", gradients.x.clone())]
                .into_iter()
                .chain(weights)
                .map(|(name, values)| (name.to_owned(), values))
                .collect(),
        }
    }
}
