//! Soft mixtures as in lucidrains' soft-moe-pytorch.

use webmoe::config::{Activation, LayerConfig, RouterConfig, Soft};
use webmoe::weights::Weights;

use super::super::case::{Case, Expect, What};
use super::super::fixture::{Fixture, family};
use super::rows::piece;

/// A logit that leaves a share of exactly 0.
const NEVER: f32 = -1000.0;

/// Tokens and embeddings are normalised before the layer here, and its gradients are taken through that afterwards.
///
/// A masked token has no share of any slot, and of its output every slot has the same: it is a token of zeros with one more feature,
/// which no other token has, no expert reads, and every slot's embedding is far below 0 in.
pub fn cases() -> Vec<Case> {
    family("lucid_soft_moe").iter().map(case).collect()
}

/// Rows of `width` features that are normalised, and, with a mask, have one feature more.
struct Normed {
    /// As the layer gets them.
    rows: Vec<f32>,
    /// What their gradient is multiplied by to be that of the rows before: `f64[n·width, n·padded]`.
    to_rows: Vec<f64>,
    /// To be that of the factor on every feature: `f64[width, n·padded]`.
    to_gamma: Vec<f64>,
}

/// Normalises the rows of `values` that are not `left_out`, and multiplies them by `gamma`; the others become zeros; `last`: the
/// feature more of the ones and the others.
fn normed(
    f: &Fixture,
    values: &[f64],
    gamma: &[f64],
    left_out: impl Fn(usize) -> bool,
    last: Option<[f32; 2]>,
) -> Normed {
    let width = gamma.len();
    let (count, padded) = (values.len() / width, width + usize::from(last.is_some()));
    let (mut rows, size) = (Vec::new(), count * padded);
    let (mut to_rows, mut to_gamma) = (vec![0.0; count * width * size], vec![0.0; width * size]);
    let centred = f.config("layernorm") == true;
    for (n, row) in values.chunks_exact(width).enumerate() {
        let mean = if centred { row.iter().sum::<f64>() / width as f64 } else { 0.0 };
        let mean_square = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
        let deviation = (mean_square + if centred { 1e-5 } else { 0.0 }).sqrt();
        let unit: Vec<f64> = row.iter().map(|v| (v - mean) / deviation).collect();
        if left_out(n) {
            rows.extend(vec![0.0; width]);
        } else {
            rows.extend(unit.iter().zip(gamma).map(|(u, gamma)| (u * gamma) as f32));
            for i in 0..width {
                let from = n * padded + i;
                to_gamma[i * size + from] = unit[i];
                for j in 0..width {
                    let same = if i == j { 1.0 } else { 0.0 };
                    let through_mean = if centred { 1.0 / width as f64 } else { 0.0 };
                    let slope = (same - through_mean - unit[i] * unit[j] / width as f64) / deviation;
                    to_rows[(n * width + j) * size + from] = gamma[i] * slope;
                }
            }
        }
        rows.extend(last.map(|last| last[usize::from(left_out(n))]));
    }
    Normed { rows, to_rows, to_gamma }
}

/// What the experts of `f` have under `name`, one after the other.
fn of_experts(f: &Fixture, kind: &str, name: &str) -> Vec<f64> {
    (0..f.size("E")).flat_map(|e| f.f64s(&format!("{kind}.experts.experts.{e}.{name}"))).collect()
}

