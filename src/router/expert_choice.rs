//! Expert choice: every expert takes its best tokens.
//!
//! # Source
//! Zhou et al. 2022. With a bound on the experts of a token: greedily by descending score, which is deferred acceptance where both
//! sides rank by the same scores (Gale and Shapley 1962), then exchanges for the experts that are left short; or by the shares of a
//! soft plan, as there (section 3.3).

use super::matching::{self, Answer, LOGIT, Rules};
use super::{Step, thresholds};
use crate::config::{Across, ExpertChoice};

/// Places that exchanges may win for the experts of a group; greed leaves a few short at most, and most often none.
const REPAIRS: usize = 32;

/// One look of all experts at all tokens, or rounds until no token has more than its share; or one token at a time.
pub(super) fn record(step: &mut Step, router: &ExpertChoice) {
    if router.causal.is_some() {
        let answer = router.bound(step.config.experts).map_or(Answer::All, |_| Answer::Best);
        return thresholds::record(step, Rules { answer, ..Rules::ONE_LOOK });
    }
    if let Some((_, dykstra)) = router.projects(step.config.experts) {
        return matching::record(step, Rules { projections: dykstra.iterations, ..Rules::ONE_LOOK });
    }
    let rules = match (router.bound(step.config.experts), router.softmax_over) {
        (Some(_), _) => Rules {
            rounds: router.rounds,
            answer: Answer::Closing,
            by_score: true,
            repairs: REPAIRS,
            ..Rules::ONE_LOOK
        },
        // a column's shares order as its logits do, which do not round to equal ones
        (None, Across::Tokens) => Rules { key: LOGIT, ..Rules::ONE_LOOK },
        (None, Across::Experts) => Rules::ONE_LOOK,
    };
    matching::record(step, rules);
}
