//! Expert choice of Flaxformer and V-MoE with our experts.

use webmoe::config::{Activation, ExpertChoice, LayerConfig, RouterConfig};

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::flaxformer::{Z, gradients, weights};

/// The router as layers: all but the padded fixture, whose logits count in the z-loss though they are zeros.
pub fn cases() -> Vec<Case> {
    let flaxformer = family("flaxformer_experts_choose").into_iter().filter(|f| f.size("pad") == 0);
    flaxformer.map(|f| case(&f, true)).chain(family("vmoe_experts_choose").iter().map(|f| case(f, false))).collect()
}

/// `z`: whether the recorded loss has a z-loss in it.
fn case(f: &Fixture, z: bool) -> Case {
    let slots = Some(f.size("capacity"));
    let router = RouterConfig::ExpertChoice(ExpertChoice { slots, ..ExpertChoice::new(1.0) });
    let config = LayerConfig {
        activation: Activation::Relu,
        groups: f.size("G"),
        loss_weights: if z { [("z".to_owned(), Z as f32)].into() } else { [].into() },
        ..LayerConfig::new(f.size("d"), f.size("ff"), f.size("E"), router)
    };
    let all = |what, name: &str| Expect::all(what, f.f64s(name), f.tol(name));
    let mut expect = vec![
        all(What::Output, "out.y"),
        all(What::Weights, "out.combine_weight_te"),
        all(What::Gradient("x"), "g.x"),
        Expect::exact(What::Load, vec![(f.size("capacity") * f.size("G")) as f64; f.size("E")]),
    ];
    if z {
        expect.push(all(What::Logits, "out.logits"));
        expect.push(Expect::exact(What::Positions, f.f64s("out.slot_te")));
        expect.push(Expect::all(What::Loss("z"), vec![f.scalar("z")], Tol { abs: 0.0, rel: 1e-4 }));
    }
    expect.extend(gradients(f));
    Case {
        id: f.id().to_owned(),
        config,
        weights: weights(f),
        x: f.f32s("x"),
        d_output: f.f32s("cot.y"),
        train: true,
        draws: None,
        expect,
    }
}
