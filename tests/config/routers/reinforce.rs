//! REINFORCE: its policy.

use serde_json::{Value, json};
use webmoe::config::{Reinforce, RouterConfig};

use crate::{assert_invalid, parse, with};

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
