//! The oracle's gradients against central differences of its own forward pass.

use webmoe::config::{
    Across, Activation, Base, Capacity, DenseGate, DenseToSparse, Dykstra, ExpertChoice, Exploration, Key, LayerConfig,
    MultiGate, Noise, NoisyTopK, Order, Priority, Renormalize, RouterConfig, Scoring, SecondPolicy, SharedExpert,
    Slots, Soft, SoftmaxOver, Thresholds, TokenThenExpert, TopK,
};
use webmoe::labels::Labels;
use webmoe::reference::{Setting, backward_exact, forward_exact};
use webmoe::rng::uniform_f32;
use webmoe::weights::{NAMES, Weights};

use crate::common::close::{Tol, assert_close};

/// Tokens of every batch here.
pub const TOKENS: usize = 8;
const STEP: f64 = 1e-5;
const TOL: Tol = Tol { abs: 1e-8, rel: 1e-5 };

fn noise(stream: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| 2.0 * f64::from(uniform_f32(7, 0, 0, i, stream)) - 1.0).collect()
}

/// Compares every gradient of a layer with differences; the random inputs are nowhere near a tie or a kink.
fn assert_differences_agree(label: &str, config: &LayerConfig) {
    assert_labelled_differences_agree(label, config, &Labels::NONE);
}

/// The same of a layer that goes by what is said of the [`TOKENS`] tokens.
pub fn assert_labelled_differences_agree(label: &str, config: &LayerConfig, labels: &Labels) {
    config.check().unwrap_or_else(|e| panic!("{label}: {e}"));
    let setting = Setting { step: 3, labels: Some(labels), ..Setting::TRAIN };
    let mut weights = Weights::build(config, |name, len| {
        noise(100 + NAMES.iter().position(|&known| known == name).unwrap_or(0) as u32, len)
    });
    let x = noise(1, TOKENS * config.d_model);
    let d_output = noise(2, config.router.outputs() * x.len());
    let objective = |weights: &Weights<f64>, x: &[f64]| -> f64 {
        let forward = forward_exact(config, weights, x, setting).expect("a layer that runs");
        let losses =
            config.loss_weights.iter().map(|(name, weight)| f64::from(*weight) * forward.losses[name.as_str()]);
        forward.output.iter().zip(&d_output).map(|(y, d)| y * d).sum::<f64>() + losses.sum::<f64>()
    };
    let forward = forward_exact(config, &weights, &x, setting).expect("a layer that runs");
    let gradients = backward_exact(config, &weights, &x, &forward, &d_output).expect("a layer that runs");

    let by_x = slopes(&x, |x| objective(&weights, x));
    assert_close(&format!("{label}: x"), &gradients.x, &by_x, config.d_model, TOL);

    for name in NAMES {
        let Some(values) = weights.get(name).map(<[f64]>::to_vec) else { continue };
        let by_array = slopes(&values, |moved| {
            weights.set(name, moved.to_vec()).expect("a known name");
            objective(&weights, &x)
        });
        weights.set(name, values).expect("a known name");
        // what is counted, not learned, has none: the loss does not depend on it
        let got = gradients.weights.get(name).map_or_else(|| vec![0.0; by_array.len()], <[f64]>::to_vec);
        assert_close(&format!("{label}: {name}"), &got, &by_array, config.d_model, TOL);
    }
}

/// Central differences of a function of some values, by each of them.
pub fn slopes(values: &[f64], mut of: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    let mut moved = values.to_vec();
    let mut slope = |i: usize| {
        let mut at = |value| {
            moved[i] = value;
            of(&moved)
        };
        let slope = (at(values[i] + STEP) - at(values[i] - STEP)) / (2.0 * STEP);
        moved[i] = values[i];
        slope
    };
    (0..values.len()).map(&mut slope).collect()
}

const WEIGHINGS: [(Scoring, SoftmaxOver); 3] = [
    (Scoring::Softmax, SoftmaxOver::All),
    (Scoring::Softmax, SoftmaxOver::Selected),
    (Scoring::Sigmoid, SoftmaxOver::All),
];

/// A layer that drops some of its tokens' choices, with jitter and all losses.
fn layer(router: TopK) -> LayerConfig {
    let router = TopK { scale: 1.5, jitter: 0.1, ..router };
    let slots = Slots::Fixed { slots: 2 };
    LayerConfig {
        groups: 2,
        router_bias: true,
        capacity: Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank },
        loss_weights: ["loadBalance", "loadBalanceFirst", "z", "importance"].map(|name| (name.to_owned(), 0.3)).into(),
        ..LayerConfig::new(4, 5, 4, RouterConfig::TopK(router))
    }
}

