//! Assignments that other projects' code made.

use webmoe::reference::routing::base::auction;
use webmoe::reference::routing::expert_choice::choose;
use webmoe::reference::routing::sinkhorn::{Settings, balance, expert_prices, shares, token_prices};
use webmoe::reference::routing::trades::trade;
use webmoe::reference::routing::{Plan, Scores, over_experts};

use crate::common::close::assert_close;
use crate::common::families::base::{TIED, allowed_gap};
use crate::common::fixture::{Fixture, family};
use crate::common::optimum::optimum;

#[test]
fn the_optimum_is_that_of_scipy() {
    for f in family("base_assignment") {
        let values = f.f64s("in.scores");
        let scores = Scores::new(&values, f.size("E"));
        let (total, pairs) = optimum(scores, f.scalar("capacity_per_expert") as usize, 1);
        let off = (total - f.scalar("optimal_total")).abs();
        assert!(off <= f.allowance("optimal_total", "exact_solver_atol"), "{}: off by {off}", f.id());
        assert_eq!(pairs.len(), f.size("T"), "{}: every token is served", f.id());
    }
}

#[test]
fn the_auction_gives_what_fairseq_gives_where_nothing_is_tied() {
    let mut same = 0;
    for f in family("base_assignment").iter().filter(|f| f.has("out.fairseq_assignment") && f.id() != TIED) {
        let values = f.f64s("in.scores");
        let assignment = auction(Scores::new(&values, f.size("E")), 1000);
        assert_eq!(assignment.experts, f.indices("out.fairseq_assignment"), "{}", f.id());
        same += 1;
    }
    assert_eq!(same, 7);
}

#[test]
fn the_auction_is_balanced_and_within_the_recorded_quality_where_nothing_is_tied() {
    for f in family("base_assignment") {
        let (tokens, experts) = (f.size("T"), f.size("E"));
        let values = f.f64s("in.scores");
        let scores = Scores::new(&values, experts);
        let assignment = auction(scores, 1000);
        let load = assignment.plan(experts).load(experts);
        assert!(!assignment.repaired, "{}", f.id());
        assert_eq!(load.iter().sum::<usize>(), tokens);
        if tokens.is_multiple_of(experts) {
            assert_eq!(load, f.indices("out.load"), "{}", f.id());
        }
        assert!(load.iter().all(|&n| n <= f.scalar("capacity_per_expert") as usize), "{}: {load:?}", f.id());
        let (best, gap) = (f.scalar("optimal_total"), f.scalar("optimal_total") - assignment.total(scores));
        assert!(gap >= -1e-6 * best, "{}: {gap} below {best}", f.id());
        assert!(gap <= allowed_gap(&f) || f.id() == TIED, "{}: {gap} below {best}", f.id());
    }
}

#[test]
fn after_trades_every_assignment_is_the_best_one() {
    for f in family("base_assignment") {
        let (experts, values) = (f.size("E"), f.f64s("in.scores"));
        let scores = Scores::new(&values, experts);
        for rounds in [1, 10, 1000] {
            let traded = trade(scores, auction(scores, rounds).experts, 64);
            assert_eq!(traded.moved.last(), Some(&0), "{}: {:?}", f.id(), traded.moved);
            let total: f64 = traded.experts.iter().enumerate().map(|(token, &expert)| scores.at(token, expert)).sum();
            let off = (total - f.scalar("optimal_total")).abs();
            assert!(off <= f.allowance("optimal_total", "exact_solver_atol"), "{}: off by {off}", f.id());
        }
    }
}

#[test]
fn the_smallest_raise_is_that_of_fairseq() {
    for f in family("base_assignment") {
        let values = f.f64s("in.scores");
        let raise = auction(Scores::new(&values, f.size("E")), 1000).raise;
        let want = f.find_scalar("fairseq_epsilon").expect("recorded with every case");
        assert!((raise - want).abs() <= 1e-6 * want, "{}: {raise}, wanted {want}", f.id());
    }
}

