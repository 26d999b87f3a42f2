//! How many assignments an expert takes.

use serde_json::{Value, json};

use crate::{assert_invalid, capacity, parse};

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
