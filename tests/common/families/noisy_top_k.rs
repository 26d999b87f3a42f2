//! Noisy top-k gates: a PyTorch port of Shazeer's, and V-MoE's. The recorded noise goes in as the layer's draws.
//!
//! Expert `e` gives the `e`-th unit vector whatever goes in, so that the first columns of the output are the weights.

use webmoe::config::{Capacity, LayerConfig, Noise, NoisyTopK, Order, Priority, RouterConfig};
use webmoe::weights::Weights;

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::combine::fixed;
use super::rows::transposed;

/// Weight of each loss in all these recordings.
const LOSS: f32 = 0.1;

/// Both gates as layers.
pub fn cases() -> Vec<Case> {
    let learned = family("noisy_topk_shazeer");
    learned.iter().map(of_learned_width).chain(family("noisy_topk_vmoe").iter().map(of_fixed_width)).collect()
}

/// The port's variance is that of a sample, `E / (E − 1)` times the layer's.
fn of_learned_width(f: &Fixture) -> Case {
    let (d, e) = (f.size("d"), f.size("E"));
    let sample = e as f64 / (e - 1) as f64;
    let weight = LOSS * sample as f32;
    let config = LayerConfig {
        loss_weights: ["importance", "load"].map(|name| (name.to_owned(), weight)).into(),
        ..layer(f, NoisyTopK::new(f.size("k")))
    };
    let mut case = case(f, config, "cot.gates", "w.w_gate");
    case.train = f.config("train").as_bool() == Some(true);
    case.weights.noise = Some(transposed(&f.f32s("w.w_noise"), d, e));
    case.expect.extend(weights(f, "out.gates"));
    case.expect.push(gradient(f, "router", "g.w_gate"));
    case.expect.push(gradient(f, "noise", "g.w_noise"));
    for (ours, theirs) in [("importance", "cv2_importance"), ("load", "cv2_load")] {
        case.expect.push(loss(ours, f.scalar(theirs) / sample));
    }
    case
}

/// With batch priority or without; their load loss is absent where there is no noise.
fn of_fixed_width(f: &Fixture) -> Case {
    let std = f.config("noise_std").as_f64().expect("a number") as f32;
    let router = NoisyTopK { noise: Noise::Fixed { std }, ..NoisyTopK::new(f.size("k")) };
    let priority = match f.config("batch_priority").as_bool() {
        Some(true) => Priority::Batch,
        _ => Priority::Arrival,
    };
    let config = LayerConfig {
        groups: f.size("G"),
        capacity: Capacity::Bounded { slots: fixed(f.size("capacity")), priority, order: Order::Rank },
        loss_weights: ["loadBalanceFirst", "importance", "load"].map(|name| (name.to_owned(), LOSS)).into(),
        ..layer(f, router)
    };
    let mut case = case(f, config, "cot.combine", "w.dense");
    case.train = f.config("deterministic").as_bool() == Some(false);
    case.expect.extend(weights(f, "out.combine_weight_te"));
    case.expect.push(Expect::exact(What::Positions, f.f64s("out.slot_te")));
    case.expect.push(gradient(f, "router", "g.w.dense"));
    for (ours, theirs) in
        [("loadBalanceFirst", "gshard_loss"), ("importance", "importance_loss"), ("load", "load_loss")]
    {
        case.expect.extend(f.find_scalar(theirs).map(|value| loss(ours, value)));
    }
    case
}

fn layer(f: &Fixture, router: NoisyTopK) -> LayerConfig {
    LayerConfig { bias: true, ..LayerConfig::new(f.size("d"), 4, f.size("E"), RouterConfig::NoisyTopK(router)) }
}

fn case(f: &Fixture, config: LayerConfig, cotangent: &str, router: &str) -> Case {
    let (d, e) = (config.d_model, config.experts);
    let unit = |i: usize| f32::from(u8::from(i / d == i % d));
    let weights = Weights::build(&config, |name, len| match name {
        "router" => transposed(&f.f32s(router), d, e),
        "b2" => (0..len).map(unit).collect(),
        _ => vec![0.0; len],
    });
    Case {
        id: f.id().to_owned(),
        weights,
        x: f.f32s("x"),
        d_output: wide(&f.f32s(cotangent), e, d),
        train: true,
        draws: Some(f.f32s("in.normal")),
        expect: vec![Expect::all(What::Gradient("x"), f.f64s("g.x"), f.tol("g.x"))],
        config,
    }
}

/// Rows of `e` values with zeros up to `d`.
fn wide<T: Copy + Default>(rows: &[T], e: usize, d: usize) -> Vec<T> {
    rows.chunks_exact(e).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(T::default(), d - e))).collect()
}

fn weights(f: &Fixture, name: &str) -> [Expect; 2] {
    let (want, tol) = (f.f64s(name), f.tol(name));
    let output = wide(&want, f.size("E"), f.size("d"));
    [Expect::all(What::Output, output, tol), Expect::all(What::Weights, want, tol)]
}

fn gradient(f: &Fixture, ours: &'static str, theirs: &str) -> Expect {
    let want = transposed(&f.f64s(theirs), f.size("d"), f.size("E"));
    Expect::all(What::Gradient(ours), want, f.tol(theirs))
}

fn loss(name: &'static str, want: f64) -> Expect {
    // what f32 leaves of a variance whose terms cancel
    Expect::all(What::Loss(name), vec![want], Tol { abs: 1e-7, rel: 1e-4 })
}
