//! Noisy top-k: its noise, and branches.

use serde_json::{Value, json};
use webmoe::config::{NoisyTopK, RouterConfig};

use crate::{assert_invalid, parse, with};

fn noisy(fields: Value) -> Value {
    let mut router = json!({ "kind": "noisyTopK", "k": 2 });
    for (name, value) in fields.as_object().expect("an object of changes") {
        router[name] = value.clone();
    }
    with(json!({ "router": router }))
}

#[test]
fn noise_is_of_one_kind_and_has_a_width() {
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
fn branches_split_the_experts_and_have_enough_of_them() {
    let split = parse(&noisy(json!({ "branches": 4, "branchK": 3 }))).expect("valid");
    assert_eq!(split.router, RouterConfig::NoisyTopK(NoisyTopK::hierarchical(4, 3, 2)));
    assert_eq!((split.k(), split.logits(), split.router_rows(), split.noise_rows()), (6, 12, 12, 12));
    let given =
        json!({ "kind": "noisyTopK", "k": 2, "branches": 4, "branchK": 3, "noise": "learned", "noiseEpsilon": 0.5 });
    let described = parse(&with(json!({ "router": given }))).expect("valid");
    assert_eq!(serde_json::to_value(&described).expect("plain data")["router"], given);
    for (branches, wanted) in [(1, 1), (2, 2), (4, 2)] {
        let usual = parse(&noisy(json!({ "branches": branches }))).expect("valid");
        assert_eq!(
            usual.router,
            RouterConfig::NoisyTopK(NoisyTopK::hierarchical(branches, wanted, 2)),
            "as in the paper"
        );
    }
    let refused = |fields: Value, field: &str, rule: &str| {
        let error = parse(&noisy(fields)).expect_err("a bad description").to_string();
        assert!(error.contains(field) && error.contains(rule), "{error}");
    };
    refused(json!({ "branches": 3 }), "router.branches", "a divisor of experts = 8");
    refused(json!({ "branches": 0 }), "router.branches", "a whole number from 1");
    refused(json!({ "branches": 16 }), "router.branches", "from 1 to 8");
    refused(json!({ "branches": 2, "branchK": 3 }), "router.branchK", "from 1 to 2");
    refused(json!({ "branches": 2, "branchK": 0 }), "router.branchK", "a whole number from 1");
    refused(json!({ "branches": 8 }), "router.k", "experts / branches = 8 / 8");
    refused(json!({ "branches": 4, "noise": "fixed" }), "router.noise", "\"learned\" beside branches");
    refused(json!({ "branchK": 2 }), "router.branchK", "unknown");
}
