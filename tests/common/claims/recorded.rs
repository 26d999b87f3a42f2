//! Recorded results of other projects' code.

use std::rc::Rc;

use webmoe::engine::Engine;

use super::super::engine::{check_all, run};
use super::super::fixtures::{cases, padded_groups};

pub async fn every_recorded_case_comes_out(engine: &Rc<Engine>) {
    check_all(engine, &cases()).await;
}

pub async fn groups_of_unequal_size_add_up_to_what_was_recorded(engine: &Rc<Engine>) {
    let mut wrong = Vec::new();
    for padded in padded_groups() {
        let mut got = Vec::new();
        for case in &padded.cases {
            got.push(run(engine, case).await.unwrap_or_else(|e| panic!("{}: {e}", case.id)));
        }
        wrong.extend(padded.check(&got));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
