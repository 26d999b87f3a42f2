//! Functions that need no runtime.

use js_sys::Float32Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::convert::{error, field, invalid, label_list, whole};
use crate::error::Error;
use crate::tables::{Embeddings, Recipe, counts};

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
    let value = field(options, name).unwrap_or_default();
    let floats = value.dyn_ref::<Float32Array>().ok_or_else(|| invalid(name, &value, "a Float32Array"))?;
    Ok(floats.to_vec())
}
