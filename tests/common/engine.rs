//! Layers on an engine, through the session as the bindings use it.

use std::rc::Rc;

use webmoe::config::LayerConfig;
use webmoe::cpu::CpuEngine;
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::gpu::{GpuEngine, Open};
use webmoe::session::{BackwardRead, ForwardOptions, LayerGradients, LayerOutput, MoeLayer, Runtime};
use webmoe::weights::{LayerWeights, NAMES};

use super::case::Case;
use super::got::{Got, GotRouting};
use super::inputs::named;

/// Everything that backward can bring back.
pub const ALL_GRADIENTS: [BackwardRead; 3] = [BackwardRead::X, BackwardRead::Weights, BackwardRead::Traffic];

/// An engine of the same kind that nobody else uses.
pub async fn another(engine: &Engine) -> Rc<Engine> {
    Rc::new(match engine {
        Engine::Cpu(_) => Engine::Cpu(CpuEngine::new()),
        Engine::Gpu(_) => Engine::Gpu(Box::new(GpuEngine::open(Open::default()).await.expect("there is an adapter"))),
    })
}

/// A layer with the weights of its seed.
pub async fn layer(engine: &Rc<Engine>, config: &LayerConfig) -> MoeLayer {
    let created = Runtime::sharing(engine.clone()).create_layer(config.clone()).await;
    created.unwrap_or_else(|e| panic!("{e}: {config:?}"))
}

/// A layer with given weights.
pub async fn layer_of(engine: &Rc<Engine>, config: &LayerConfig, weights: &LayerWeights) -> MoeLayer {
    let mut layer = layer(engine, config).await;
    layer.set_weights(named(weights)).await.expect("weights of the layer's shapes");
    layer
}

/// One forward and one backward pass, everything read.
pub struct Passes {
    /// Of the forward pass.
    pub output: LayerOutput,
    /// Of the backward pass.
    pub gradients: LayerGradients,
}

/// Runs a layer forward and backward, everything read.
pub async fn passes(
    layer: &mut MoeLayer,
    x: &[f32],
    d_output: &[f32],
    options: &ForwardOptions,
) -> Result<Passes, Error> {
    let output = layer.forward(x, options).await?;
    let gradients = layer.backward(d_output, &ALL_GRADIENTS).await?;
    Ok(Passes { output, gradients })
}

impl Passes {
    /// Everything but the traffic, as f64.
    pub fn got(&self) -> Got {
        let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let routing = self.output.routing.clone().expect("routing was read");
        let weights = self.gradients.weights.as_ref().expect("weights were read");
        let mut gradients = vec![("x".to_owned(), wide(self.gradients.x.as_ref().expect("x was read")))];
        gradients.extend(NAMES.iter().filter_map(|name| Some(((*name).to_owned(), wide(weights.get(name)?)))));
        let losses = self.output.losses.iter().flatten();
        Got {
            output: wide(self.output.output.as_ref().expect("the output was read")),
            logits: None,
            routing: GotRouting {
                slots: routing.slots,
                experts: routing.experts,
                weights: wide(&routing.weights),
                positions: routing.positions,
                kept: routing.kept.iter().map(|k| *k == 1).collect(),
                demanded: routing.demanded,
                load: routing.load,
            },
            losses: losses.map(|(name, loss)| ((*name).to_owned(), f64::from(*loss))).collect(),
            gradients: gradients.into_iter().collect(),
        }
    }

    /// The bits of the output, the losses and every gradient, by name.
    pub fn bits(&self) -> Vec<(&'static str, Vec<u32>)> {
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let weights = self.gradients.weights.as_ref().expect("weights were read");
        let mut all = vec![
            ("output", bits(self.output.output.as_ref().expect("the output was read"))),
            ("x", bits(self.gradients.x.as_ref().expect("x was read"))),
        ];
        all.extend(self.output.losses.iter().flatten().map(|(name, loss)| (*name, vec![loss.to_bits()])));
        all.extend(NAMES.iter().filter_map(|name| Some((*name, bits(weights.get(name)?)))));
        all
    }
}

/// Forward and backward of a case, everything read.
pub async fn run(engine: &Rc<Engine>, case: &Case) -> Result<Got, Error> {
    let mut layer = Runtime::sharing(engine.clone()).create_layer(case.config.clone()).await?;
    layer.set_weights(named(&case.weights)).await?;
    let options = ForwardOptions { train: case.train, draws: case.draws.clone(), ..ForwardOptions::default() };
    Ok(passes(&mut layer, &case.x, &case.d_output, &options).await?.got())
}

/// Everything in which an engine differs from what is known of the cases; panics with all of it.
pub async fn check_all(engine: &Rc<Engine>, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        match run(engine, case).await {
            Ok(got) => wrong.extend(case.check(&got)),
            Err(error) => wrong.push(format!("{}: {error}", case.id)),
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
