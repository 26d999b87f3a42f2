//! The bytes that the virtual devices exchange, from the formulas.
//!
//! # Source
//! The all-to-all of expert parallelism: Lepikhin et al. 2020 (GShard), section 3; its ragged form for dropless routing:
//! Gale et al. 2022 (MegaBlocks).

use crate::config::LayerConfig;

/// Bytes of a number on the wire: f32 activations and gradients, u32 counts.
const WORD: u64 = 4;

/// Which way a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// From the input to the output.
    Forward,
    /// From the output's gradient to the input's.
    Backward,
}

/// What an exchange is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// How many rows will come for each expert (meta).
    Counts,
    /// Tokens to their experts.
    Dispatch,
    /// Experts' outputs back to their tokens.
    Combine,
}

/// One all-to-all among `N` devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// In which pass.
    pub pass: Pass,
    /// What for.
    pub op: Op,
    /// `u64[N, N]`: from row to column, on the wire, padding included; the diagonal stays on its device.
    pub bytes: Vec<u64>,
    /// The same without padding.
    pub useful_bytes: Vec<u64>,
}

/// The exchanges of one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// `N`.
    pub devices: usize,
    /// In the order in which they happen.
    pub exchanges: Vec<Exchange>,
}

impl Traffic {
    /// Bytes between different devices, over all exchanges.
    pub fn network_bytes(&self) -> u64 {
        let n = self.devices;
        let off_diagonal =
            |bytes: &[u64]| bytes.iter().enumerate().filter(|(i, _)| i / n != i % n).map(|(_, b)| b).sum::<u64>();
        self.exchanges.iter().map(|exchange| off_diagonal(&exchange.bytes)).sum()
    }
}

/// The exchanges of a pass over `tokens` tokens, of which `kept` are the served (token, expert) pairs.
///
/// Dropless rows travel as they are, after their counts; bounded buffers travel whole, `slots` places for each expert
/// and group. Nothing travels where every expert is with its tokens.
pub(super) fn traffic(
    config: &LayerConfig,
    pass: Pass,
    tokens: usize,
    slots: Option<usize>,
    kept: impl Iterator<Item = (usize, usize)>,
) -> Traffic {
    let n = config.devices;
    if config.stays() {
        return Traffic { devices: n, exchanges: Vec::new() };
    }
    let (local_tokens, local_experts) = (tokens / n, config.experts / n);
    let row = config.d_model as u64 * WORD;
    let mut useful = vec![0; n * n];
    for (token, expert) in kept {
        useful[token / local_tokens * n + expert / local_experts] += row;
    }
    let there = match slots {
        None => useful.clone(),
        Some(slots) => vec![(local_experts * (config.groups / n) * slots) as u64 * row; n * n],
    };
    let to_experts = |op| Exchange { pass, op, bytes: there.clone(), useful_bytes: useful.clone() };
    let to_tokens = |op| Exchange { pass, op, bytes: transposed(&there, n), useful_bytes: transposed(&useful, n) };
    let counts = vec![local_experts as u64 * WORD; n * n];
    let exchanges = match pass {
        Pass::Forward => {
            let counts = Exchange { pass, op: Op::Counts, bytes: counts.clone(), useful_bytes: counts };
            let first = slots.is_none().then_some(counts);
            first.into_iter().chain([to_experts(Op::Dispatch), to_tokens(Op::Combine)]).collect()
        }
        Pass::Backward => vec![to_experts(Op::Combine), to_tokens(Op::Dispatch)],
    };
    Traffic { devices: n, exchanges }
}

fn transposed(matrix: &[u64], n: usize) -> Vec<u64> {
    (0..n * n).map(|i| matrix[i % n * n + i / n]).collect()
}
