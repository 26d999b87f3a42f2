//! The workloads of the side-by-side benchmark on both engines, natively: one line of JSON for each.
//!
//! `cargo bench --bench native`. Weights come from a seed of the crate, so these figures stand beside those of
//! the browser, which has its own. Every output is checked against the oracle before it is timed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pollster::block_on;
use serde::{Deserialize, Serialize};
use webmoe::config::{Activation, LayerConfig, Renormalize, RouterConfig, TopK};
use webmoe::error::Error;
use webmoe::init::init;
use webmoe::reference::{self, Setting};
use webmoe::rng::uniform_f32;
use webmoe::session::{Device, ForwardOptions, MoeLayer, Read, Runtime};

const CALLS: usize = 20;
/// Calls go untimed for so long: a GPU that was idle, as during the check, clocks up only after some work.
const WARM_UP: Duration = Duration::from_secs(1);

/// Sizes of a workload, as in `workloads.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Workload {
    tokens: usize,
    d_model: usize,
    d_ff: usize,
    experts: usize,
    k: usize,
    devices: usize,
    train: Option<Train>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Train {
    learning_rate: f32,
}

/// What was measured.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    workload: &'a str,
    engine: &'static str,
    adapter: &'a str,
    /// Milliseconds of each call.
    ms: Vec<f64>,
}

fn main() -> Result<(), Error> {
    let workloads: BTreeMap<String, Workload> =
        serde_json::from_str(include_str!("workloads.json")).expect("the workloads are JSON of this shape");
    for device in [Device::Cpu, Device::WebGpu] {
        let runtime = match block_on(Runtime::create(device, false)) {
            Err(Error::WebGpuUnavailable { reason }) => {
                eprintln!("no native GPU figures: {reason}");
                continue;
            }
            opened => opened?,
        };
        for (name, workload) in &workloads {
            let ms = block_on(measure(&runtime, workload))?;
            let line =
                Line { kind: "native", workload: name, engine: runtime.device(), adapter: &runtime.adapter(), ms };
            println!("{}", serde_json::to_string(&line).expect("a line is plain data"));
        }
    }
    Ok(())
}

async fn measure(runtime: &Runtime, workload: &Workload) -> Result<Vec<f64>, Error> {
    let config = workload.config();
    let x = workload.tokens();
    let mut layer = runtime.create_layer(config.clone()).await?;
    check(&config, &x, &call(&mut layer, &x, None).await?)?;
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        call(&mut layer, &x, workload.train.as_ref()).await?;
    }
    let mut ms = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let start = Instant::now();
        call(&mut layer, &x, workload.train.as_ref()).await?;
        ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(ms)
}

/// One forward pass, or one step of training towards zero; returns the output.
async fn call(layer: &mut MoeLayer, x: &[f32], train: Option<&Train>) -> Result<Vec<f32>, Error> {
    let options = ForwardOptions { train: train.is_some(), read: vec![Read::Output], ..ForwardOptions::default() };
    let output = layer.forward(x, &options).await?.output.expect("the output was read");
    if let Some(Train { learning_rate }) = train {
        let scale = 2.0 / output.len() as f32;
        let d_output: Vec<f32> = output.iter().map(|y| scale * y).collect();
        layer.backward(&d_output, &[]).await?;
        layer.apply_sgd(*learning_rate).await?;
    }
    Ok(output)
}

/// Panics if the output is further from the oracle's than f32 explains.
fn check(config: &LayerConfig, x: &[f32], got: &[f32]) -> Result<(), Error> {
    let wanted = reference::forward(config, &init(config), x, Setting::default())?.output;
    assert_eq!(got.len(), wanted.len(), "the output has the oracle's length");
    for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let difference = (f64::from(*got) - wanted).abs();
        assert!(difference <= 1e-5 + 1e-4 * wanted.abs(), "output {i} is {got}, wanted {wanted}");
    }
    Ok(())
}

impl Workload {
    fn config(&self) -> LayerConfig {
        let renormalize = if self.k > 1 { Renormalize::PreDrop } else { Renormalize::None };
        let router = RouterConfig::TopK(TopK { renormalize, ..TopK::new(self.k) });
        LayerConfig {
            activation: Activation::Relu,
            bias: true,
            devices: self.devices,
            groups: self.devices,
            ..LayerConfig::new(self.d_model, self.d_ff, self.experts, router)
        }
    }

    /// `f32[T, d]`, uniform with variance 1.
    fn tokens(&self) -> Vec<f32> {
        let draw = |i| (uniform_f32(1, 0, 0, i as u32, 0) - 0.5) * 12_f32.sqrt();
        (0..self.tokens * self.d_model).map(draw).collect()
    }
}
