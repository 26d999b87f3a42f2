//! POT's entropic optimal transport as the choices of a layer: each token takes the expert of its largest share.

use webmoe::config::{RouterConfig, Sinkhorn};

use super::super::case::{Case, Expect, What};
use super::super::fixture::{Fixture, family};
use super::combine::{self, config_of};
use super::rows::scattered;

/// Every plan, as a layer.
pub fn cases() -> Vec<Case> {
    family("sinkhorn").iter().map(case).collect()
}

fn case(f: &Fixture) -> Case {
    let experts = f.size("E");
    let epsilon = f.config("reg").as_f64().expect("a number") as f32;
    let unequal = f.config("uniform_columns").as_bool() == Some(false);
    let shares = unequal.then(|| f.f64s("in.col_marginal").iter().map(|share| *share as f32).collect());
    let router = Sinkhorn { epsilon, shares, iterations: 300, tolerance: 0.0, ..Sinkhorn::new(1) };
    let logits: Vec<f32> = f.f64s("in.scores").iter().map(|h| *h as f32).collect();
    let mut case = combine::case(f.id(), config_of(experts, RouterConfig::Sinkhorn(router)), logits, None);
    let chosen = f.indices("out.argmax_expert");
    case.expect = vec![Expect::exact(What::Kept, scattered(&vec![1.0; chosen.len()], &chosen, 1, experts))];
    case
}
