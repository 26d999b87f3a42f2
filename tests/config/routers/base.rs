//! BASE: the auction's budget.

use serde_json::json;

use crate::{assert_invalid, with};

#[test]
fn its_rounds_are_bounded_and_its_shuffle_a_flag() {
    assert_invalid(with(json!({ "router": { "kind": "base", "iterations": 0 } })), "router.iterations", "0");
    assert_invalid(with(json!({ "router": { "kind": "base", "iterations": 1001 } })), "router.iterations", "1001");
    assert_invalid(with(json!({ "router": { "kind": "base", "shuffle": 1 } })), "router.shuffle", "1");
}
