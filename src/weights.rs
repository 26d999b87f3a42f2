//! The arrays of a layer: names, shapes, checks.

mod select;

pub use select::select_experts;

use crate::config::LayerConfig;
use crate::error::Error;

/// The weights of a layer, or anything shaped like them, row-major, `[out, in]` as in Hugging Face checkpoints.
///
/// `E` experts, `E'` of them with weights (all but the `identityExperts`), `d` = `dModel`, `F` = `dFf`,
/// `Fs` = `sharedExpert.dFf`. The gate is the half that goes through the activation: `act(x·W1ᵀ + b1) ⊙ (x·W3ᵀ + b3)`.
///
/// An expert of `expertWidths[e] < F` has the same shapes: rows of w1, w3, b1 and b3 and columns of w2 beyond its width are
/// 0, and so are their gradients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights<T> {
    /// `[E, d]`: the router; `[0, d]` where nothing is learned, `[E + 1, d]` where the last row is the baseline of rewards,
    /// `[E + branches, d]` where a token chooses among branches first, `[tasks·E, d]` where each task has a gate,
    /// `[E·slots, d]` where each slot has an embedding.
    pub router: Vec<T>,
    /// `[E]`, with `routerBias`: one for each row of `router`.
    pub router_bias: Option<Vec<T>>,
    /// `[E', F, d]`: into the hidden layer.
    pub w1: Vec<T>,
    /// `[E', d, F]`: out of the hidden layer.
    pub w2: Vec<T>,
    /// `[E', F, d]`, with `gated`: the factor of the activated half.
    pub w3: Option<Vec<T>>,
    /// `[E', F]`, with `bias`.
    pub b1: Option<Vec<T>>,
    /// `[E', d]`, with `bias`.
    pub b2: Option<Vec<T>>,
    /// `[E', F]`, with `bias` and `gated`.
    pub b3: Option<Vec<T>>,
    /// `[Fs, d]`, with `sharedExpert`.
    pub shared_w1: Option<Vec<T>>,
    /// `[d, Fs]`, with `sharedExpert`.
    pub shared_w2: Option<Vec<T>>,
    /// `[Fs, d]`, with `sharedExpert` and `gated`.
    pub shared_w3: Option<Vec<T>>,
    /// `[d]`, with `sharedExpert.gate`.
    pub shared_gate: Option<Vec<T>>,
    /// As `router`: the width of the noise on the router's logits, of a router that learns it.
    pub noise: Option<Vec<T>>,
    /// `[tasks, d]`: what a task router reads in place of tokens.
    pub task_embedding: Option<Vec<T>>,
    /// `[E]`: the least key of a token that each expert takes, or [`NO_THRESHOLD`], of a router that has thresholds. Its gradient is 0.
    pub thresholds: Option<Vec<T>>,
    /// `[vocabulary, E]`: how often each id has pulled each expert, of a bandit; whole numbers, exact up to 2²⁴.
    pub bandit_pulls: Option<Vec<T>>,
    /// `[vocabulary, E]`: the mean reward of those pulls.
    pub bandit_means: Option<Vec<T>>,
}

/// In place of a threshold that no batch has set yet: the least number that there is, which every key reaches.
pub const NO_THRESHOLD: f32 = f32::MIN;

/// The weights that the engines and callers exchange.
pub type LayerWeights = Weights<f32>;

/// Every name that [`Weights`] has room for, in the order of its fields.
pub const NAMES: [&str; 17] = [
    "router",
    "routerBias",
    "w1",
    "w2",
    "w3",
    "b1",
    "b2",
    "b3",
    "sharedW1",
    "sharedW2",
    "sharedW3",
    "sharedGate",
    "noise",
    "taskEmbedding",
    "thresholds",
    "banditPulls",
    "banditMeans",
];

/// Names of those that are counted, not learned: they have no gradient.
const COUNTED: [&str; 2] = ["banditPulls", "banditMeans"];

