//! Bytes between the virtual devices, from the rows that the exchanges counted while they moved.

use crate::config::LayerConfig;

/// Forward or backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Pass {
    /// From input to output.
    Forward,
    /// From gradient to gradient.
    Backward,
}

/// What an exchange is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Op {
    /// How many rows follow, where that is not fixed.
    Counts,
    /// Tokens' nominations to the experts' devices; in later rounds, whom they left.
    Nominate,
    /// Which nominations were accepted, back to the tokens' devices.
    Reply,
    /// Tokens to where they are routed.
    Shuffle,
    /// Tokens to their experts.
    Dispatch,
    /// Results to their tokens.
    Combine,
    /// Results to where the tokens came from.
    Unshuffle,
}

/// Whether an exchange carries rows or only numbers about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PayloadKind {
    /// Rows.
    Payload,
    /// Counts, nominations, replies.
    Meta,
}

/// One all2all, in bytes.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Forward or backward.
    pub pass: Pass,
    /// What for.
    pub op: Op,
    /// Rows or numbers.
    pub kind: PayloadKind,
    /// `[N, N]`: from device i to device j on the wire, padding included; the diagonal is local.
    pub bytes: Vec<f64>,
    /// The same without padding.
    pub useful_bytes: Vec<f64>,
}

impl Traffic {
    /// Bytes that leave their device.
    pub fn network_bytes(&self, devices: usize) -> f64 {
        self.bytes.iter().enumerate().filter(|(at, _)| at / devices != at % devices).map(|(_, b)| b).sum()
    }
}

const BYTES: usize = size_of::<f32>();
/// A nomination: the key, and the token.
const NOMINATION: usize = 2 * size_of::<u32>();

/// One exchange of rows: `moved` is its `u32[N, N]` counters. With a bounded capacity every pair sends all its slots, filled or
/// not: `E/N · G/N · C` rows; but only what was agreed on, where devices did.
fn payload(config: &LayerConfig, tokens: usize, train: bool, pass: Pass, op: Op, moved: &[u32]) -> Traffic {
    let row = (config.d_model * BYTES) as f64;
    let useful_bytes: Vec<f64> = moved.iter().map(|rows| f64::from(*rows) * row).collect();
    let n = config.devices;
    let bytes = match config.slots(tokens / config.groups, train) {
        Some(slots) if config.router.handshake().is_none() => {
            vec![(config.experts / n * (config.groups / n) * slots) as f64 * row; n * n]
        }
        _ => useful_bytes.clone(),
    };
    Traffic { pass, op, kind: PayloadKind::Payload, bytes, useful_bytes }
}

/// One exchange that only reorders tokens: all of its rows, and nothing else.
fn shuffle(config: &LayerConfig, pass: Pass, op: Op, moved: &[u32]) -> Traffic {
    let bytes: Vec<f64> = moved.iter().map(|rows| f64::from(*rows) * (config.d_model * BYTES) as f64).collect();
    Traffic { pass, op, kind: PayloadKind::Payload, useful_bytes: bytes.clone(), bytes }
}

/// Numbers about rows, none of them padding.
fn meta(op: Op, bytes: Vec<f64>) -> Traffic {
    Traffic { pass: Pass::Forward, op, kind: PayloadKind::Meta, useful_bytes: bytes.clone(), bytes }
}

/// Nominations and replies, each over all rounds together; `named`: `u32[N, N]`.
///
/// Key and token of each nomination travel once. Then one bit for each says yes in every round, and, between two of them, that
/// the token left. All rounds are made: no device knows that another has nothing more to say.
fn handshake(rounds: usize, devices: usize, named: &[u32]) -> [Traffic; 2] {
    let bits = |count: u32| f64::from(count.div_ceil(8));
    let asked = |count: &u32| f64::from(*count) * NOMINATION as f64 + (rounds - 1) as f64 * bits(*count);
    let told = |i: usize| rounds as f64 * bits(named[i % devices * devices + i / devices]);
    [meta(Op::Nominate, named.iter().map(asked).collect()), meta(Op::Reply, (0..named.len()).map(told).collect())]
}

/// The exchanges of a forward pass, none where the router has none; `moved`: `u32[2, N, N]`, dispatch and combine,
/// `u32[3, N, N]` with nominations, or `u32[4, N, N]` with shuffle and unshuffle.
///
/// Without a capacity the receivers must be told how many rows follow, 4 bytes for each of their experts, unless a handshake has
/// told them already. Where every device has the experts of its tokens there are none.
pub fn forward_traffic(config: &LayerConfig, tokens: usize, train: bool, moved: &[u32]) -> Vec<Traffic> {
    let n = config.devices;
    let mut all = Vec::new();
    if config.stays() {
        return all;
    }
    let shuffles = train && config.shuffles();
    if shuffles {
        all.push(shuffle(config, Pass::Forward, Op::Shuffle, &moved[2 * n * n..3 * n * n]));
    }
    if let Some(rounds) = config.router.handshake() {
        all.extend(handshake(rounds, n, &moved[2 * n * n..]));
    } else if config.slots(tokens / config.groups, train).is_none() {
        all.push(meta(Op::Counts, vec![(config.experts / n * size_of::<u32>()) as f64; n * n]));
    }
    all.push(payload(config, tokens, train, Pass::Forward, Op::Dispatch, &moved[..n * n]));
    all.push(payload(config, tokens, train, Pass::Forward, Op::Combine, &moved[n * n..2 * n * n]));
    if shuffles {
        all.push(shuffle(config, Pass::Forward, Op::Unshuffle, &moved[3 * n * n..4 * n * n]));
    }
    all
}

/// The exchanges of a backward pass, none where the router has none; `moved`: `u32[2, N, N]`, backward of combine and of dispatch, or
/// of a pass that shuffled `u32[4, N, N]`, then backward of unshuffle and of shuffle.
pub fn backward_traffic(config: &LayerConfig, tokens: usize, train: bool, moved: &[u32]) -> Vec<Traffic> {
    let n = config.devices;
    if config.stays() {
        return Vec::new();
    }
    let mut all = vec![
        payload(config, tokens, train, Pass::Backward, Op::Combine, &moved[..n * n]),
        payload(config, tokens, train, Pass::Backward, Op::Dispatch, &moved[n * n..2 * n * n]),
    ];
    if train && config.shuffles() {
        all.insert(0, shuffle(config, Pass::Backward, Op::Unshuffle, &moved[2 * n * n..3 * n * n]));
        all.push(shuffle(config, Pass::Backward, Op::Shuffle, &moved[3 * n * n..4 * n * n]));
    }
    all
}
