//! Functions that need no runtime.

use js_sys::{Float32Array, Float64Array};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::convert::{
    Fields, config, config_object, error, field, float_list, given_weights, invalid, label_list, weights_object, whole,
};
use crate::config::LayerConfig;
use crate::error::Error;
use crate::mixture::{self, Domains, Evidence, Mixer, Mode};
use crate::tables::{Embeddings, Recipe, counts};
use crate::weights::{LayerWeights, check_array};

/// A table for hash layers, `[vocabulary]`; `options`: those of the package's `hashTable`.
#[wasm_bindgen(js_name = hashTable)]
pub fn hash_table(options: &JsValue) -> Result<Vec<u32>, JsValue> {
    let table = || {
        let experts = required(options, "experts")?;
        recipe(options)?.table(experts)
    };
    table().map_err(error)
}

fn recipe(options: &JsValue) -> Result<Recipe, Error> {
    let seed = || whole(options, "seed").map(|seed| seed.unwrap_or(0).into());
    let kind = field(options, "kind").unwrap_or_default();
    Ok(match kind.as_string().as_deref() {
        Some("random") => Recipe::Random { vocabulary: required(options, "vocabulary")?, seed: seed()? },
        Some("balanced") => Recipe::Balanced { counts: occurrences(options)? },
        Some("clustered") => Recipe::Clustered { embeddings: embeddings(options)?, seed: seed()? },
        Some("dispersed") => Recipe::Dispersed { embeddings: embeddings(options)?, seed: seed()? },
        _ => return Err(invalid("kind", &kind, "\"random\", \"balanced\", \"clustered\" or \"dispersed\"")),
    })
}

/// How often ids come: as given, or counted in a corpus.
fn occurrences(options: &JsValue) -> Result<Vec<u32>, Error> {
    match (label_list(options, "counts")?, label_list(options, "tokenIds")?) {
        (Some(counts), None) => Ok(counts),
        (None, Some(corpus)) => counts(&corpus, required(options, "vocabulary")?),
        (counts, _) => {
            let got = if counts.is_some() { "given beside `tokenIds`" } else { "missing" };
            let wanted = "a Uint32Array, or left out for `tokenIds` and `vocabulary`";
            Err(Error::InvalidArgument { what: "counts".into(), got: got.into(), wanted: wanted.into() })
        }
    }
}

fn embeddings(options: &JsValue) -> Result<Embeddings, Error> {
    let width = required(options, "width")?;
    Ok(Embeddings { values: floats(options, "embeddings")?, width })
}

/// A whole number that must be given.
fn required(options: &JsValue, name: &str) -> Result<usize, Error> {
    let value = whole(options, name)?;
    value.map(|n| n as usize).ok_or_else(|| invalid(name, &JsValue::UNDEFINED, "a whole number"))
}

/// A `Float32Array` that must be given.
fn floats(options: &JsValue, name: &str) -> Result<Vec<f32>, Error> {
    float_list(options, name)?.ok_or_else(|| invalid(name, &JsValue::UNDEFINED, "a Float32Array"))
}

/// Weights of domains for the tokens of a text; `options`: those of the package's `mixDomains`.
#[wasm_bindgen(js_name = mixDomains)]
pub fn mix_domains(options: &JsValue) -> Result<JsValue, JsValue> {
    let mixed = || {
        let log_probabilities: Vec<f64> = floats(options, "logProbabilities")?.into_iter().map(f64::from).collect();
        let mixer = Mixer {
            domains: required(options, "domains")?,
            mode: mode(options)?,
            evidence: evidence(options)?,
            prior: prior(options)?,
        };
        let sequence = whole(options, "sequence")?.map_or(log_probabilities.len().max(1), |tokens| tokens as usize);
        mixer.mix(&log_probabilities, sequence)
    };
    let mixture = mixed().map_err(error)?;
    let narrow = |values: &[f64]| Float32Array::from(&values.iter().map(|v| *v as f32).collect::<Vec<_>>()[..]);
    let fields = Fields::new();
    fields.set("weights", narrow(&mixture.weights));
    fields.set("next", narrow(&mixture.next));
    fields.set("logProbabilities", Float64Array::from(&mixture.log_probabilities[..]));
    if let Some(prior) = &mixture.prior {
        fields.set("prior", Float64Array::from(&prior[..]));
    }
    Ok(fields.done())
}

fn mode(options: &JsValue) -> Result<Mode, Error> {
    let mode = field(options, "mode").unwrap_or_default();
    Ok(match mode.as_string().as_deref() {
        None if mode.is_undefined() => Mode::UpdatingPrior,
        Some("single") => Mode::Single(required(options, "domain")?),
        Some("uniform") => Mode::Uniform,
        Some("updatingPrior") => Mode::UpdatingPrior,
        Some("cachedPrior") => Mode::CachedPrior,
        _ => return Err(invalid("mode", &mode, "\"single\", \"uniform\", \"updatingPrior\" or \"cachedPrior\"")),
    })
}

fn evidence(options: &JsValue) -> Result<Evidence, Error> {
    let posterior = field(options, "posterior").unwrap_or_default();
    Ok(match posterior.as_string().as_deref() {
        None if posterior.is_undefined() => Evidence::Exact,
        Some("exact") => Evidence::Exact,
        Some("lastToken") => Evidence::LastToken,
        _ => return Err(invalid("posterior", &posterior, "\"exact\" or \"lastToken\"")),
    })
}

fn prior(options: &JsValue) -> Result<Option<Vec<f64>>, Error> {
    let Some(value) = field(options, "prior") else { return Ok(None) };
    let prior = value.dyn_ref::<Float64Array>().ok_or_else(|| invalid("prior", &value, "a Float64Array"))?;
    Ok(Some(prior.to_vec()))
}

/// One more domain; `options`: those of the package's `addDomain`.
#[wasm_bindgen(js_name = addDomain)]
pub fn add_domain(options: &JsValue) -> Result<JsValue, JsValue> {
    domains(options, mixture::add_domain)
}

/// One domain less; `options`: those of the package's `removeDomain`.
#[wasm_bindgen(js_name = removeDomain)]
pub fn remove_domain(options: &JsValue) -> Result<JsValue, JsValue> {
    domains(options, |config, weights, prior| {
        mixture::remove_domain(config, weights, prior, required(options, "domain")?)
    })
}

/// Changes the layer and the prior of the options.
fn domains(
    options: &JsValue,
    change: impl Fn(&LayerConfig, &LayerWeights, &[f64]) -> Result<Domains, Error>,
) -> Result<JsValue, JsValue> {
    let changed = || {
        let config = config(field(options, "config").unwrap_or_default())?;
        let mut weights = LayerWeights::default();
        for (name, values) in given_weights(&field(options, "weights").unwrap_or_default())? {
            check_array(&config, &name, &values)?;
            weights.set(&name, values).expect("the name was checked");
        }
        let prior = prior(options)?.unwrap_or_else(|| vec![1.0; config.experts]);
        change(&config, &weights, &prior)
    };
    let domains = changed().map_err(error)?;
    let fields = Fields::new();
    fields.set("config", config_object(&domains.config));
    fields.set("weights", weights_object(&domains.weights));
    fields.set("prior", Float64Array::from(&domains.prior[..]));
    Ok(fields.done())
}
