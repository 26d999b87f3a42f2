//! Balanced assignment: the experts of a group bid for its tokens, then trade.
//!
//! # Source
//! Lewis et al. 2021 (BASE layers); Klein 1967, for the trades.

use super::{Step, slots, top_k};
use crate::config::Base;
use crate::kernels::{
    AUCTION_ASK, AUCTION_AWARD, AUCTION_BAR, AUCTION_BID, AUCTION_BOUNDS, AUCTION_OFFERS, AUCTION_TRADE, Constants,
};
use crate::recording::Grid;

/// Five dispatches, and in training those of [`record_auction`] and [`record_trades`] before the scores are weighed.
pub(super) fn record(step: &mut Step, router: &Base) {
    step.logits();
    if step.train {
        record_auction(step, router);
        record_trades(step, router);
        top_k::record_scores(step, top_k::CHOSEN_BEFORE);
    } else {
        top_k::record_choices(step, 0, step.batch.prices);
    }
    slots::record(step);
}

/// `2·(iterations + E)` dispatches: the range of the scores, two for each round of bids, and so many turns of tokens and experts
/// that all tokens without a bid have found an expert. Of what comes after the end of the auction, or of those turns, experts run
/// no workgroup, and tokens return at once.
fn record_auction(step: &mut Step, router: &Base) {
    let (b, a, e) = (step.batch, step.batch.auction, step.dims.experts);
    for buffer in [a.bounds, a.places, a.bars, a.asked, a.grids, a.traders, b.solver] {
        step.rec.clear(buffer);
    }
    step.rec.clear(a.prices);
    step.dispatch(&AUCTION_BOUNDS, Constants::default(), vec![b.router.id, a.bounds.id], Grid::over(step.tokens()));

    let (sold, iterations) = (step.dims.group_tokens.div_ceil(e) * e, router.iterations as u32);
    let tokens = Grid::Direct([sold.div_ceil(64), step.dims.groups, 1]);
    let written = |n: u32| Grid::written(a.grids, n);
    for round in 0..iterations {
        step.dims.iteration = round;
        let experts = if round == 0 { Grid::Direct([e, step.dims.groups, 1]) } else { written(round) };
        let buffers = vec![b.router.id, a.bounds.id, a.prices.id, a.places.id, b.solver.id, a.bids.id];
        step.dispatch(&AUCTION_BID, Constants::default(), buffers, experts);
        let buffers = vec![a.bids.id, a.prices.id, a.places.id, b.expert_of.id, b.solver.id, a.grids.id];
        step.dispatch(&AUCTION_AWARD, Constants::default(), buffers, tokens);
    }
    // the n-th expert to be full has its bar for good after n turns, and the last one has room for all who are left
    for turn in 0..e {
        step.dims.iteration = turn;
        let buffers =
            vec![b.router.id, a.bounds.id, a.bars.id, b.solver.id, a.places.id, b.expert_of.id, a.asked.id, a.grids.id];
        step.dispatch(&AUCTION_ASK, Constants::default(), buffers, tokens);
        if turn + 1 < e {
            let buffers = vec![b.router.id, a.bounds.id, a.places.id, a.asked.id, a.bars.id];
            step.dispatch(&AUCTION_BAR, Constants::default(), buffers, written(iterations + turn));
        }
    }
}

/// Two dispatches for each round of trades: what experts could trade, found anew for those that traded in the round before, and the
/// trades. Rounds after one without any run no workgroup.
fn record_trades(step: &mut Step, router: &Base) {
    let (b, a) = (step.batch, step.batch.auction);
    let (experts, groups) =
        (Grid::Direct([step.dims.experts, step.dims.groups, 1]), Grid::Direct([step.dims.groups, 1, 1]));
    b.round_grids.iter().for_each(|grids| step.rec.clear(*grids));
    for round in 0..router.trades as u32 {
        step.dims.iteration = round;
        let [written, next] = b.grids_of_round(round);
        let grid = |half: u32, known: Grid| if round == 0 { known } else { Grid::written(written, 2 * round + half) };
        let buffers = vec![b.router.id, a.bounds.id, a.places.id, a.traders.id, a.gains.id, a.offered.id];
        step.dispatch(&AUCTION_OFFERS, Constants::default(), buffers, grid(0, experts));
        let given = [a.bounds.id, a.gains.id, a.offered.id, a.places.id];
        let buffers = [&given[..], &[b.expert_of.id, b.solver.id, next.id, a.traders.id]].concat();
        step.dispatch(&AUCTION_TRADE, Constants::default(), buffers, grid(1, groups));
    }
}
