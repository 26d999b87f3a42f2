//! Soft mixtures: their slots.

use serde_json::{Value, json};
use webmoe::error::Error;

use crate::{assert_invalid, parse, with};

#[test]
fn soft_mixtures_have_a_number_of_slots_and_nothing_that_speaks_of_choices() {
    let soft = |changes: Value| {
        let mut layer = with(json!({ "router": { "kind": "soft", "slots": 3 } }));
        changes.as_object().expect("an object").iter().for_each(|(name, value)| layer[name] = value.clone());
        layer
    };
    let slots = |slots: Value| soft(json!({ "router": { "kind": "soft", "slots": slots } }));
    let config = parse(&soft(json!({}))).expect("valid");
    assert_eq!(serde_json::to_value(&config.router).expect("plain data"), json!({ "kind": "soft", "slots": 3 }));
    assert_eq!(
        (config.k(), config.router_rows(), config.slots(5, true), config.slots(0, true)),
        (8, 24, Some(3), Some(0))
    );
    parse(&slots(json!(8191))).expect("as many as there may be");
    assert_invalid(slots(json!(8192)), "router.slots", "8192");
    assert_invalid(slots(json!(0)), "router.slots", "0");
    assert_invalid(slots(json!(1.5)), "router.slots", "1.5");
    assert_invalid(slots(json!(null)), "router.slots", "missing");
    assert_invalid(soft(json!({ "capacity": { "slots": 2 } })), "capacity", "given");
    let shared = json!({ "dFf": 4, "gate": true });
    parse(&soft(json!({ "sharedExpert": shared }))).expect("valid");
    assert_invalid(soft(json!({ "sharedExpert": shared, "residual": true })), "residual", "true");
    let k = parse(&soft(json!({ "router": { "kind": "soft", "slots": 3, "k": 2 } }))).expect_err("nobody chooses");
    assert_eq!(k, Error::UnknownField { field: "router.k".to_owned(), known: "kind, slots".to_owned() });
    let loss = parse(&soft(json!({ "lossWeights": { "load": 1 } }))).expect_err("all loads are alike");
    assert_eq!(loss, Error::UnknownLoss { name: "load".to_owned(), known: "none".to_owned() });
}
