//! ST-MoE's layer as in lucidrains' st-moe-pytorch: every choice after the first is asked by chance.
//!
//! Three things are said in other words:
//! - their experts multiply the hidden values by a vector before the second product: here it is part of `w2`;
//! - noise on the gates: it is `E` more features of a token, which the router adds to its logits and the experts neither read
//!   nor write;
//! - their balancing loss counts first choices after drops, and their z-loss looks at logits without noise, as no loss of the
//!   layer does: their gradients are worked out here and taken from what was recorded.

use webmoe::config::{
    Activation, CapacityPer, LayerConfig, Renormalize, Rounding, RouterConfig, SecondPolicy, Slots, TopK,
};
use webmoe::weights::Weights;

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::combine::{assert_capacity, bounded};
use super::rows::{in_wider_rows, piece, transposed, wider};

/// Weight of the balancing loss in all these recordings.
const BALANCE: f64 = 0.1;
/// Weight of the z-loss.
const Z: f64 = 0.01;

/// All of its layers.
pub fn cases() -> Vec<Case> {
    family("lucid_st_moe").iter().map(case).collect()
}

/// What the experts of `f` have under `name`, one after the other.
fn of_experts(f: &Fixture, name: &str) -> Vec<f32> {
    (0..f.size("E")).flat_map(|e| f.f32s(&format!("w.experts.experts.{e}.{name}"))).collect()
}

fn case(f: &Fixture) -> Case {
    let (groups, s, d, f_hidden, e) = (f.size("B"), f.size("S"), f.size("d"), f.size("expert_hidden"), f.size("E"));
    let (train, noisy) = (f.config("train") == true, f.config("noise_gates") == true);
    let width = if noisy { d + e } else { d };
    let thresholds = thresholds(f);
    let threshold = thresholds.iter().copied().fold(0.0, f64::max);
    let router = TopK {
        renormalize: Renormalize::PreDrop,
        second_policy: SecondPolicy::Random,
        eval_second_policy: SecondPolicy::Random,
        second_threshold: threshold as f32,
        ..TopK::new(f.size("top_n"))
    };
    let factor = f.config("capacity_factor").as_f64().expect("a number");
    let (per, round) = (CapacityPer::Token, Rounding::Floor);
    let mut config = LayerConfig {
        activation: Activation::Gelu,
        gated: true,
        bias: true,
        capacity: bounded(Slots::Factor { factor, eval_factor: factor, per, round, min: 4, multiple_of: 1 }),
        groups,
        ..LayerConfig::new(width, f_hidden, e, RouterConfig::TopK(router))
    };
    if train && !noisy {
        config.loss_weights = [("z".to_owned(), Z as f32)].into();
    }
    assert_capacity(f.id(), &config, s, f.size("expert_capacity"));
    let (first, first_bias) = (of_experts(f, "net.0.weight"), of_experts(f, "net.0.bias"));
    let (second, factors) = (of_experts(f, "net.2.weight"), of_experts(f, "net.1.mult_bias"));
    let factor_of = |i: usize| factors[i / (d * f_hidden) * f_hidden + i % f_hidden];
    let second: Vec<f32> = second.iter().enumerate().map(|(i, w)| w * factor_of(i)).collect();
    let (mut x, mut router) = (wider(&f.f32s("x"), d, width), wider(&f.f32s("w.gate.to_gates.weight"), d, width));
    if noisy {
        for (x, noise) in x.chunks_exact_mut(width).zip(noise(f).chunks_exact(e)) {
            x[d..].iter_mut().zip(noise).for_each(|(x, noise)| *x = *noise as f32);
        }
        (0..e).for_each(|expert| router[expert * width + d + expert] = 1.0);
    }
    let weights = Weights {
        router,
        w1: wider(&piece(&first, e, 2, 1), d, width),
        w3: Some(wider(&piece(&first, e, 2, 0), d, width)),
        b1: Some(piece(&first_bias, e, 2, 1)),
        b3: Some(piece(&first_bias, e, 2, 0)),
        w2: wider(&second, d * f_hidden, width * f_hidden),
        b2: Some(wider(&of_experts(f, "net.2.bias"), d, width)),
        ..Weights::default()
    };
    let same = |what, name: &str| Expect::all(what, f.f64s(name), f.tol(name));
    let load = f.f64s("out.tokens_per_expert");
    let tokens = |expect| in_wider_rows(expect, d, width);
    let mut expect = vec![
        tokens(same(What::Output, "out.y")),
        same(What::Weights, "out.combine_weight_te"),
        Expect::exact(What::Positions, f.f64s("out.slot_te")),
        Expect::exact(What::Load, (0..e).map(|expert| load.iter().skip(expert).step_by(e).sum()).collect()),
        tokens(gradient(f, "b2", "net.2.bias", |values| values)),
        tokens(gradient(f, "w1", "net.0.weight", |values| piece(&values, e, 2, 1))),
        tokens(gradient(f, "w3", "net.0.weight", |values| piece(&values, e, 2, 0))),
        gradient(f, "b1", "net.0.bias", |values| piece(&values, e, 2, 1)),
        gradient(f, "b3", "net.0.bias", |values| piece(&values, e, 2, 0)),
        in_wider_rows(
            gradient(f, "w2", "net.2.weight", |values| {
                values.iter().enumerate().map(|(i, g)| g / f64::from(factor_of(i))).collect()
            }),
            d * f_hidden,
            width * f_hidden,
        ),
    ];
    if train && !noisy {
        let z = vec![f.scalar("router_z_loss")];
        expect.push(Expect::all(What::Loss("z"), z, Tol { abs: 0.0, rel: 1e-4 }));
    }
    // where it is true, the experts' inputs have a gradient by the weights as well, which is nobody else's
    if f.config("straight_through_dispatch_tensor") == false {
        let (x, router) = through_other_losses(f);
        let less = |name: &str, part: &[f64]| -> Vec<f64> {
            f.f64s(name).iter().zip(part).map(|(all, part)| all - part).collect()
        };
        let of = |what, name: &str, part: &[f64]| tokens(Expect::all(what, less(name, part), f.tol(name)));
        expect.push(of(What::Gradient("x"), "g.x", &x));
        expect.push(of(What::Gradient("router"), "g.gate.to_gates.weight", &router));
    }
    // one threshold for all: what is compared with it counts in proportion
    let uniform = transposed(&f.f64s("in.uniform_route"), thresholds.len(), groups * s);
    let of_choice = |(i, u): (usize, &f64)| (u * thresholds[i % thresholds.len()] / threshold) as f32;
    let draws = Some(uniform.iter().enumerate().map(of_choice).collect());
    let (id, d_output) = (f.id().to_owned(), wider(&f.f32s("cot.y"), d, width));
    Case { id, config, weights, x, d_output, train, draws, expect }
}

