//! The description of a layer: defaults, what it prints, and an error by name for everything that is wrong with it.
#![cfg(not(target_arch = "wasm32"))]

mod capacity;
mod routers;
mod weights;

use serde_json::{Value, json};
use webmoe::config::{LayerConfig, RawLayerConfig, RouterConfig, TopK};
use webmoe::error::Error;

fn parse(description: &Value) -> Result<LayerConfig, Error> {
    let raw: RawLayerConfig = serde_json::from_value(description.clone()).expect("an object");
    LayerConfig::from_raw(raw)
}

/// A good description with some fields replaced; `null` takes one away.
fn with(changes: Value) -> Value {
    let mut description = json!({
        "dModel": 8, "dFf": 16, "experts": 8, "router": { "kind": "topK", "k": 2 }
    });
    for (name, value) in changes.as_object().expect("an object of changes") {
        description[name] = value.clone();
    }
    description
}

fn router(changes: Value) -> Value {
    let mut router = json!({ "kind": "topK", "k": 2 });
    for (name, value) in changes.as_object().expect("an object of changes") {
        router[name] = value.clone();
    }
    with(json!({ "router": router }))
}

fn capacity(capacity: Value) -> Value {
    with(json!({ "capacity": capacity }))
}

/// Asserts that a description is refused as `field`, with `got` in the message.
fn assert_invalid(description: Value, field: &str, got: &str) {
    let error = parse(&description).expect_err(&format!("{field} = {got} is refused"));
    assert_eq!(error.code(), "INVALID_CONFIG", "{error}");
    let details = serde_json::to_value(error.details()).expect("plain data");
    assert_eq!((details["field"].as_str(), details["got"].as_str()), (Some(field), Some(got)), "{error}");
    let message = error.to_string();
    assert!(message.contains(field) && message.contains(got), "{message}");
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = parse(&with(json!({ "mesh": { "devices": 4 }, "capacity": { "factor": 1.25 } }))).expect("valid");
    let printed = serde_json::to_value(&config).expect("plain data");
    assert_eq!(
        printed,
        json!({
            "dModel": 8, "dFf": 16, "experts": 8, "identityExperts": 0, "activation": "gelu", "gated": false, "bias": false,
            "routerBias": false,
            "router": {
                "kind": "topK", "k": 2, "prototypes": 1, "scoring": "softmax", "softmaxOver": "all", "renormalize": "none",
                "expertGroups": 1, "groupLimit": 1, "scale": 1.0, "jitter": 0.0,
                "dropout": 0.0, "exploration": "argmax", "secondPolicy": "all", "evalSecondPolicy": "all", "secondThreshold": 0.5
            },
            "capacity": {
                "factor": 1.25, "evalFactor": 1.25, "per": "token", "round": "ceil", "min": 0, "multipleOf": 1,
                "priority": "arrival", "order": "rank"
            },
            "residual": false, "groups": 4, "mesh": { "devices": 4 }, "replicated": false, "lossWeights": {}, "seed": 0
        })
    );
}

#[test]
fn a_dropless_layer_on_one_device_is_the_default() {
    let config = parse(&with(json!({}))).expect("valid");
    assert_eq!(config, LayerConfig::new(8, 16, 8, RouterConfig::TopK(TopK::new(2))));
    assert_eq!(serde_json::to_value(&config).expect("plain data")["capacity"], "dropless");
}

#[test]
fn what_a_config_prints_describes_the_same_layer() {
    let full = json!({
        "dModel": 8, "dFf": 16, "experts": 8, "expertWidths": [16, 1, 7, 8, 9, 16], "identityExperts": 2,
        "activation": "silu", "gated": true, "bias": true, "routerBias": true,
        "router": {
            "kind": "topK", "k": 3, "prototypes": 1, "scoring": "sigmoid", "softmaxOver": "selected", "renormalize": "preDrop",
            "selectionBias": [0.0, 0.5, -1.0, 0.25, 0.0, 0.0, 0.0, 2.0], "expertGroups": 4, "groupLimit": 2,
            "scale": 2.5, "jitter": 0.5, "dropout": 0.25, "exploration": "argmax",
            "secondPolicy": "random", "evalSecondPolicy": "threshold", "secondThreshold": 0.25
        },
        "capacity": { "slots": 3, "priority": "random", "order": "token" },
        "sharedExpert": { "dFf": 4, "gate": true }, "residual": true,
        "groups": 8, "mesh": { "devices": 4 }, "replicated": true,
        "lossWeights": { "loadBalance": 0.5, "loadBalanceFirst": 0.5, "z": 0.25, "importance": 1.0, "load": 1.0 },
        "seed": 9_007_199_254_740_991_u64
    });
    let config = parse(&full).expect("valid");
    assert_eq!(serde_json::to_value(&config).expect("plain data"), full);
    assert_eq!(parse(&full).as_ref(), Ok(&config));
}

#[test]
fn absent_and_null_are_the_same() {
    assert_eq!(parse(&with(json!({ "capacity": null, "mesh": null, "seed": null }))), parse(&with(json!({}))));
}

