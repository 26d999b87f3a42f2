//! Experts that admit by thresholds, of both routers that have them.

use serde_json::{Value, json};
use webmoe::config::{Order, Priority};

use crate::{assert_invalid, parse, with};

#[test]
fn experts_admit_by_thresholds_where_no_token_waits_for_later_ones() {
    let causal = |router: Value, changes: Value| {
        let mut description = with(json!({ "router": router }));
        description["router"]["causal"] = json!("threshold");
        for (name, value) in changes.as_object().expect("an object of changes") {
            match name.as_str() {
                "capacity" => description["capacity"] = value.clone(),
                _ => description["router"][name] = value.clone(),
            }
        }
        description
    };
    for router in [json!({ "kind": "expertChoice" }), json!({ "kind": "tokenThenExpert", "nominate": 2 })] {
        let causal = |changes: Value| causal(router.clone(), changes);
        let config = parse(&causal(json!({}))).expect("valid");
        let mut printed = serde_json::to_value(&config).expect("plain data");
        assert_eq!(printed["router"]["causal"], "threshold");
        assert_eq!(printed["router"]["thresholdDecay"].as_f64().map(|decay| decay as f32), Some(0.99));
        assert_eq!(parse(&printed).as_ref(), Ok(&config));
        printed["router"]["thresholdDecay"] = json!(0.5);
        assert_ne!(parse(&printed), Ok(config.clone()));
        assert_eq!(config.slots(16, true), None, "thresholds bound no expert");
        let bounded = parse(&causal(json!({ "capacity": { "slots": 3 } }))).expect("valid");
        assert_eq!((bounded.slots(16, true), bounded.slot_order()), (Some(3), (Priority::Arrival, Order::Token)));

        assert_invalid(causal(json!({ "causal": "mean" })), "router.causal", "\"mean\"");
        assert_invalid(causal(json!({ "thresholdDecay": 1 })), "router.thresholdDecay", "1");
        assert_invalid(causal(json!({ "thresholdDecay": -0.5 })), "router.thresholdDecay", "-0.5");
        assert_invalid(causal(json!({ "causal": null, "thresholdDecay": 0.5 })), "router.thresholdDecay", "0.5");
        assert_invalid(causal(json!({ "slots": 0 })), "router.slots", "0");
        let by_weight = json!({ "capacity": { "slots": 3, "priority": "weight" } });
        assert_invalid(causal(by_weight), "capacity.priority", "weight");
        assert_invalid(causal(json!({ "capacity": { "slots": 3, "order": "rank" } })), "capacity.order", "rank");
    }
    let chosen = |changes| causal(json!({ "kind": "expertChoice" }), changes);
    assert_invalid(chosen(json!({ "softmaxOver": "tokens" })), "router.softmaxOver", "tokens");
    let few = parse(&chosen(json!({ "slots": 5, "maxExpertsPerToken": 2 }))).expect("valid");
    assert_eq!(few.tokens_per_group(19), Ok(19), "no expert must be full");
    let named = |changes| causal(json!({ "kind": "tokenThenExpert", "nominate": 2 }), changes);
    assert_invalid(named(json!({ "deferred": true })), "router.deferred", "true");
    assert_invalid(named(json!({ "immediate": true })), "router.immediate", "true");
    assert_invalid(named(json!({ "rounds": 2 })), "router.rounds", "2");
    assert_invalid(named(json!({ "key": "arrival" })), "router.key", "arrival");
    assert_invalid(named(json!({ "exchange": "handshake" })), "router.exchange", "handshake");
}
