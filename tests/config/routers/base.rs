//! BASE: the auction's budget, and that of the trades after it.

use serde_json::json;
use webmoe::config::{Base, RouterConfig};

use crate::{assert_invalid, parse, with};

#[test]
fn its_rounds_are_bounded_and_its_shuffle_a_flag() {
    assert_invalid(with(json!({ "router": { "kind": "base", "iterations": 0 } })), "router.iterations", "0");
    assert_invalid(with(json!({ "router": { "kind": "base", "iterations": 1001 } })), "router.iterations", "1001");
    assert_invalid(with(json!({ "router": { "kind": "base", "trades": -1 } })), "router.trades", "-1");
    assert_invalid(with(json!({ "router": { "kind": "base", "trades": 1001 } })), "router.trades", "1001");
    assert_invalid(with(json!({ "router": { "kind": "base", "shuffle": 1 } })), "router.shuffle", "1");
    let config = parse(&with(json!({ "router": { "kind": "base", "trades": 0 } }))).expect("an auction alone");
    assert_eq!(config.router, RouterConfig::Base(Base { trades: 0, ..Base::new() }));
}
