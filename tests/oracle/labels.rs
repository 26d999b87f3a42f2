//! Domain and language experts: the expert that a label names, and experts that are mixed.

use webmoe::config::{Domain, Exchanges, Language, LayerConfig, RouterConfig, Side};
use webmoe::error::Error;
use webmoe::labels::Labels;
use webmoe::reference::{Forward, Gradients, Setting, backward_exact, forward_exact};
use webmoe::rng::uniform_f32;
use webmoe::weights::{NAMES, Weights};

use super::differences::{TOKENS, assert_labelled_differences_agree};
use crate::common::close::{Tol, assert_close};

const D: usize = 4;
const TOL: Tol = Tol { abs: 1e-14, rel: 1e-14 };

fn noise(stream: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| 2.0 * f64::from(uniform_f32(19, 0, 0, i, stream)) - 1.0).collect()
}

fn layer(experts: usize, router: RouterConfig) -> LayerConfig {
    LayerConfig { bias: true, ..LayerConfig::new(D, 6, experts, router) }
}

fn domains(mixture: Option<Vec<f32>>, exchange: Exchanges) -> RouterConfig {
    RouterConfig::Domain(Domain { mixture, exchange })
}

fn random_weights(config: &LayerConfig) -> Weights<f64> {
    let stream = |name: &str| 100 + NAMES.iter().position(|&known| known == name).unwrap_or(0) as u32;
    Weights::build(config, |name, len| noise(stream(name), len))
}

fn of_domains(domain: &[u32]) -> Labels {
    Labels { domain: Some(domain.to_vec()), ..Labels::NONE }
}

fn mixed(mixture: Vec<f32>) -> Labels {
    Labels { mixture: Some(mixture), ..Labels::NONE }
}

fn try_run(config: &LayerConfig, labels: &Labels) -> Result<Forward, Error> {
    let setting = Setting { labels: Some(labels), ..Setting::TRAIN };
    forward_exact(config, &random_weights(config), &noise(1, TOKENS * D), setting)
}

fn run(config: &LayerConfig, labels: &Labels) -> (Forward, Gradients) {
    let forward = try_run(config, labels).expect("a layer that runs");
    let weights = random_weights(config);
    let gradients = backward_exact(config, &weights, &noise(1, TOKENS * D), &forward, &noise(2, TOKENS * D));
    (forward, gradients.expect("a layer that runs"))
}

/// What a layer of expert `e` alone, which every token goes to, makes of the tokens.
fn dense(config: &LayerConfig, e: usize) -> Vec<f64> {
    let one = layer(1, domains(None, Exchanges::None));
    let all = random_weights(config);
    let of_expert =
        |name: &str, len: usize| all.get(name).map_or(Vec::new(), |all| all[e * len..(e + 1) * len].to_vec());
    let weights = Weights::build(&one, of_expert);
    let labels = of_domains(&[0; TOKENS]);
    let setting = Setting { labels: Some(&labels), ..Setting::TRAIN };
    forward_exact(&one, &weights, &noise(1, TOKENS * D), setting).expect("a layer that runs").output
}

#[test]
fn a_text_of_one_domain_goes_through_a_dense_layer() {
    let config = layer(3, domains(None, Exchanges::None));
    for domain in 0..3 {
        let (forward, _) = run(&config, &of_domains(&[domain; TOKENS]));
        assert_close("output", &forward.output, &dense(&config, domain as usize), D, Tol::EXACT);
        assert_eq!(forward.routing.weights, [1.0; TOKENS]);
    }
}

#[test]
fn an_expert_whose_domain_does_not_come_has_no_gradient() {
    let (_, gradients) = run(&layer(3, domains(None, Exchanges::None)), &of_domains(&[0, 2, 2, 0, 2, 0, 0, 0]));
    for name in ["w1", "b1", "w2", "b2"] {
        let all = gradients.weights.get(name).expect("a layer with biases");
        let of = |e: usize| &all[e * all.len() / 3..(e + 1) * all.len() / 3];
        assert!(of(1).iter().all(|g| *g == 0.0), "{name} of a domain that did not come");
        assert!(of(0).iter().any(|g| *g != 0.0) && of(2).iter().any(|g| *g != 0.0), "{name} of those that did");
    }
}

#[test]
fn mixed_experts_add_up_by_their_weights() {
    let config = layer(3, domains(Some(vec![0.25, 0.5, 0.25]), Exchanges::All2all));
    let outputs: Vec<_> = (0..3).map(|e| dense(&config, e)).collect();
    let sum = |weight: &dyn Fn(usize, usize) -> f32| -> Vec<f64> {
        let at = |i: usize| (0..3).map(|e| f64::from(weight(i / D, e)) * outputs[e][i]).sum();
        (0..TOKENS * D).map(at).collect()
    };
    let own = |_: usize, e: usize| [0.25, 0.5, 0.25][e];
    assert_close("the layer's own", &run(&config, &Labels::NONE).0.output, &sum(&own), D, TOL);
    let given = |t: usize, e: usize| ((t * 3 + e * 2) % 4) as f32 / 4.0;
    let mixture = (0..TOKENS).flat_map(|t| (0..3).map(move |e| given(t, e))).collect();
    assert_close("given", &run(&config, &mixed(mixture)).0.output, &sum(&given), D, TOL);
}