#[test]
fn gradients_are_right_for_every_way_to_weigh_and_every_expert() {
    let shared = [None, Some(SharedExpert { d_ff: 3, gate: false }), Some(SharedExpert { d_ff: 3, gate: true })];
    for (scoring, softmax_over) in WEIGHINGS {
        for renormalize in [Renormalize::None, Renormalize::PreDrop, Renormalize::PostDrop] {
            for activation in [Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
                for (gated, bias) in [(false, false), (false, true), (true, false), (true, true)] {
                    for shared_expert in shared {
                        let router = TopK { scoring, softmax_over, renormalize, ..TopK::new(2) };
                        let config = LayerConfig { activation, gated, bias, shared_expert, ..layer(router) };
                        assert_differences_agree(&format!("{config:?}"), &config);
                    }
                }
            }
        }
    }
}

#[test]
fn gradients_are_right_for_every_way_to_choose_and_to_drop() {
    let limited = TopK {
        scoring: Scoring::Sigmoid,
        renormalize: Renormalize::PreDrop,
        selection_bias: Some(vec![0.3, -0.2, 0.1, 0.4]),
        expert_groups: 2,
        group_limit: 1,
        ..TopK::new(2)
    };
    assert_differences_agree("group limit and selection bias", &layer(limited));
    assert_differences_agree("one choice", &layer(TopK::new(1)));
    assert_differences_agree("all experts", &layer(TopK { renormalize: Renormalize::PostDrop, ..TopK::new(4) }));
    for priority in [Priority::Arrival, Priority::Batch, Priority::Weight, Priority::Random] {
        for order in [Order::Rank, Order::Token] {
            let mut config = layer(TopK { renormalize: Renormalize::PostDrop, ..TopK::new(3) });
            config.capacity = Capacity::Bounded { slots: Slots::Fixed { slots: 2 }, priority, order };
            assert_differences_agree(&format!("{priority:?}, {order:?}"), &config);
        }
    }
    let dropless = LayerConfig { capacity: Capacity::Dropless, ..layer(TopK::new(2)) };
    assert_differences_agree("dropless", &dropless);
}

#[test]
fn gradients_are_right_for_every_way_to_explore() {
    let shared_expert = Some(SharedExpert { d_ff: 3, gate: true });
    for exploration in [Exploration::Argmax, Exploration::Sample] {
        for (jitter, dropout) in [(0.0, 0.4), (0.3, 0.2)] {
            let mut config = LayerConfig { shared_expert, residual: true, ..layer(TopK::new(2)) };
            config.router = RouterConfig::TopK(TopK { exploration, jitter, dropout, ..TopK::new(2) });
            assert_differences_agree(&format!("{exploration:?}, jitter {jitter}, dropout {dropout}"), &config);
        }
    }
}

#[test]
fn gradients_are_right_for_every_policy_for_second_choices() {
    for second_policy in [SecondPolicy::None, SecondPolicy::Sampling, SecondPolicy::Random, SecondPolicy::Threshold] {
        for renormalize in [Renormalize::None, Renormalize::PreDrop, Renormalize::PostDrop] {
            for (scoring, softmax_over) in WEIGHINGS {
                let router = TopK { scoring, softmax_over, renormalize, second_policy, ..TopK::new(3) };
                let config = layer(TopK { second_threshold: 0.4, ..router });
                assert_differences_agree(&format!("{config:?}"), &config);
            }
        }
    }
}

#[test]
fn gradients_are_right_for_second_places() {
    for second_policy in
        [SecondPolicy::All, SecondPolicy::None, SecondPolicy::Sampling, SecondPolicy::Random, SecondPolicy::Threshold]
    {
        for softmax_over in [SoftmaxOver::All, SoftmaxOver::Selected] {
            let mut config = layer(TopK { softmax_over, second_policy, ..TopK::new(2) });
            config.loss_weights.insert("secondPlace".to_owned(), 0.7);
            assert_differences_agree(&format!("{second_policy:?}, {softmax_over:?}"), &config);
            config.loss_weights.retain(|name, _| name == "secondPlace");
            assert_differences_agree(&format!("{second_policy:?}, {softmax_over:?}, alone"), &config);
        }
    }
    let mut drawn = layer(TopK { exploration: Exploration::Sample, ..TopK::new(2) });
    drawn.loss_weights.insert("secondPlace".to_owned(), 0.7);
    assert_differences_agree("both choices drawn", &drawn);
}

#[test]
fn gradients_are_right_for_tokens_that_take_as_many_experts_as_they_need() {
    for renormalize in [Renormalize::None, Renormalize::PreDrop, Renormalize::PostDrop] {
        for (scoring, softmax_over) in WEIGHINGS {
            for (top_p, min_score) in [(Some(0.6), None), (None, Some(0.3))] {
                let router = TopK { scoring, softmax_over, renormalize, top_p, min_score, ..TopK::new(3) };
                assert_differences_agree(&format!("{router:?}"), &layer(router.clone()));
            }
        }
    }
}

