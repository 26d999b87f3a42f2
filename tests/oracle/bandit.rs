//! Bandits: what they pull, by the papers' rules and by how often, and what rewards teach them.

use webmoe::config::{Bandit, Capacity, LayerConfig, Order, Policy, Priority, RouterConfig, Slots};
use webmoe::labels::Labels;
use webmoe::reference::bandit::{Arm, Chance, learn, pull};
use webmoe::reference::{Setting, forward_exact};
use webmoe::rng::{hash_u32, normal_quantile, open_uniform_f32, uniform_f32};
use webmoe::weights::Weights;

use super::differences::{TOKENS, assert_labelled_differences_agree};
use crate::common::close::{Tol, assert_close};

const EXACT: Tol = Tol { abs: 1e-12, rel: 1e-12 };

fn known(pulls: f64, mean: f64) -> Arm {
    Arm { pulls, mean }
}

/// What a policy pulls by chance number `i`.
fn pulled(policy: Policy, arms: &[Arm], i: u32) -> usize {
    let normal = |e: usize| normal_quantile(f64::from(open_uniform_f32(5, 0, 0, i, e as u32)));
    let explores = f64::from(uniform_f32(6, 0, 0, i, 0));
    let any = hash_u32(7, 0, 0, i, 0) as usize % arms.len();
    pull(&Bandit::new(policy, 1), arms, Some(Chance { explores, any, normal: &normal }))
}

/// How far counts are from what is expected of them, in units in which a degree of freedom adds 1.
fn chi_square(counts: &[f64], expected: &[f64]) -> f64 {
    counts.iter().zip(expected).map(|(n, expected)| (n - expected).powi(2) / expected).sum()
}

/// Pulls of each arm, of `draws` tokens that know the same.
fn counts(policy: Policy, arms: &[Arm], draws: u32) -> Vec<f64> {
    let mut counts = vec![0.0; arms.len()];
    (0..draws).for_each(|i| counts[pulled(policy, arms, i)] += 1.0);
    counts
}

#[test]
fn an_explorer_takes_any_arm_as_often_as_it_says_and_else_the_best() {
    let arms = [known(3.0, 0.2), known(1.0, 0.9), known(0.0, 0.0), known(7.0, -0.5)];
    let draws = 20_000;
    for epsilon in [0.0_f32, 0.3, 1.0] {
        let got = counts(Policy::EpsilonGreedy { epsilon }, &arms, draws);
        let any = f64::from(draws) * f64::from(epsilon) / 4.0;
        let expected = [any, f64::from(draws) * f64::from(1.0 - epsilon) + any, any, any];
        if epsilon == 0.0 {
            assert_eq!(got, expected);
        } else {
            let apart = chi_square(&got, &expected);
            assert!(apart < 16.3, "one in a thousand is beyond this, of 3 degrees of freedom: {got:?}, {expected:?}");
        }
    }
}

#[test]
fn outside_training_the_best_is_pulled_and_what_is_unknown_counts_as_the_prior() {
    let arms = [known(3.0, 0.2), known(0.0, 0.0), known(1.0, 0.9), known(9.0, 0.9)];
    for policy in [Policy::EpsilonGreedy { epsilon: 1.0 }, Policy::Ucb { exploration: 100.0 }] {
        let of = |prior_mean| pull(&Bandit { prior_mean, ..Bandit::new(policy, 1) }, &arms, None);
        assert_eq!((of(0.0), of(0.5), of(1.5)), (2, 2, 1), "{policy:?}: of equal ones the lower");
    }
    // one reward of 0.9 is half as good a reason as the prior: 0.45; nine of them: 0.81
    let of = |prior_mean| pull(&Bandit { prior_mean, ..Bandit::new(Policy::THOMPSON, 1) }, &arms, None);
    assert_eq!((of(0.0), of(1.5)), (3, 1));
}

