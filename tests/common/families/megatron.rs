//! Megatron's router: softmax before or after the selection, sigmoid with group limits, dropping by probability.

use webmoe::config::{
    Capacity, CapacityPer, Order, Priority, Renormalize, Rounding, Scoring, Slots, SoftmaxOver, TopK,
};

use super::super::case::{Case, Expect, What};
use super::super::fixture::{Fixture, family};
use super::combine::{self, assert_capacity};

/// The router as layers, each with its drops and once more without.
pub fn cases() -> Vec<Case> {
    family("megatron_topk").iter().flat_map(|f| [before_drops(f), with_drops(f)]).collect()
}

fn router(f: &Fixture) -> TopK {
    let k = f.size("k");
    let sigmoid = f.config("score_function") == "sigmoid";
    let before = f.config("use_pre_softmax").as_bool() == Some(true);
    let groups = f.config("num_groups").as_u64().map_or(1, |groups| groups as usize);
    TopK {
        scoring: if sigmoid { Scoring::Sigmoid } else { Scoring::Softmax },
        softmax_over: if before { SoftmaxOver::All } else { SoftmaxOver::Selected },
        renormalize: if sigmoid && k > 1 { Renormalize::PreDrop } else { Renormalize::None },
        selection_bias: f.has("in.expert_bias").then(|| f.f32s("in.expert_bias")),
        expert_groups: groups,
        group_limit: f.config("group_topk").as_u64().map_or(groups, |limit| limit as usize),
        scale: f.config("scaling_factor").as_f64().unwrap_or(1.0) as f32,
        ..TopK::new(k)
    }
}

fn before_drops(f: &Fixture) -> Case {
    let config = combine::config(f.size("E"), router(f));
    let mut case = combine::case(&format!("{} before drops", f.id()), config, f.f32s("in.logits"), None);
    case.expect = expect(f, "out.weight_te_before_drop", "out.map_te_before_drop");
    case
}

fn with_drops(f: &Fixture) -> Case {
    let mut config = combine::config(f.size("E"), router(f));
    if let Some(factor) = f.config("capacity_factor").as_f64() {
        let per = CapacityPer::Assignment;
        let slots = Slots::Factor { factor, eval_factor: factor, per, round: Rounding::Ceil, min: 0, multiple_of: 1 };
        config.capacity = Capacity::Bounded { slots, priority: Priority::Weight, order: Order::Rank };
        assert_capacity(f.id(), &config, f.size("T"), f.size("capacity"));
    }
    let mut case = combine::case(f.id(), config, f.f32s("in.logits"), Some(f.f32s("cot.combine")));
    case.expect = expect(f, "out.weight_te", "out.map_te");
    case.expect.push(Expect::all(What::Gradient("x"), f.f64s("g.logits"), f.tol("g.logits")));
    case
}

fn expect(f: &Fixture, weights: &str, map: &str) -> Vec<Expect> {
    vec![
        Expect::all(What::Output, f.f64s(weights), f.tol(weights)),
        Expect::all(What::Weights, f.f64s(weights), f.tol(weights)),
        Expect::exact(What::Kept, f.f64s(map)),
    ]
}
