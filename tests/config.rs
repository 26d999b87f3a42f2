//! The description of a layer: defaults, what it prints, and an error by name for everything that is wrong with it.
#![cfg(not(target_arch = "wasm32"))]

use serde_json::{Value, json};
use webmoe::config::{
    DenseToSparse, Draw, LayerConfig, NoisyTopK, RawLayerConfig, Reinforce, RouterConfig, Thor, TopK,
};
use webmoe::error::Error;
use webmoe::weights::{LayerWeights, Weights, check_array};

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
fn a_fixed_number_of_slots_may_be_zero() {
    let config = parse(&capacity(json!({ "slots": 0 }))).expect("valid");
    assert_eq!(config.slots(100, true), Some(0));
}

#[test]
fn slots_follow_the_convention_asked_for() {
    let slots = |description: Value, tokens, train| parse(&capacity(description)).expect("valid").slots(tokens, train);
    assert_eq!(slots(json!({ "factor": 1.25 }), 100, true), Some(16), "100/8 · 1.25 = 15.6, up");
    assert_eq!(slots(json!({ "factor": 1.25, "round": "floor" }), 100, true), Some(15));
    assert_eq!(slots(json!({ "factor": 1.0, "round": "round" }), 100, true), Some(12), "12.5, to even");
    assert_eq!(slots(json!({ "factor": 1.25, "per": "assignment" }), 100, true), Some(32), "31.25, up");
    assert_eq!(slots(json!({ "factor": 1.0, "evalFactor": 2.0 }), 80, false), Some(20));
    assert_eq!(slots(json!({ "factor": 1.0, "min": 4 }), 8, true), Some(4));
    assert_eq!(slots(json!({ "factor": 1.0, "multipleOf": 4 }), 72, true), Some(12));
    assert_eq!(slots(json!({ "factor": 100.0 }), 16, true), Some(16), "per token: no more than there are tokens");
    assert_eq!(slots(json!("dropless"), 100, true), None);
}

