//! Expert choice of Flaxformer and V-MoE with our experts.

use webmoe::config::{Activation, ExpertChoice, LayerConfig, RouterConfig};

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::flaxformer::{PaddedGroups, Z, gradients, unpadded, weights, z_of_groups};
use super::rows::pick;

/// The router as layers.
pub fn cases() -> Vec<Case> {
    let flaxformer = family("flaxformer_experts_choose").into_iter().filter(|f| f.size("pad") == 0);
    let v_moe = family("vmoe_experts_choose");
    let whole = flaxformer.map(|f| case(&f, Some(Z))).chain(v_moe.iter().map(|f| case(f, None)));
    whole.chain(padded_groups().cases).collect()
}

/// See [`PaddedGroups`].
pub fn padded_groups() -> PaddedGroups {
    let f = family("flaxformer_experts_choose").into_iter().find(|f| f.size("pad") > 0).expect("a padded fixture");
    let z = z_of_groups(&f);
    let groups = unpadded(&f).into_iter().enumerate();
    let cases = groups.map(|(i, rows)| part(&f, format!("{} group {i}", f.id()), 1, &rows, Some(Z * z.1[i])));
    PaddedGroups { cases: cases.collect(), gradients: gradients(&f), losses: vec![z] }
}

/// `z`: weight of the z-loss, where the recorded loss has one in it.
fn case(f: &Fixture, z: Option<f64>) -> Case {
    let rows: Vec<usize> = (0..f.size("G") * f.size("S")).collect();
    let mut case = part(f, f.id().to_owned(), f.size("G"), &rows, z);
    if z.is_some() {
        case.expect.push(Expect::all(What::Loss("z"), vec![f.scalar("z")], Tol { abs: 0.0, rel: 1e-4 }));
    }
    case.expect.extend(gradients(f));
    case
}

/// The tokens at `rows`, in `groups` equal groups, with what is known of each token; `z` as for [`case`].
fn part(f: &Fixture, id: String, groups: usize, rows: &[usize], z: Option<f64>) -> Case {
    let (d, e, capacity) = (f.size("d"), f.size("E"), f.size("capacity"));
    let router = RouterConfig::ExpertChoice(ExpertChoice { slots: Some(capacity), ..ExpertChoice::new(1.0) });
    let config = LayerConfig {
        activation: Activation::Relu,
        groups,
        loss_weights: z.map(|z| ("z".to_owned(), z as f32)).into_iter().collect(),
        ..LayerConfig::new(d, f.size("ff"), e, router)
    };
    let all = |what, name: &str, width| Expect::all(what, pick(&f.f64s(name), width, rows), f.tol(name));
    let mut expect = vec![
        all(What::Output, "out.y", d),
        all(What::Weights, "out.combine_weight_te", e),
        all(What::Gradient("x"), "g.x", d),
        Expect::exact(What::Load, vec![(capacity * groups) as f64; e]),
    ];
    if z.is_some() {
        expect.push(all(What::Logits, "out.logits", e));
        expect.push(Expect::exact(What::Positions, pick(&f.f64s("out.slot_te"), e, rows)));
    }
    let (x, d_output) = (pick(&f.f32s("x"), d, rows), pick(&f.f32s("cot.y"), d, rows));
    Case { id, config, weights: weights(f), x, d_output, train: true, draws: None, expect }
}
