//! Tokens name experts, then experts choose among those that named them.
//!
//! # Source
//! See [`TokenThenExpert`].

use super::matching::{self, ARRIVAL, Answer, LOGIT, MARGIN, REGRET, Rules, SCORE};
use super::{Step, thresholds};
use crate::config::{Key, TokenThenExpert};

/// Nominations, then rounds in which experts take tokens and tokens answer; or experts that take them one at a time.
pub(super) fn record(step: &mut Step, router: &TokenThenExpert) {
    let answer = match router {
        TokenThenExpert { immediate: true, .. } => Answer::First,
        TokenThenExpert { k, nominate, .. } if k == nominate => Answer::All,
        TokenThenExpert { deferred: true, .. } => Answer::Closing,
        _ => Answer::Best,
    };
    let key = match router.key {
        Key::Prob => SCORE,
        Key::Logit => LOGIT,
        Key::Regret if !router.deferred && router.causal.is_none() => REGRET,
        Key::Margin | Key::Regret => MARGIN,
        Key::Arrival => ARRIVAL,
    };
    let counted = step.config.router.handshake().is_some() && !step.config.stays();
    // where every expert is named, ranks tell only who is asked first
    let ranked = router.immediate || router.nominate < step.config.experts;
    let rules = Rules { key, ranked, counted, rounds: router.rounds, answer, ..Rules::ONE_LOOK };
    match router.causal {
        Some(_) => thresholds::record(step, rules),
        None => matching::record(step, rules),
    }
}