#[test]
fn sizes_must_be_positive_whole_numbers() {
    for field in ["dModel", "dFf", "experts", "groups"] {
        for (value, got) in [(json!(0), "0"), (json!(-1), "-1"), (json!(1.5), "1.5"), (json!("8"), "\"8\"")] {
            assert_invalid(with(json!({ field: value })), field, got);
        }
    }
    for field in ["dModel", "dFf", "experts"] {
        assert_invalid(with(json!({ field: null })), field, "missing");
    }
    assert_invalid(with(json!({ "experts": 1025 })), "experts", "1025");
    assert_invalid(with(json!({ "mesh": { "devices": 65 } })), "mesh.devices", "65");
    assert_invalid(with(json!({ "mesh": { "devices": 0 } })), "mesh.devices", "0");
    assert_invalid(with(json!({ "mesh": 4 })), "mesh", "4");
    assert_invalid(with(json!({ "sharedExpert": {} })), "sharedExpert.dFf", "missing");
    assert_invalid(with(json!({ "sharedExpert": { "dFf": 0 } })), "sharedExpert.dFf", "0");
    assert_invalid(with(json!({ "seed": -1 })), "seed", "-1");
    assert_invalid(with(json!({ "identityExperts": -1 })), "identityExperts", "-1");
    assert_invalid(with(json!({ "identityExperts": 8 })), "identityExperts", "8");
    assert_invalid(with(json!({ "expertWidths": [1, 0] })), "expertWidths[1]", "0");
    assert_invalid(with(json!({ "expertWidths": [1, 2, 17] })), "expertWidths[2]", "17");
    assert_invalid(with(json!({ "expertWidths": [1.5] })), "expertWidths[0]", "1.5");
    assert_invalid(with(json!({ "seed": 0.5 })), "seed", "0.5");
}

#[test]
fn words_and_flags_must_be_among_the_known_ones() {
    assert_invalid(with(json!({ "activation": "swish" })), "activation", "\"swish\"");
    assert_invalid(with(json!({ "gated": 1 })), "gated", "1");
    assert_invalid(with(json!({ "residual": "yes" })), "residual", "\"yes\"");
    assert_invalid(with(json!({ "residual": true })), "residual", "true");
    assert_invalid(with(json!({ "residual": true, "sharedExpert": { "dFf": 4 } })), "residual", "true");
    assert_invalid(with(json!({ "bias": "yes" })), "bias", "\"yes\"");
    assert_invalid(with(json!({ "routerBias": [] })), "routerBias", "a list of 0");
    assert_invalid(router(json!({ "scoring": "tanh" })), "router.scoring", "\"tanh\"");
    assert_invalid(router(json!({ "softmaxOver": true })), "router.softmaxOver", "true");
    assert_invalid(router(json!({ "renormalize": "both" })), "router.renormalize", "\"both\"");
    assert_invalid(router(json!({ "secondPolicy": "some" })), "router.secondPolicy", "\"some\"");
    assert_invalid(router(json!({ "exploration": "inputJitter" })), "router.exploration", "\"inputJitter\"");
    assert_invalid(capacity(json!({ "factor": 1, "per": "group" })), "capacity.per", "\"group\"");
    assert_invalid(capacity(json!({ "factor": 1, "round": "up" })), "capacity.round", "\"up\"");
    assert_invalid(capacity(json!({ "slots": 1, "priority": "first" })), "capacity.priority", "\"first\"");
    assert_invalid(capacity(json!({ "slots": 1, "order": {} })), "capacity.order", "an object");
}

#[test]
fn experts_that_every_device_holds_need_not_be_divided() {
    let devices = |replicated: bool| with(json!({ "experts": 7, "mesh": { "devices": 4 }, "replicated": replicated }));
    assert_eq!(parse(&devices(false)), Err(Error::ExpertsNotDivisible { experts: 7, devices: 4 }));
    assert!(parse(&devices(true)).is_ok_and(|config| config.replicated));
    assert_invalid(with(json!({ "replicated": 1 })), "replicated", "1");
}

#[test]
fn numbers_that_are_not_numbers_are_refused_wherever_they_come_from() {
    let layer = || LayerConfig::new(8, 16, 8, RouterConfig::TopK(TopK::new(2)));
    let router = |router| LayerConfig { router: RouterConfig::TopK(router), ..layer() };
    for (field, config) in [
        ("router.scale", router(TopK { scale: f32::NAN, ..TopK::new(2) })),
        ("router.jitter", router(TopK { jitter: f32::NAN, ..TopK::new(2) })),
        ("router.dropout", router(TopK { dropout: f32::NAN, ..TopK::new(2) })),
        ("router.topP", router(TopK { top_p: Some(f32::NAN), ..TopK::new(2) })),
        ("router.minScore", router(TopK { min_score: Some(f32::NAN), ..TopK::new(2) })),
        ("router.secondThreshold", router(TopK { second_threshold: f32::NAN, ..TopK::new(2) })),
        ("lossWeights.z", LayerConfig { loss_weights: [("z".to_owned(), f32::NAN)].into(), ..layer() }),
    ] {
        let Err(Error::InvalidConfig { field: named, got, .. }) = config.check() else { panic!("{field} is NaN") };
        assert_eq!((named.as_str(), got.as_str()), (field, "NaN"));
    }
    let biased = router(TopK { selection_bias: Some([vec![0.0; 7], vec![f32::INFINITY]].concat()), ..TopK::new(2) });
    let (what, value) = ("router.selectionBias".to_owned(), "inf".to_owned());
    assert_eq!(biased.check(), Err(Error::NonFinite { what, index: 7, value }));
}

