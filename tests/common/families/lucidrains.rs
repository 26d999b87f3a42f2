//! GShard's layer as in lucidrains' mixture-of-experts: weights are divided before drops, and second choices have policies.

use webmoe::config::{
    Activation, CapacityPer, LayerConfig, Renormalize, Rounding, RouterConfig, SecondPolicy, Slots, TopK,
};
use webmoe::weights::Weights;

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::combine::{assert_capacity, bounded};
use super::rows::transposed;

/// Weight of the balancing loss in all these recordings.
const AUX: f32 = 0.1;

/// All of its layers.
pub fn cases() -> Vec<Case> {
    family("lucid_mixture_of_experts").iter().map(case).collect()
}

fn case(f: &Fixture) -> Case {
    let (groups, s, d, hidden, e) = (f.size("B"), f.size("S"), f.size("d"), f.size("hidden"), f.size("E"));
    let real = |key: &str| f.config(key).as_f64().expect("a number");
    let second_policy = match f.config("policy").as_str() {
        Some("all") => SecondPolicy::All,
        Some("none") => SecondPolicy::None,
        Some("random") => SecondPolicy::Random,
        other => panic!("{}: policy {other:?}", f.id()),
    };
    let router = TopK {
        renormalize: Renormalize::PreDrop,
        second_policy,
        eval_second_policy: second_policy,
        second_threshold: real("threshold") as f32,
        ..TopK::new(2)
    };
    let factor = real("capacity_factor");
    let (per, round) = (CapacityPer::Token, Rounding::Floor);
    let config = LayerConfig {
        activation: Activation::Relu,
        capacity: bounded(Slots::Factor { factor, eval_factor: factor, per, round, min: 4, multiple_of: 1 }),
        groups,
        loss_weights: [("loadBalanceFirst".to_owned(), AUX)].into(),
        ..LayerConfig::new(d, hidden, e, RouterConfig::TopK(router))
    };
    assert_capacity(f.id(), &config, s, f.size("expert_capacity"));
    let weights = Weights {
        router: transposed(&f.f32s("w.gate.w_gating"), d, e),
        w1: transposed(&f.f32s("w.experts.w1"), d, hidden),
        w2: transposed(&f.f32s("w.experts.w2"), hidden, d),
        ..Weights::default()
    };
    let gradient = |what, name: &str, rows, columns| {
        let name = format!("g.{name}");
        Expect::all(What::Gradient(what), transposed(&f.f64s(&name), rows, columns), f.tol(&name))
    };
    let load = f.f64s("out.tokens_per_expert");
    let over_groups = (0..e).map(|expert| load.iter().skip(expert).step_by(e).sum()).collect();
    let same = |what, name: &str| Expect::all(what, f.f64s(name), f.tol(name));
    let balance =
        Expect::all(What::Loss("loadBalanceFirst"), vec![f.scalar("balance_loss")], Tol { abs: 0.0, rel: 1e-4 });
    let expect = vec![
        same(What::Output, "out.y"),
        same(What::Weights, "out.combine_weight_te"),
        Expect::exact(What::Positions, f.f64s("out.slot_te")),
        Expect::exact(What::Load, over_groups),
        balance,
        same(What::Gradient("x"), "g.x"),
        gradient("router", "gate.w_gating", d, e),
        gradient("w1", "experts.w1", d, hidden),
        gradient("w2", "experts.w2", hidden, d),
    ];
    let train = f.config("train") == true;
    // recorded for second choices alone
    let of_choices = |second| [0.0, second];
    let draws = (second_policy == SecondPolicy::Random)
        .then(|| f.f32s("in.uniform").into_iter().flat_map(of_choices).collect());
    let (x, d_output) = (f.f32s("x"), f.f32s("cot.y"));
    Case { id: f.id().to_owned(), config, weights, x, d_output, train, draws, expect }
}
