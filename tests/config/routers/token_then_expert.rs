//! Token then expert: nominations, and who shares a group.

use serde_json::{Value, json};
use webmoe::error::Error;

use crate::{assert_invalid, parse, with};

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
