//! Experts that admit tokens by thresholds: the causal form of routers in which experts choose.

use super::matching::{self, Rules};
use super::{Step, slots, top_k};
use crate::kernels::{ADMIT, Constants, FOLLOW, LAST_KEY};
use crate::recording::Grid;

/// Scores; who is admitted, by the thresholds from before the pass; then slots, rows and weights. Eight dispatches, in training two
/// more, by which the thresholds follow the batch; and one where a token may be admitted by more experts than it keeps.
pub(super) fn record(step: &mut Step, rules: Rules) {
    step.logits();
    top_k::record_scores(step, top_k::CHOSEN_LATER);
    let (b, c, thresholds) = (step.batch, step.batch.choice, step.weights.thresholds);
    step.rec.clear(b.counts);
    step.rec.clear(c.progress);
    matching::record_keys(step, rules, 0);
    if step.train {
        let columns = matching::of_experts(step);
        step.dispatch(&LAST_KEY, Constants::default(), vec![c.keys.id, c.pairs.id, c.last_keys.id], columns);
    }
    let buffers = vec![c.keys.id, thresholds.id, c.pairs.id, b.counts.id];
    let pairs = Grid::linear(step.tokens() * step.dims.experts as usize);
    step.dispatch(&ADMIT, Constants::default(), buffers, pairs);
    if step.train {
        let experts = Grid::over(step.dims.experts as usize);
        step.dispatch(&FOLLOW, Constants::default(), vec![c.last_keys.id, thresholds.id], experts);
    }
    matching::record_answer(step, rules);
    matching::record_taken(step);
    slots::record(step);
}
