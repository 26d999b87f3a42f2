//! How a solver ended, from the state that it leaves on the device.

use crate::config::{Base, Chooses, Dykstra, LayerConfig, RouterConfig, Sinkhorn};

/// How the solver of each routing group ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Solver {
    /// `u32[G]`: iterations made, or rounds; as many as there may be if it did not converge.
    pub iterations: Vec<u32>,
    /// `u32[G]`: an auction: tokens without a bid in the last round, which got an expert by score; 0 if it ended by itself. Those
    /// that are made up where tokens do not divide among the experts count, too.
    pub repaired: Option<Vec<u32>>,
    /// `f32[G]`: Sinkhorn: the largest change of a price in the last iteration, in units of `ε`.
    pub change: Option<Vec<f32>>,
    /// `u32[G]`: where experts choose in rounds, or trade: times that a token left an expert in the last one. 0: nobody would in
    /// another.
    pub left: Option<Vec<u32>>,
    /// `u32[G]`: where shares are bounded step by step: tokens that have more experts than they should, by the plan that came of it.
    pub over: Option<Vec<u32>>,
    /// `u32[G]`: rounds of trades made after an auction.
    pub trades: Option<Vec<u32>>,
    /// `u32[G]`: times that a token went to another expert in any of them; those of made-up tokens count, too.
    pub traded: Option<Vec<u32>>,
}

/// Words that experts that choose leave for each group: rounds made, tokens that left in the last one, tokens with too many experts, 0.
const OF_ROUNDS: usize = 4;

/// Words of state that a router's kernels leave for each group; 0 if they leave none.
pub fn state_words(config: &LayerConfig) -> usize {
    match &config.router {
        RouterConfig::Base(router) => router.iterations + router.trades,
        RouterConfig::Sinkhorn(router) => router.iterations,
        router if router.chooses() == Chooses::Experts => OF_ROUNDS,
        _ => 0,
    }
}

/// How many of them tell how a pass's solver ended; 0 if none runs.
pub fn report_words(config: &LayerConfig, train: bool) -> usize {
    let solves = match &config.router {
        RouterConfig::Base(_) | RouterConfig::Sinkhorn(_) => train,
        RouterConfig::ExpertChoice(router) => router.bound(config.experts).is_some(),
        RouterConfig::TokenThenExpert(router) => router.iterates(),
        _ => false,
    };
    if solves { state_words(config) } else { 0 }
}

/// Most rounds of a router that writes, in each, the grids of the next; 0 if it does not.
pub fn rounds(config: &LayerConfig) -> usize {
    match &config.router {
        RouterConfig::Base(router) => router.trades,
        RouterConfig::Sinkhorn(router) => router.iterations,
        RouterConfig::ExpertChoice(router) => router.rounds,
        RouterConfig::TokenThenExpert(router) => router.rounds,
        _ => 0,
    }
}

impl Solver {
    /// Of a pass that left `state`: `u32[G, report_words]`; none if the router has no solver.
    pub fn of(config: &LayerConfig, state: &[u32]) -> Option<Self> {
        match &config.router {
            RouterConfig::Base(router) => Some(Solver::of_bids(router, state)),
            RouterConfig::Sinkhorn(router) => Some(Solver::of_prices(router, state)),
            RouterConfig::ExpertChoice(router) if let Some((_, dykstra)) = router.projects(config.experts) => {
                Some(Solver::of_shares(dykstra, state))
            }
            router if router.chooses() == Chooses::Experts => Some(Solver::of_rounds(state)),
            _ => None,
        }
    }

    /// Of `u32[G, iterations]`, tokens without a bid, then `u32[trades, G]`, tokens that were traded.
    fn of_bids(router: &Base, state: &[u32]) -> Self {
        let groups = state.len() / (router.iterations + router.trades);
        let made =
            |of_rounds: &[u32]| of_rounds.iter().position(|n| *n == 0).map_or(of_rounds.len(), |last| last + 1) as u32;
        let (bids, trades) = state.split_at(groups * router.iterations);
        let (iterations, repaired) =
            bids.chunks(router.iterations).map(|unsold| (made(unsold), unsold[unsold.len() - 1])).unzip();
        let solver = Solver { iterations, repaired: Some(repaired), ..Solver::default() };
        let of_group = |group: usize| -> Vec<u32> { trades.iter().skip(group).step_by(groups).copied().collect() };
        let traded: Vec<Vec<u32>> = (0..groups).map(of_group).collect();
        if router.trades == 0 {
            return solver;
        }
        Solver {
            left: Some(traded.iter().map(|of_rounds| of_rounds[router.trades - 1]).collect()),
            trades: Some(traded.iter().map(|of_rounds| made(of_rounds)).collect()),
            traded: Some(traded.iter().map(|of_rounds| of_rounds.iter().sum()).collect()),
            ..solver
        }
    }

    fn of_prices(router: &Sinkhorn, state: &[u32]) -> Self {
        let last = |of_group: &[u32]| {
            let change = |i: usize| f32::from_bits(of_group[i]);
            let made = (1..of_group.len()).find(|i| change(i - 1) < router.tolerance);
            let made = made.unwrap_or(of_group.len());
            (made as u32, made.checked_sub(1).map_or(0.0, change))
        };
        let (iterations, change) = state.chunks(router.iterations).map(last).unzip();
        Solver { iterations, change: Some(change), ..Solver::default() }
    }

    fn of_shares(dykstra: Dykstra, state: &[u32]) -> Self {
        let over = state.chunks_exact(OF_ROUNDS).map(|of_group| f32::from_bits(of_group[2]) as u32);
        let over: Vec<u32> = over.collect();
        Solver { iterations: vec![dykstra.iterations as u32; over.len()], over: Some(over), ..Solver::default() }
    }

    fn of_rounds(state: &[u32]) -> Self {
        let number = |word: u32| f32::from_bits(word) as u32;
        let last = |of_group: &[u32]| (number(of_group[0]), number(of_group[1]));
        let (iterations, left) = state.chunks_exact(OF_ROUNDS).map(last).unzip();
        Solver { iterations, left: Some(left), ..Solver::default() }
    }
}