/// The shape of the array `name` in a layer, or `None` if the layer has no such array.
pub fn shape(config: &LayerConfig, name: &str) -> Option<Vec<usize>> {
    let (d, f, e) = (config.d_model, config.d_ff, config.feed_forward_experts());
    let given = |there: bool, shape: &[usize]| there.then(|| shape.to_vec());
    let shared = |there: bool, shape: fn(usize, usize) -> Vec<usize>| {
        config.shared_expert.filter(|_| there).map(|expert| shape(d, expert.d_ff))
    };
    match name {
        "router" => Some(vec![config.router_rows(), d]),
        "routerBias" => given(config.router_bias, &[config.router_rows()]),
        "w1" => Some(vec![e, f, d]),
        "w2" => Some(vec![e, d, f]),
        "w3" => given(config.gated, &[e, f, d]),
        "b1" => given(config.bias, &[e, f]),
        "b2" => given(config.bias, &[e, d]),
        "b3" => given(config.bias && config.gated, &[e, f]),
        "sharedW1" => shared(true, |d, f| vec![f, d]),
        "sharedW2" => shared(true, |d, f| vec![d, f]),
        "sharedW3" => shared(config.gated, |d, f| vec![f, d]),
        "sharedGate" => shared(config.shared_expert.is_some_and(|expert| expert.gate), |d, _| vec![d]),
        "noise" => given(config.noise_rows() > 0, &[config.noise_rows(), d]),
        "taskEmbedding" => given(config.router.tasks() > 0, &[config.router.tasks(), d]),
        "thresholds" => given(config.router.thresholds().is_some(), &[config.experts]),
        "banditPulls" | "banditMeans" => {
            given(config.router.remembered() > 0, &[config.router.remembered(), config.experts])
        }
        _ => None,
    }
}

/// The arrays that a layer has, by name and shape, in the order of [`NAMES`].
pub fn shapes(config: &LayerConfig) -> Vec<(&'static str, Vec<usize>)> {
    NAMES.into_iter().filter_map(|name| Some((name, shape(config, name)?))).collect()
}

/// The expert beyond whose hidden width an entry of the array `name` lies, if it does: such entries are 0.
pub fn beyond_width(config: &LayerConfig, name: &str, index: usize) -> Option<usize> {
    let (d, f) = (config.d_model, config.d_ff);
    let (expert, unit) = match name {
        "w1" | "w3" => (index / (f * d), index / d % f),
        "w2" => (index / (d * f), index % f),
        "b1" | "b3" => (index / f, index % f),
        _ => return None,
    };
    (unit >= config.width(expert)).then_some(expert)
}

/// The number of values in an array of `shape`; saturates instead of overflowing.
pub fn volume(shape: &[usize]) -> usize {
    shape.iter().fold(1, |product, &side| product.saturating_mul(side))
}

impl<T> Weights<T> {
    /// An array by its name, if it is there.
    pub fn get(&self, name: &str) -> Option<&[T]> {
        match name {
            "router" => Some(&self.router),
            "routerBias" => self.router_bias.as_deref(),
            "w1" => Some(&self.w1),
            "w2" => Some(&self.w2),
            "w3" => self.w3.as_deref(),
            "b1" => self.b1.as_deref(),
            "b2" => self.b2.as_deref(),
            "b3" => self.b3.as_deref(),
            "sharedW1" => self.shared_w1.as_deref(),
            "sharedW2" => self.shared_w2.as_deref(),
            "sharedW3" => self.shared_w3.as_deref(),
            "sharedGate" => self.shared_gate.as_deref(),
            "noise" => self.noise.as_deref(),
            "taskEmbedding" => self.task_embedding.as_deref(),
            "thresholds" => self.thresholds.as_deref(),
            "banditPulls" => self.bandit_pulls.as_deref(),
            "banditMeans" => self.bandit_means.as_deref(),
            _ => None,
        }
    }

