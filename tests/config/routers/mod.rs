//! The descriptions of routers.

mod bandit;
mod base;
mod dense_to_sparse;
mod expert_choice;
mod labels;
mod multi_gate;
mod noisy_top_k;
mod reinforce;
mod sinkhorn;
mod soft;
mod thor;
mod thresholds;
mod token_then_expert;
mod top_k;

use serde_json::json;
use webmoe::error::Error;

use crate::{assert_invalid, parse, with};

#[test]
fn routers_must_be_known() {
    assert_invalid(with(json!({ "router": null })), "router", "missing");
    assert_invalid(with(json!({ "router": "topK" })), "router", "\"topK\"");
    assert_invalid(with(json!({ "router": { "k": 2 } })), "router.kind", "missing");
    assert_invalid(with(json!({ "router": { "kind": "topK" } })), "router.k", "missing");
    let unknown = parse(&with(json!({ "router": { "kind": "topP" } }))).expect_err("no such router");
    let known = "topK, noisyTopK, expertChoice, base, sinkhorn, hash, tokenThenExpert, thor, domain, language, task, multiGate, soft, denseToSparse, reinforce, bandit";
    let known = known.to_owned();
    assert_eq!(unknown, Error::UnknownRouter { kind: "topP".to_owned(), known });
    assert_eq!(unknown.code(), "UNKNOWN_ROUTER");
}
