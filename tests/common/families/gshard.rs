//! Gates after GShard: DeepSpeed's top-1, top-2 and top-k, and fairscale's top-2.

use webmoe::config::{
    Capacity, CapacityPer, LayerConfig, Order, Priority, Renormalize, Rounding, SecondPolicy, Slots, TopK,
};

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::combine::{self, assert_capacity, bounded, fixed};
use super::rows::pick;

/// Weight of the balancing loss in all these recordings.
const AUX: f32 = 0.1;

/// All gates as layers.
pub fn cases() -> Vec<Case> {
    let top_1 = family("gshard_ds_top1").iter().map(top_1).collect::<Vec<_>>();
    let top_2 = family("gshard_ds_top2").iter().map(top_2).collect();
    let by_weight = family("gshard_ds_topk_probs_3").iter().map(|f| top_3(f, Priority::Weight)).collect();
    let by_token = family("gshard_ds_topk_position_3").iter().map(|f| top_3(f, Priority::Arrival)).collect();
    let noisy = family("gshard_fairscale").iter().map(noisy_top_2).collect();
    [top_1, top_2, by_weight, by_token, noisy].into_iter().flatten().collect()
}

/// Random token selection: an expert keeps the tokens with the largest recorded random numbers.
///
/// With one choice per token that is service in the order of the token's number for its own expert, so the tokens are
/// put in that order and served as they arrive. Their gate numbers the slots anew in the tokens' order, which the layer
/// does not, so slots are compared by whether there is one.
fn top_1(f: &Fixture) -> Case {
    let (tokens, e) = (f.size("T"), f.size("E"));
    let (logits, uniform) = (f.f32s("in.logits"), f.f32s("in.rts_uniform"));
    let key = |t: usize| {
        let row = &logits[t * e..(t + 1) * e];
        let first = (1..e).fold(0, |best, e| if row[e] > row[best] { e } else { best });
        uniform[t * e + first]
    };
    let mut order: Vec<usize> = (0..tokens).collect();
    order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));

    let mut config = combine::config(e, TopK::new(1));
    config.capacity = bounded(by_factor(f, CapacityPer::Token));
    config.loss_weights = [("loadBalance".to_owned(), AUX)].into();
    assert_capacity(f.id(), &config, tokens, f.scalar("capacity") as usize);
    let (logits, cotangent) = (pick(&logits, e, &order), pick(&f.f32s("cot.combine"), e, &order));
    let ordered = |name: &str| pick(&f.f64s(name), e, &order);
    let kept = ordered("out.slot_te").iter().map(|slot| f64::from(u8::from(*slot >= 0.0))).collect();
    let mut case = combine::case(f.id(), config, logits, Some(cotangent));
    case.expect = vec![
        Expect::all(What::Output, ordered("out.combine_weight_te"), f.tol("out.combine_weight_te")),
        Expect::all(What::Weights, ordered("out.combine_weight_te"), f.tol("out.combine_weight_te")),
        Expect::exact(What::Kept, kept),
        Expect::exact(What::Load, f.f64s("out.tokens_per_expert")),
        loss(f, "loadBalance", 1.0),
        Expect::all(What::Gradient("x"), ordered("g.logits"), f.tol("g.logits")),
    ];
    case
}

/// GShard's top-2 without noise.
fn top_2(f: &Fixture) -> Case {
    let (tokens, e) = (f.size("T"), f.size("E"));
    let mut config = combine::config(e, TopK { renormalize: Renormalize::PostDrop, ..TopK::new(2) });
    config.capacity = bounded(by_factor(f, CapacityPer::Assignment));
    config.loss_weights = [("loadBalanceFirst".to_owned(), AUX)].into();
    assert_capacity(f.id(), &config, tokens, f.scalar("capacity") as usize);
    let mut case = gate_case(f, config);
    case.expect.push(Expect::exact(What::Positions, f.f64s("out.slot_te")));
    case.expect.push(loss(f, "loadBalanceFirst", 1.0));
    case
}

/// DeepSpeed's top-k with k = 3, where an expert keeps its best, or its first, in the order of the tokens.
fn top_3(f: &Fixture, priority: Priority) -> Case {
    let (tokens, e) = (f.size("T"), f.size("E"));
    let mut config = combine::config(e, TopK { renormalize: Renormalize::PostDrop, ..TopK::new(3) });
    config.capacity = Capacity::Bounded { slots: by_factor(f, CapacityPer::Assignment), priority, order: Order::Token };
    config.loss_weights = [("loadBalance".to_owned(), AUX)].into();
    assert_capacity(f.id(), &config, tokens, f.scalar("capacity") as usize);
    let mut case = gate_case(f, config);
    let slots = f.f64s("out.slot_te");
    case.expect.push(match priority {
        Priority::Arrival => Expect::exact(What::Positions, slots),
        // They number the kept tokens anew in the tokens' order; the layer leaves the best one first.
        _ => Expect::exact(What::Kept, slots.iter().map(|slot| f64::from(u8::from(*slot >= 0.0))).collect()),
    });
    case.expect.push(loss(f, "loadBalance", 1.0));
    case
}

/// fairscale's top-2: first choice by logits, second by logits with recorded noise, which the layer gets as its draws.
fn noisy_top_2(f: &Fixture) -> Case {
    let e = f.size("E");
    let (renormalize, second_policy) = (Renormalize::PostDrop, SecondPolicy::Sampling);
    let mut config = combine::config(e, TopK { renormalize, second_policy, ..TopK::new(2) });
    config.capacity = bounded(fixed(f.scalar("capacity") as usize));
    // Their loss is the mean over experts of f·P, without the factor E².
    let squared = (e * e) as f64;
    config.loss_weights = [("loadBalanceFirst".to_owned(), (f64::from(AUX) / squared) as f32)].into();
    let mut case = Case { draws: Some(f.f32s("in.gumbel")), ..gate_case(f, config) };
    case.expect.push(Expect::exact(What::Positions, f.f64s("out.slot_te")));
    case.expect.push(loss(f, "loadBalanceFirst", squared));
    case
}

/// A gate with what every gate must give.
fn gate_case(f: &Fixture, config: LayerConfig) -> Case {
    let mut case = combine::case(f.id(), config, f.f32s("in.logits"), Some(f.f32s("cot.combine")));
    let (weights, tol) = (f.f64s("out.combine_weight_te"), f.tol("out.combine_weight_te"));
    case.expect = vec![
        Expect::all(What::Output, weights.clone(), tol),
        Expect::all(What::Weights, weights, tol),
        Expect::exact(What::Load, f.f64s("out.tokens_per_expert")),
        Expect::all(What::Gradient("x"), f.f64s("g.logits"), f.tol("g.logits")),
    ];
    case
}

fn by_factor(f: &Fixture, per: CapacityPer) -> Slots {
    let factor = f.config("capacity_factor").as_f64().expect("DeepSpeed's gates have a capacity factor");
    let min = f.size("min_capacity");
    Slots::Factor { factor, eval_factor: factor, per, round: Rounding::Ceil, min, multiple_of: 1 }
}

/// The layer's loss `name` is `factor` times theirs.
fn loss(f: &Fixture, name: &'static str, factor: f64) -> Expect {
    Expect::all(What::Loss(name), vec![factor * f.scalar("l_aux")], Tol { abs: 0.0, rel: 1e-4 })
}
