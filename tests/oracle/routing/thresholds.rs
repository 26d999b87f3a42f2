//! Experts that admit tokens by thresholds.

use webmoe::config::{
    Capacity, ExpertChoice, Key, LayerConfig, Order, Priority, RouterConfig, Slots, Thresholds, TokenThenExpert,
};
use webmoe::init::init;
use webmoe::reference::routing::expert_choice::choose;
use webmoe::reference::routing::thresholds::{admitted, followed, last_keys};
use webmoe::reference::routing::token_then_expert::{self, Nominate, Rule, keys, nominees, once, threshold};
use webmoe::reference::routing::{Scores, over_experts};
use webmoe::reference::{Forward, Setting, forward_exact};
use webmoe::weights::{NO_THRESHOLD, Weights};

use super::{normal, skewed};

const NONE: f64 = NO_THRESHOLD as f64;

fn all(tokens: usize, experts: usize) -> Vec<Vec<usize>> {
    vec![(0..experts).collect(); tokens]
}

#[test]
fn a_token_has_the_experts_whose_thresholds_it_reaches_and_of_those_its_best() {
    let keys = [0.5, 0.3, 0.2, 0.1, 0.3, 0.6];
    let keys = Scores::new(&keys, 3);
    let named = [vec![0, 1, 2], vec![2, 1, 0]];
    assert_eq!(admitted(keys, &named, &[0.5, 0.3, 0.3], 3), [vec![0, 1], vec![1, 2]], "a threshold is enough");
    assert_eq!(admitted(keys, &named, &[0.5, 0.3, 0.3], 1), [vec![0], vec![2]]);
    assert_eq!(admitted(keys, &named, &[0.6, 0.3, 0.7], 1), [vec![1], vec![1]], "the best may refuse");
    assert_eq!(admitted(keys, &[vec![0], vec![]], &[NONE; 3], 3), [vec![0], vec![]], "only whom it named");
    assert!(admitted(Scores::new(&[f64::NAN; 3], 3), &all(1, 3), &[NONE; 3], 3)[0].is_empty());
}

#[test]
fn the_last_key_is_that_of_the_last_token_that_an_expert_would_take() {
    let values = skewed(1, 30, 4);
    let p = over_experts(Scores::new(&values, 4));
    let p = Scores::new(&p, 4);
    for quota in [1, 7, 30] {
        let taken = choose(p, quota).expect("no more than there are").buffers(4);
        let wanted: Vec<f64> = (0..4).map(|e| p.at(taken[e][quota - 1], e)).collect();
        assert_eq!(last_keys(p, &all(30, 4), quota), wanted);
    }
    let few = [vec![0], vec![1], vec![0], vec![]];
    let keys = [0.9, 0.1, 0.2, 0.8, 0.7, 0.3, 0.4, 0.6];
    assert_eq!(last_keys(Scores::new(&keys, 2), &few, 2), [0.7, 0.1], "one named the second: the least of all keys");
}

#[test]
fn a_threshold_is_a_running_mean_that_the_first_batch_sets() {
    let groups = [vec![0.25, 0.5], vec![0.75, 1.0]];
    assert_eq!(followed(&[NONE, 0.25], &groups, 0.5, NONE), [0.5, 0.5]);
    let mut thresholds = vec![NONE];
    let mut wanted = 3.0;
    for batch in 0..5 {
        let key = f64::from(3 - batch);
        thresholds = followed(&thresholds, &[vec![key]], 0.9, NONE);
        wanted = if batch == 0 { key } else { 0.9 * wanted + 0.1 * key };
        assert!((thresholds[0] - wanted).abs() < 1e-12, "batch {batch}: {thresholds:?}, want {wanted}");
    }
    let steady = followed(&[0.1 + 0.2], &[vec![0.1 + 0.2]], 0.99, NONE);
    assert_eq!(steady, [0.1 + 0.2], "what repeats stays to the bit");
}

/// A layer whose logits are its tokens, run on `logits` by the thresholds.
fn run(config: &LayerConfig, logits: &[f64], thresholds: Vec<f64>, train: bool) -> Forward {
    let e = config.experts;
    let wide = |values: Option<&[f32]>| values.unwrap_or_default().iter().map(|v| f64::from(*v)).collect();
    let known = init(config);
    let mut weights: Weights<f64> = Weights::build(config, |name, _| wide(known.get(name)));
    weights.router = (0..e * e).map(|i| if i % (e + 1) == 0 { 1.0 } else { 0.0 }).collect();
    weights.thresholds = Some(thresholds);
    forward_exact(config, &weights, logits, Setting { train, ..Setting::default() }).expect("a layer that runs")
}

fn layer(experts: usize, router: RouterConfig) -> LayerConfig {
    LayerConfig::new(experts, 2, experts, router)
}