    /// An array by its name, if it is there, to write to.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut [T]> {
        match name {
            "router" => Some(&mut self.router),
            "routerBias" => self.router_bias.as_deref_mut(),
            "w1" => Some(&mut self.w1),
            "w2" => Some(&mut self.w2),
            "w3" => self.w3.as_deref_mut(),
            "b1" => self.b1.as_deref_mut(),
            "b2" => self.b2.as_deref_mut(),
            "b3" => self.b3.as_deref_mut(),
            "sharedW1" => self.shared_w1.as_deref_mut(),
            "sharedW2" => self.shared_w2.as_deref_mut(),
            "sharedW3" => self.shared_w3.as_deref_mut(),
            "sharedGate" => self.shared_gate.as_deref_mut(),
            "noise" => self.noise.as_deref_mut(),
            "taskEmbedding" => self.task_embedding.as_deref_mut(),
            "thresholds" => self.thresholds.as_deref_mut(),
            "banditPulls" => self.bandit_pulls.as_deref_mut(),
            "banditMeans" => self.bandit_means.as_deref_mut(),
            _ => None,
        }
    }

    /// Puts an array in its place; a name outside [`NAMES`] is given back as the error.
    ///
    /// Shapes are not looked at: see [`check_array`] and [`LayerWeights::check`].
    pub fn set(&mut self, name: &str, values: Vec<T>) -> Result<(), String> {
        match name {
            "router" => self.router = values,
            "routerBias" => self.router_bias = Some(values),
            "w1" => self.w1 = values,
            "w2" => self.w2 = values,
            "w3" => self.w3 = Some(values),
            "b1" => self.b1 = Some(values),
            "b2" => self.b2 = Some(values),
            "b3" => self.b3 = Some(values),
            "sharedW1" => self.shared_w1 = Some(values),
            "sharedW2" => self.shared_w2 = Some(values),
            "sharedW3" => self.shared_w3 = Some(values),
            "sharedGate" => self.shared_gate = Some(values),
            "noise" => self.noise = Some(values),
            "taskEmbedding" => self.task_embedding = Some(values),
            "thresholds" => self.thresholds = Some(values),
            "banditPulls" => self.bandit_pulls = Some(values),
            "banditMeans" => self.bandit_means = Some(values),
            _ => return Err(name.to_owned()),
        }
        Ok(())
    }

    /// The arrays of a layer, each made from its name and its number of values.
    pub fn build(config: &LayerConfig, make: impl FnMut(&'static str, usize) -> Vec<T>) -> Self {
        Self::build_those(config, |_| true, make)
    }

    /// As [`Weights::build`], of the arrays that have a gradient: what a bandit counts is left out.
    pub fn build_gradients(config: &LayerConfig, make: impl FnMut(&'static str, usize) -> Vec<T>) -> Self {
        Self::build_those(config, |name| !COUNTED.contains(&name), make)
    }

    fn build_those(
        config: &LayerConfig,
        wanted: impl Fn(&str) -> bool,
        mut make: impl FnMut(&'static str, usize) -> Vec<T>,
    ) -> Self {
        let shape = |name| shape(config, name).filter(|_| wanted(name));
        let mut made = NAMES.map(|name| shape(name).map(|shape| make(name, volume(&shape)))).into_iter();
        let mut next = || made.next().flatten();
        Weights {
            router: next().unwrap_or_default(),
            router_bias: next(),
            w1: next().unwrap_or_default(),
            w2: next().unwrap_or_default(),
            w3: next(),
            b1: next(),
            b2: next(),
            b3: next(),
            shared_w1: next(),
            shared_w2: next(),
            shared_w3: next(),
            shared_gate: next(),
            noise: next(),
            task_embedding: next(),
            thresholds: next(),
            bandit_pulls: next(),
            bandit_means: next(),
        }
    }
}

impl LayerWeights {
    /// Checks that exactly the arrays of the layer are there, with their lengths, all finite.
    ///
    /// # Errors
    /// The first array that is missing, superfluous or that [`check_array`] refuses, by name.
    pub fn check(&self, config: &LayerConfig) -> Result<(), Error> {
        for name in NAMES {
            match (self.get(name), shape(config, name)) {
                (None, None) => {}
                (None, Some(shape)) => {
                    return Err(Error::MissingWeights { what: name.to_owned(), shape: format!("{shape:?}") });
                }
                (Some(values), _) => check_array(config, name, values)?,
            }
        }
        Ok(())
    }
}

/// Checks one array of a layer: that the layer has it, its length, that every value is finite, and a number of pulls where
/// these are counted.
///
/// # Errors
/// [`Error::UnknownWeights`], [`Error::WrongLength`], [`Error::NonFinite`], [`Error::InvalidArgument`] or
/// [`Error::BeyondWidth`], by name.
pub fn check_array(config: &LayerConfig, name: &str, values: &[f32]) -> Result<(), Error> {
    let what = name.to_owned();
    let Some(shape) = shape(config, name) else {
        let known: Vec<_> = shapes(config).into_iter().map(|(name, _)| name).collect();
        return Err(Error::UnknownWeights { what, known: known.join(", ") });
    };
    let (got, wanted) = (values.len(), volume(&shape));
    if got != wanted {
        return Err(Error::WrongLength { what, got, wanted, shape: format!("{shape:?}") });
    }
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::NonFinite { what, index, value: values[index].to_string() });
    }
    let counts = |value: &f32| *value >= 0.0 && value.fract() == 0.0;
    if let Some(index) = values.iter().position(|value| name == "banditPulls" && !counts(value)) {
        let (what, got) = (format!("{what}[{index}]"), values[index].to_string());
        return Err(Error::InvalidArgument { what, got, wanted: "a whole number from 0 on".to_owned() });
    }
    if config.expert_widths.is_none() {
        return Ok(());
    }
    let unused = |(index, value): (usize, &f32)| match beyond_width(config, name, index) {
        Some(expert) if *value != 0.0 => {
            let (what, value, width) = (what.clone(), value.to_string(), config.width(expert));
            Err(Error::BeyondWidth { what, index, value, expert, width })
        }
        _ => Ok(()),
    };
    values.iter().enumerate().try_for_each(unused)
}
