//! Balanced assignments as the choices of a layer: exact optima, and fairseq's auction.

use webmoe::config::{Base, RouterConfig};

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::combine::{self, config_of};
use super::rows::scattered;

/// Whole numbers from a small range: fairseq loses a token here, and holding on to equals costs dearly.
pub const TIED: &str = "base_assignment/ties_ints";

/// Every recorded table of scores, as a layer whose logits are its tokens.
pub fn cases() -> Vec<Case> {
    family("base_assignment").iter().map(case).collect()
}

/// How far below the best total an auction may end.
pub fn allowed_gap(f: &Fixture) -> f64 {
    let best = f.scalar("optimal_total");
    match f.id() {
        TIED => 0.07 * best,
        _ => f.allowance("optimal_total", "auction_quality_target") + 1e-6 * best,
    }
}

fn case(f: &Fixture) -> Case {
    let experts = f.size("E");
    let logits: Vec<f32> = f.f64s("in.scores").iter().map(|h| *h as f32).collect();
    let mut case = combine::case(
        f.id(),
        config_of(experts, RouterConfig::Base(Base { shuffle: false, ..Base::new() })),
        logits,
        None,
    );
    let gap = Tol { abs: allowed_gap(f), rel: 0.0 };
    case.expect.push(Expect::all(What::Total, vec![f.scalar("optimal_total")], gap));
    if f.size("T").is_multiple_of(experts) {
        case.expect.push(Expect::exact(What::Load, f.f64s("out.load")));
    }
    if f.has("out.fairseq_assignment") && f.id() != TIED {
        let chosen = f.indices("out.fairseq_assignment");
        case.expect.push(Expect::exact(What::Kept, scattered(&vec![1.0; chosen.len()], &chosen, 1, experts)));
    }
    case
}
