//! What weights must be.

use serde_json::json;
use webmoe::error::Error;
use webmoe::weights::{LayerWeights, Weights, check_array};

use crate::{parse, with};

#[test]
fn weights_are_refused_by_name() {
    let config = parse(&with(json!({ "bias": true }))).expect("valid");
    let good: LayerWeights = Weights::build(&config, |_, len| vec![0.0; len]);
    assert_eq!(good.check(&config), Ok(()));

    let short = LayerWeights { w1: vec![0.0; 5], ..good.clone() };
    let (what, shape) = ("w1".to_owned(), "[8, 16, 8]".to_owned());
    assert_eq!(short.check(&config), Err(Error::WrongLength { what, got: 5, wanted: 1024, shape }));

    let mut bad = good.clone();
    bad.w2[3] = f32::NEG_INFINITY;
    let (what, value) = ("w2".to_owned(), "-inf".to_owned());
    assert_eq!(bad.check(&config), Err(Error::NonFinite { what, index: 3, value }));

    let missing = LayerWeights { b1: None, ..good.clone() };
    let (what, shape) = ("b1".to_owned(), "[8, 16]".to_owned());
    assert_eq!(missing.check(&config), Err(Error::MissingWeights { what, shape }));

    let extra = LayerWeights { w3: Some(vec![0.0; 1024]), ..good };
    assert_eq!(extra.check(&config).map_err(|e| e.code()), Err("UNKNOWN_WEIGHTS"));
    assert_eq!(check_array(&config, "w4", &[]).map_err(|e| e.code()), Err("UNKNOWN_WEIGHTS"));
}

#[test]
fn pulls_are_whole_numbers() {
    let config = parse(&with(json!({ "router": { "kind": "bandit", "vocabulary": 3 } }))).expect("valid");
    let pulls = |value: f32| check_array(&config, "banditPulls", &[&[0.0; 23][..], &[value]].concat());
    assert_eq!(pulls(16_777_216.0), Ok(()));
    for value in [-1.0, 0.5] {
        let (what, got) = ("banditPulls[23]".to_owned(), value.to_string());
        assert_eq!(
            pulls(value),
            Err(Error::InvalidArgument { what, got, wanted: "a whole number from 0 on".to_owned() })
        );
    }
    assert_eq!(check_array(&config, "banditMeans", &[-0.5; 24]), Ok(()));
}

#[test]
fn weights_beyond_a_width_are_refused_by_expert() {
    let config = parse(&with(json!({ "bias": true, "expertWidths": [16, 3, 16, 16, 16, 16], "identityExperts": 2 })))
        .expect("valid");
    let mut given: LayerWeights = Weights::build(&config, |_, len| vec![0.0; len]);
    assert_eq!((given.w1.len(), given.w2.len(), given.b2.as_ref().map(Vec::len)), (768, 768, Some(48)));
    assert_eq!(given.check(&config), Ok(()));
    given.w2[16 * 8 + 2] = 1.0;
    assert_eq!(given.check(&config), Ok(()), "the third of three hidden units");
    for (name, index) in [("w1", 16 * 8 + 3 * 8), ("w2", 16 * 8 + 3), ("b1", 16 + 3)] {
        let mut beyond = given.clone();
        beyond.get_mut(name).expect("an array of the layer")[index] = -0.5;
        let (what, value) = (name.to_owned(), "-0.5".to_owned());
        let error = Error::BeyondWidth { what, index, value, expert: 1, width: 3 };
        assert_eq!(beyond.check(&config), Err(error.clone()));
        assert_eq!(error.code(), "BEYOND_WIDTH");
    }
}
