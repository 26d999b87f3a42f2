//! ST-MoE's layer as in lucidrains' st-moe-pytorch: every choice after the first is asked by chance.

use webmoe::config::{Activation, CapacityPer, LayerConfig, Renormalize, Rounding, RouterConfig, Slots, TopK};
use webmoe::weights::Weights;

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::combine::{assert_capacity, bounded};
use super::rows::piece;

/// Layers with which of the choices `[T, k]` were asked.
pub fn drawn_cases() -> Vec<(Case, Vec<bool>)> {
    family("lucid_st_moe").iter().map(|f| (case(f), asked(f))).collect()
}

/// What the experts of `f` have under `name`, one after the other.
fn of_experts(f: &Fixture, name: &str) -> Vec<f32> {
    (0..f.size("E")).flat_map(|e| f.f32s(&format!("w.experts.experts.{e}.{name}"))).collect()
}

/// Their experts multiply the hidden values by a vector before the second product: here it is part of `w2`. Their gradients of
/// `x` and router in training are left out: their balancing loss counts first choices after drops, which no other code does.
fn case(f: &Fixture) -> Case {
    let (groups, s, d, f_hidden, e) = (f.size("B"), f.size("S"), f.size("d"), f.size("expert_hidden"), f.size("E"));
    let factor = f.config("capacity_factor").as_f64().expect("a number");
    let (per, round) = (CapacityPer::Token, Rounding::Floor);
    let config = LayerConfig {
        activation: Activation::Gelu,
        gated: true,
        bias: true,
        capacity: bounded(Slots::Factor { factor, eval_factor: factor, per, round, min: 4, multiple_of: 1 }),
        groups,
        ..LayerConfig::new(
            d,
            f_hidden,
            e,
            RouterConfig::TopK(TopK { renormalize: Renormalize::PreDrop, ..TopK::new(f.size("top_n")) }),
        )
    };
    assert_capacity(f.id(), &config, s, f.size("expert_capacity"));
    let (first, first_bias) = (of_experts(f, "net.0.weight"), of_experts(f, "net.0.bias"));
    let half = |values: &[f32], part| Some(piece(values, e, 2, part));
    let (second, factors) = (of_experts(f, "net.2.weight"), of_experts(f, "net.1.mult_bias"));
    let factor_of = |i: usize| factors[i / (d * f_hidden) * f_hidden + i % f_hidden];
    let weights = Weights {
        router: f.f32s("w.gate.to_gates.weight"),
        w1: piece(&first, e, 2, 1),
        w3: half(&first, 0),
        b1: half(&first_bias, 1),
        b3: half(&first_bias, 0),
        w2: second.iter().enumerate().map(|(i, w)| w * factor_of(i)).collect(),
        b2: Some(of_experts(f, "net.2.bias")),
        ..Weights::default()
    };
    let train = f.config("train") == true;
    let same = |what, name: &str| Expect::all(what, f.f64s(name), f.tol(name));
    let load = f.f64s("out.tokens_per_expert");
    let mut expect = vec![
        same(What::Output, "out.y"),
        same(What::Weights, "out.combine_weight_te"),
        Expect::exact(What::Positions, f.f64s("out.slot_te")),
        Expect::exact(What::Load, (0..e).map(|expert| load.iter().skip(expert).step_by(e).sum()).collect()),
        gradient(f, "b2", "net.2.bias", |values| values),
        gradient(f, "w1", "net.0.weight", |values| piece(&values, e, 2, 1)),
        gradient(f, "w3", "net.0.weight", |values| piece(&values, e, 2, 0)),
        gradient(f, "b1", "net.0.bias", |values| piece(&values, e, 2, 1)),
        gradient(f, "b3", "net.0.bias", |values| piece(&values, e, 2, 0)),
        gradient(f, "w2", "net.2.weight", |values| {
            values.iter().enumerate().map(|(i, g)| g / f64::from(factor_of(i))).collect()
        }),
    ];
    if train {
        let z = vec![f.scalar("router_z_loss")];
        expect.push(Expect::all(What::Loss("z"), z, Tol { abs: 0.0, rel: 1e-4 }));
    } else {
        expect.push(same(What::Gradient("x"), "g.x"));
        expect.push(same(What::Gradient("router"), "g.gate.to_gates.weight"));
    }
    let (id, x, d_output) = (f.id().to_owned(), f.f32s("x"), f.f32s("cot.y"));
    Case { id, config, weights, x, d_output, train, draws: None, expect }
}

/// The recorded gradients of all experts, as close as the least exact of them.
fn gradient(f: &Fixture, what: &'static str, name: &str, turn: impl Fn(Vec<f64>) -> Vec<f64>) -> Expect {
    let names: Vec<String> = (0..f.size("E")).map(|e| format!("g.experts.experts.{e}.{name}")).collect();
    let abs = names.iter().map(|name| f.tol(name).abs).fold(0.0, f64::max);
    let values = names.iter().flat_map(|name| f.f64s(name)).collect();
    Expect::all(What::Gradient(what), turn(values), Tol { abs, rel: 1e-4 })
}

/// Choices after the first are asked where the recorded number is below their share over their threshold.
fn asked(f: &Fixture) -> Vec<bool> {
    let (d, k, tokens) = (f.size("d"), f.size("top_n"), f.size("B") * f.size("S"));
    let (x, router, uniform) = (f.f64s("x"), f.f64s("w.gate.to_gates.weight"), f.f64s("in.uniform_route"));
    let threshold = |j: usize| match f.config("threshold") {
        serde_json::Value::Array(of_choices) => of_choices[j - 1].as_f64(),
        of_all => of_all.as_f64(),
    };
    let of_token = |t: usize| {
        let x = &x[t * d..(t + 1) * d];
        let logit = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        let mut h: Vec<f64> = router.chunks_exact(d).map(logit).collect();
        h.sort_by(|a, b| b.total_cmp(a));
        let sum: f64 = h[..k].iter().map(|one| (one - h[0]).exp()).sum();
        let share = |j: usize| (h[j] - h[0]).exp() / sum;
        let below = |j: usize| uniform[j * tokens + t] < share(j) / threshold(j).expect("a number");
        (0..k).map(|j| j == 0 || below(j)).collect::<Vec<_>>()
    };
    (0..tokens).flat_map(of_token).collect()
}