#[test]
fn gradients_are_right_through_noise_on_the_logits() {
    let wide = NoisyTopK { noise: Noise::Fixed { std: 3.0 }, ..NoisyTopK::new(2) };
    for router in [1, 2, 3, 4].map(NoisyTopK::new).into_iter().chain([1, 4].map(NoisyTopK::fixed)).chain([wide]) {
        let mut config = LayerConfig { router: RouterConfig::NoisyTopK(router), ..layer(TopK::new(2)) };
        config.loss_weights.insert("load".to_owned(), 0.3);
        assert_differences_agree(&format!("{router:?}"), &config);
        config.loss_weights.clear();
        assert_differences_agree(&format!("{router:?}, no losses"), &config);
    }
}

#[test]
fn gradients_are_right_through_noise_on_two_levels() {
    let shared_expert = Some(SharedExpert { d_ff: 3, gate: true });
    for (branches, branch_k, k) in [(1, 1, 2), (2, 1, 2), (2, 2, 1), (3, 2, 1), (3, 2, 2), (6, 4, 1)] {
        let router = RouterConfig::NoisyTopK(NoisyTopK::hierarchical(branches, branch_k, k));
        let all = LayerConfig { experts: 6, router, shared_expert, residual: true, ..layer(TopK::new(2)) };
        for losses in [&[][..], &["load"], &["loadBalance", "loadBalanceFirst", "z", "importance", "load"]] {
            let loss_weights = losses.iter().map(|name| ((*name).to_owned(), 0.3)).collect();
            let config = LayerConfig { loss_weights, ..all.clone() };
            assert_differences_agree(&format!("{config:?}"), &config);
        }
    }
}

#[test]
fn gradients_are_right_where_experts_choose() {
    for (softmax_over, losses) in [(Across::Experts, &["z", "importance"][..]), (Across::Tokens, &["z"])] {
        let by_shares = Some(Dykstra { entropy_weight: 0.1, iterations: 10 });
        for (max_experts_per_token, dykstra) in [(None, None), (Some(1), None), (Some(2), None), (Some(2), by_shares)] {
            for residual in [false, true] {
                let router = ExpertChoice { softmax_over, max_experts_per_token, dykstra, ..ExpertChoice::new(1.0) };
                let router = RouterConfig::ExpertChoice(router);
                let loss_weights = losses.iter().map(|name| ((*name).to_owned(), 0.3)).collect();
                let shared_expert = Some(SharedExpert { d_ff: 3, gate: true });
                let capacity = Capacity::Dropless;
                let config =
                    LayerConfig { router, loss_weights, capacity, residual, shared_expert, ..layer(TopK::new(1)) };
                assert_differences_agree(&format!("{config:?}"), &config);
            }
        }
    }
}

#[test]
fn gradients_are_right_where_tokens_name_and_experts_choose() {
    for renormalize in [false, true] {
        for key in [Key::Prob, Key::Logit, Key::Margin, Key::Regret, Key::Arrival] {
            let two = TokenThenExpert { slots: Some(2), renormalize, key, ..TokenThenExpert::new(3) };
            let immediate = TokenThenExpert { immediate: true, rounds: 3, k: 2, ..two.clone() };
            for router in [two.clone(), TokenThenExpert { k: 2, rounds: 3, ..two }, immediate] {
                let router = RouterConfig::TokenThenExpert(router);
                let loss_weights = ["z", "importance"].map(|name| (name.to_owned(), 0.3)).into();
                let capacity = Capacity::Dropless;
                let config = LayerConfig { router, loss_weights, capacity, ..layer(TopK::new(1)) };
                assert_differences_agree(&format!("{config:?}"), &config);
            }
        }
    }
}

#[test]
fn gradients_are_right_through_a_gumbel_softmax() {
    for gate in [DenseGate::Gumbel, DenseGate::Softmax] {
        for hard_after in [0, 10] {
            let router = DenseToSparse { gate, hard_after, threshold: 0.1, ..DenseToSparse::new(10) };
            let mut config = LayerConfig { router: RouterConfig::DenseToSparse(router), ..layer(TopK::new(2)) };
            config.loss_weights.retain(|name, _| config.router.losses().contains(&name.as_str()));
            assert_differences_agree(&format!("{router:?}"), &config);
        }
    }
}

#[test]
fn gradients_are_right_for_prototypes() {
    let shared_expert = Some(SharedExpert { d_ff: 3, gate: true });
    for k in [1, 2] {
        let router = TopK { prototypes: 2, ..TopK::new(k) };
        assert_differences_agree(&format!("k = {k}"), &layer(router.clone()));
        let residual = LayerConfig { shared_expert, residual: true, ..layer(router) };
        assert_differences_agree(&format!("k = {k}, residual"), &residual);
    }
}

