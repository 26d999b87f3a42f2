//! Dense to sparse: its temperature.

use serde_json::{Value, json};
use webmoe::config::{DenseToSparse, RouterConfig};

use crate::{assert_invalid, parse, with};

#[test]
fn a_temperature_falls_and_stays_above_zero() {
    let dense = |fields: Value| {
        let mut router = json!({ "kind": "denseToSparse", "steps": 100 });
        for (name, value) in fields.as_object().expect("an object of changes") {
            router[name] = value.clone();
        }
        with(json!({ "router": router }))
    };
    let config = parse(&dense(json!({}))).expect("valid");
    assert_eq!(config.router, RouterConfig::DenseToSparse(DenseToSparse::new(100)));
    let full = dense(json!({
        "startTemperature": 2.0, "endTemperature": 0.25, "schedule": "linear", "hardAfter": 50, "threshold": 0.0625,
        "gate": "softmax"
    }));
    let config = parse(&full).expect("valid");
    assert_eq!(serde_json::to_value(&config).expect("plain data")["router"], full["router"]);
    assert_invalid(dense(json!({ "steps": null })), "router.steps", "missing");
    assert_invalid(dense(json!({ "steps": 0 })), "router.steps", "0");
    assert_invalid(dense(json!({ "hardAfter": -1 })), "router.hardAfter", "-1");
    assert_invalid(dense(json!({ "startTemperature": 0 })), "router.startTemperature", "0");
    assert_invalid(dense(json!({ "startTemperature": 1e60 })), "router.startTemperature", "inf");
    assert_invalid(dense(json!({ "endTemperature": 0 })), "router.endTemperature", "0");
    assert_invalid(dense(json!({ "endTemperature": -1 })), "router.endTemperature", "-1");
    assert_invalid(dense(json!({ "endTemperature": 2 })), "router.endTemperature", "2");
    assert_invalid(dense(json!({ "threshold": 0.125 })), "router.threshold", "0.125");
    assert_invalid(dense(json!({ "threshold": -0.5 })), "router.threshold", "-0.5");
    assert_invalid(dense(json!({ "schedule": "cosine" })), "router.schedule", "\"cosine\"");
    assert_invalid(dense(json!({ "gate": "sigmoid" })), "router.gate", "\"sigmoid\"");
}
