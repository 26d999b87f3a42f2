//! Bandits of token ids.

use std::rc::Rc;

use webmoe::config::{Bandit, Capacity, LayerConfig, Policy, RouterConfig, SharedExpert};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::labels::Labels;
use webmoe::reference::bandit::learn;
use webmoe::reference::{self, Setting};
use webmoe::session::{BackwardOptions, ForwardOptions, MoeLayer, Read};
use webmoe::weights::{LayerWeights, Weights};

use super::super::super::close::{Tol, assert_close};
use super::super::super::engine::{ALL_GRADIENTS, another, layer, layer_of};
use super::super::super::inputs::{bits, labels, noise, tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{bounded, layer_with};

const VOCABULARY: usize = 11;
const EXPLORER: Policy = Policy::EpsilonGreedy { epsilon: 0.25 };
const BOUNDER: Policy = Policy::Ucb { exploration: 0.5 };
const DRAWER: Policy = Policy::Thompson { prior_std: 1.5, noise_std: 0.5 };
const ALL: [Policy; 3] = [EXPLORER, BOUNDER, DRAWER];

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![
        layer_with(experts, bandit(EXPLORER)),
        LayerConfig { capacity: bounded(2), ..layer_with(experts, bandit(BOUNDER)) },
        layer_with(experts, bandit(DRAWER)),
    ]
}

fn bandit(policy: Policy) -> RouterConfig {
    RouterConfig::Bandit(Bandit { prior_mean: 0.25, ..Bandit::new(policy, VOCABULARY) })
}

fn of_ids(ids: &[u32]) -> Labels {
    Labels { token_ids: Some(ids.to_vec()), ..Labels::NONE }
}

fn train(step: u32, labels: Labels) -> ForwardOptions {
    ForwardOptions { train: true, step, labels, read: vec![Read::Routing], ..ForwardOptions::default() }
}

/// The experts of a batch whose tokens are all alike but for their ids.
async fn experts(layer: &mut MoeLayer, options: &ForwardOptions) -> Vec<usize> {
    let tokens = options.labels.token_ids.as_ref().map_or(0, Vec::len);
    let x = vec![0.5; tokens * layer.config().d_model];
    let routing = layer.forward(&x, options).await.expect("a layer that runs").routing.expect("routing was read");
    routing.experts.iter().map(|e| *e as usize).collect()
}

/// Takes a step by rewards alone.
async fn teach(layer: &mut MoeLayer, reward: &[f32]) {
    let nothing = vec![0.0; reward.len() * layer.config().d_model];
    layer.backward(&nothing, BackwardOptions::rewarded(reward, &[])).await.expect("backward runs");
    layer.apply_sgd(0.0).await.expect("there are gradients");
}

async fn arms(layer: &MoeLayer) -> [Vec<f32>; 2] {
    let weights = layer.weights().await.expect("weights can be read");
    [weights.bandit_pulls, weights.bandit_means].map(|array| array.expect("a bandit's array"))
}

pub async fn bandits_agree_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let all_alike: fn(&mut LayerWeights) = |weights| {
        weights.bandit_pulls.iter_mut().flatten().for_each(|pulls| *pulls = 2.0);
        weights.bandit_means.iter_mut().flatten().for_each(|mean| *mean = 0.5);
    };
    let mut trials = Vec::new();
    for policy in ALL {
        let layer = |experts| layer_with(experts, bandit(policy));
        let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("{policy:?}, {name}"), config, count);
        trials.extend([
            trial("in training", layer(5), 37),
            Trial { pass: 1, step: 70_000, ..trial("a late step's second pass", layer(5), 37) },
            Trial { train: false, ..trial("outside training", layer(5), 37) },
            Trial { change: all_alike, ties: true, ..trial("arms that are all alike", layer(5), 37) },
            trial("one expert", layer(1), 9),
            trial("one token", layer(4), 1),
            trial("no tokens", LayerConfig { groups: 2, devices: 2, ..layer(4) }, 0),
            trial("many experts", layer(300), 9),
            trial("drops", LayerConfig { capacity: bounded(3), groups: 4, ..layer(4) }, 64),
            trial(
                "a residual expert on a mesh",
                LayerConfig { groups: 4, devices: 4, shared_expert, residual: true, ..layer(8) },
                64,
            ),
        ]);
    }
    check_trials(engine, &trials).await;
}

