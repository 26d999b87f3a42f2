//! How a solver ended, from the state that it leaves for each of its iterations.

use crate::config::{LayerConfig, RouterConfig};

/// How the solver of each routing group ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Solver {
    /// `u32[G]`: iterations made; as many as there may be if it did not converge.
    pub iterations: Vec<u32>,
    /// `f32[G]`: Sinkhorn: the largest change of a price in the last iteration, in units of `ε`.
    pub change: Option<Vec<f32>>,
}

/// Iterations that a solver may take in a pass, each with a word of state for each group; 0 if there is no solver.
pub fn iterations(config: &LayerConfig, train: bool) -> usize {
    match &config.router {
        RouterConfig::Sinkhorn(router) if train => router.iterations,
        _ => 0,
    }
}

impl Solver {
    /// Of a training pass that left `state`: `u32[G, iterations]`; none if the router has no solver.
    pub fn of(config: &LayerConfig, state: &[u32]) -> Option<Self> {
        match &config.router {
            RouterConfig::Sinkhorn(router) => {
                let last = |of_group: &[u32]| {
                    let change = |i: usize| f32::from_bits(of_group[i]);
                    let made = (1..of_group.len()).find(|i| change(i - 1) < router.tolerance);
                    let made = made.unwrap_or(of_group.len());
                    (made as u32, made.checked_sub(1).map_or(0.0, change))
                };
                let (iterations, change) = state.chunks(router.iterations).map(last).unzip();
                Some(Solver { iterations, change: Some(change) })
            }
            _ => None,
        }
    }
}