fn case(f: &Fixture) -> Case {
    let (groups, d, e, hidden) = (f.size("B"), f.size("d"), f.size("E"), f.size("hidden"));
    let (gated, masked) = (f.config("geglu") == true, f.config("mask") == true);
    let mask = f.f64s("in.mask");
    let x = normed(f, &f.f64s("x"), &f.f64s("w.norm.gamma"), |t| mask[t] == 0.0, masked.then_some([0.0, 1.0]));
    let embeddings = f.f64s("w.slot_embeds");
    let slots = normed(f, &embeddings, &f.f64s("w.slot_norm.gamma"), |_| false, masked.then_some([NEVER; 2]));
    let padded = d + usize::from(masked);
    let config = LayerConfig {
        activation: Activation::Gelu,
        gated,
        bias: true,
        groups,
        ..LayerConfig::new(padded, hidden, e, RouterConfig::Soft(Soft::new(f.size("slots"))))
    };
    // the first half of the first product is the factor, the second goes through the activation
    let halves = if gated { 2 } else { 1 };
    let half = |name: &str, part: usize| piece(&of_experts(f, "w", name), e, halves, part);
    let wide = |values: &[f64]| wider(values, d, padded);
    let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<_>>();
    let second = of_experts(f, "w", "3.weight");
    let weights = Weights {
        router: slots.rows,
        w1: narrow(&wide(&half("0.weight", halves - 1))),
        b1: Some(narrow(&half("0.bias", halves - 1))),
        w3: gated.then(|| narrow(&wide(&half("0.weight", 0)))),
        b3: gated.then(|| narrow(&half("0.bias", 0))),
        w2: narrow(
            &second.chunks_exact(d * hidden).flat_map(|w| wider(w, d * hidden, padded * hidden)).collect::<Vec<_>>(),
        ),
        b2: Some(narrow(&wide(&of_experts(f, "w", "3.bias")))),
        ..Weights::default()
    };
    let known = |what, name: &str| Expect { what, want: f.f64s(name), at: None, through: None, tol: f.tol(name) };
    let through = |what, name: &str, matrix: Vec<f64>| Expect { through: Some(matrix), ..known(what, name) };
    // whatever belongs to the feature more is left out
    let columns = |count: usize| (0..count * d).map(|i| i / d * padded + i % d).collect::<Vec<_>>();
    let mut expect = vec![
        Expect { at: Some(columns(mask.len())), ..known(What::Output, "out.y") },
        through(What::Gradient("x"), "g.x", x.to_rows),
        through(What::Gradient("x"), "g.norm.gamma", x.to_gamma),
        through(What::Gradient("router"), "g.slot_embeds", slots.to_rows),
        through(What::Gradient("router"), "g.slot_norm.gamma", slots.to_gamma),
    ];
    for expert in 0..e {
        let mut of_expert = |name: &str, part: [usize; 2], what, at: Vec<usize>| {
            let name = format!("g.experts.experts.{expert}.{name}");
            expect.push(Expect {
                want: piece(&f.f64s(&name), 1, part[1], part[0]),
                at: Some(at),
                ..known(what, &name)
            });
        };
        let own = |at: Vec<usize>, size: usize| at.into_iter().map(|i| expert * size + i).collect::<Vec<_>>();
        let first = || own(columns(hidden), hidden * padded);
        let first_bias = || own((0..hidden).collect(), hidden);
        of_expert("0.weight", [halves - 1, halves], What::Gradient("w1"), first());
        of_expert("0.bias", [halves - 1, halves], What::Gradient("b1"), first_bias());
        if gated {
            of_expert("0.weight", [0, 2], What::Gradient("w3"), first());
            of_expert("0.bias", [0, 2], What::Gradient("b3"), first_bias());
        }
        of_expert("3.weight", [0, 1], What::Gradient("w2"), own((0..d * hidden).collect(), padded * hidden));
        of_expert("3.bias", [0, 1], What::Gradient("b2"), own((0..d).collect(), padded));
    }
    let d_output = narrow(&wide(&f.f64s("cot.y")));
    Case { id: f.id().to_owned(), config, weights, x: x.rows, d_output, train: true, draws: None, expect }
}

/// Rows of `width` values, each followed by zeros up to `padded`.
fn wider(values: &[f64], width: usize, padded: usize) -> Vec<f64> {
    values.chunks_exact(width).flat_map(|row| row.iter().copied().chain(vec![0.0; padded - width])).collect()
}
