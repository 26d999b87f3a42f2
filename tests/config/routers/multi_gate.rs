//! Multi-gate: its tasks.

use serde_json::{Value, json};
use webmoe::error::Error;

use crate::{assert_invalid, parse, with};

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
