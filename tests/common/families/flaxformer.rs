//! Flaxformer's token-choice router with our experts: both losses, batch priority, padding.

use webmoe::config::{Activation, Capacity, LayerConfig, Order, Priority, RouterConfig, TopK};
use webmoe::weights::{LayerWeights, Weights};

use super::super::case::{Case, Expect, What};
use super::super::close::{Tol, compare};
use super::super::fixture::{Fixture, family};
use super::super::got::Got;
use super::combine::fixed;
use super::rows::{pick, transposed};

/// Their balancing loss is `k` times the layer's; these are the weights of theirs.
const AUX: f64 = 0.1;
pub(super) const Z: f64 = 0.01;

/// A fixture whose groups differ in length once their padding is gone, as one case for each group.
pub struct PaddedGroups {
    /// One case for each group.
    pub cases: Vec<Case>,
    /// Gradients of the weights that those of the cases must add up to.
    pub gradients: Vec<Expect>,
    /// Losses: the name, what each group's counts in the recorded one, and the recorded one less the part of the padding.
    pub losses: Vec<(&'static str, Vec<f64>, f64)>,
}

impl PaddedGroups {
    /// Everything in which what its cases gave does not add up to what was recorded.
    pub fn check(&self, got: &[Got]) -> Vec<String> {
        let (id, d) = (&self.cases[0].id, self.cases[0].config.d_model);
        let gradient = |expect: &Expect| {
            let What::Gradient(name) = expect.what else { return None };
            let mut sum = vec![0.0; expect.want.len()];
            got.iter().for_each(|got| sum.iter_mut().zip(&got.gradients[name]).for_each(|(sum, part)| *sum += part));
            compare(&format!("{id}: {name}"), &sum, &expect.want, d, expect.tol).err()
        };
        let loss = |(name, counts, want): &(&str, Vec<f64>, f64)| {
            let sum: f64 = got.iter().zip(counts).map(|(got, count)| count * got.losses[*name]).sum();
            compare(&format!("{id}: {name}"), &[sum], &[*want], 1, Tol { abs: 0.0, rel: 1e-5 }).err()
        };
        self.gradients.iter().filter_map(gradient).chain(self.losses.iter().filter_map(loss)).collect()
    }
}

/// The router as layers.
pub fn cases() -> Vec<Case> {
    let whole = family("flaxformer_tokens_choose").into_iter().filter(|f| f.size("pad") == 0);
    whole.map(|f| case(&f)).chain(padded_groups().cases).collect()
}

fn case(f: &Fixture) -> Case {
    let k = f.size("k");
    let rows: Vec<usize> = (0..f.size("G") * f.size("S")).collect();
    let mut case = part(f, f.id().to_owned(), f.size("G"), &rows, [AUX * k as f64, Z]);
    let scalar = |what, value| Expect::all(what, vec![value], Tol { abs: 0.0, rel: 1e-4 });
    case.expect.push(scalar(What::Loss("loadBalance"), f.scalar("aux") / k as f64));
    case.expect.push(scalar(What::Loss("z"), f.scalar("z")));
    case.expect.extend(gradients(f));
    case
}

/// See [`PaddedGroups`].
pub fn padded_groups() -> PaddedGroups {
    let f = family("flaxformer_tokens_choose").into_iter().find(|f| f.size("pad") > 0).expect("a padded fixture");
    let (g, s, k) = (f.size("G"), f.size("S"), f.size("k"));
    let (groups, z) = (unpadded(&f), z_of_groups(&f));
    // padded places count in their means, with nothing in their sums
    let balance: Vec<f64> =
        groups.iter().map(|rows| k as f64 * (rows.len() as f64 / s as f64).powi(2) / g as f64).collect();
    let cases = groups
        .iter()
        .enumerate()
        .map(|(i, rows)| part(&f, format!("{} group {i}", f.id()), 1, rows, [AUX * balance[i], Z * z.1[i]]));
    PaddedGroups {
        cases: cases.collect(),
        gradients: gradients(&f),
        losses: vec![("loadBalance", balance, f.scalar("aux")), z],
    }
}

/// The rows of each group that are no padding.
pub(super) fn unpadded(f: &Fixture) -> Vec<Vec<usize>> {
    let (s, mask) = (f.size("S"), f.f64s("in.padding_mask"));
    let of_group = |group: usize| (group * s..(group + 1) * s).filter(|&row| mask[row] > 0.0).collect();
    (0..f.size("G")).map(of_group).collect()
}

/// The z-loss for [`PaddedGroups`]: padded places count with logits of 0.
pub(super) fn z_of_groups(f: &Fixture) -> (&'static str, Vec<f64>, f64) {
    let tokens = (f.size("G") * f.size("S")) as f64;
    let counts: Vec<f64> = unpadded(f).iter().map(|rows| rows.len() as f64 / tokens).collect();
    let of_padding = (1.0 - counts.iter().sum::<f64>()) * (f.size("E") as f64).ln().powi(2);
    ("z", counts, f.scalar("z") - of_padding)
}

/// The tokens at `rows`, in `groups` equal groups, with what is known of each token.
fn part(f: &Fixture, id: String, groups: usize, rows: &[usize], loss_weights: [f64; 2]) -> Case {
    let (d, e) = (f.size("d"), f.size("E"));
    let layer = LayerConfig::new(d, f.size("ff"), e, RouterConfig::TopK(TopK::new(f.size("k"))));
    let by_score = f.config("bpr").as_bool() == Some(true);
    let priority = if by_score { Priority::Batch } else { Priority::Arrival };
    let slots = fixed(f.size("capacity"));
    let [balance, z] = loss_weights.map(|weight| weight as f32);
    let config = LayerConfig {
        activation: Activation::Relu,
        capacity: Capacity::Bounded { slots, priority, order: Order::Rank },
        groups,
        loss_weights: [("loadBalance".to_owned(), balance), ("z".to_owned(), z)].into(),
        ..layer
    };
    let all = |what, name: &str, width| Expect::all(what, pick(&f.f64s(name), width, rows), f.tol(name));
    let expect = vec![
        all(What::Logits, "out.logits", e),
        all(What::Output, "out.y", d),
        all(What::Weights, "out.combine_weight_te", e),
        Expect::exact(What::Positions, pick(&f.f64s("out.slot_te"), e, rows)),
        all(What::Gradient("x"), "g.x", d),
    ];
    let (x, d_output) = (pick(&f.f32s("x"), d, rows), pick(&f.f32s("cot.y"), d, rows));
    Case { id, config, weights: weights(f), x, d_output, train: true, draws: None, expect }
}

pub(super) fn weights(f: &Fixture) -> LayerWeights {
    let (d, ff, e) = (f.size("d"), f.size("ff"), f.size("E"));
    Weights {
        router: transposed(&f.f32s("w.router"), d, e),
        w1: transposed(&f.f32s("w.w1"), d, ff),
        w2: transposed(&f.f32s("w.w2"), ff, d),
        ..Weights::default()
    }
}

pub(super) fn gradients(f: &Fixture) -> Vec<Expect> {
    let (d, ff, e) = (f.size("d"), f.size("ff"), f.size("E"));
    let arrays = [("router", "g.router", d, e), ("w1", "g.w1", d, ff), ("w2", "g.w2", ff, d)];
    let gradient = |(name, tensor, rows, columns): (&'static str, &str, usize, usize)| {
        Expect::all(What::Gradient(name), transposed(&f.f64s(tensor), rows, columns), f.tol(tensor))
    };
    arrays.into_iter().map(gradient).collect()
}
