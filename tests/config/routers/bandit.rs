//! Bandits: their policies, and how much they may remember.

use serde_json::{Value, json};
use webmoe::config::{Bandit, Policy, RouterConfig};
use webmoe::error::Error;
use webmoe::weights::shape;

use crate::{assert_invalid, parse, with};

fn bandit(changes: Value) -> Value {
    let mut router = json!({ "kind": "bandit", "vocabulary": 50 });
    changes.as_object().expect("an object").iter().for_each(|(name, value)| router[name] = value.clone());
    with(json!({ "router": router }))
}

#[test]
fn bandits_have_a_policy_with_settings_of_its_own() {
    let read = |changes: Value| parse(&bandit(changes)).expect("valid").router;
    let plain = |router: &RouterConfig| serde_json::to_value(router).expect("plain data");
    let router = read(json!({}));
    assert_eq!(router, RouterConfig::Bandit(Bandit::new(Policy::EPSILON_GREEDY, 50)));
    let described =
        json!({ "kind": "bandit", "policy": "epsilonGreedy", "epsilon": 0.1_f32, "vocabulary": 50, "priorMean": 0.0 });
    assert_eq!(plain(&router), described);
    let ucb = read(json!({ "policy": "ucb", "priorMean": -2.5 }));
    assert_eq!(ucb, RouterConfig::Bandit(Bandit { prior_mean: -2.5, ..Bandit::new(Policy::UCB, 50) }));
    assert_eq!(plain(&ucb)["exploration"], json!(std::f32::consts::SQRT_2));
    let thompson = plain(&read(json!({ "policy": "thompson", "noiseStd": 0.5 })));
    assert_eq!((&thompson["priorStd"], &thompson["noiseStd"]), (&json!(1.0), &json!(0.5)));

    assert_invalid(bandit(json!({ "policy": "greedy" })), "router.policy", "\"greedy\"");
    assert_invalid(bandit(json!({ "epsilon": 1.5 })), "router.epsilon", "1.5");
    assert_invalid(bandit(json!({ "epsilon": -0.5 })), "router.epsilon", "-0.5");
    assert_invalid(bandit(json!({ "policy": "ucb", "exploration": -1 })), "router.exploration", "-1");
    assert_invalid(bandit(json!({ "policy": "thompson", "priorStd": 0 })), "router.priorStd", "0");
    assert_invalid(bandit(json!({ "policy": "thompson", "noiseStd": 1e7 })), "router.noiseStd", "10000000");
    assert_invalid(bandit(json!({ "priorMean": 1e60 })), "router.priorMean", "inf");
    let other = parse(&bandit(json!({ "policy": "ucb", "epsilon": 0.1 }))).expect_err("a setting of another policy");
    assert!(matches!(other, Error::UnknownField { .. }), "{other}");
}

#[test]
fn bandits_remember_two_numbers_of_every_pair_of_an_id_and_an_expert() {
    let config = parse(&bandit(json!({}))).expect("valid");
    assert_eq!((config.k(), config.router_rows()), (1, 0));
    for name in ["banditPulls", "banditMeans"] {
        assert_eq!(shape(&config, name), Some(vec![50, 8]));
    }
    assert_invalid(bandit(json!({ "vocabulary": null })), "router.vocabulary", "missing");
    assert_invalid(bandit(json!({ "vocabulary": 0 })), "router.vocabulary", "0");
    let most = (1 << 24) / 8;
    parse(&bandit(json!({ "vocabulary": most }))).expect("as many as there is room for");
    let error = parse(&bandit(json!({ "vocabulary": most + 1 }))).expect_err("one too many").to_string();
    assert!(error.contains("router.vocabulary") && error.contains(&format!("at most {most},")), "{error}");
}
