//! Balanced assignments as the choices of a layer: exact optima, and fairseq's auction, which is ours without trades.

use webmoe::config::{Base, RouterConfig};

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::combine::{self, config_of};
use super::rows::scattered;

/// Whole numbers from a small range: fairseq loses a token here.
pub const TIED: &str = "base_assignment/ties_ints";

/// Every recorded table of scores, as a layer whose logits are its tokens.
pub fn cases() -> Vec<Case> {
    family("base_assignment").iter().flat_map(|f| [by_auction(f), traded(f)]).collect()
}

/// How far below the best total the auction alone may end, where nothing is tied.
pub fn allowed_gap(f: &Fixture) -> f64 {
    f.allowance("optimal_total", "auction_quality_target") + 1e-6 * f.scalar("optimal_total")
}

/// The scores of a fixture as the logits of a layer.
pub fn logits(f: &Fixture) -> Vec<f32> {
    f.f64s("in.scores").iter().map(|h| *h as f32).collect()
}

/// As many tokens for each expert as were recorded.
fn balanced(f: &Fixture, id: &str, router: Base) -> Case {
    let experts = f.size("E");
    let mut case = combine::case(id, config_of(experts, RouterConfig::Base(router)), logits(f), None);
    if f.size("T").is_multiple_of(experts) {
        case.expect.push(Expect::exact(What::Load, f.f64s("out.load")));
    }
    case
}

fn by_auction(f: &Fixture) -> Case {
    let mut case = balanced(f, &format!("{}, auction", f.id()), Base { shuffle: false, trades: 0, ..Base::new() });
    if f.id() != TIED {
        let gap = Tol { abs: allowed_gap(f), rel: 0.0 };
        case.expect.push(Expect::all(What::Total, vec![f.scalar("optimal_total")], gap));
    }
    if f.has("out.fairseq_assignment") && f.id() != TIED {
        let chosen = f.indices("out.fairseq_assignment");
        case.expect.push(Expect::exact(What::Kept, scattered(&vec![1.0; chosen.len()], &chosen, 1, f.size("E"))));
    }
    case
}

/// With trades nothing is lacking but what a solver for the optimum may lack.
fn traded(f: &Fixture) -> Case {
    let mut case = balanced(f, f.id(), Base { shuffle: false, ..Base::new() });
    let gap = Tol { abs: f.allowance("optimal_total", "exact_solver_atol"), rel: 0.0 };
    case.expect.push(Expect::all(What::Total, vec![f.scalar("optimal_total")], gap));
    case
}