#[test]
fn absent_and_null_are_the_same() {
    assert_eq!(parse(&with(json!({ "capacity": null, "mesh": null, "seed": null }))), parse(&with(json!({}))));
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
fn routers_must_be_known_and_their_numbers_sound() {
    assert_invalid(with(json!({ "router": null })), "router", "missing");
    assert_invalid(with(json!({ "router": "topK" })), "router", "\"topK\"");
    assert_invalid(with(json!({ "router": { "k": 2 } })), "router.kind", "missing");
    assert_invalid(with(json!({ "router": { "kind": "topK" } })), "router.k", "missing");
    assert_invalid(router(json!({ "k": 0 })), "router.k", "0");
    assert_invalid(router(json!({ "k": 1.5 })), "router.k", "1.5");
    assert_invalid(router(json!({ "scale": 0 })), "router.scale", "0");
    assert_invalid(router(json!({ "scale": 1e60 })), "router.scale", "inf");
    assert_invalid(router(json!({ "jitter": 1 })), "router.jitter", "1");
    assert_invalid(router(json!({ "jitter": -0.5 })), "router.jitter", "-0.5");
    assert_invalid(router(json!({ "secondThreshold": 0 })), "router.secondThreshold", "0");
    assert_invalid(router(json!({ "secondThreshold": 1.5 })), "router.secondThreshold", "1.5");
    assert_invalid(router(json!({ "topP": 0 })), "router.topP", "0");
    assert_invalid(router(json!({ "topP": 1.5 })), "router.topP", "1.5");
    assert_invalid(router(json!({ "minScore": 1 })), "router.minScore", "1");
    assert_invalid(router(json!({ "minScore": -0.5 })), "router.minScore", "-0.5");
    assert_invalid(router(json!({ "dropout": 1 })), "router.dropout", "1");
    assert_invalid(router(json!({ "dropout": -0.5 })), "router.dropout", "-0.5");
    assert_invalid(router(json!({ "expertGroups": 3 })), "router.expertGroups", "3");
    assert_invalid(router(json!({ "expertGroups": 4, "groupLimit": 5 })), "router.groupLimit", "5");
    assert_invalid(router(json!({ "selectionBias": [1, "b"] })), "router.selectionBias[1]", "\"b\"");
    assert_invalid(with(json!({ "router": { "kind": "base", "iterations": 0 } })), "router.iterations", "0");
    assert_invalid(with(json!({ "router": { "kind": "base", "iterations": 1001 } })), "router.iterations", "1001");
    assert_invalid(with(json!({ "router": { "kind": "base", "shuffle": 1 } })), "router.shuffle", "1");
    let unknown = parse(&with(json!({ "router": { "kind": "topP" } }))).expect_err("no such router");
    let known = "topK, noisyTopK, expertChoice, base, sinkhorn, hash, tokenThenExpert, thor, domain, language, task, multiGate, denseToSparse, reinforce";
    let known = known.to_owned();
    assert_eq!(unknown, Error::UnknownRouter { kind: "topP".to_owned(), known });
    assert_eq!(unknown.code(), "UNKNOWN_ROUTER");
}

#[test]
fn routers_of_labels_say_what_their_tables_and_mixtures_must_be() {
    let of = |router: Value| with(json!({ "router": router }));
    assert_invalid(of(json!({ "kind": "hash" })), "router.table", "missing");
    assert_invalid(of(json!({ "kind": "hash", "table": [] })), "router.table", "a list of 0");
    assert_invalid(of(json!({ "kind": "hash", "table": [0, 8] })), "router.table[1]", "8");
    assert_invalid(of(json!({ "kind": "hash", "table": [0, 0.5] })), "router.table[1]", "0.5");
    assert_invalid(of(json!({ "kind": "hash", "table": [[0], [4]] })), "router.table[1][0]", "4");
    assert_invalid(of(json!({ "kind": "hash", "table": [[0], [0, 1]] })), "router.table[1]", "2 long");
    assert_invalid(of(json!({ "kind": "hash", "table": [[0], [0], [0]] })), "router.table", "3 tables");
    assert_invalid(of(json!({ "kind": "hash", "table": [0], "of": "sequence" })), "router.of", "\"sequence\"");

    let mixture = [0.5, 0.25, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0];
    let with_weight = |weight: Value| {
        let mut mixture = json!(mixture);
        mixture[3] = weight;
        of(json!({ "kind": "domain", "mixture": mixture }))
    };
    assert_invalid(of(json!({ "kind": "domain", "exchange": "some" })), "router.exchange", "\"some\"");
    assert_invalid(with_weight(json!(-0.5)), "router.mixture[3]", "-0.5");
    assert_invalid(with_weight(json!(1e60)), "router.mixture[3]", "inf");
    assert_invalid(with_weight(json!("much")), "router.mixture[3]", "\"much\"");
    let (what, shape) = ("router.mixture".to_owned(), "[8]".to_owned());
    assert_eq!(
        parse(&of(json!({ "kind": "domain", "mixture": [1, 0] }))),
        Err(Error::WrongLength { what, got: 2, wanted: 8, shape })
    );
    assert_invalid(of(json!({ "kind": "language" })), "router.by", "missing");
    assert_invalid(of(json!({ "kind": "language", "by": "both" })), "router.by", "\"both\"");
    assert_invalid(of(json!({ "kind": "language", "by": "source", "table": [] })), "router.table", "empty");
    assert_invalid(of(json!({ "kind": "language", "by": "source", "table": [7, 8] })), "router.table[1]", "8");

    assert_invalid(of(json!({ "kind": "task", "k": 1 })), "router.tasks", "missing");
    assert_invalid(of(json!({ "kind": "task", "k": 1, "tasks": 0 })), "router.tasks", "0");
    assert_invalid(of(json!({ "kind": "task", "tasks": 3 })), "router.k", "missing");
    assert_invalid(of(json!({ "kind": "task", "tasks": 3, "k": 1, "scale": 0 })), "router.scale", "0");
    assert_invalid(of(json!({ "kind": "task", "tasks": 3, "k": 1, "scoring": "best" })), "router.scoring", "\"best\"");
    assert_eq!(
        parse(&of(json!({ "kind": "task", "tasks": 3, "k": 9 }))),
        Err(Error::TooManyChoices { k: 9, experts: 8, raise: "experts" })
    );
    let task = json!({ "kind": "task", "tasks": 3, "k": 1 });
    assert_invalid(
        with(json!({ "router": task, "sharedExpert": { "dFf": 4, "gate": true } })),
        "sharedExpert.gate",
        "true",
    );

    let printed = |router: Value| serde_json::to_value(parse(&of(router)).expect("valid").router).expect("plain data");
    for (given, full) in [
        (json!({ "kind": "hash", "table": [0, 7] }), json!({ "kind": "hash", "table": [0, 7], "of": "token" })),
        (json!({ "kind": "domain" }), json!({ "kind": "domain", "exchange": "none" })),
        (
            json!({ "kind": "domain", "mixture": mixture, "exchange": "all2all" }),
            json!({ "kind": "domain", "mixture": mixture, "exchange": "all2all" }),
        ),
        (
            json!({ "kind": "task", "tasks": 3, "k": 2 }),
            json!({
                "kind": "task", "tasks": 3, "k": 2, "scoring": "softmax", "softmaxOver": "all", "renormalize": "none",
                "scale": 1.0
            }),
        ),
        (
            json!({ "kind": "language", "by": "target" }),
            json!({ "kind": "language", "by": "target", "exchange": "all2all" }),
        ),
        (
            json!({ "kind": "language", "by": "source", "table": [3, 3, 0], "exchange": "none" }),
            json!({ "kind": "language", "by": "source", "table": [3, 3, 0], "exchange": "none" }),
        ),
    ] {
        assert_eq!(printed(given), full);
        assert_eq!(printed(full.clone()), full);
    }
}

#[test]
fn noise_is_of_one_kind_and_has_a_width() {
    let noisy = |fields: Value| {
        let mut router = json!({ "kind": "noisyTopK", "k": 2 });
        for (name, value) in fields.as_object().expect("an object of changes") {
            router[name] = value.clone();
        }
        with(json!({ "router": router }))
    };
    let config = parse(&noisy(json!({}))).expect("valid");
    assert_eq!(config.router, RouterConfig::NoisyTopK(NoisyTopK::new(2)));
    for fields in [json!({ "noise": "learned", "noiseEpsilon": 0.5 }), json!({ "noise": "fixed", "noiseStd": 2.0 })] {
        let description = noisy(fields);
        let config = parse(&description).expect("valid");
        assert_eq!(serde_json::to_value(&config).expect("plain data")["router"], description["router"]);
    }
    assert_invalid(noisy(json!({ "k": null })), "router.k", "missing");
    assert_invalid(noisy(json!({ "noise": "uniform" })), "router.noise", "\"uniform\"");
    assert_invalid(noisy(json!({ "noiseEpsilon": -0.5 })), "router.noiseEpsilon", "-0.5");
    assert_invalid(noisy(json!({ "noise": "fixed", "noiseStd": 0 })), "router.noiseStd", "0");
    assert_invalid(noisy(json!({ "noise": "fixed", "noiseStd": 1e60 })), "router.noiseStd", "inf");
    assert_eq!(parse(&noisy(json!({ "k": 9 }))).map_err(|e| e.code()), Err("TOO_MANY_CHOICES"));
    let misplaced = parse(&noisy(json!({ "noiseStd": 1 }))).expect_err("learned noise has no fixed width");
    assert!(misplaced.to_string().contains("router.noiseStd"), "{misplaced}");
}

#[test]
fn thor_draws_some_experts_in_training_and_may_take_all_at_inference() {
    let thor = |changes: Value| {
        let mut router = json!({ "kind": "thor" });
        changes.as_object().expect("an object").iter().for_each(|(name, value)| router[name] = value.clone());
        with(json!({ "router": router }))
    };
    let printed = |changes| serde_json::to_value(parse(&thor(changes)).expect("valid").router).expect("plain data");
    assert_eq!(printed(json!({})), json!({ "kind": "thor", "k": 1, "per": "token", "inference": "token" }));
    assert_eq!(printed(json!({ "per": "batch" }))["inference"], "batch");
    let ensemble = parse(&thor(json!({ "k": 2, "inference": "ensemble" }))).expect("valid");
    assert_eq!((ensemble.k(), ensemble.router.asked(8, true), ensemble.router.asked(8, false)), (8, 2, 8));
    let per_assignment = thor(json!({ "k": 2, "inference": "ensemble" }));
    let mut bounded = per_assignment.clone();
    bounded["capacity"] = json!({ "factor": 1, "per": "assignment" });
    let slots = |train| parse(&bounded).expect("valid").slots(80, train);
    assert_eq!((slots(true), slots(false)), (Some(20), Some(80)), "as many as are asked in the pass");
    assert_invalid(thor(json!({ "per": "ensemble" })), "router.per", "\"ensemble\"");
    assert_invalid(thor(json!({ "inference": "all" })), "router.inference", "\"all\"");
    assert_invalid(thor(json!({ "k": 0 })), "router.k", "0");
    let too_many = Error::TooManyChoices { k: 9, experts: 8, raise: "experts" };
    assert_eq!(parse(&thor(json!({ "k": 9 }))), Err(too_many));
    let by_hand = RouterConfig::Thor(Thor { per: Draw::Ensemble, ..Thor::new(Draw::Token) });
    let error = LayerConfig::new(8, 16, 8, by_hand).check().expect_err("training that draws nothing");
    assert!(error.to_string().contains("router.per"), "{error}");
}

#[test]
fn what_learns_from_rewards_has_a_policy_that_makes_sense() {
    let reinforce = |changes: Value| {
        let mut router = json!({ "kind": "reinforce" });
        changes.as_object().expect("an object").iter().for_each(|(name, value)| router[name] = value.clone());
        with(json!({ "router": router }))
    };
    let config = parse(&reinforce(json!({}))).expect("valid");
    assert_eq!(config.router, RouterConfig::Reinforce(Reinforce::new()));
    assert_eq!(
        serde_json::to_value(&config.router).expect("plain data"),
        json!({
            "kind": "reinforce", "temperature": 1.0, "baseline": "ema", "decay": 0.9_f32, "entropy": 0.0,
            "normalize": false, "stopGradient": true
        })
    );
    assert_eq!((config.k(), config.router_rows()), (1, 8));
    let linear = parse(&reinforce(json!({ "baseline": "linear" }))).expect("valid");
    assert_eq!(linear.router_rows(), 9, "the last row is the baseline");
    assert_invalid(reinforce(json!({ "temperature": 0 })), "router.temperature", "0");
    assert_invalid(reinforce(json!({ "temperature": -1 })), "router.temperature", "-1");
    assert_invalid(reinforce(json!({ "decay": 1 })), "router.decay", "1");
    assert_invalid(reinforce(json!({ "decay": -0.5 })), "router.decay", "-0.5");
    assert_invalid(reinforce(json!({ "entropy": 1e60 })), "router.entropy", "inf");
    assert_invalid(reinforce(json!({ "baseline": "mean" })), "router.baseline", "\"mean\"");
    assert_invalid(reinforce(json!({ "normalize": 1 })), "router.normalize", "1");
}

#[test]
fn several_gates_take_all_experts_or_some_each() {
    let gates = |changes: Value| {
        let mut router = json!({ "kind": "multiGate", "tasks": 3 });
        changes.as_object().expect("an object").iter().for_each(|(name, value)| router[name] = value.clone());
        with(json!({ "router": router }))
    };
    let dense = parse(&gates(json!({}))).expect("valid");
    assert_eq!(serde_json::to_value(&dense.router).expect("plain data"), json!({ "kind": "multiGate", "tasks": 3 }));
    assert_eq!((dense.k(), dense.router_rows(), dense.router.outputs()), (8, 24, 3));
    let choices = |k: usize| parse(&gates(json!({ "k": k }))).expect("valid").k();
    assert_eq!([choices(1), choices(2), choices(3), choices(8)], [3, 6, 8, 8], "no more than there are experts");
    assert_invalid(gates(json!({ "tasks": 0 })), "router.tasks", "0");
    assert_invalid(gates(json!({ "tasks": 65 })), "router.tasks", "65");
    assert_invalid(gates(json!({ "tasks": null })), "router.tasks", "missing");
    assert_invalid(gates(json!({ "k": 0 })), "router.k", "0");
    let too_many = Error::TooManyChoices { k: 9, experts: 8, raise: "experts" };
    assert_eq!(parse(&gates(json!({ "k": 9 }))), Err(too_many));
    let mut by_weight = gates(json!({}));
    by_weight["capacity"] = json!({ "slots": 2, "priority": "weight" });
    assert_invalid(by_weight, "capacity.priority", "\"weight\"");
    let mut residual = gates(json!({}));
    residual["sharedExpert"] = json!({ "dFf": 4, "gate": true });
    residual["residual"] = json!(true);
    assert_invalid(residual, "residual", "true");
}

#[test]
fn experts_that_every_device_holds_need_not_be_divided() {
    let devices = |replicated: bool| with(json!({ "experts": 7, "mesh": { "devices": 4 }, "replicated": replicated }));
    assert_eq!(parse(&devices(false)), Err(Error::ExpertsNotDivisible { experts: 7, devices: 4 }));
    assert!(parse(&devices(true)).is_ok_and(|config| config.replicated));
    assert_invalid(with(json!({ "replicated": 1 })), "replicated", "1");
}

#[test]
fn experts_that_must_be_full_must_find_tokens_enough() {
    let chosen = |changes: Value| {
        let mut router = json!({ "kind": "expertChoice" });
        for (name, value) in changes.as_object().expect("an object of changes") {
            router[name] = value.clone();
        }
        with(json!({ "router": router }))
    };
    let config = parse(&chosen(json!({}))).expect("valid");
    assert_eq!(
        serde_json::to_value(&config.router).expect("plain data"),
        json!({ "kind": "expertChoice", "capacityFactor": 2.0, "softmaxOver": "experts", "rounds": 64 })
    );
    assert_invalid(chosen(json!({ "softmaxOver": "all" })), "router.softmaxOver", "\"all\"");
    assert_invalid(chosen(json!({ "maxExpertsPerToken": 0 })), "router.maxExpertsPerToken", "0");
    assert_invalid(chosen(json!({ "maxExpertsPerToken": 1 })), "router.capacityFactor", "2");
    let few = parse(&chosen(json!({ "maxExpertsPerToken": 2 }))).expect("valid");
    assert_eq!((few.k(), few.slots(16, true), few.slots(17, true)), (2, Some(4), Some(4)), "17 · 2 / 8 = 4.25, down");
    let fixed = parse(&chosen(json!({ "slots": 5, "maxExpertsPerToken": 2 }))).expect("valid");
    assert_eq!(fixed.tokens_per_group(20), Ok(20));
    let error = fixed.tokens_per_group(19).expect_err("40 places, 38 fillings");
    assert_eq!(error, Error::TooManyPlaces { experts: 8, slots: 5, tokens: 19, most: 2, places: 40, found: 38 });
    assert_eq!(error.code(), "TOO_MANY_PLACES");
    assert_eq!(
        fixed.tokens_per_group(4),
        Err(Error::TooManyPlaces { experts: 8, slots: 4, tokens: 4, most: 2, places: 32, found: 8 })
    );
    let balanced = parse(&with(json!({ "router": { "kind": "expertChoice" }, "lossWeights": { "loadBalance": 1 } })));
    assert_eq!(balanced.map_err(|e| e.code()), Err("UNKNOWN_LOSS"), "there is no loss to balance what is balanced");
    let known = parse(&with(
        json!({ "router": { "kind": "expertChoice", "softmaxOver": "tokens" }, "lossWeights": { "importance": 1 } }),
    ));
    assert_eq!(known.map_err(|e| e.code()), Err("UNKNOWN_LOSS"), "every expert's shares add up to one");
}

/// A layer in which tokens name two experts, with some settings.
fn named(changes: Value) -> Value {
    let mut router = json!({ "kind": "tokenThenExpert", "nominate": 2 });
    for (name, value) in changes.as_object().expect("an object of changes") {
        router[name] = value.clone();
    }
    with(json!({ "router": router }))
}

#[test]
fn nominations_have_the_documented_defaults() {
    let config = parse(&named(json!({}))).expect("valid");
    assert_eq!(
        serde_json::to_value(&config.router).expect("plain data"),
        json!({
            "kind": "tokenThenExpert", "nominate": 2, "k": 2, "threshold": 0.0, "key": "prob", "deferred": false,
            "immediate": false, "rounds": 1, "capacityFactor": 1.25, "renormalize": false, "exchange": "local"
        })
    );
    assert_eq!(config.slots(100, true), Some(32), "100 · 2 · 1.25 / 8 = 31.25, up");
    let rounds = |changes: Value| {
        serde_json::to_value(parse(&named(changes)).expect("valid").router).expect("plain data")["rounds"].clone()
    };
    assert_eq!(rounds(json!({ "deferred": true })), 64);
    assert_eq!(rounds(json!({ "immediate": true, "nominate": 3 })), 3);
    let full = named(
        json!({ "k": 1, "key": "regret", "rounds": 5, "slots": 4, "renormalize": true, "exchange": "handshake" }),
    );
    let config = parse(&full).expect("valid");
    let mut printed = serde_json::to_value(&config).expect("plain data");
    assert_eq!(parse(&printed), Ok(config));
    printed["router"]["rounds"] = json!(6);
    assert_ne!(parse(&printed), parse(&full));
}

#[test]
fn nominations_must_be_possible() {
    assert_invalid(named(json!({ "nominate": null })), "router.nominate", "missing");
    assert_invalid(named(json!({ "nominate": 0 })), "router.nominate", "0");
    assert_invalid(named(json!({ "nominate": 9 })), "router.nominate", "9");
    assert_invalid(named(json!({ "k": 0 })), "router.k", "0");
    assert_invalid(named(json!({ "threshold": 1.5 })), "router.threshold", "1.5");
    assert_invalid(named(json!({ "key": "rank" })), "router.key", "\"rank\"");
    assert_invalid(named(json!({ "rounds": 0 })), "router.rounds", "0");
    assert_invalid(named(json!({ "immediate": true, "deferred": true })), "router.immediate", "true");
    assert_invalid(named(json!({ "immediate": true, "rounds": 3 })), "router.rounds", "3");
    assert_invalid(named(json!({ "capacityFactor": 0 })), "router.capacityFactor", "0");
    assert_invalid(named(json!({ "exchange": "global" })), "router.exchange", "\"global\"");
    let mut beside = named(json!({}));
    beside["capacity"] = json!({ "slots": 3 });
    assert_invalid(beside, "capacity", "given");
    let too_many = Error::TooManyChoices { k: 3, experts: 2, raise: "router.nominate" };
    assert_eq!(parse(&named(json!({ "k": 3 }))), Err(too_many));
}

#[test]
fn devices_that_agree_by_a_handshake_may_share_a_group() {
    let meshed = |router: Value, groups: Value| {
        let mut description = named(router);
        description["mesh"] = json!({ "devices": 4 });
        description["groups"] = groups;
        parse(&description).map(|config| config.groups)
    };
    let handshake = json!({ "exchange": "handshake" });
    assert_eq!(meshed(handshake.clone(), Value::Null), Ok(1), "by default all share one");
    assert_eq!(meshed(json!({}), Value::Null), Ok(4), "without it each has its own");
    for groups in [2, 4, 8] {
        assert_eq!(meshed(handshake.clone(), json!(groups)), Ok(groups));
    }
    assert_eq!(meshed(handshake, json!(3)), Err(Error::GroupsNotDivisible { groups: 3, devices: 4 }));
    assert_eq!(meshed(json!({}), json!(2)), Err(Error::GroupsNotDivisible { groups: 2, devices: 4 }));
}

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

#[test]
fn capacities_must_be_of_one_kind_and_positive() {
    assert_invalid(capacity(json!("unlimited")), "capacity", "\"unlimited\"");
    assert_invalid(capacity(json!({})), "capacity", "an object with neither");
    assert_invalid(capacity(json!({ "factor": 1, "slots": 1 })), "capacity", "an object with both");
    assert_invalid(capacity(json!({ "factor": 0 })), "capacity.factor", "0");
    assert_invalid(capacity(json!({ "factor": -1 })), "capacity.factor", "-1");
    assert_invalid(capacity(json!({ "factor": 1, "evalFactor": 0 })), "capacity.evalFactor", "0");
    assert_invalid(capacity(json!({ "factor": 1, "min": -1 })), "capacity.min", "-1");
    assert_invalid(capacity(json!({ "factor": 1, "multipleOf": 0 })), "capacity.multipleOf", "0");
    assert_invalid(capacity(json!({ "slots": -1 })), "capacity.slots", "-1");
    assert_invalid(capacity(json!({ "slots": 0.5 })), "capacity.slots", "0.5");
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
fn choices_are_drawn_only_where_logits_alone_decide() {
    for other in [json!({ "selectionBias": [0, 0, 0, 0, 0, 0, 0, 0] }), json!({ "expertGroups": 4, "groupLimit": 2 })] {
        let mut changes = other.clone();
        changes["exploration"] = json!("sample");
        assert_invalid(router(changes), "router.exploration", "\"sample\"");
        assert!(parse(&router(other)).is_ok());
    }
    assert!(parse(&router(json!({ "exploration": "sample", "scoring": "sigmoid" }))).is_ok());
}

#[test]
fn a_policy_for_second_choices_wants_some_that_it_can_decide_about() {
    for policy in ["none", "sampling", "random", "threshold"] {
        let got = format!("\"{policy}\"");
        assert_invalid(router(json!({ "k": 1, "secondPolicy": policy })), "router.secondPolicy", &got);
        assert_invalid(router(json!({ "k": 1, "evalSecondPolicy": policy })), "router.evalSecondPolicy", &got);
        let drawn = json!({ "exploration": "sample", "secondPolicy": policy });
        assert_invalid(router(drawn), "router.secondPolicy", &got);
        let config = parse(&router(json!({ "secondPolicy": policy }))).expect("valid");
        let printed = serde_json::to_value(&config).expect("plain data");
        assert_eq!(printed["router"]["evalSecondPolicy"], policy, "the same outside training unless it is said");
    }
    let biased = json!({ "secondPolicy": "sampling", "expertGroups": 4, "groupLimit": 2 });
    assert_invalid(router(biased), "router.secondPolicy", "\"sampling\"");
    assert!(parse(&router(json!({ "secondPolicy": "random", "expertGroups": 4, "groupLimit": 2 }))).is_ok());
}

#[test]
fn one_setting_alone_makes_the_number_of_experts_vary() {
    let both = json!({ "topP": 0.5, "minScore": 0.25 });
    assert_invalid(router(both), "router.minScore", "0.25");
    for (field, value, got) in [("topP", 0.5, "0.5"), ("minScore", 0.25, "0.25")] {
        let alone = parse(&router(json!({ field: value }))).expect("valid");
        assert_eq!(serde_json::to_value(&alone).expect("plain data")["router"][field], value);
        for other in [
            json!({ "selectionBias": [0, 0, 0, 0, 0, 0, 0, 0] }),
            json!({ "expertGroups": 4, "groupLimit": 2 }),
            json!({ "exploration": "sample" }),
            json!({ "secondPolicy": "random" }),
            json!({ "evalSecondPolicy": "none" }),
        ] {
            let mut changes = other.clone();
            changes[field] = json!(value);
            assert_invalid(router(changes), &format!("router.{field}"), got);
        }
    }
}

#[test]
fn prototypes_split_the_experts_evenly_and_go_with_nothing_else() {
    let config = parse(&router(json!({ "prototypes": 4, "jitter": 0.1, "dropout": 0.1, "scale": 2 }))).expect("valid");
    assert_eq!(config.k(), 8, "two of each");
    assert_invalid(router(json!({ "prototypes": 3 })), "router.prototypes", "3");
    assert_invalid(router(json!({ "prototypes": 0 })), "router.prototypes", "0");
    let error = parse(&router(json!({ "prototypes": 8 }))).expect_err("two of one expert");
    assert!(matches!(error, Error::TooManyChoices { k: 2, experts: 1, .. }), "{error}");
    for other in [
        json!({ "scoring": "sigmoid" }),
        json!({ "softmaxOver": "selected" }),
        json!({ "renormalize": "preDrop" }),
        json!({ "selectionBias": [0, 0, 0, 0, 0, 0, 0, 0] }),
        json!({ "expertGroups": 4, "groupLimit": 2 }),
        json!({ "exploration": "sample" }),
        json!({ "secondPolicy": "none" }),
        json!({ "topP": 0.5 }),
        json!({ "minScore": 0.5 }),
    ] {
        let mut changes = other.clone();
        changes["prototypes"] = json!(2);
        assert_invalid(router(changes), "router.prototypes", "2");
    }
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
fn weights_are_refused_by_name() {
    let config = parse(&with(json!({ "bias": true }))).expect("valid");
    let good: LayerWeights = Weights::build(&config, |_, len| vec![0.0; len]);
    assert_eq!(good.check(&config), Ok(()));

    let short = LayerWeights { w1: vec![0.0; 5], ..good.clone() };
    let (what, shape) = ("w1".to_owned(), "[8, 16, 8]".to_owned());
    assert_eq!(short.check(&config), Err(Error::WrongLength { what, got: 5, wanted: 1024, shape }));

    let mut bad = good.clone();
    bad.w2[3] = f32::NEG_INFINITY;
    let (what, value) = ("w2".to_owned(), "-inf".to_owned());
    assert_eq!(bad.check(&config), Err(Error::NonFinite { what, index: 3, value }));

    let missing = LayerWeights { b1: None, ..good.clone() };
    let (what, shape) = ("b1".to_owned(), "[8, 16]".to_owned());
    assert_eq!(missing.check(&config), Err(Error::MissingWeights { what, shape }));

    let extra = LayerWeights { w3: Some(vec![0.0; 1024]), ..good };
    assert_eq!(extra.check(&config).map_err(|e| e.code()), Err("UNKNOWN_WEIGHTS"));
    assert_eq!(check_array(&config, "w4", &[]).map_err(|e| e.code()), Err("UNKNOWN_WEIGHTS"));
}

#[test]
fn weights_beyond_a_width_are_refused_by_expert() {
    let config = parse(&with(json!({ "bias": true, "expertWidths": [16, 3, 16, 16, 16, 16], "identityExperts": 2 })))
        .expect("valid");
    let mut given: LayerWeights = Weights::build(&config, |_, len| vec![0.0; len]);
    assert_eq!((given.w1.len(), given.w2.len(), given.b2.as_ref().map(Vec::len)), (768, 768, Some(48)));
    assert_eq!(given.check(&config), Ok(()));
    given.w2[16 * 8 + 2] = 1.0;
    assert_eq!(given.check(&config), Ok(()), "the third of three hidden units");
    for (name, index) in [("w1", 16 * 8 + 3 * 8), ("w2", 16 * 8 + 3), ("b1", 16 + 3)] {
        let mut beyond = given.clone();
        beyond.get_mut(name).expect("an array of the layer")[index] = -0.5;
        let (what, value) = (name.to_owned(), "-0.5".to_owned());
        let error = Error::BeyondWidth { what, index, value, expert: 1, width: 3 };
        assert_eq!(beyond.check(&config), Err(error.clone()));
        assert_eq!(error.code(), "BEYOND_WIDTH");
    }
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
