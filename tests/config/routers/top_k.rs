//! Top-k: draws, second choices, numbers of experts, prototypes.

use serde_json::json;
use webmoe::error::Error;

use crate::{assert_invalid, parse, router};

#[test]
fn its_numbers_must_be_sound() {
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
fn second_places_have_a_loss_where_there_are_two_choices_of_a_softmax() {
    let weighed = |changes| {
        let mut description = router(changes);
        description["lossWeights"] = json!({ "secondPlace": 0.005 });
        parse(&description)
    };
    assert!(weighed(json!({ "k": 2 })).is_ok());
    assert!(weighed(json!({ "k": 2, "secondPolicy": "random", "softmaxOver": "selected" })).is_ok());
    for other in [
        json!({ "k": 1 }),
        json!({ "k": 3 }),
        json!({ "k": 2, "scoring": "sigmoid" }),
        json!({ "k": 2, "prototypes": 2 }),
        json!({ "k": 2, "topP": 0.5 }),
        json!({ "k": 2, "minScore": 0.5 }),
    ] {
        let error = weighed(other.clone()).expect_err("no second place");
        assert!(matches!(&error, Error::UnknownLoss { name, .. } if name == "secondPlace"), "{other}: {error}");
    }
}
