//! A layer on a made-up batch, put to an engine and to the oracle.

use std::rc::Rc;

use webmoe::config::{Draws, LayerConfig};
use webmoe::engine::Engine;
use webmoe::labels::Labels;
use webmoe::layer::Traffic;
use webmoe::reference::{self, Forward, Gradients, Setting};
use webmoe::session::ForwardOptions;
use webmoe::weights::{LayerWeights, shape};

use super::close::{Tol, compare};
use super::engine::{layer_of, passes};
use super::got::{Got, GotRouting};
use super::inputs::{d_output, labels, noise, tokens, weights};

/// A layer, and how much goes in.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What is special about it.
    pub name: String,
    /// The layer.
    pub config: LayerConfig,
    /// Tokens of the batch.
    pub tokens: usize,
    /// Whether forward runs as in training.
    pub train: bool,
    /// The step, for random numbers.
    pub step: u32,
    /// Which pass of the step.
    pub pass: u32,
    /// Changes the weights before use.
    pub change: fn(&mut LayerWeights),
    /// Whether equal scores are the point, so that the plan hangs on them by right.
    pub ties: bool,
    /// Whether the router's random numbers are given.
    pub drawn: bool,
}

/// What goes in.
pub struct Inputs {
    /// Of the layer.
    pub weights: LayerWeights,
    /// `[T, d]`.
    pub x: Vec<f32>,
    /// `[T, d]`.
    pub d_output: Vec<f32>,
    /// For routers that go by them.
    pub labels: Labels,
    /// Random numbers in place of the router's own.
    pub draws: Option<Vec<f32>>,
}

impl Trial {
    /// A training step of a layer on a batch.
    pub fn new(name: impl Into<String>, config: LayerConfig, tokens: usize) -> Self {
        let (name, change) = (name.into(), |_: &mut LayerWeights| {});
        Trial { name, config, tokens, train: true, step: 3, pass: 0, change, ties: false, drawn: false }
    }

    /// The first inputs whose plan does not hang on rounding: the oracle gives the same one when tokens and what the router
    /// goes by are moved by some 1e-6 of themselves, thirty times what f32 rounds.
    pub fn inputs(&self) -> Inputs {
        let steady = |inputs: &Inputs| {
            let plan = |inputs: &Inputs| {
                let routing = self.oracle(inputs).routing;
                (routing.experts, routing.positions)
            };
            let here = plan(inputs);
            (0..4).all(|nudge| plan(&moved(inputs, nudge)) == here)
        };
        let found = (0..100).map(|seed| self.inputs_from(seed)).find(|inputs| self.ties || steady(inputs));
        found.unwrap_or_else(|| panic!("{}: every batch has scores that are too close", self.name))
    }

    fn inputs_from(&self, seed: u64) -> Inputs {
        let mut weights = weights(&self.config, seed);
        (self.change)(&mut weights);
        let (x, d_output) = (tokens(&self.config, seed, self.tokens), d_output(&self.config, seed, self.tokens));
        let labels = labels(&self.config, self.tokens);
        let draws = if self.drawn { self.draws(seed) } else { None };
        Inputs { weights, x, d_output, labels, draws }
    }

    /// Random numbers of the range that the router wants.
    fn draws(&self, seed: u64) -> Option<Vec<f32>> {
        let draws = self.config.router.draws(self.train)?;
        let even = noise(seed, 60, self.tokens * draws.of_token(&self.config));
        let turned = |v: f32| if draws == Draws::Uniform { 0.5 + 0.5 * v } else { 2.0 * v };
        Some(even.into_iter().map(turned).collect())
    }

