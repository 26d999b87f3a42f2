//! Weights and batches by counting: the same on every machine.

use webmoe::config::{Domain, Exchanges, LayerConfig, RouterConfig, Side};
use webmoe::labels::Labels;
use webmoe::rng::uniform_f32;
use webmoe::weights::{LayerWeights, NAMES, Weights, beyond_width};

/// `len` numbers in [-1, 1), others for every seed and stream.
pub fn noise(seed: u64, stream: u32, len: usize) -> Vec<f32> {
    (0..len as u32).map(|i| 2.0 * uniform_f32(seed, 0, 0, i, stream) - 1.0).collect()
}

/// Weights of a layer, all arrays different from zero within the experts' widths, biases included; logits spread over a few
/// units, thresholds over what an expert's share may be; of a bandit's arms some never pulled.
pub fn weights(config: &LayerConfig, seed: u64) -> LayerWeights {
    Weights::build(config, |name, len| {
        let stream = 100 + NAMES.iter().position(|known| *known == name).unwrap_or(0) as u32;
        let width = match name {
            "w2" => config.d_ff,
            "sharedW2" => config.shared_expert.map_or(1, |shared| shared.d_ff),
            _ => config.d_model,
        };
        let size = match name {
            "router" => 4.0 / (width as f32).sqrt(),
            "taskEmbedding" | "banditMeans" => 1.0,
            "routerBias" | "b1" | "b2" | "b3" => 0.5,
            _ => 1.5 / (width as f32).sqrt(),
        };
        let value = |(i, v): (usize, f32)| match name {
            "banditPulls" => (2.0 + 2.0 * v).floor(),
            _ if beyond_width(config, name, i).is_some() => 0.0,
            "thresholds" => (0.5 + 0.5 * v) / config.experts as f32,
            _ => size * v,
        };
        noise(seed, stream, len).into_iter().enumerate().map(value).collect()
    })
}

/// A batch of `tokens` tokens, with a few features far larger than the rest.
pub fn tokens(config: &LayerConfig, seed: u64, tokens: usize) -> Vec<f32> {
    let mut x = noise(seed, 1, tokens * config.d_model);
    x.iter_mut().skip(5).step_by(97).for_each(|v| *v *= 4.0);
    x
}

/// A gradient of the outputs for `tokens` tokens.
pub fn d_output(config: &LayerConfig, seed: u64, tokens: usize) -> Vec<f32> {
    noise(seed, 2, config.router.outputs() * tokens * config.d_model)
}

/// The arrays of `weights` by name, as `set_weights` takes them.
pub fn named(weights: &LayerWeights) -> Vec<(String, Vec<f32>)> {
    NAMES.iter().filter_map(|name| Some(((*name).to_owned(), weights.get(name)?.to_vec()))).collect()
}

/// The bits of numbers, to compare them exactly, NaN included.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// All that a router of the layer wants to be told of `tokens` tokens; where nothing is exchanged they are sorted by it.
pub fn labels(config: &LayerConfig, tokens: usize) -> Labels {
    let below = |end: usize| match config.router.exchange() {
        Exchanges::All2all => Some((0..tokens).map(|t| (t * t + 3 * t) as u32 % end as u32).collect()),
        Exchanges::None => Some((0..tokens).map(|t| (t * end / tokens) as u32).collect()),
    };
    match &config.router {
        RouterConfig::Hash(router) => {
            Labels { token_ids: below(router.vocabulary()), sequence: Some(10), ..Labels::default() }
        }
        RouterConfig::Bandit(router) => Labels { token_ids: below(router.vocabulary), ..Labels::default() },
        RouterConfig::Domain(Domain { mixture: Some(_), .. }) => {
            let weight = |i: usize| (i * 7 % 5 % 4) as f32 / 4.0;
            Labels { mixture: Some((0..tokens * config.experts).map(weight).collect()), ..Labels::default() }
        }
        RouterConfig::Domain(_) => Labels { domain: below(config.experts), ..Labels::default() },
        RouterConfig::Language(router) => {
            let languages = below(router.experts_of(config.experts).len());
            match router.by {
                Side::Source => Labels { source_language: languages, ..Labels::default() },
                Side::Target => Labels { target_language: languages, ..Labels::default() },
            }
        }
        RouterConfig::Thor(_) => Labels { sequence: Some(5), ..Labels::default() },
        RouterConfig::Task(router) => Labels { task: below(router.tasks), ..Labels::default() },
        _ => Labels::default(),
    }
}
