//! Hash, domain, language and task routers: tables and mixtures.

use serde_json::{Value, json};
use webmoe::error::Error;

use crate::{assert_invalid, parse, with};

#[test]
fn routers_of_labels_say_what_their_tables_and_mixtures_must_be() {
    let of = |router: Value| with(json!({ "router": router }));
    assert_invalid(of(json!({ "kind": "hash" })), "router.table", "missing");
    assert_invalid(of(json!({ "kind": "hash", "table": [] })), "router.table", "a list of 0");
    assert_invalid(of(json!({ "kind": "hash", "table": [0, 8] })), "router.table[1]", "8");
    assert_invalid(of(json!({ "kind": "hash", "table": [0, 0.5] })), "router.table[1]", "0.5");
    assert_invalid(of(json!({ "kind": "hash", "table": [[0], [4]] })), "router.table[1][0]", "4");
    assert_invalid(of(json!({ "kind": "hash", "table": [[0], [0, 1]] })), "router.table[1]", "2 long");
    assert_invalid(of(json!({ "kind": "hash", "table": [[0], [0], [0]] })), "router.table", "3 tables");
    assert_invalid(of(json!({ "kind": "hash", "table": [0], "of": "sequence" })), "router.of", "\"sequence\"");

    let mixture = [0.5, 0.25, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0];
    let with_weight = |weight: Value| {
        let mut mixture = json!(mixture);
        mixture[3] = weight;
        of(json!({ "kind": "domain", "mixture": mixture }))
    };
    assert_invalid(of(json!({ "kind": "domain", "exchange": "some" })), "router.exchange", "\"some\"");
    assert_invalid(with_weight(json!(-0.5)), "router.mixture[3]", "-0.5");
    assert_invalid(with_weight(json!(1e60)), "router.mixture[3]", "inf");
    assert_invalid(with_weight(json!("much")), "router.mixture[3]", "\"much\"");
    let (what, shape) = ("router.mixture".to_owned(), "[8]".to_owned());
    assert_eq!(
        parse(&of(json!({ "kind": "domain", "mixture": [1, 0] }))),
        Err(Error::WrongLength { what, got: 2, wanted: 8, shape })
    );
    assert_invalid(of(json!({ "kind": "language" })), "router.by", "missing");
    assert_invalid(of(json!({ "kind": "language", "by": "both" })), "router.by", "\"both\"");
    assert_invalid(of(json!({ "kind": "language", "by": "source", "table": [] })), "router.table", "empty");
    assert_invalid(of(json!({ "kind": "language", "by": "source", "table": [7, 8] })), "router.table[1]", "8");

    assert_invalid(of(json!({ "kind": "task", "k": 1 })), "router.tasks", "missing");
    assert_invalid(of(json!({ "kind": "task", "k": 1, "tasks": 0 })), "router.tasks", "0");
    assert_invalid(of(json!({ "kind": "task", "tasks": 3 })), "router.k", "missing");
    assert_invalid(of(json!({ "kind": "task", "tasks": 3, "k": 1, "scale": 0 })), "router.scale", "0");
    assert_invalid(of(json!({ "kind": "task", "tasks": 3, "k": 1, "scoring": "best" })), "router.scoring", "\"best\"");
    assert_eq!(
        parse(&of(json!({ "kind": "task", "tasks": 3, "k": 9 }))),
        Err(Error::TooManyChoices { k: 9, experts: 8, raise: "experts" })
    );
    let task = json!({ "kind": "task", "tasks": 3, "k": 1 });
    assert_invalid(
        with(json!({ "router": task, "sharedExpert": { "dFf": 4, "gate": true } })),
        "sharedExpert.gate",
        "true",
    );

    let printed = |router: Value| serde_json::to_value(parse(&of(router)).expect("valid").router).expect("plain data");
    for (given, full) in [
        (json!({ "kind": "hash", "table": [0, 7] }), json!({ "kind": "hash", "table": [0, 7], "of": "token" })),
        (json!({ "kind": "domain" }), json!({ "kind": "domain", "exchange": "none" })),
        (
            json!({ "kind": "domain", "mixture": mixture, "exchange": "all2all" }),
            json!({ "kind": "domain", "mixture": mixture, "exchange": "all2all" }),
        ),
        (
            json!({ "kind": "task", "tasks": 3, "k": 2 }),
            json!({
                "kind": "task", "tasks": 3, "k": 2, "scoring": "softmax", "softmaxOver": "all", "renormalize": "none",
                "scale": 1.0
            }),
        ),
        (
            json!({ "kind": "language", "by": "target" }),
            json!({ "kind": "language", "by": "target", "exchange": "all2all" }),
        ),
        (
            json!({ "kind": "language", "by": "source", "table": [3, 3, 0], "exchange": "none" }),
            json!({ "kind": "language", "by": "source", "table": [3, 3, 0], "exchange": "none" }),
        ),
    ] {
        assert_eq!(printed(given), full);
        assert_eq!(printed(full.clone()), full);
    }
}