#[test]
fn the_bound_is_the_mean_and_the_root_of_the_logarithm_of_all_pulls_over_its_own() {
    let arms = [known(100.0, 0.5), known(4.0, 0.3), known(20.0, 0.45)];
    let bound = |e: usize, c: f64| arms[e].mean + c * (124_f64.ln() / arms[e].pulls).sqrt();
    for c in [0.0_f32, 0.1, 0.3, 1.0] {
        let best = (0..3).fold(0, |best, e| if bound(e, c.into()) > bound(best, c.into()) { e } else { best });
        assert_eq!(pulled(Policy::Ucb { exploration: c }, &arms, 0), best, "c = {c}");
    }
    assert_eq!(pulled(Policy::UCB, &[known(9.0, 5.0), known(0.0, 0.0), known(0.0, 0.0)], 0), 1, "the unknown first");
}

/// Theorem 1 of Auer et al. 2002: of rewards from 0 to 1 an arm that is worse by Δ is pulled at most 8 ln N / Δ² + 1 + π²/3 times
/// on average.
#[test]
fn worse_arms_are_pulled_no_more_often_than_the_paper_proves() {
    let (worth, all, runs) = ([0.2, 0.8, 0.5], 3000, 20);
    let mut mean = [0.0; 3];
    for run in 0..runs {
        let mut arms = [Arm::default(); 3];
        for i in 0..all {
            let e = pulled(Policy::UCB, &arms, i);
            let reward = f64::from(u8::from(f64::from(uniform_f32(run, 1, 0, i, 0)) < worth[e]));
            let Arm { pulls, mean } = arms[e];
            arms[e] = known(pulls + 1.0, (pulls * mean + reward) / (pulls + 1.0));
        }
        mean.iter_mut().zip(arms).for_each(|(mean, arm)| *mean += arm.pulls / runs as f64);
    }
    for (e, worse) in [(0, 0.6), (2, 0.3)] {
        let most = 8.0 * f64::from(all).ln() / (worse * worse) + 1.0 + std::f64::consts::PI.powi(2) / 3.0;
        assert!(mean[e] <= most, "arm {e}: {} pulls, at most {most}", mean[e]);
    }
    assert!(mean[1] > 0.8 * f64::from(all), "the best is pulled nearly always: {mean:?}");
}

#[test]
fn a_posterior_is_that_of_bayes_one_reward_at_a_time() {
    let (m, s, r) = (0.4, 0.7, 1.3);
    let (mut mean, mut variance, mut arm) = (m, s * s, Arm::default());
    for reward in [1.5, -0.3, 0.8, 2.0] {
        let gain: f64 = variance / (variance + r * r);
        (mean, variance) = (mean + gain * (reward - mean), variance * (1.0 - gain));
        let all = arm.pulls * arm.mean + reward;
        arm = known(arm.pulls + 1.0, all / (arm.pulls + 1.0));
        let (got_mean, got_std) = arm.posterior(m, s, r);
        assert_close("posterior", &[got_mean, got_std], &[mean, variance.sqrt()], 2, EXACT);
    }
    assert_eq!(Arm::default().posterior(0.4, 0.5, 1.3), (0.4, 0.5), "before any reward it is the prior");
}

#[test]
fn an_arm_is_pulled_as_often_as_it_is_likely_to_be_the_better_one() {
    let policy = Policy::Thompson { prior_std: 0.5, noise_std: 2.0 };
    let arms = [known(3.0, 0.2), known(10.0, -0.4)];
    let [(m0, s0), (m1, s1)] = arms.map(|arm| arm.posterior(0.0, 0.5, 2.0));
    // the difference of two normal numbers is normal
    let apart = (m0 - m1) / s0.hypot(s1);
    let first = 0.5 * libm::erfc(-apart / std::f64::consts::SQRT_2);
    let draws = 20_000;
    let (got, all) = (counts(policy, &arms, draws), f64::from(draws));
    let apart = chi_square(&got, &[all * first, all * (1.0 - first)]);
    assert!(apart < 10.9, "one in a thousand is beyond this, of 1 degree of freedom: {got:?}, {first}");
}

const IDS: [u32; TOKENS] = [2, 0, 2, 2, 1, 0, 2, 1];

