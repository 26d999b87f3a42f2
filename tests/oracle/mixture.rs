//! Mixing domain experts: posteriors, priors, domains that come and go.

use webmoe::config::{Domain, LayerConfig, RouterConfig};
use webmoe::error::Error;
use webmoe::init::init;
use webmoe::mixture::{Evidence, Mixer, Mixture, Mode, add_domain, remove_domain};
use webmoe::rng::uniform_f32;
use webmoe::weights::LayerWeights;

use crate::common::close::{Tol, assert_close};

const TOL: Tol = Tol { abs: 1e-13, rel: 1e-12 };
const MODES: [Mode; 4] = [Mode::Single(1), Mode::Uniform, Mode::UpdatingPrior, Mode::CachedPrior];

/// `f64[tokens, domains]`: every domain as likely to be surprised.
fn log_probabilities(seed: u64, tokens: usize, domains: usize) -> Vec<f64> {
    (0..(tokens * domains) as u32).map(|i| -6.0 * f64::from(uniform_f32(seed, 0, 0, i, 0)) - 0.1).collect()
}

fn mixer(mode: Mode, evidence: Evidence, domains: usize, prior: Option<&[f64]>) -> Mixer {
    Mixer { domains, mode, evidence, prior: prior.map(<[f64]>::to_vec) }
}

fn mix(mixer: &Mixer, log_probabilities: &[f64], sequence: usize) -> Mixture {
    mixer.mix(log_probabilities, sequence).expect("a text that can be mixed")
}

fn normal(values: &[f64]) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    values.iter().map(|v| v / sum).collect()
}

/// The posterior by its definition: products of probabilities, not sums of logarithms.
fn by_products(prior: &[f64], before: &[f64]) -> Vec<f64> {
    let product = |j: usize| prior[j] * before.iter().skip(j).step_by(prior.len()).map(|l| l.exp()).product::<f64>();
    normal(&(0..prior.len()).map(product).collect::<Vec<_>>())
}

#[test]
fn the_exact_posterior_is_the_prior_times_how_likely_each_domain_found_the_text_so_far() {
    let (l, prior) = (log_probabilities(1, 9, 3), [0.5, 0.2, 0.3]);
    let got = mix(&mixer(Mode::CachedPrior, Evidence::Exact, 3, Some(&prior)), &l, 9);
    let want: Vec<f64> = (0..9).flat_map(|t| by_products(&prior, &l[..3 * t])).collect();
    assert_close("weights", &got.weights, &want, 3, TOL);
    assert_close("next", &got.next, &by_products(&prior, &l), 3, TOL);
    assert_eq!(got.prior.as_deref(), Some(&prior[..]), "a cached prior stays");
}

#[test]
fn the_last_tokens_posterior_knows_that_token_alone_and_begins_even() {
    let (l, prior) = (log_probabilities(2, 6, 3), [0.6, 0.3, 0.1]);
    let got = mix(&mixer(Mode::CachedPrior, Evidence::LastToken, 3, Some(&prior)), &l, 6);
    let after = |t: usize| by_products(&prior, &l[3 * t - 3..3 * t]);
    let want: Vec<f64> = (0..6).flat_map(|t| if t == 0 { vec![1.0 / 3.0; 3] } else { after(t) }).collect();
    assert_close("weights", &got.weights, &want, 3, TOL);
}

#[test]
fn posteriors_add_up_to_one_however_long_and_unlikely_the_text() {
    let l: Vec<f64> = log_probabilities(3, 3000, 4).iter().map(|l| 20.0 * l).collect();
    for mode in MODES {
        for evidence in [Evidence::Exact, Evidence::LastToken] {
            let got = mix(&mixer(mode, evidence, 4, None), &l, 1000);
            for (t, row) in got.weights.chunks_exact(4).enumerate() {
                let sum: f64 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-12, "{mode:?}, {evidence:?}, token {t}: {sum}");
            }
            assert!(got.log_probabilities.iter().all(|l| l.is_finite()), "{mode:?}, {evidence:?}");
        }
    }
}

#[test]
fn on_a_long_text_of_one_domain_the_exact_posterior_becomes_sure() {
    let l: Vec<f64> =
        log_probabilities(4, 200, 5).iter().zip(0..).map(|(l, i)| if i % 5 == 2 { l + 1.0 } else { *l }).collect();
    let got = mix(&mixer(Mode::UpdatingPrior, Evidence::Exact, 5, None), &l, 200);
    assert!(got.next[2] > 1.0 - 1e-9, "{:?}", got.next);
    let last = mix(&mixer(Mode::UpdatingPrior, Evidence::LastToken, 5, None), &l, 200);
    assert!(last.weights.chunks_exact(5).all(|row| row[2] < 0.999), "one token is never enough");
}

