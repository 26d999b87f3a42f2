//! Tokens name experts, then experts choose among those that named them.
//!
//! # Source
//! See [`TokenThenExpert`].

use super::Step;
use super::matching::{self, ARRIVAL, Answer, LOGIT, MARGIN, REGRET, Rules, SCORE};
use crate::config::{Key, TokenThenExpert};

/// Nominations, then rounds in which experts take tokens and tokens answer.
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
        Key::Regret if !router.deferred => REGRET,
        Key::Margin | Key::Regret => MARGIN,
        Key::Arrival => ARRIVAL,
    };
    let counted = step.config.router.handshake().is_some() && !step.config.stays();
    let rounds = router.rounds;
    // where every expert is named, ranks tell only who is asked first
    let ranked = router.immediate || router.nominate < step.config.experts;
    matching::record(step, Rules { key, ranked, counted, rounds, answer, ..Rules::ONE_LOOK });
}
