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
    /// Tokens' nominations to the experts' devices, and in later rounds whom they left (meta).
    Nominate,
    /// Which nominations were accepted, back to the tokens' devices (meta).
    Reply,
    /// Tokens to where they are routed.
    Shuffle,
    /// Tokens to their experts.
    Dispatch,
    /// Experts' outputs back to their tokens.
    Combine,
    /// Outputs to where the tokens came from.
    Unshuffle,
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

/// The rows of a pass.
pub(super) struct Moves {
    /// `T`.
    pub(super) tokens: usize,
    /// Slots of each expert in each group; `None` if dropless.
    pub(super) capacity: Option<usize>,
    /// The served (token, expert) pairs.
    pub(super) kept: Vec<(usize, usize)>,
}

impl Moves {
    /// `[N, N]`: how many of these pairs go from each device to each.
    fn count(&self, config: &LayerConfig, pairs: impl Iterator<Item = (usize, usize)>) -> Vec<u64> {
        let n = config.devices;
        let (local_tokens, local_experts) = (self.tokens / n, config.experts / n);
        let mut counts = vec![0; n * n];
        pairs.for_each(|(token, expert)| counts[token / local_tokens * n + expert / local_experts] += 1);
        counts
    }

    /// The exchanges of rows, to the experts and back to the tokens.
    ///
    /// Dropless rows travel as they are, and so do those that were agreed on; bounded buffers travel whole, `slots` places for
    /// each expert and group.
    fn rows(&self, config: &LayerConfig, pass: Pass, to_experts: Op, to_tokens: Op) -> [Exchange; 2] {
        let n = config.devices;
        let row = config.d_model as u64 * WORD;
        let useful: Vec<u64> =
            self.count(config, self.kept.iter().copied()).into_iter().map(|rows| rows * row).collect();
        let there = match self.capacity {
            Some(slots) if config.router.handshake().is_none() => {
                vec![(config.experts / n * (config.groups / n) * slots) as u64 * row; n * n]
            }
            _ => useful.clone(),
        };
        let (back, useful_back) = (transposed(&there, n), transposed(&useful, n));
        [
            Exchange { pass, op: to_experts, bytes: there, useful_bytes: useful },
            Exchange { pass, op: to_tokens, bytes: back, useful_bytes: useful_back },
        ]
    }
}

/// The exchanges of a forward pass, none where every expert is with its tokens; `named`: `[T]`, whom each token named, where
/// devices agree by a handshake.
pub(super) fn forward(config: &LayerConfig, moves: &Moves, named: &[Vec<usize>]) -> Traffic {
    let (n, pass) = (config.devices, Pass::Forward);
    if config.stays() {
        return Traffic { devices: n, exchanges: Vec::new() };
    }
    let meta = |op, bytes: Vec<u64>| Exchange { pass, op, useful_bytes: bytes.clone(), bytes };
    let before = match (config.router.handshake(), moves.capacity) {
        (Some(rounds), _) => {
            // a key and a token for each nomination; then one bit for each, to say yes and, between rounds, to leave
            let pairs = named.iter().enumerate().flat_map(|(token, named)| named.iter().map(move |&e| (token, e)));
            let counts = moves.count(config, pairs);
            let bits = |count: u64| count.div_ceil(8);
            let asked = counts.iter().map(|&c| 2 * WORD * c + (rounds as u64 - 1) * bits(c)).collect();
            let told: Vec<u64> = counts.iter().map(|&c| rounds as u64 * bits(c)).collect();
            vec![meta(Op::Nominate, asked), meta(Op::Reply, transposed(&told, n))]
        }
        (None, None) => vec![meta(Op::Counts, vec![(config.experts / n) as u64 * WORD; n * n])],
        (None, Some(_)) => Vec::new(),
    };
    let rows = moves.rows(config, pass, Op::Dispatch, Op::Combine);
    Traffic { devices: n, exchanges: before.into_iter().chain(rows).collect() }
}

/// The exchanges of a backward pass: gradients to the experts, and back.
pub(super) fn backward(config: &LayerConfig, moves: &Moves) -> Traffic {
    let rows = || moves.rows(config, Pass::Backward, Op::Combine, Op::Dispatch).into();
    let exchanges = if config.stays() { Vec::new() } else { rows() };
    Traffic { devices: config.devices, exchanges }
}

/// The exchanges of a pass over shuffled tokens: before those of routing every token goes to its place, `[T]` of `places`, and after
/// them it comes back; `ends`: what these two are for.
pub(super) fn with_shuffle(
    config: &LayerConfig,
    pass: Pass,
    places: &[usize],
    routed: &Traffic,
    ends: [Op; 2],
) -> Traffic {
    let n = config.devices;
    let local = (places.len() / n).max(1);
    let mut there = vec![0; n * n];
    places.iter().enumerate().for_each(|(token, place)| {
        there[token / local * n + place / local] += config.d_model as u64 * WORD;
    });
    let whole = |op, bytes: Vec<u64>| Exchange { pass, op, useful_bytes: bytes.clone(), bytes };
    let (first, last) = (whole(ends[0], there.clone()), whole(ends[1], transposed(&there, n)));
    let exchanges = [vec![first], routed.exchanges.clone(), vec![last]].concat();
    Traffic { devices: n, exchanges }
}

fn transposed(matrix: &[u64], n: usize) -> Vec<u64> {
    (0..n * n).map(|i| matrix[i % n * n + i / n]).collect()
}
