//! Noisy top-k: its noise.

use serde_json::{Value, json};
use webmoe::config::{NoisyTopK, RouterConfig};

use crate::{assert_invalid, parse, with};

#[test]
fn noise_is_of_one_kind_and_has_a_width() {
    let noisy = |fields: Value| {
        let mut router = json!({ "kind": "noisyTopK", "k": 2 });
        for (name, value) in fields.as_object().expect("an object of changes") {
            router[name] = value.clone();
        }
        with(json!({ "router": router }))
    };
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
