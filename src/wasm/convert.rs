//! Between the session's types and plain JavaScript objects.

use js_sys::{Array, Float32Array, Float64Array, Int32Array, Object, Reflect, Uint8Array, Uint32Array};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};

use crate::config::{Domain, Hash, Language, LayerConfig, RawLayerConfig, RouterConfig, Sinkhorn, TopK};
use crate::error::Error;
use crate::labels::Labels;
use crate::layer::Traffic;
use crate::session::{
    BackwardOptions, BackwardRead, ForwardOptions, LayerGradients, LayerOutput, Reads, Routing, Solver,
};
use crate::weights::{LayerWeights, NAMES};

/// A plain object that is filled field by field.
pub(super) struct Fields(Object);

impl Fields {
    pub(super) fn new() -> Self {
        Fields(Object::new())
    }

    pub(super) fn set(&self, name: &str, value: impl Into<JsValue>) {
        // setting a property of a fresh plain object cannot fail
        let _ = Reflect::set(&self.0, &name.into(), &value.into());
    }

    pub(super) fn done(self) -> JsValue {
        self.0.into()
    }
}

/// Anything serialisable as a plain object.
pub(super) fn plain(value: &impl Serialize) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).unwrap_or(JsValue::UNDEFINED)
}

/// An error as `{code, message, details}`.
pub(super) fn error(error: Error) -> JsValue {
    let fields = Fields::new();
    fields.set("code", error.code());
    fields.set("message", error.to_string());
    fields.set("details", plain(error.details()));
    fields.done()
}

/// A layer's description, checked.
pub(super) fn config(value: JsValue) -> Result<LayerConfig, Error> {
    let raw: RawLayerConfig = serde_wasm_bindgen::from_value(with_plain_tables(value))
        .map_err(|e| Error::MalformedConfig { reason: e.to_string() })?;
    LayerConfig::from_raw(raw)
}

/// The description, with a list of typed tables as a list of plain ones: a reader of any value takes a typed array within
/// a list for an object.
fn with_plain_tables(description: JsValue) -> JsValue {
    let copy_with = |object: &JsValue, name: &str, value: &JsValue| {
        let copy = Object::assign(&Object::new(), object.unchecked_ref());
        // setting a property of a fresh plain object cannot fail
        let _ = Reflect::set(&copy, &name.into(), value);
        JsValue::from(copy)
    };
    let Some(router) = field(&description, "router") else { return description };
    let Some(tables) = field(&router, "table").and_then(|table| table.dyn_into::<Array>().ok()) else {
        return description;
    };
    let plain = |table: JsValue| if table.is_instance_of::<Uint32Array>() { Array::from(&table).into() } else { table };
    let tables: Array = tables.iter().map(plain).collect();
    copy_with(&description, "router", &copy_with(&router, "table", &tables))
}

/// A description as a plain object; lists of numbers as typed arrays, as they were given.
pub(super) fn config_object(config: &LayerConfig) -> JsValue {
    let object = plain(config);
    let Ok(router) = Reflect::get(&object, &"router".into()) else { return object };
    let set = |name: &str, value: JsValue| {
        // setting a property of a fresh plain object cannot fail
        let _ = Reflect::set(&router, &name.into(), &value);
    };
    match &config.router {
        RouterConfig::Sinkhorn(Sinkhorn { shares: Some(shares), .. }) => {
            set("shares", Float32Array::from(&shares[..]).into());
        }
        RouterConfig::TopK(TopK { selection_bias: Some(bias), .. }) => {
            set("selectionBias", Float32Array::from(&bias[..]).into());
        }
        RouterConfig::Hash(Hash { tables, .. }) => {
            let arrays = tables.iter().map(|table| Uint32Array::from(&table[..]));
            let value = match &tables[..] {
                [one] => Uint32Array::from(&one[..]).into(),
                _ => arrays.collect::<Array>().into(),
            };
            set("table", value);
        }
        RouterConfig::Domain(Domain { mixture: Some(mixture), .. }) => {
            set("mixture", Float32Array::from(&mixture[..]).into());
        }
        RouterConfig::Language(Language { table: Some(table), .. }) => {
            set("table", Uint32Array::from(&table[..]).into());
        }
        _ => {}
    }
    object
}

/// A field of an object, if it has a value.
pub(super) fn field(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|v| !v.is_undefined() && !v.is_null())
}

/// The error that `what` is `got` where `wanted` was wanted.
pub(super) fn invalid(what: &str, got: &JsValue, wanted: &str) -> Error {
    Error::InvalidArgument { what: what.into(), got: format!("{got:?}"), wanted: wanted.into() }
}