    fn oracle(&self, inputs: &Inputs) -> Forward {
        let draws: Option<Vec<f64>> = inputs.draws.as_ref().map(|draws| draws.iter().copied().map(f64::from).collect());
        let (train, step, pass, labels) = (self.train, self.step, self.pass, Some(&inputs.labels));
        let setting = Setting { train, step, pass, labels, draws: draws.as_deref(), choices: None };
        let forward = reference::forward(&self.config, &inputs.weights, &inputs.x, setting);
        forward.unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// What the oracle says.
    pub fn wanted(&self, inputs: &Inputs) -> (Forward, Gradients) {
        let forward = self.oracle(inputs);
        let gradients = reference::backward(&self.config, &inputs.weights, &inputs.x, &forward, &inputs.d_output);
        (forward, gradients.unwrap_or_else(|e| panic!("{}: {e}", self.name)))
    }

    /// Everything in which an engine differs from the oracle.
    pub async fn check(&self, engine: &Rc<Engine>) -> Vec<String> {
        let inputs = self.inputs();
        let (forward, gradients) = self.wanted(&inputs);
        let mut layer = layer_of(engine, &self.config, &inputs.weights).await;
        let (labels, draws) = (inputs.labels.clone(), inputs.draws.clone());
        let (train, step, pass) = (self.train, self.step, self.pass);
        let options = ForwardOptions { train, step, pass, labels, draws, ..ForwardOptions::default() };
        let passes = match passes(&mut layer, &inputs.x, &inputs.d_output, &options).await {
            Ok(passes) => passes,
            Err(error) => return vec![format!("{}: {error}", self.name)],
        };
        let mut wrong = differences(&self.config, &passes.got(), &Got::from_oracle(&forward, &gradients));
        for (pass, got, want) in [
            ("forward", &passes.output.traffic, &forward.traffic),
            ("backward", &passes.gradients.traffic, &gradients.traffic),
        ] {
            wrong.extend(
                traffic_differences(got.as_deref().expect("traffic was read"), want).map(|e| format!("{pass} {e}")),
            );
        }
        wrong.into_iter().map(|message| format!("{}: {message}", self.name)).collect()
    }
}

/// Panics with everything in which an engine differs from the oracle.
pub async fn check_trials(engine: &Rc<Engine>, trials: &[Trial]) {
    let mut wrong = Vec::new();
    for trial in trials {
        wrong.extend(trial.check(engine).await);
    }
    assert!(wrong.is_empty(), "{} differences in {} trials:\n{}", wrong.len(), trials.len(), wrong.join("\n"));
}

fn moved(inputs: &Inputs, nudge: u32) -> Inputs {
    let moved = |values: &[f32]| -> Vec<f32> {
        let by = noise(u64::from(nudge), 50, values.len());
        values.iter().zip(by).map(|(v, by)| v * (1.0 + 3e-6 * by)).collect()
    };
    let weights = LayerWeights {
        router: moved(&inputs.weights.router),
        task_embedding: inputs.weights.task_embedding.as_deref().map(moved),
        bandit_means: inputs.weights.bandit_means.as_deref().map(moved),
        ..inputs.weights.clone()
    };
    let (labels, draws) = (inputs.labels.clone(), inputs.draws.clone());
    Inputs { weights, x: moved(&inputs.x), d_output: Vec::new(), labels, draws }
}

/// Close as f32 sums are, measured by the largest value of an array.
fn close_to(want: &[f64]) -> Tol {
    let largest = want.iter().fold(0.1, |most: f64, v| most.max(v.abs()));
    Tol { abs: 1e-5 * largest, rel: 1e-4 }
}

/// Everything in which two results differ: plans must be equal, numbers close.
pub fn differences(config: &LayerConfig, got: &Got, want: &Got) -> Vec<String> {
    let mut wrong: Vec<String> = plan_difference(&got.routing, &want.routing).into_iter().collect();
    let mut numbers = |what: &str, got: &[f64], want: &[f64], width: usize| {
        wrong.extend(compare(what, got, want, width, close_to(want)).err());
    };
    numbers("output", &got.output, &want.output, config.d_model);
    numbers("weights of the choices", &got.routing.weights, &want.routing.weights, config.k());
    for (name, want) in &want.gradients {
        let width = shape(config, name).map_or(config.d_model, |shape| shape[shape.len() - 1]);
        let got = got.gradients.get(name).unwrap_or_else(|| panic!("the gradient of {name}"));
        numbers(&format!("gradient of {name}"), got, want, width);
    }
    for (name, want) in &want.losses {
        let got = got.losses.get(name).unwrap_or_else(|| panic!("the loss {name}"));
        // a square of huge logits lies beyond f32
        let beyond = (*want as f32).is_infinite() && got.is_infinite();
        if !beyond {
            numbers(&format!("loss {name}"), &[*got], &[*want], 1);
        }
    }
    wrong
}

fn plan_difference(got: &GotRouting, want: &GotRouting) -> Option<String> {
    let plan =
        |r: &GotRouting| (r.experts.clone(), r.positions.clone(), r.kept.clone(), r.demanded.clone(), r.load.clone());
    let (got, want) = (plan(got), plan(want));
    let first = |a: &[i32], b: &[i32]| a.iter().zip(b).position(|(a, b)| a != b);
    (got != want).then(|| {
        format!(
            "another plan: experts differ first at {:?}, positions at {:?}; demanded {:?}, want {:?}; load {:?}, want {:?}",
            first(&got.0, &want.0),
            first(&got.1, &want.1),
            got.3,
            want.3,
            got.4,
            want.4
        )
    })
}

/// How the exchanges of a pass differ from those of the oracle: names, order and every byte.
pub fn traffic_differences(got: &[Traffic], want: &reference::Traffic) -> Option<String> {
    type Exchange = (String, Vec<f64>, Vec<f64>);
    let wide = |bytes: &[u64]| bytes.iter().map(|b| *b as f64).collect::<Vec<_>>();
    let got: Vec<Exchange> =
        got.iter().map(|t| (format!("{:?} {:?}", t.pass, t.op), t.bytes.clone(), t.useful_bytes.clone())).collect();
    let want: Vec<Exchange> = want
        .exchanges
        .iter()
        .map(|e| (format!("{:?} {:?}", e.pass, e.op), wide(&e.bytes), wide(&e.useful_bytes)))
        .collect();
    (got != want).then(|| format!("traffic: {got:?}, want {want:?}"))
}