pub async fn steps_teach_what_the_oracle_learns(engine: &Rc<Engine>) {
    let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    for policy in ALL {
        for capacity in [Capacity::Dropless, bounded(4)] {
            let config = LayerConfig { capacity, groups: 2, devices: 2, ..layer_with(6, bandit(policy)) };
            let given = weights(&config, 6);
            let mut layer = layer_of(engine, &config, &given).await;
            let mut oracle = Weights::build(&config, |name, _| wide(given.get(name).unwrap_or_default()));
            let (labels, x) = (labels(&config, 70), vec![0.5; 70 * config.d_model]);
            let ids = labels.token_ids.clone().expect("a bandit goes by ids");
            for step in 0..5 {
                let got = experts(&mut layer, &train(step, labels.clone())).await;
                let setting = Setting { train: true, step, labels: Some(&labels), ..Setting::default() };
                let forward =
                    reference::forward_exact(&config, &oracle, &wide(&x), setting).expect("a layer that runs");
                let want: Vec<usize> = forward.routing.experts.iter().map(|e| *e as usize).collect();
                assert_eq!(got, want, "{policy:?}, step {step}");
                let reward = noise(u64::from(step), 3, 70);
                teach(&mut layer, &reward).await;
                learn(&mut oracle, &forward, &ids, &wide(&reward));
                let [pulls, means] = arms(&layer).await;
                assert_eq!(Some(wide(&pulls)), oracle.bandit_pulls, "{policy:?}, step {step}");
                let want = oracle.bandit_means.as_deref().unwrap_or_default();
                let tolerance = Tol { abs: 1e-6, rel: 1e-6 };
                assert_close(&format!("{policy:?}, step {step}"), &wide(&means), want, 6, tolerance);
            }
        }
    }
}

pub async fn without_exploration_the_best_expert_is_taken_and_with_nothing_else_any(engine: &Rc<Engine>) {
    let of = |epsilon| layer_with(8, bandit(Policy::EpsilonGreedy { epsilon }));
    let given = weights(&of(0.0), 6);
    let ids: Vec<u32> = (0..VOCABULARY as u32).collect();
    let mut greedy = layer_of(engine, &of(0.0), &given).await;
    let outside = ForwardOptions { train: false, ..train(0, of_ids(&ids)) };
    assert_eq!(experts(&mut greedy, &train(0, of_ids(&ids))).await, experts(&mut greedy, &outside).await);
    let mut any = layer_of(engine, &of(1.0), &given).await;
    let draws = 4000;
    let mut counts = [0.0; 8];
    experts(&mut any, &train(0, of_ids(&vec![3; draws]))).await.into_iter().for_each(|e| counts[e] += 1.0);
    let expected = draws as f64 / 8.0;
    let chi_square: f64 = counts.iter().map(|n: &f64| (n - expected).powi(2) / expected).sum();
    assert!(chi_square < 24.4, "one in a thousand is beyond this, of 7 degrees of freedom: {counts:?}");
}

pub async fn every_expert_is_pulled_once_before_any_is_pulled_twice(engine: &Rc<Engine>) {
    const EXPERTS: usize = 5;
    let mut layer = layer(engine, &layer_with(EXPERTS, bandit(Policy::UCB))).await;
    let ids: Vec<u32> = (0..VOCABULARY as u32).collect();
    for step in 0..EXPERTS {
        let got = experts(&mut layer, &train(step as u32, of_ids(&ids))).await;
        assert_eq!(got, [step; VOCABULARY], "the lowest that is unknown");
        teach(&mut layer, &noise(step as u64, 3, VOCABULARY)).await;
        let [pulls, _] = arms(&layer).await;
        let known = |e: usize| f32::from(u8::from(e <= step));
        assert!(pulls.iter().enumerate().all(|(arm, pulls)| *pulls == known(arm % EXPERTS)), "{pulls:?}");
    }
}