/// `read` of an options object: absent means `default`.
fn reads<R: Reads>(options: &JsValue, default: Vec<R>) -> Result<Vec<R>, Error> {
    let Some(read) = field(options, "read") else { return Ok(default) };
    let wanted = "an array of names";
    let names = read.dyn_ref::<Array>().ok_or_else(|| invalid("read", &read, wanted))?;
    let mut all = Vec::new();
    for name in names.iter() {
        let read = R::named(&name.as_string().ok_or_else(|| invalid("read", &name, wanted))?)?;
        all.push(read);
    }
    Ok(all)
}

/// A whole number of an options object.
pub(super) fn whole(options: &JsValue, name: &str) -> Result<Option<u32>, Error> {
    field(options, name).map(|value| whole_number(name, &value)).transpose()
}

/// A whole number.
pub(super) fn whole_number(name: &str, value: &JsValue) -> Result<u32, Error> {
    let whole = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n));
    whole.map(|n| n as u32).ok_or_else(|| invalid(name, value, "a whole number from 0 to 4294967295"))
}

/// A `Uint32Array` of an options object.
pub(super) fn label_list(options: &JsValue, name: &str) -> Result<Option<Vec<u32>>, Error> {
    let Some(value) = field(options, name) else { return Ok(None) };
    match value.dyn_ref::<Uint32Array>() {
        Some(labels) => Ok(Some(labels.to_vec())),
        None => Err(invalid(name, &value, "a Uint32Array")),
    }
}

/// A `Float32Array` of an options object.
pub(super) fn float_list(options: &JsValue, name: &str) -> Result<Option<Vec<f32>>, Error> {
    let Some(value) = field(options, name) else { return Ok(None) };
    match value.dyn_ref::<Float32Array>() {
        Some(values) => Ok(Some(values.to_vec())),
        None => Err(invalid(name, &value, "a Float32Array")),
    }
}

/// Options of `forward`.
pub(super) fn forward_options(options: &JsValue) -> Result<ForwardOptions, Error> {
    let route_only = flag(options, "routeOnly")?;
    let mut out = if route_only { ForwardOptions::routing() } else { ForwardOptions::default() };
    out.train = flag(options, "train")?;
    if let Some(step) = whole(options, "step")? {
        out.step = step;
    }
    if let Some(pass) = whole(options, "pass")? {
        out.pass = pass;
    }
    out.labels = Labels {
        token_ids: label_list(options, "tokenIds")?,
        domain: label_list(options, "domain")?,
        mixture: float_list(options, "mixture")?,
        source_language: label_list(options, "sourceLanguage")?,
        target_language: label_list(options, "targetLanguage")?,
        task: label_list(options, "task")?,
        sequence: whole(options, "sequence")?.map(|tokens| tokens as usize),
    };
    out.draws = float_list(options, "draws")?;
    out.read = reads(options, out.read)?;
    unique(&mut out.read);
    Ok(out)
}

/// A switch, off if it is not given.
fn flag(options: &JsValue, name: &str) -> Result<bool, Error> {
    match field(options, name) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| invalid(name, &value, "true or false")),
    }
}

/// Options of `backward`.
pub(super) fn backward_options(options: &JsValue) -> Result<BackwardOptions, Error> {
    let reward = float_list(options, "reward")?;
    let accumulate = flag(options, "accumulate")?;
    let mut read = reads(options, BackwardRead::KNOWN.iter().map(|(_, read)| *read).collect())?;
    unique(&mut read);
    Ok(BackwardOptions { reward, accumulate, read })
}

/// A name given twice is read once.
fn unique<R: PartialEq + Copy>(read: &mut Vec<R>) {
    let all = std::mem::take(read);
    for r in all {
        if !read.contains(&r) {
            read.push(r);
        }
    }
}

/// The learning rate of an `update`.
pub(super) fn learning_rate(update: &JsValue) -> Result<f32, Error> {
    let kind = field(update, "kind").unwrap_or_default();
    if kind.as_string().as_deref() != Some("sgd") {
        return Err(invalid("kind", &kind, "\"sgd\""));
    }
    let rate = field(update, "learningRate").unwrap_or_default();
    Ok(rate.as_f64().ok_or_else(|| invalid("learningRate", &rate, "a finite number"))? as f32)
}

