//! Sinkhorn: the experts' shares.

use serde_json::json;
use webmoe::error::Error;

use crate::{assert_invalid, parse, with};

fn shares(shares: &[f64]) -> serde_json::Value {
    with(json!({ "router": { "kind": "sinkhorn", "k": 1, "shares": shares } }))
}

#[test]
fn every_expert_has_a_share_above_zero() {
    let error = parse(&shares(&[1.0, 2.0])).expect_err("two shares for eight experts");
    assert!(matches!(error, Error::WrongLength { got: 2, wanted: 8, .. }), "{error}");
    let mut given = [1.0; 8];
    given[3] = 0.0;
    assert_invalid(shares(&given), "router.shares[3]", "0");
    given[3] = -1.0;
    assert_invalid(shares(&given), "router.shares[3]", "-1");
    given[3] = 0.25;
    parse(&shares(&given)).expect("shares in any unit");
}
