//! Auxiliary losses as seven projects compute them, on the same logits.

use webmoe::config::TopK;

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::combine;
use super::rows::{pick, times};

/// One of the recorded losses as one of the layer's.
struct Same {
    /// Their name.
    theirs: &'static str,
    /// The layer's name.
    ours: &'static str,
    /// Whether it is a mean over sequences; else all tokens are one group.
    per_sequence: bool,
    /// Whether theirs is `k` times the layer's.
    times_k: bool,
}

const fn same(theirs: &'static str, ours: &'static str) -> Same {
    Same { theirs, ours, per_sequence: false, times_k: false }
}

const LOSSES: [Same; 10] = [
    Same { times_k: true, ..same("hf_load_balancing", "loadBalance") },
    Same { times_k: true, ..same("hf_load_balancing_masked", "loadBalance") },
    same("megatron_switch_aux", "loadBalance"),
    Same { per_sequence: true, times_k: true, ..same("flaxformer_load_balancing_topk", "loadBalance") },
    Same { per_sequence: true, ..same("hf_switch_load_balancing", "loadBalanceFirst") },
    Same { per_sequence: true, ..same("vmoe_gshard", "loadBalanceFirst") },
    Same { per_sequence: true, ..same("vmoe_importance", "importance") },
    same("hf_switch_z", "z"),
    same("megatron_z", "z"),
    Same { per_sequence: true, ..same("flaxformer_z", "z") },
];

/// Every recorded loss by itself, with its gradient.
pub fn cases() -> Vec<Case> {
    let recorded = |f: &Fixture, loss: &Same| f.has(&format!("g.logits.{}", loss.theirs)).then(|| case(f, loss));
    let of_fixture = |f: Fixture| LOSSES.iter().filter_map(|loss| recorded(&f, loss)).collect::<Vec<_>>();
    family("aux_losses").into_iter().flat_map(of_fixture).collect()
}

fn case(f: &Fixture, loss: &Same) -> Case {
    let (e, sequences) = (f.size("E"), f.size("layers") * f.size("B"));
    let k = f.size("k");
    let factor = if loss.times_k { 1.0 / k as f64 } else { 1.0 };
    let mut config = combine::config(e, TopK::new(k));
    config.groups = if loss.per_sequence { sequences } else { 1 };
    config.loss_weights = [(loss.ours.to_owned(), 1.0)].into();

    let rows = rows(f, loss.theirs.ends_with("masked"));
    let id = format!("{} {}", f.id(), loss.theirs);
    let mut case = combine::case(&id, config, pick(&f.f32s("in.logits"), e, &rows), None);
    let gradient = format!("g.logits.{}", loss.theirs);
    let want = times(&pick(&f.f64s(&gradient), e, &rows), factor);
    let rel = if f.has_flag("huge") { 1e-4 } else { 1e-5 };
    case.expect = vec![
        Expect::all(What::Loss(loss.ours), vec![f.scalar(loss.theirs) * factor], Tol { abs: 0.0, rel }),
        Expect::all(What::Gradient("x"), want, f.tol(&gradient).scaled(factor)),
    ];
    case
}

/// The tokens of all layers that count: all of them, or those that the mask leaves.
fn rows(f: &Fixture, masked: bool) -> Vec<usize> {
    let mask = f.f64s("in.attention_mask");
    let tokens = f.size("layers") * mask.len();
    (0..tokens).filter(|row| !masked || mask[row % mask.len()] > 0.0).collect()
}