#[test]
fn converged_shares_are_those_of_pot() {
    for f in family("sinkhorn") {
        let experts = f.size("E");
        let values = f.f64s("in.scores");
        let (scores, columns) = (Scores::new(&values, experts), f.f64s("in.col_marginal"));
        let eps = f.config("reg").as_f64().expect("a number");
        let settings = Settings { eps, iterations: 20_000, tolerance: 1e-13 };
        let balanced = balance(scores, Some(&columns), settings);
        assert_close(f.id(), &balanced.shares, &f.f64s("out.plan"), experts, f.tol("out.plan"));
        let choices: Vec<usize> = balanced.choices(scores, eps, 1).concat();
        assert_eq!(choices, f.indices("out.argmax_expert"), "{}", f.id());
        if f.config("uniform_columns").as_bool() == Some(true) {
            assert_eq!(balance(scores, None, settings), balanced, "{}: 1/E is what there is without", f.id());
        }
    }
}

#[test]
fn shares_after_some_iterations_are_those_of_pot_which_starts_with_the_experts() {
    for f in family("sinkhorn") {
        let experts = f.size("E");
        let values = f.f64s("in.scores");
        let (scores, columns) = (Scores::new(&values, experts), f.f64s("in.col_marginal"));
        let eps = f.config("reg").as_f64().expect("a number");
        let mut tokens = vec![0.0; scores.tokens()];
        for iteration in 1..=20 {
            let prices = expert_prices(scores, eps, &tokens, Some(&columns));
            tokens = token_prices(scores, eps, &prices);
            let name = format!("out.plan_iter{iteration}");
            if f.has(&name) {
                assert_close(f.id(), &shares(scores, eps, &tokens, &prices), &f.f64s(&name), experts, f.tol(&name));
            }
        }
        assert!(["out.plan_iter1", "out.plan_iter2", "out.plan_iter5", "out.plan_iter20"].iter().all(|n| f.has(n)));
    }
}

/// Plans of each group, from its tokens and the router's weights, with the scores.
fn expert_choices(f: &Fixture) -> Vec<(Plan, Vec<f64>)> {
    let (d, e, s) = (f.size("d"), f.size("E"), f.size("S"));
    let (x, w) = (f.f64s("x"), f.f64s("w.router"));
    let mask = if f.has("in.padding_mask") { f.f64s("in.padding_mask") } else { vec![1.0; f.size("G") * s] };
    let logit = |token: usize, expert: usize| (0..d).map(|i| x[token * d + i] * w[i * e + expert]).sum::<f64>();
    let group = |group: usize| {
        let tokens = group * s..(group + 1) * s;
        let logits: Vec<f64> =
            tokens.clone().flat_map(|t| (0..e).map(move |j| (t, j))).map(|(t, j)| logit(t, j)).collect();
        let p = over_experts(Scores::new(&logits, e));
        let p: Vec<f64> = p.iter().enumerate().map(|(i, p)| p * mask[tokens.start + i / e]).collect();
        (choose(Scores::new(&p, e), f.size("capacity")).expect("a capacity of at most S"), p)
    };
    (0..f.size("G")).map(group).collect()
}

#[test]
fn experts_choose_whom_they_choose_in_flaxformer_and_vmoe() {
    let mut cases = 0;
    for f in ["flaxformer_experts_choose", "vmoe_experts_choose"].into_iter().flat_map(family) {
        let (e, s) = (f.size("E"), f.size("S"));
        let plans = expert_choices(&f);
        let tokens: Vec<usize> = plans.iter().flat_map(|(plan, _)| plan.buffers(e).concat()).collect();
        assert_eq!(tokens, f.indices("out.token_ec"), "{}", f.id());
        let held: Vec<usize> = plans.iter().flat_map(|(plan, _)| plan.experts.iter().map(Vec::len)).collect();
        assert_eq!(held, f.indices("out.experts_per_token"), "{}", f.id());
        let (mut slots, mut weights) = (vec![-1.0; held.len() * e], vec![0.0; held.len() * e]);
        for (group, (plan, p)) in plans.iter().enumerate() {
            for (token, (chosen, places)) in plan.experts.iter().zip(&plan.slots).enumerate() {
                for (&expert, &slot) in chosen.iter().zip(places) {
                    let at = (group * s + token) * e + expert;
                    slots[at] = slot as f64;
                    weights[at] = p[token * e + expert];
                }
            }
        }
        if f.has("out.slot_te") {
            assert_eq!(slots, f.f64s("out.slot_te"), "{}", f.id());
        }
        let name = "out.combine_weight_te";
        assert_close(f.id(), &weights, &f.f64s(name), e, f.tol(name));
        cases += 1;
    }
    assert_eq!(cases, 9);
}