fn pairs(forward: &Forward) -> Vec<(usize, usize)> {
    let routing = &forward.routing;
    let mut pairs: Vec<_> = (0..routing.kept.len())
        .filter(|&at| routing.kept[at])
        .map(|at| (at / routing.slots, routing.experts[at] as usize))
        .collect();
    pairs.sort_unstable();
    pairs
}

#[test]
fn by_the_thresholds_of_its_own_batch_an_expert_takes_exactly_its_best() {
    let logits = skewed(2, 48, 6);
    let causal = Some(Thresholds { decay: 0.9 });
    let config = layer(6, RouterConfig::ExpertChoice(ExpertChoice { causal, ..ExpertChoice::new(1.5) }));
    let first = run(&config, &logits, vec![NONE; 6], true);
    assert_eq!(pairs(&first).len(), 48 * 6, "without thresholds everybody goes everywhere");
    let p = over_experts(Scores::new(&logits, 6));
    let wanted = choose(Scores::new(&p, 6), 12).expect("12 of 48").pairs();
    let mut thresholds = first.thresholds.expect("there are thresholds");
    for _ in 0..3 {
        let next = run(&config, &logits, thresholds.clone(), true);
        assert_eq!(pairs(&next), wanted);
        assert_eq!(next.thresholds.as_ref(), Some(&thresholds), "a batch that repeats moves nothing");
        thresholds = next.thresholds.expect("there are thresholds");
    }
    let outside = run(&config, &normal(3, 48, 6), thresholds.clone(), false);
    assert_eq!(outside.thresholds, Some(thresholds), "outside training they are only read");
}

#[test]
fn tokens_that_name_experts_are_admitted_in_order_of_arrival() {
    let causal = Some(Thresholds::default());
    for (key, of) in [
        (Key::Prob, token_then_expert::Key::Prob),
        (Key::Logit, token_then_expert::Key::Logit),
        (Key::Margin, token_then_expert::Key::Margin),
        (Key::Regret, token_then_expert::Key::Regret),
    ] {
        let logits = skewed(4, 40, 5);
        let scores = Scores::new(&logits, 5);
        let slots = Slots::Fixed { slots: 6 };
        let capacity = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Token };
        let router = TokenThenExpert { key, causal, slots: Some(4), ..TokenThenExpert::new(2) };
        let config = LayerConfig { capacity, ..layer(5, RouterConfig::TokenThenExpert(router)) };
        let thresholds = vec![0.1, 0.3, NONE, 0.2, 0.25];
        let got = run(&config, &logits, thresholds.clone(), true);
        let rule = Rule { nominate: Nominate::top(2), key: of, slots: 6 };
        assert_eq!(pairs(&got), threshold(scores, rule, &thresholds).pairs(), "{key:?}");

        let values = keys(scores, of, &[true; 5]);
        let named = nominees(scores, Nominate::top(2));
        let set = last_keys(Scores::new(&values, 5), &named, 4);
        let unset = run(&config, &logits, vec![NONE; 5], true).thresholds;
        assert_eq!(unset, Some(set.clone()), "{key:?}: the first batch sets them");
        let of_batch = threshold(scores, Rule { slots: 40, ..rule }, &set).pairs();
        let plain = if key == Key::Regret { token_then_expert::Key::Margin } else { of };
        let ranked = once(scores, Rule { key: plain, slots: 4, ..rule }).pairs();
        assert_eq!(of_batch, ranked, "{key:?}: and then take whom experts choose");
    }
}

#[test]
fn no_token_depends_on_a_later_one() {
    let causal = Some(Thresholds::default());
    let slots = Slots::Fixed { slots: 5 };
    let capacity = Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Token };
    let few = ExpertChoice { causal, max_experts_per_token: Some(2), ..ExpertChoice::new(1.0) };
    let named = TokenThenExpert { causal, k: 1, ..TokenThenExpert::new(3) };
    for router in [RouterConfig::ExpertChoice(few), RouterConfig::TokenThenExpert(named)] {
        let config = LayerConfig { capacity: capacity.clone(), ..layer(4, router) };
        let (before, after) = (skewed(5, 24, 4), skewed(6, 24, 4));
        let of = |logits: &[f64]| run(&config, logits, vec![0.2, 0.3, 0.1, 0.4], true).routing;
        let whole = of(&before);
        for at in 1..24 {
            let changed = of(&[&before[..4 * at], &after[4 * at..]].concat());
            let end = at * whole.slots;
            assert_eq!(changed.experts[..end], whole.experts[..end], "token {at} of {:?}", config.router);
            assert_eq!(changed.kept[..end], whole.kept[..end], "token {at} of {:?}", config.router);
            assert_eq!(changed.weights[..end], whole.weights[..end], "token {at} of {:?}", config.router);
        }
    }
}
