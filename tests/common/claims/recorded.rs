//! Recorded results of other projects' code.

use std::rc::Rc;

use webmoe::engine::Engine;

use super::super::engine::check_all;
use super::super::fixtures::cases;

pub async fn every_recorded_case_comes_out(engine: &Rc<Engine>) {
    check_all(engine, &cases()).await;
}