/// Arrays by name, as given; a value that is no `Float32Array` is an error.
pub(super) fn given_weights(object: &JsValue) -> Result<Vec<(String, Vec<f32>)>, Error> {
    let object = object.dyn_ref::<Object>().ok_or_else(|| invalid("weights", object, "an object of Float32Arrays"))?;
    let mut all = Vec::new();
    for key in Object::keys(object).iter() {
        let (Some(name), Ok(value)) = (key.as_string(), Reflect::get(object, &key)) else { continue };
        if value.is_undefined() {
            continue;
        }
        let values = value.dyn_ref::<Float32Array>().ok_or_else(|| invalid(&name, &value, "a Float32Array"))?;
        all.push((name, values.to_vec()));
    }
    Ok(all)
}

fn put_weights(fields: &Fields, weights: &LayerWeights) {
    for name in NAMES {
        if let Some(values) = weights.get(name) {
            fields.set(name, Float32Array::from(values));
        }
    }
}

/// Weights as an object of typed arrays.
pub(super) fn weights_object(weights: &LayerWeights) -> JsValue {
    let fields = Fields::new();
    put_weights(&fields, weights);
    fields.done()
}

fn traffic_object(devices: usize, exchanges: &[Traffic]) -> JsValue {
    let fields = Fields::new();
    let all = Array::new();
    for exchange in exchanges {
        let one = Fields::new();
        one.set("pass", plain(&exchange.pass));
        one.set("op", plain(&exchange.op));
        one.set("kind", plain(&exchange.kind));
        one.set("bytes", Float64Array::from(&exchange.bytes[..]));
        one.set("usefulBytes", Float64Array::from(&exchange.useful_bytes[..]));
        all.push(&one.done());
    }
    fields.set("devices", devices as u32);
    fields.set("exchanges", all);
    fields.set("networkBytes", exchanges.iter().map(|e| e.network_bytes(devices)).sum::<f64>());
    fields.done()
}

fn routing_object(routing: &Routing) -> JsValue {
    let fields = Fields::new();
    fields.set("tokens", routing.tokens as u32);
    fields.set("slots", routing.slots as u32);
    fields.set("experts", Int32Array::from(&routing.experts[..]));
    fields.set("weights", Float32Array::from(&routing.weights[..]));
    fields.set("positions", Int32Array::from(&routing.positions[..]));
    fields.set("kept", Uint8Array::from(&routing.kept[..]));
    fields.set("demanded", Uint32Array::from(&routing.demanded[..]));
    fields.set("load", Uint32Array::from(&routing.load[..]));
    fields.done()
}

fn solver_object(solver: &Solver) -> JsValue {
    let fields = Fields::new();
    fields.set("iterations", Uint32Array::from(&solver.iterations[..]));
    if let Some(change) = &solver.change {
        fields.set("change", Float32Array::from(&change[..]));
    }
    for (name, counts) in
        [("repaired", &solver.repaired), ("left", &solver.left), ("trades", &solver.trades), ("traded", &solver.traded)]
    {
        if let Some(counts) = counts {
            fields.set(name, Uint32Array::from(&counts[..]));
        }
    }
    if let Some(over) = &solver.over {
        fields.set("over", Uint32Array::from(&over[..]));
    }
    fields.done()
}

/// What `forward` brought back.
pub(super) fn output_object(devices: usize, out: &LayerOutput) -> JsValue {
    let fields = Fields::new();
    if let Some(output) = &out.output {
        fields.set("output", Float32Array::from(&output[..]));
    }
    if let Some(routing) = &out.routing {
        fields.set("routing", routing_object(routing));
    }
    if let Some(losses) = &out.losses {
        let all = Fields::new();
        for (name, value) in losses {
            all.set(name, f64::from(*value));
        }
        fields.set("losses", all.done());
    }
    if let Some(traffic) = &out.traffic {
        fields.set("traffic", traffic_object(devices, traffic));
    }
    if let Some(scores) = &out.scores {
        fields.set("scores", Float32Array::from(&scores[..]));
    }
    if let Some(solver) = &out.solver {
        fields.set("solver", solver_object(solver));
    }
    fields.done()
}

/// What `backward` brought back.
pub(super) fn gradients_object(devices: usize, out: &LayerGradients) -> JsValue {
    let fields = Fields::new();
    if let Some(weights) = &out.weights {
        put_weights(&fields, weights);
    }
    if let Some(x) = &out.x {
        fields.set("x", Float32Array::from(&x[..]));
    }
    if let Some(traffic) = &out.traffic {
        fields.set("traffic", traffic_object(devices, traffic));
    }
    fields.done()
}
