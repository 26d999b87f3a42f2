//! Tokens that find their expert full try their next best one.
//!
//! # Source
//! Fedus, Zoph, Shazeer 2021, "Switch Transformers" (arXiv:2101.03961), the appendix on no-token-left-behind.

use super::{Plan, Scores, best};

/// In round `j` of `rounds` every token without an expert takes a slot of its `j`-th best, in order of arrival, if one of
/// the `slots` is left.
pub fn route(scores: Scores, rounds: usize, slots: usize) -> Plan {
    let mut buffers: Vec<Vec<usize>> = vec![Vec::new(); scores.experts()];
    let mut served = vec![false; scores.tokens()];
    for round in 0..rounds.min(scores.experts()) {
        for (token, served) in served.iter_mut().enumerate().filter(|(_, served)| !**served) {
            let expert = best(scores.row(token), round + 1)[round];
            if buffers[expert].len() < slots {
                buffers[expert].push(token);
                *served = true;
            }
        }
    }
    Plan::from_buffers(scores, &buffers)
}