#[test]
fn gradients_are_right_for_balanced_assignment_whose_scores_have_none() {
    let shared_expert = Some(SharedExpert { d_ff: 3, gate: true });
    for (iterations, groups, shuffle) in [(150, 1, false), (150, 2, false), (1, 2, false), (150, 2, true)] {
        for residual in [false, true] {
            let router = RouterConfig::Base(Base { shuffle, iterations, ..Base::new() });
            let loss_weights = [("z".to_owned(), 0.3)].into();
            let layer = LayerConfig { groups, router_bias: true, loss_weights, ..LayerConfig::new(4, 5, 4, router) };
            let config = LayerConfig { activation: Activation::Gelu, shared_expert, residual, ..layer };
            assert_differences_agree(&format!("{config:?}"), &config);
        }
    }
}

#[test]
fn gradients_are_right_for_experts_that_admit_by_thresholds() {
    let causal = Some(Thresholds::default());
    let few = ExpertChoice { causal, max_experts_per_token: Some(2), ..ExpertChoice::new(1.0) };
    let named = TokenThenExpert { causal, renormalize: true, key: Key::Logit, ..TokenThenExpert::new(3) };
    for router in [RouterConfig::ExpertChoice(few), RouterConfig::TokenThenExpert(named)] {
        let loss_weights = [("z".to_owned(), 0.3), ("importance".to_owned(), 0.2)].into();
        let layer = LayerConfig { groups: 2, router_bias: true, loss_weights, ..LayerConfig::new(4, 5, 4, router) };
        assert_differences_agree(&format!("{layer:?}"), &layer);
    }
}

#[test]
fn gradients_are_right_for_a_residual_expert() {
    let shared_expert = Some(SharedExpert { d_ff: 3, gate: true });
    for scoring in [Scoring::Softmax, Scoring::Sigmoid] {
        for renormalize in [Renormalize::None, Renormalize::PreDrop, Renormalize::PostDrop] {
            for identity_experts in [0, 2] {
                let router = layer(TopK { scoring, renormalize, ..TopK::new(2) });
                let activation = Activation::Gelu;
                let config = LayerConfig { activation, shared_expert, residual: true, identity_experts, ..router };
                assert_differences_agree(&format!("{config:?}"), &config);
            }
        }
    }
}

#[test]
fn gradients_are_right_for_the_gates_of_several_tasks() {
    let shared = [None, Some(SharedExpert { d_ff: 3, gate: false }), Some(SharedExpert { d_ff: 3, gate: true })];
    for (tasks, k) in [(1, None), (3, None), (2, Some(1)), (3, Some(2))] {
        for shared_expert in shared {
            let router = RouterConfig::MultiGate(MultiGate { tasks, k });
            let dropless = LayerConfig { router_bias: true, shared_expert, ..LayerConfig::new(4, 5, 4, router) };
            assert_differences_agree(&format!("{dropless:?}"), &dropless);
            let slots = Slots::Fixed { slots: 2 };
            let capacity = Capacity::Bounded { slots, priority: Priority::Batch, order: Order::Token };
            let bounded = LayerConfig { groups: 2, capacity, ..dropless };
            assert_differences_agree(&format!("{bounded:?}"), &bounded);
        }
    }
}

#[test]
fn gradients_are_right_for_soft_mixtures() {
    let shared = [None, Some(SharedExpert { d_ff: 3, gate: false }), Some(SharedExpert { d_ff: 3, gate: true })];
    for (slots, groups) in [(1, 1), (3, 1), (2, 4)] {
        for shared_expert in shared {
            let router = RouterConfig::Soft(Soft::new(slots));
            let config = LayerConfig { router_bias: true, shared_expert, groups, ..LayerConfig::new(4, 5, 4, router) };
            assert_differences_agree(&format!("{config:?}"), &config);
            let unlike = LayerConfig { identity_experts: 1, expert_widths: Some(vec![5, 1, 3]), gated: true, ..config };
            assert_differences_agree(&format!("{unlike:?}"), &unlike);
        }
    }
}

#[test]
fn gradients_are_right_for_experts_of_unequal_width_and_for_identities() {
    for (gated, bias) in [(false, true), (true, true), (true, false)] {
        for (expert_widths, identity_experts) in [(Some(vec![5, 1, 3, 2]), 0), (None, 2), (Some(vec![4, 5, 1]), 1)] {
            let router = TopK { renormalize: Renormalize::PostDrop, ..TopK::new(3) };
            let activation = Activation::Silu;
            let config =
                LayerConfig { activation, gated, bias, expert_widths, identity_experts, ..layer(router.clone()) };
            assert_differences_agree(&format!("{config:?}"), &config);
        }
    }
}
