//! Experts that admit tokens by thresholds.

use super::{Choices, rule};
use crate::config::{LayerConfig, RouterConfig};
use crate::reference::Setting;
use crate::reference::routing::Scores;
use crate::reference::routing::thresholds::{admitted, followed, last_keys};
use crate::reference::routing::token_then_expert::{Key, Nominate, keys, nominees};
use crate::weights::NO_THRESHOLD;

/// The choices of a batch in groups of `group_tokens`, by the thresholds `before` it, and in training the thresholds after it.
pub(super) fn choices(
    config: &LayerConfig,
    setting: Setting,
    group_tokens: usize,
    logits: Scores,
    before: &[f64],
) -> Choices {
    let (nominate, key) = match &config.router {
        RouterConfig::TokenThenExpert(router) => {
            let rule = rule(router, 0);
            (rule.nominate, rule.key)
        }
        _ => (Nominate::top(config.experts), Key::Prob),
    };
    let experts = config.experts;
    let key_values = keys(logits, key, &vec![true; experts]);
    let named = nominees(logits, nominate);
    let chosen = admitted(Scores::new(&key_values, experts), &named, before, config.k());
    let mut thresholds = before.to_vec();
    if setting.train && !named.is_empty() {
        let quota = config.router.quota(group_tokens, experts);
        let groups = key_values.chunks(group_tokens * experts).zip(named.chunks(group_tokens));
        let of_groups: Vec<Vec<f64>> =
            groups.map(|(keys, named)| last_keys(Scores::new(keys, experts), named, quota)).collect();
        let decay = config.router.thresholds().map_or(0.0, |thresholds| f64::from(thresholds.decay));
        thresholds = followed(before, &of_groups, decay, f64::from(NO_THRESHOLD));
    }
    Choices { thresholds: Some(thresholds), ..Choices::by_tokens(chosen) }
}
