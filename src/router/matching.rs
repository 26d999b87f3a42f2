//! Tokens name experts and experts take tokens, in one look or in rounds: what all routers in which experts choose have in
//! common.

use super::{Step, shares, slots, top_k};
use crate::kernels::{
    CHOOSE, COLUMN_BACKWARD, COLUMN_SCORES, Constants, Dims, LINE_UP, NOMINATE, REPAIR, SETTLE, TAKEN,
};
use crate::layer::Batch;
use crate::recording::{Buffer, Dispatch, Grid, Recording};

/// How a token answers the experts that take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It keeps them all: there are never more than it may have.
    All,
    /// It keeps its best `k` of a round, and leaves the others.
    Best,
    /// The same, and is closed from then on to all that it would leave.
    Closing,
    /// It keeps whom it was taken by, and once these are `k`, it is closed to all others.
    First,
}

/// The rules of a choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// KEY of `nominate`.
    pub key: u32,
    /// Whether tokens rank their experts, and name some of them only.
    pub ranked: bool,
    /// Whether nominations are counted as they travel between devices.
    pub counted: bool,
    /// Rounds.
    pub rounds: usize,
    /// What a token does after each of them.
    pub answer: Answer,
    /// Whether a token likes its experts by their scores instead of by their logits.
    pub by_score: bool,
    /// Exchanges that may be made at the end for experts that are left short, one each.
    pub repairs: usize,
    /// Iterations towards bounded shares, by which experts then rank tokens; 0: they rank them by their scores.
    pub projections: usize,
}

impl Rules {
    /// Every expert looks once, at all tokens.
    pub const ONE_LOOK: Rules = Rules {
        key: SCORE,
        ranked: false,
        counted: false,
        rounds: 1,
        answer: Answer::All,
        by_score: false,
        repairs: 0,
        projections: 0,
    };

    fn immediate(&self) -> bool {
        self.answer == Answer::First
    }

    /// 1: all keys are equal.
    fn arrival(&self) -> u32 {
        u32::from(self.key == ARRIVAL)
    }
}

/// KEY of `nominate`: the score.
pub(super) const SCORE: u32 = 0;
/// KEY of `nominate`: the logit.
pub(super) const LOGIT: u32 = 1;
/// KEY of `nominate`: the score, less the best other.
pub(super) const MARGIN: u32 = 2;
/// KEY of `nominate`: the same of others with room.
pub(super) const REGRET: u32 = 3;
/// KEY of `nominate`: none.
pub(super) const ARRIVAL: u32 = 4;

/// Scores; then the experts' choice; then rows and weights. Eight dispatches for one look that needs no answer; a round more is
/// one, one more for an answer, and one more where keys change from round to round. Rounds after one in which no token left an
/// expert run no workgroup.
pub(super) fn record(step: &mut Step, rules: Rules) {
    step.logits();
    top_k::record_scores(step, top_k::CHOSEN_LATER);
    if step.config.router.over_tokens() {
        let columns = of_experts(step);
        step.dispatch(&COLUMN_SCORES, Constants::default(), vec![step.batch.router.id], columns);
    }
    if rules.projections > 0 {
        step.rec.clear(step.batch.choice.progress);
        shares::record(step, rules.projections);
    }
    step.rec.clear(step.batch.counts);
    step.batch.round_grids.iter().for_each(|grids| step.rec.clear(*grids));
    record_keys(step, rules, 0);
    for round in 0..rules.rounds as u32 {
        step.dims.iteration = round;
        if round > 0 && rules.key == REGRET {
            record_keys(step, rules, if rules.immediate() { 2 } else { 1 });
        }
        record_round(step, rules);
    }
    for _ in 0..rules.repairs {
        record_repair(step);
    }
    if rules.projections > 0 {
        shares::record_crowded(step);
    }
    record_lines(step, rules);
    record_taken(step);
    slots::record_seated(step);
}

/// Through scores that are shares of a column, back to the logits: one dispatch.
pub(super) fn record_backward(rec: &mut Recording, dims: Dims, (b, d_logits): (&Batch, Buffer<f32>)) {
    let columns = Grid::Direct([dims.experts, dims.groups, 1]);
    let buffers = vec![b.router.id, b.stats.id, d_logits.id];
    rec.dispatch(Dispatch::plain(&COLUMN_BACKWARD, Constants::default(), dims, buffers, columns));
}