#[test]
fn a_weight_of_one_is_the_label_and_a_weight_of_zero_is_no_expert() {
    let config = layer(3, domains(Some(vec![1.0; 3]), Exchanges::All2all));
    let labels = [2, 0, 1, 1, 0, 2, 2, 0];
    let one_hot = labels.iter().flat_map(|domain| (0..3).map(move |e| f32::from(u8::from(e == *domain)))).collect();
    let (label, (weight, _)) = (try_run(&config, &of_domains(&labels)), run(&config, &mixed(one_hot)));
    let label = label.expect("a layer that runs");
    assert_eq!(label.routing, weight.routing);
    assert_eq!(label.output, weight.output);
    assert_eq!(weight.routing.load, [3, 2, 3], "who weighs nothing does nothing");
}

#[test]
fn gradients_of_mixed_experts_are_their_differences() {
    let config = layer(3, domains(Some(vec![0.5, 0.0, 1.5]), Exchanges::All2all));
    assert_labelled_differences_agree("the layer's own", &config, &Labels::NONE);
    assert_labelled_differences_agree("labels", &config, &of_domains(&[2, 0, 1, 1, 0, 2, 2, 0]));
}

#[test]
fn where_nothing_is_exchanged_every_token_is_with_its_expert_or_refused() {
    let on = |exchange| LayerConfig { devices: 2, groups: 2, ..layer(4, domains(None, exchange)) };
    let sorted = of_domains(&[1, 0, 1, 0, 3, 3, 2, 2]);
    let (forward, gradients) = run(&on(Exchanges::None), &sorted);
    assert!(forward.traffic.exchanges.is_empty() && gradients.traffic.exchanges.is_empty(), "0 + 0 exchanges");
    let counted = run(&on(Exchanges::All2all), &sorted);
    assert_eq!(
        (counted.0.traffic.network_bytes(), counted.1.traffic.network_bytes()),
        (4 * 4, 0),
        "counts of rows alone"
    );
    assert_eq!(counted.0.output, forward.output);

    let away = of_domains(&[1, 0, 1, 2, 3, 3, 2, 2]);
    let error = try_run(&on(Exchanges::None), &away).expect_err("expert 2 is on the other device");
    assert_eq!(error, Error::ExpertElsewhere { token: 3, home: 0, expert: 2, away: 1 });
    let there = try_run(&on(Exchanges::All2all), &away).expect("it may go there").traffic;
    assert_eq!(there.network_bytes(), 4 * 4 + 2 * 4 * D as u64, "one row, there and back, beside the counts");
}

#[test]
fn a_language_is_its_groups_expert_and_one_that_is_not_known_is_refused() {
    let table = vec![2, 0, 1, 2, 0];
    let languages = [4, 3, 2, 1, 0, 0, 3, 4];
    for (by, name) in [(Side::Source, "sourceLanguage"), (Side::Target, "targetLanguage")] {
        let router = Language { table: Some(table.clone()), ..Language::new(by) };
        let config = layer(3, RouterConfig::Language(router));
        let labels = |languages: &[u32]| {
            let (this, other) = (Some(languages.to_vec()), Some(vec![0; TOKENS]));
            let (source_language, target_language) = if by == Side::Source { (this, other) } else { (other, this) };
            Labels { source_language, target_language, ..Labels::NONE }
        };
        let (forward, _) = run(&config, &labels(&languages));
        assert_eq!(forward.routing.experts, languages.map(|language| table[language as usize] as i32), "by {name}");
        let error = try_run(&config, &labels(&[0, 0, 5, 0, 0, 0, 0, 0])).expect_err("there is no language 5");
        assert!(matches!(&error, Error::InvalidArgument { what, .. } if *what == format!("{name}[2]")), "{error}");
        let error = try_run(&config, &of_domains(&languages)).expect_err("a domain is no language");
        assert_eq!(error, Error::MissingLabels { what: name, router: "language" });
    }
}

#[test]
fn without_a_table_every_language_has_an_expert_of_its_own() {
    let config = layer(5, RouterConfig::Language(Language::new(Side::Target)));
    let languages = [4, 3, 2, 1, 0, 0, 3, 4];
    let labels = Labels { target_language: Some(languages.to_vec()), ..Labels::NONE };
    assert_eq!(run(&config, &labels).0.routing.experts, languages.map(|language| language as i32));
}