#[test]
fn a_prior_of_one_domain_is_that_domain_alone() {
    let l = log_probabilities(5, 20, 3);
    let sure = mix(&mixer(Mode::CachedPrior, Evidence::Exact, 3, Some(&[0.0, 1.0, 0.0])), &l, 7);
    let alone = mix(&mixer(Mode::Single(1), Evidence::Exact, 3, None), &l, 7);
    assert_close("weights", &sure.weights, &alone.weights, 3, Tol::EXACT);
    let own: Vec<f64> = l.chunks_exact(3).map(|row| row[1]).collect();
    assert_close("log probabilities", &sure.log_probabilities, &own, 1, TOL);
}

#[test]
fn the_mixture_is_one_of_probabilities() {
    let l = log_probabilities(6, 30, 4);
    for mode in MODES {
        let got = mix(&mixer(mode, Evidence::Exact, 4, Some(&[0.4, 0.1, 0.2, 0.3])), &l, 10);
        let mixed = |(w, l): (&[f64], &[f64])| w.iter().zip(l).map(|(w, l)| w * l.exp()).sum::<f64>().ln();
        let want: Vec<f64> = got.weights.chunks_exact(4).zip(l.chunks_exact(4)).map(mixed).collect();
        assert_close(&format!("{mode:?}"), &got.log_probabilities, &want, 1, TOL);
    }
    let even = mix(&mixer(Mode::Uniform, Evidence::Exact, 4, None), &l, 10);
    assert!(even.weights.iter().all(|w| *w == 0.25), "all domains alike");
}

#[test]
fn no_weight_depends_on_its_own_token_or_a_later_one() {
    let l = log_probabilities(7, 12, 3);
    for mode in MODES {
        for evidence in [Evidence::Exact, Evidence::LastToken] {
            let mixer = mixer(mode, evidence, 3, None);
            let before = mix(&mixer, &l, 12).weights;
            for t in 0..12 {
                let changed = [&l[..3 * t], &log_probabilities(8, 12 - t, 3)].concat();
                assert_eq!(
                    mix(&mixer, &changed, 12).weights[..3 * t + 3],
                    before[..3 * t + 3],
                    "{mode:?}, {evidence:?}"
                );
            }
        }
    }
}

#[test]
fn a_prior_that_follows_the_text_is_a_moving_mean_that_begins_with_the_first_sequence() {
    let l = log_probabilities(9, 24, 3);
    let mean = |weights: &[f64]| -> Vec<f64> {
        (0..3).map(|j| weights.iter().skip(j).step_by(3).sum::<f64>() / (weights.len() / 3) as f64).collect()
    };
    let of = |prior: Option<&[f64]>, l: &[f64]| mix(&mixer(Mode::UpdatingPrior, Evidence::Exact, 3, prior), l, 8);
    let first = of(None, &l[..24]);
    let after_one = mean(&first.weights);
    assert_close("after one", first.prior.as_ref().expect("a prior"), &after_one, 3, TOL);
    let second = of(Some(&after_one), &l[24..48]);
    let moved: Vec<f64> = after_one.iter().zip(mean(&second.weights)).map(|(p, m)| 0.7 * p + 0.3 * m).collect();
    assert_close("after two", second.prior.as_ref().expect("a prior"), &moved, 3, TOL);
    // in one call or in several, the text is the same
    let whole = of(None, &l);
    let third = of(second.prior.as_deref(), &l[48..]);
    assert_close("weights", &whole.weights, &[first.weights, second.weights, third.weights].concat(), 3, TOL);
}

#[test]
fn a_mixture_that_cannot_be_says_why() {
    let l = log_probabilities(1, 4, 2);
    let of = |mixer: Mixer, l: &[f64], sequence| mixer.mix(l, sequence).expect_err("it cannot be").to_string();
    let even = |prior| mixer(Mode::CachedPrior, Evidence::Exact, 2, prior);
    assert!(of(even(None), &l[..3], 4).contains("`logProbabilities` has 3 values"));
    assert!(of(even(None), &[0.0, f64::NAN], 4).contains("`logProbabilities[1]` is NaN"));
    assert!(of(even(None), &l, 0).contains("`sequence` is 0"));
    assert!(of(even(Some(&[1.0])), &l, 4).contains("`prior` has 1 values"));
    assert!(of(even(Some(&[1.0, -0.5])), &l, 4).contains("`prior[1]` is -0.5"));
    assert!(of(even(Some(&[0.0, 0.0])), &l, 4).contains("`prior` is all zeros"));
    assert!(of(mixer(Mode::Single(2), Evidence::Exact, 2, None), &l, 4).contains("`domain` is 2"));
    assert!(of(mixer(Mode::Uniform, Evidence::Exact, 0, None), &[], 4).contains("`domains` is 0"));
}

fn layer(mixture: Option<Vec<f32>>) -> (LayerConfig, LayerWeights) {
    let router = RouterConfig::Domain(Domain { mixture, ..Domain::default() });
    let config = LayerConfig { bias: true, gated: true, ..LayerConfig::new(4, 6, 3, router) };
    let weights = init(&config);
    (config, weights)
}