/// The tokens' nominations and the experts' keys, or, by `again`, keys anew.
pub(super) fn record_keys(step: &mut Step, rules: Rules, again: u32) {
    let (b, c) = (step.batch, step.batch.choice);
    let pairs = Grid::linear(step.tokens() * step.dims.experts as usize);
    let constants = vec![
        ("KEY", rules.key),
        ("RANKED", u32::from(rules.ranked)),
        ("COUNTED", u32::from(rules.counted)),
        ("AGAIN", again),
    ];
    // nominations are counted after the rows of dispatch and combine
    step.dims.counter_base = 2 * step.dims.devices * step.dims.devices;
    let scores = if rules.projections > 0 { c.shares } else { b.router };
    let buffers = vec![scores.id, b.counts.id, c.pairs.id, c.keys.id, b.moved.id];
    step.dispatch(&NOMINATE, Constants(constants), buffers, pairs);
}

/// The experts' turn, then the tokens'.
fn record_round(step: &mut Step, rules: Rules) {
    let (b, c) = (step.batch, step.batch.choice);
    let constants = Constants(vec![("IMMEDIATE", u32::from(rules.immediate())), ("ARRIVAL", rules.arrival())]);
    let buffers = vec![c.keys.id, c.pairs.id, b.counts.id, c.progress.id];
    step.dispatch(&CHOOSE, constants, buffers, grid_of_round(step, rules, 0, of_experts(step)));
    record_answer(step, rules);
}

/// The tokens' turn, if there are any that may have something to answer.
pub(super) fn record_answer(step: &mut Step, rules: Rules) {
    let (b, c) = (step.batch, step.batch.choice);
    let finality = match rules.answer {
        Answer::All => return,
        Answer::Best => 0,
        Answer::Closing => 1,
        Answer::First => 2,
    };
    let [_, next] = b.grids_of_round(step.dims.iteration);
    let buffers = vec![b.router.id, c.pairs.id, b.counts.id, c.progress.id, next.id];
    let constants = Constants(vec![("FINAL", finality), ("BY_SCORE", u32::from(rules.by_score))]);
    step.dispatch(&SETTLE, constants, buffers, grid_of_round(step, rules, 1, Grid::over(step.tokens())));
}

/// The grid of the experts' turn (`half` 0) or the tokens' (1) in this round: `known` where nothing can have made the round needless.
fn grid_of_round(step: &Step, rules: Rules, half: u32, known: Grid) -> Grid {
    let round = step.dims.iteration;
    let [written, _] = step.batch.grids_of_round(round);
    // where tokens answer for good each round has candidates of its own; else it depends on the one before
    if round == 0 || rules.immediate() { known } else { Grid::written(written, 2 * round + half) }
}

/// One place more for an expert of each group that is left short, if there is one.
fn record_repair(step: &mut Step) {
    let (b, c) = (step.batch, step.batch.choice);
    // places by token are found only later
    let reached = b.place_in_block;
    let buffers = vec![c.keys.id, c.pairs.id, b.counts.id, reached.id];
    step.dispatch(&REPAIR, Constants::default(), buffers, Grid::Direct([step.dims.groups, 1, 1]));
}

/// The slots of the tokens that experts have.
fn record_lines(step: &mut Step, rules: Rules) {
    let (b, c) = (step.batch, step.batch.choice);
    let buffers = vec![c.keys.id, c.pairs.id, b.lines.id, c.progress.id, b.solver.id];
    let constants = Constants(vec![("BY_ROUND", u32::from(rules.immediate())), ("ARRIVAL", rules.arrival())]);
    step.dispatch(&LINE_UP, constants, buffers, of_experts(step));
}

/// The experts' choices by token.
pub(super) fn record_taken(step: &mut Step) {
    let b = step.batch;
    let buffers = vec![b.choice.pairs.id, b.router.id, b.expert_of.id, b.chosen.id, b.place_in_block.id];
    step.dispatch(&TAKEN, Constants::default(), buffers, Grid::over(step.tokens()));
}

/// A workgroup for each expert and group.
pub(super) fn of_experts(step: &Step) -> Grid {
    Grid::Direct([step.dims.experts, step.dims.groups, 1])
}