#[test]
fn a_misspelt_field_is_named_with_the_known_ones() {
    for (description, field, known) in [
        (with(json!({ "dmodel": 8 })), "dmodel", "dModel"),
        (router(json!({ "topk": 2 })), "router.topk", "renormalize"),
        (capacity(json!({ "factor": 1, "evalfactor": 1 })), "capacity.evalfactor", "evalFactor"),
        (capacity(json!({ "slots": 1, "min": 1 })), "capacity.min", "priority"),
        (with(json!({ "mesh": { "device": 2 } })), "mesh.device", "devices"),
        (with(json!({ "router": { "kind": "base", "rounds": 9 } })), "router.rounds", "iterations"),
        (with(json!({ "sharedExpert": { "dFf": 2, "gated": true } })), "sharedExpert.gated", "gate"),
    ] {
        let error = parse(&description).expect_err(field);
        assert_eq!(error.code(), "UNKNOWN_CONFIG_FIELD", "{error}");
        let details = serde_json::to_value(error.details()).expect("plain data");
        assert_eq!(details["field"], field);
        assert!(details["known"].as_str().is_some_and(|list| list.contains(known)), "{error}");
    }
}

#[test]
fn fields_that_do_not_fit_together_are_named_with_their_numbers() {
    let error = |description: Value| parse(&description).expect_err("fields that do not fit");
    let too_many = Error::TooManyChoices { k: 9, experts: 8, raise: "experts" };
    assert_eq!(error(router(json!({ "k": 9 }))), too_many);
    assert_eq!(too_many.code(), "TOO_MANY_CHOICES");
    assert_eq!(
        error(router(json!({ "k": 3, "expertGroups": 4, "groupLimit": 1 }))),
        Error::TooManyChoices { k: 3, experts: 2, raise: "router.groupLimit" }
    );
    assert_eq!(error(with(json!({ "mesh": { "devices": 3 } }))), Error::ExpertsNotDivisible { experts: 8, devices: 3 });
    assert_eq!(
        error(with(json!({ "mesh": { "devices": 4 }, "groups": 6 }))),
        Error::GroupsNotDivisible { groups: 6, devices: 4 }
    );
    let (what, shape) = ("router.selectionBias".to_owned(), "[8]".to_owned());
    assert_eq!(
        error(router(json!({ "selectionBias": [1, 2] }))),
        Error::WrongLength { what, got: 2, wanted: 8, shape }
    );
    let (what, shape) = ("expertWidths".to_owned(), "[6]".to_owned());
    assert_eq!(
        error(with(json!({ "expertWidths": [1, 2, 3, 4, 5, 6, 7, 8], "identityExperts": 2 }))),
        Error::WrongLength { what, got: 8, wanted: 6, shape }
    );
    assert_eq!(error(with(json!({ "lossWeights": { "balance": 1 } }))).code(), "UNKNOWN_LOSS");
    assert_invalid(with(json!({ "lossWeights": { "z": "1" } })), "lossWeights.z", "\"1\"");
    assert_invalid(with(json!({ "router": { "kind": "base" }, "capacity": { "slots": 3 } })), "capacity", "given");
}

#[test]
fn tokens_are_split_evenly_by_devices_and_by_groups() {
    let config = parse(&with(json!({ "mesh": { "devices": 4 }, "groups": 8 }))).expect("valid");
    assert_eq!(config.tokens_per_group(32), Ok(4));
    assert_eq!(config.tokens_per_group(0), Ok(0));
    assert_eq!(config.tokens_per_group(10), Err(Error::TokensNotDivisible { tokens: 10, by: "devices", parts: 4 }));
    assert_eq!(config.tokens_per_group(12), Err(Error::TokensNotDivisible { tokens: 12, by: "groups", parts: 8 }));
}

#[test]
fn every_error_says_what_to_do_and_gives_its_numbers() {
    let error = Error::TooLarge { what: "w1".to_owned(), bytes: 200, limit: 100 };
    assert_eq!(error.code(), "TOO_LARGE");
    assert_eq!(
        serde_json::to_value(error.details()).expect("plain data"),
        json!({ "what": "w1", "bytes": 200, "limit": 100 })
    );
    let message = error.to_string();
    assert!(["w1", "200", "100", "use fewer"].iter().all(|part| message.contains(part)), "{message}");
}