fn expert<'a>(weights: &'a LayerWeights, name: &str, expert: usize, experts: usize) -> &'a [f32] {
    let all = weights.get(name).expect("an array of every expert");
    &all[expert * all.len() / experts..(expert + 1) * all.len() / experts]
}

const ARRAYS: [&str; 6] = ["w1", "w2", "w3", "b1", "b2", "b3"];

#[test]
fn a_new_domain_begins_as_the_likeliest_and_halves_its_share() {
    let (config, weights) = layer(Some(vec![0.2, 0.6, 0.2]));
    let more = add_domain(&config, &weights, &[1.0, 1.0, 6.0]).expect("room for one more");
    assert_eq!(more.config.experts, 4);
    more.weights.check(&more.config).expect("the weights of four experts");
    for name in ARRAYS {
        let copies: Vec<_> = (0..4).map(|j| expert(&more.weights, name, j, 4)).collect();
        let want: Vec<_> = [0, 1, 2, 2].map(|j| expert(&weights, name, j, 3)).to_vec();
        assert_eq!(copies, want, "{name}");
    }
    assert_eq!(more.prior, [0.125, 0.125, 0.375, 0.375]);
    let RouterConfig::Domain(Domain { mixture: Some(mixture), .. }) = &more.config.router else {
        panic!("a mixing layer")
    };
    assert_eq!(mixture, &[0.2, 0.6, 0.1, 0.1]);
}

#[test]
fn a_domain_that_goes_leaves_its_share_to_the_others() {
    let (config, weights) = layer(Some(vec![0.5, 0.25, 0.25]));
    let less = remove_domain(&config, &weights, &[0.2, 0.5, 0.3], 1).expect("two are left");
    assert_eq!(less.config.experts, 2);
    for name in ARRAYS {
        assert_eq!(expert(&less.weights, name, 0, 2), expert(&weights, name, 0, 3), "{name}");
        assert_eq!(expert(&less.weights, name, 1, 2), expert(&weights, name, 2, 3), "{name}");
    }
    assert_close("prior", &less.prior, &[0.4, 0.6], 2, TOL);
    let RouterConfig::Domain(Domain { mixture: Some(mixture), .. }) = &less.config.router else {
        panic!("a mixing layer")
    };
    assert_close(
        "mixture",
        &[f64::from(mixture[0]), f64::from(mixture[1])],
        &[2.0 / 3.0, 1.0 / 3.0],
        2,
        Tol { abs: 1e-7, rel: 0.0 },
    );
}

#[test]
fn a_domain_that_goes_is_a_domain_without_a_share() {
    let l = log_probabilities(10, 15, 3);
    let (config, weights) = layer(None);
    let less = remove_domain(&config, &weights, &[0.2, 0.5, 0.3], 1).expect("two are left");
    let left: Vec<f64> = l.chunks_exact(3).flat_map(|row| [row[0], row[2]]).collect();
    let gone = mix(&mixer(Mode::CachedPrior, Evidence::Exact, 2, Some(&less.prior)), &left, 15);
    let ignored = mix(&mixer(Mode::CachedPrior, Evidence::Exact, 3, Some(&[0.2, 0.0, 0.3])), &l, 15);
    assert_close("log probabilities", &gone.log_probabilities, &ignored.log_probabilities, 1, TOL);
    let ignored: Vec<f64> = ignored.weights.chunks_exact(3).flat_map(|row| [row[0], row[2]]).collect();
    assert_close("weights", &gone.weights, &ignored, 2, TOL);
}

#[test]
fn domains_that_cannot_come_or_go_say_why() {
    let (config, weights) = layer(None);
    let even = [1.0; 3];
    let error = add_domain(&config, &weights, &even[..2]).expect_err("a prior of two domains");
    assert!(matches!(error, Error::WrongLength { got: 2, wanted: 3, .. }), "{error}");
    let error = remove_domain(&config, &weights, &even, 3).expect_err("there is no domain 3");
    assert!(error.to_string().contains("`domain` is 3"), "{error}");
    let error = remove_domain(&config, &weights, &[0.0, 2.0, 0.0], 1).expect_err("nothing would be left");
    assert!(error.to_string().contains("`domain` is 1"), "{error}");
    let meshed = LayerConfig { devices: 3, groups: 3, ..config.clone() };
    let error = add_domain(&meshed, &weights, &even).expect_err("four domains on three devices");
    assert_eq!(error, Error::ExpertsNotDivisible { experts: 4, devices: 3 });
    let other = LayerConfig { router: RouterConfig::Hash(webmoe::config::Hash::new(vec![0])), ..config };
    let error = add_domain(&other, &weights, &even).expect_err("no domains");
    assert!(error.to_string().contains("of kind \"domain\""), "{error}");
}
