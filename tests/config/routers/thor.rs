//! THOR: what it draws.

use serde_json::{Value, json};
use webmoe::config::{Draw, LayerConfig, RouterConfig, Thor};
use webmoe::error::Error;

use crate::{assert_invalid, parse, with};

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
