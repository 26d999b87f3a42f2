//! Expert choice: places and tokens.

use serde_json::{Value, json};
use webmoe::error::Error;

use crate::{assert_invalid, parse, with};

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

#[test]
fn the_papers_bound_is_a_bound_with_an_entropy() {
    let chosen = |changes: Value| {
        let mut router = json!({ "kind": "expertChoice", "maxExpertsPerToken": 2, "capMode": "dykstra" });
        for (name, value) in changes.as_object().expect("an object of changes") {
            router[name] = value.clone();
        }
        with(json!({ "router": router }))
    };
    let config = parse(&chosen(json!({}))).expect("valid");
    let mut printed = serde_json::to_value(&config).expect("plain data");
    let router = &printed["router"];
    assert_eq!((&router["capMode"], &router["iterations"]), (&json!("dykstra"), &json!(100)));
    assert_eq!(router["entropyWeight"].as_f64().map(|weight| weight as f32), Some(1e-3));
    assert_eq!(parse(&printed).as_ref(), Ok(&config));
    printed["router"]["iterations"] = json!(7);
    assert_ne!(parse(&printed), Ok(config.clone()));
    assert_eq!((config.k(), config.slots(17, true)), (8, Some(4)), "a token may get all; 17 · 2 / 8 = 4.25, down");
    assert!(config.tokens_per_group(16).is_ok());
    let greedy = parse(&chosen(json!({ "capMode": "greedy" }))).expect("valid");
    assert_eq!(Ok(greedy), parse(&chosen(json!({ "capMode": null }))), "greedy is the default");

    assert_invalid(chosen(json!({ "capMode": "paper" })), "router.capMode", "\"paper\"");
    assert_invalid(chosen(json!({ "maxExpertsPerToken": null })), "router.capMode", "dykstra");
    assert_invalid(chosen(json!({ "entropyWeight": 0 })), "router.entropyWeight", "0");
    assert_invalid(chosen(json!({ "entropyWeight": -1 })), "router.entropyWeight", "-1");
    assert_invalid(chosen(json!({ "iterations": 0 })), "router.iterations", "0");
    assert_invalid(chosen(json!({ "iterations": 1001 })), "router.iterations", "1001");
    assert_invalid(chosen(json!({ "capMode": "greedy", "entropyWeight": 1 })), "router.entropyWeight", "1");
    assert_invalid(chosen(json!({ "capMode": null, "iterations": 5 })), "router.iterations", "5");
    assert_invalid(chosen(json!({ "causal": "threshold" })), "router.capMode", "dykstra");
    let error = parse(&chosen(json!({ "slots": 5 }))).expect("valid").tokens_per_group(19).expect_err("40 places");
    assert_eq!(error.code(), "TOO_MANY_PLACES", "no soft plan keeps such bounds either");
}