/// The best expert of each id is its number modulo the experts'; rewards are 1 for it and 0 for others, give or take a half.
pub async fn bandits_solve_a_planted_problem_under_noise(engine: &Rc<Engine>) {
    const IDS: usize = 40;
    const EXPERTS: usize = 4;
    const COPIES: usize = 4;
    let ids: Vec<u32> = (0..COPIES * IDS).map(|t| (t % IDS) as u32).collect();
    let right = |experts: &[usize]| -> Vec<bool> {
        experts.iter().zip(&ids).map(|(e, id)| *e == *id as usize % EXPERTS).collect()
    };
    for policy in [EXPLORER, Policy::UCB, Policy::THOMPSON] {
        let config = LayerConfig::new(1, 1, EXPERTS, RouterConfig::Bandit(Bandit::new(policy, IDS)));
        let mut layer = layer(engine, &config).await;
        for step in 0..30 {
            let got = experts(&mut layer, &train(step, of_ids(&ids))).await;
            let noise = noise(u64::from(step), 3, ids.len());
            let reward = right(&got).into_iter().zip(noise).map(|(right, noise)| f32::from(right) + 0.5 * noise);
            teach(&mut layer, &reward.collect::<Vec<_>>()).await;
        }
        let outside = ForwardOptions { train: false, ..train(0, of_ids(&ids)) };
        let found = right(&experts(&mut layer, &outside).await).into_iter().take(IDS).filter(|right| *right).count();
        assert!(found * 100 >= IDS * 95, "{policy:?}: {found} of {IDS} ids have their best expert");
    }
}

pub async fn only_a_step_changes_what_is_known(engine: &Rc<Engine>) {
    let config = layer_with(4, bandit(EXPLORER));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let (options, reward) = (train(0, of_ids(&[3, 3, 7])), [1.0, 2.0, 3.0]);
    let d_output = tokens(&config, 6, 3);
    let before = arms(&layer).await;
    experts(&mut layer, &options).await;
    layer.backward(&d_output, BackwardOptions::rewarded(&reward, &[])).await.expect("backward runs");
    layer.backward(&d_output, BackwardOptions::rewarded(&reward, &[])).await.expect("backward runs again");
    assert_eq!(arms(&layer).await, before, "backward finds out what there is to learn");
    layer.backward(&d_output, &[]).await.expect("backward runs without rewards");
    layer.apply_sgd(0.1).await.expect("there are gradients");
    assert_eq!(arms(&layer).await, before, "of no rewards nothing is learned");
    experts(&mut layer, &options).await;
    let gradients = layer.backward(&d_output, BackwardOptions::rewarded(&reward, &ALL_GRADIENTS)).await;
    let gradients = gradients.expect("backward runs").weights.expect("weights were read");
    assert!(gradients.bandit_pulls.is_none() && gradients.bandit_means.is_none(), "what is counted has no gradient");
    layer.apply_sgd(0.1).await.expect("there are gradients");
    let after = arms(&layer).await;
    let pulls = |arms: &[Vec<f32>; 2]| arms[0].iter().sum::<f32>();
    assert_eq!(pulls(&after), pulls(&before) + 3.0, "a pull for each token");
    layer.forward(&[], &train(1, of_ids(&[]))).await.expect("no tokens are legal");
    layer.backward(&[], BackwardOptions::rewarded(&[], &[])).await.expect("and so are their rewards");
    layer.apply_sgd(0.1).await.expect("of which there is nothing to learn");
    assert_eq!(arms(&layer).await, after);
}

