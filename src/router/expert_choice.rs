//! Expert choice: every expert takes its best tokens.
//!
//! # Source
//! Zhou et al. 2022.

use super::{Step, matching};
use crate::config::ExpertChoice;

/// One look of all experts at all tokens: eight dispatches.
pub(super) fn record(step: &mut Step, _router: &ExpertChoice) {
    matching::record(step);
}