fn layer(experts: usize, policy: Policy) -> LayerConfig {
    LayerConfig { groups: 1, ..LayerConfig::new(4, 5, experts, RouterConfig::Bandit(Bandit::new(policy, 3))) }
}

fn labels() -> Labels {
    Labels { token_ids: Some(IDS.to_vec()), ..Labels::NONE }
}

/// What a layer with room for two tokens an expert learns of a batch, and the arms `(pulls, means)` before and after.
fn taught(config: &LayerConfig, ids: &[u32], rewards: &[f64]) -> (Weights<f64>, Vec<i32>, Vec<bool>) {
    let value = |name, i: usize| match name {
        "banditPulls" => (i % 4) as f64,
        _ => 2.0 * f64::from(uniform_f32(3, 0, 0, i as u32, 1)) - 1.0,
    };
    let mut weights = Weights::build(config, |name, len| (0..len).map(|i| value(name, i)).collect());
    let labels = Labels { token_ids: Some(ids.to_vec()), ..Labels::NONE };
    let setting = Setting { labels: Some(&labels), ..Setting::TRAIN };
    let forward = forward_exact(config, &weights, &vec![0.5; 4 * ids.len()], setting).expect("a layer that runs");
    learn(&mut weights, &forward, ids, rewards);
    (weights, forward.routing.experts, forward.routing.kept)
}

#[test]
fn rewards_are_counted_and_averaged_for_the_pairs_of_id_and_expert_that_were_served() {
    let slots = Slots::Fixed { slots: 2 };
    let bounded = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank };
    let rewards: Vec<f64> = (0..TOKENS).map(|t| 0.5 * t as f64 - 1.0).collect();
    for capacity in [Capacity::Dropless, bounded] {
        let config = LayerConfig { capacity, ..layer(3, Policy::EpsilonGreedy { epsilon: 0.5 }) };
        let (got, experts, kept) = taught(&config, &IDS, &rewards);
        assert_eq!(kept.contains(&false), config.capacity != Capacity::Dropless, "some are turned away: {kept:?}");
        let (before, ..) = taught(&config, &[], &[]);
        let [pulls, means] = ["banditPulls", "banditMeans"].map(|name| got.get(name).expect("a bandit's").to_vec());
        let [old_pulls, old_means] =
            ["banditPulls", "banditMeans"].map(|name| before.get(name).expect("a bandit's").to_vec());
        for arm in 0..9 {
            let own = |t: &usize| kept[*t] && (IDS[*t] as usize, experts[*t] as usize) == (arm / 3, arm % 3);
            let fared: Vec<f64> = (0..TOKENS).filter(own).map(|t| rewards[t]).collect();
            let count = old_pulls[arm] + fared.len() as f64;
            assert_eq!(pulls[arm], count, "arm {arm}");
            let sum = old_pulls[arm] * old_means[arm] + fared.iter().sum::<f64>();
            let mean = if fared.is_empty() { old_means[arm] } else { sum / count };
            assert_close("mean", &[means[arm]], &[mean], 1, EXACT);
        }
    }
}

#[test]
fn gradients_of_a_bandits_experts_are_right_and_what_it_counts_has_none() {
    let slots = Slots::Fixed { slots: 2 };
    let capacity = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank };
    let config = LayerConfig { bias: true, capacity, ..layer(3, Policy::EpsilonGreedy { epsilon: 0.5 }) };
    assert_labelled_differences_agree("a bandit", &config, &labels());
}

#[test]
fn the_only_expert_is_pulled_by_all() {
    for policy in [Policy::EPSILON_GREEDY, Policy::UCB, Policy::THOMPSON] {
        let (got, experts, _) = taught(&layer(1, policy), &IDS, &[1.0; TOKENS]);
        assert_eq!(experts, [0; TOKENS], "{policy:?}");
        assert_eq!(got.bandit_pulls.as_deref(), Some(&[2.0, 3.0, 6.0][..]), "{policy:?}: ids come 2, 2 and 4 times");
    }
}