pub async fn rewards_of_batches_that_add_up_count_together(engine: &Rc<Engine>) {
    let config = layer_with(4, bandit(Policy::EpsilonGreedy { epsilon: 1.0 }));
    let mut layer = layer(engine, &config).await;
    let (mut pulls, mut sums) = (vec![0.0; 4 * VOCABULARY], vec![0.0; 4 * VOCABULARY]);
    for (step, count) in [(0, 30), (1, 50)] {
        let labels = labels(&config, count);
        let ids = labels.token_ids.clone().expect("a bandit goes by ids");
        let got = experts(&mut layer, &train(step, labels)).await;
        let reward = noise(u64::from(step), 3, count);
        let options = BackwardOptions { accumulate: true, ..BackwardOptions::rewarded(&reward, &[]) };
        layer.backward(&vec![0.0; count * config.d_model], options).await.expect("backward runs");
        for ((id, e), reward) in ids.iter().zip(got).zip(reward) {
            let arm = *id as usize * 4 + e;
            pulls[arm] += 1.0;
            sums[arm] += f64::from(reward);
        }
    }
    layer.apply_sgd(0.0).await.expect("there are gradients");
    let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let [got_pulls, got_means] = arms(&layer).await;
    assert_eq!(wide(&got_pulls), pulls);
    let means: Vec<f64> = sums.iter().zip(&pulls).map(|(sum, pulls): (&f64, &f64)| sum / pulls.max(1.0)).collect();
    assert_close("means", &wide(&got_means), &means, 4, Tol { abs: 1e-6, rel: 1e-6 });
}

pub async fn what_is_known_has_the_same_bits_on_any_mesh_and_another_engine(engine: &Rc<Engine>) {
    let elsewhere = another(engine).await;
    for policy in ALL {
        let of = |devices| LayerConfig { capacity: bounded(2), groups: 8, devices, ..layer_with(8, bandit(policy)) };
        let learn = async |engine: &Rc<Engine>, config: LayerConfig| {
            let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
            for step in 0..3 {
                experts(&mut layer, &train(step, labels(&config, 48))).await;
                teach(&mut layer, &noise(u64::from(step), 3, 48)).await;
            }
            arms(&layer).await.map(|array| bits(&array))
        };
        let want = learn(engine, of(1)).await;
        for devices in [2, 8] {
            assert!(learn(engine, of(devices)).await == want, "{policy:?} on {devices} devices");
        }
        assert!(learn(&elsewhere, of(1)).await == want, "{policy:?} on another engine");
    }
}

pub async fn what_a_bandit_cannot_use_is_refused_and_teaches_nothing(engine: &Rc<Engine>) {
    let config = layer_with(4, bandit(DRAWER));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let x = tokens(&config, 6, 2);
    let before = arms(&layer).await;
    let error = layer.forward(&x, &train(0, Labels::NONE)).await.expect_err("no ids");
    assert!(matches!(error, Error::MissingLabels { what: "tokenIds", .. }), "{error}");
    let error = layer.forward(&x, &train(0, of_ids(&[1, VOCABULARY as u32]))).await.expect_err("an id too large");
    assert!(error.to_string().contains("tokenIds[1]") && error.to_string().contains("router.vocabulary"), "{error}");
    layer.forward(&x, &train(0, of_ids(&[1, 2]))).await.expect("a layer that runs");
    let error =
        layer.backward(&x, BackwardOptions::rewarded(&[1.0], &[])).await.expect_err("one reward for two tokens");
    assert!(matches!(error, Error::WrongLength { got: 1, wanted: 2, .. }), "{error}");
    let error =
        layer.backward(&x, BackwardOptions::rewarded(&[1.0, f32::INFINITY], &[])).await.expect_err("an endless reward");
    assert!(matches!(error, Error::NonFinite { index: 1, .. }), "{error}");
    layer.backward(&x, BackwardOptions::rewarded(&[1.0, 0.0], &[])).await.expect("the layer still works");
    let error = layer.apply_sgd(f32::NAN).await.expect_err("no learning rate");
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    let pulls = vec![("banditPulls".to_owned(), vec![-1.0; 4 * VOCABULARY])];
    let error = layer.set_weights(pulls).await.expect_err("fewer pulls than none");
    assert!(error.to_string().contains("banditPulls[0]"), "{error}");
    assert_eq!(arms(&layer).await, before);
}