/// The recorded gradients of all experts, as close as the least exact of them.
fn gradient(f: &Fixture, what: &'static str, name: &str, turn: impl Fn(Vec<f64>) -> Vec<f64>) -> Expect {
    let names: Vec<String> = (0..f.size("E")).map(|e| format!("g.experts.experts.{e}.{name}")).collect();
    let abs = names.iter().map(|name| f.tol(name).abs).fold(0.0, f64::max);
    let values = names.iter().flat_map(|name| f.f64s(name)).collect();
    Expect::all(What::Gradient(what), turn(values), Tol { abs, rel: 1e-4 })
}

/// `[k]`: what the share of each choice is divided by; nothing hangs on that of the first.
fn thresholds(f: &Fixture) -> Vec<f64> {
    let k = f.size("top_n");
    match f.config("threshold") {
        serde_json::Value::Array(of_choices) => {
            let of_choices = of_choices.iter().filter_map(serde_json::Value::as_f64);
            std::iter::once(0.0).chain(of_choices).collect()
        }
        of_all => vec![of_all.as_f64().expect("a number"); k],
    }
}

/// `[T, E]`: the noise on the gates, or zeros.
fn noise(f: &Fixture) -> Vec<f64> {
    let least_log = |u: f64| -u.max(1e-20).ln();
    match f.config("noise_gates") == true {
        true => f.f64s("in.uniform_gumbel").into_iter().map(|u| least_log(least_log(u))).collect(),
        false => vec![0.0; f.size("B") * f.size("S") * f.size("E")],
    }
}

/// The gradients of `x` and the router through the losses that the layer does not have.
fn through_other_losses(f: &Fixture) -> (Vec<f64>, Vec<f64>) {
    let (d, e) = (f.size("d"), f.size("E"));
    let (x, router) = (f.f64s("x"), f.f64s("w.gate.to_gates.weight"));
    let (mut d_x, mut d_router) = (vec![0.0; x.len()], vec![0.0; router.len()]);
    if f.config("train") == true {
        for (i, d_logit) in d_logits(f, &x, &router).into_iter().enumerate() {
            let (token, expert) = (i / e * d, i % e * d);
            for c in 0..d {
                d_x[token + c] += d_logit * router[expert + c];
                d_router[expert + c] += d_logit * x[token + c];
            }
        }
    }
    (d_x, d_router)
}

/// `[T, E]`: the gradient of the logits through those losses in training.
fn d_logits(f: &Fixture, x: &[f64], router: &[f64]) -> Vec<f64> {
    let (s, d, e) = (f.size("S"), f.size("d"), f.size("E"));
    let (tokens, noise, slots) = (x.len() / d, noise(f), f.f64s("out.slot_te"));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let clean = |t: usize| -> Vec<f64> { router.chunks_exact(d).map(|w| dot(w, &x[t * d..(t + 1) * d])).collect() };
    let noised = |t: usize| -> Vec<f64> { clean(t).iter().zip(&noise[t * e..]).map(|(h, noise)| h + noise).collect() };
    let sum = |h: &[f64]| h.iter().map(|h| h.exp()).sum::<f64>();
    let softmax = |h: &[f64]| -> Vec<f64> { h.iter().map(|one| one.exp() / sum(h)).collect() };
    let kept_first = |t: usize| {
        let h = noised(t);
        let first = (0..e).fold(0, |best, i| if h[i] > h[best] { i } else { best });
        (slots[t * e + first] >= 0.0).then_some(first)
    };
    let kept_firsts: Vec<Option<usize>> = (0..tokens).map(kept_first).collect();
    let of_token = |t: usize| {
        let group = &kept_firsts[t / s * s..][..s];
        let share = |expert: usize| group.iter().filter(|first| **first == Some(expert)).count() as f64 / s as f64;
        // the loss: E² times the mean over groups and experts of this share and the mean probability
        let d_p: Vec<f64> = (0..e).map(|expert| BALANCE * e as f64 * share(expert) / tokens as f64).collect();
        let p = softmax(&noised(t));
        let mean = dot(&p, &d_p);
        let through_balance = p.iter().zip(&d_p).map(|(p, d_p)| p * (d_p - mean));
        let clean = clean(t);
        let z = if f.config("noise_gates") == true { Z * 2.0 * sum(&clean).ln() / tokens as f64 } else { 0.0 };
        through_balance.zip(softmax(&clean)).map(|(d, q)| d + z * q).collect::<Vec<f64>>()
    };
    (0..tokens).flat_map(of_token).collect()
}
