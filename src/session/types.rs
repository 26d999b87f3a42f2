//! What calls take and give back.

use crate::error::Error;
use crate::labels::Labels;
use crate::layer::Traffic;
use crate::rng::PASSES;
pub use crate::router::Solver;
use crate::weights::LayerWeights;

/// Something that a forward pass can bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The layer's output.
    Output,
    /// Who went where.
    Routing,
    /// The auxiliary losses.
    Losses,
    /// Bytes between devices.
    Traffic,
    /// Every token's score for every expert; only on request.
    Scores,
    /// How the router's solver ended; only on request.
    Solver,
}

/// Something that a backward pass can bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackwardRead {
    /// Gradient of the input.
    X,
    /// Gradients of the weights.
    Weights,
    /// Bytes between devices.
    Traffic,
}

/// Names of what can be read.
pub trait Reads: Sized + Copy + 'static {
    /// Every name with its meaning.
    const KNOWN: &'static [(&'static str, Self)];

    /// The meaning of a name.
    ///
    /// # Errors
    /// [`Error::UnknownRead`].
    fn named(name: &str) -> Result<Self, Error> {
        let found = Self::KNOWN.iter().find(|(known, _)| *known == name).map(|(_, read)| *read);
        found.ok_or_else(|| Error::UnknownRead {
            name: name.into(),
            known: Self::KNOWN.iter().map(|(known, _)| format!("\"{known}\"")).collect::<Vec<_>>().join(", "),
        })
    }
}

impl Reads for Read {
    const KNOWN: &'static [(&'static str, Self)] = &[
        ("output", Read::Output),
        ("routing", Read::Routing),
        ("losses", Read::Losses),
        ("traffic", Read::Traffic),
        ("scores", Read::Scores),
        ("solver", Read::Solver),
    ];
}

impl Reads for BackwardRead {
    const KNOWN: &'static [(&'static str, Self)] =
        &[("x", BackwardRead::X), ("weights", BackwardRead::Weights), ("traffic", BackwardRead::Traffic)];
}

/// How a forward pass runs.
#[derive(Clone, Debug)]
pub struct ForwardOptions {
    /// Training: capacity factor, jitter, and backward's rows are kept.
    pub train: bool,
    /// Step, for the counter-based random numbers.
    pub step: u32,
    /// Which pass of the step, below [`PASSES`], where a step makes several: each has random numbers of its
    /// own.
    pub pass: u32,
    /// What is known of the tokens, for routers that go by it.
    pub labels: Labels,
    /// Stop once it is known who goes where: no expert runs. Neither output nor traffic can be read, and no backward follows.
    pub route_only: bool,
    /// The random numbers that routing goes by, in place of the router's own; to repeat what other code did. What they are,
    /// and of which shape, its [`Draws`](crate::config::Draws) say; a pass that uses none leaves them unread.
    pub draws: Option<Vec<f32>>,
    /// What to bring back; with nothing the call only waits for the engine.
    pub read: Vec<Read>,
}

impl Default for ForwardOptions {
    fn default() -> Self {
        let read = vec![Read::Output, Read::Routing, Read::Losses, Read::Traffic];
        ForwardOptions {
            train: false,
            step: 0,
            pass: 0,
            labels: Labels::default(),
            draws: None,
            route_only: false,
            read,
        }
    }
}

impl ForwardOptions {
    /// Who goes where and the losses, of a batch whose experts do not run.
    pub fn routing() -> Self {
        ForwardOptions { route_only: true, read: vec![Read::Routing, Read::Losses], ..ForwardOptions::default() }
    }

    /// # Errors
    /// [`Error::InvalidArgument`] if something is to be read that is not computed, or for a pass too many.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.pass >= PASSES {
            let (what, got) = ("pass".into(), self.pass.to_string());
            return Err(Error::InvalidArgument { what, got, wanted: format!("below {PASSES}") });
        }
        match Read::KNOWN.iter().find(|(_, read)| self.read.contains(read) && !self.computes(*read)) {
            None => Ok(()),
            Some((name, _)) => Err(Error::InvalidArgument {
                what: "read".into(),
                got: format!("\"{name}\" with routeOnly"),
                wanted: "without it: no expert runs, and nothing moves to one".into(),
            }),
        }
    }

    fn computes(&self, read: Read) -> bool {
        !(self.route_only && matches!(read, Read::Output | Read::Traffic))
    }
}

/// How a backward pass runs.
#[derive(Clone, Debug, Default)]
pub struct BackwardOptions {
    /// `f32[T]`, for a router that learns from rewards: how each token fared with the expert that it drew or pulled, such as
    /// the logarithm of the probability of the word that came next.
    pub reward: Option<Vec<f32>>,
    /// Add to the gradients of weights that were there since the last update, if there are any, instead of replacing them: those of
    /// several batches, or of several passes of a step. The gradient of `x` is that of the pass alone.
    pub accumulate: bool,
    /// What to bring back.
    pub read: Vec<BackwardRead>,
}

impl BackwardOptions {
    /// For a router that learns from rewards.
    pub fn rewarded(reward: &[f32], read: &[BackwardRead]) -> Self {
        BackwardOptions { reward: Some(reward.to_vec()), ..read.into() }
    }
}

impl From<&[BackwardRead]> for BackwardOptions {
    fn from(read: &[BackwardRead]) -> Self {
        BackwardOptions { read: read.to_vec(), ..BackwardOptions::default() }
    }
}

impl<const N: usize> From<&[BackwardRead; N]> for BackwardOptions {
    fn from(read: &[BackwardRead; N]) -> Self {
        read.as_slice().into()
    }
}

/// Who went where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routing {
    /// Tokens `T`.
    pub tokens: usize,
    /// Columns of the arrays below: `k`.
    pub slots: usize,
    /// `i32[T, slots]`: expert of each choice, -1 where there is none.
    pub experts: Vec<i32>,
    /// `f32[T, slots]`: weight of each choice in the output, 0 where dropped; `f32[tasks, T, slots]` with a gate for each task.
    pub weights: Vec<f32>,
    /// `i32[T, slots]`: slot in the expert's buffer of the token's group, -1 where dropped, or where slots hold mixtures of tokens.
    pub positions: Vec<i32>,
    /// `u8[T, slots]`: 1 where kept.
    pub kept: Vec<u8>,
    /// `u32[E]`: assignments before drops.
    pub demanded: Vec<u32>,
    /// `u32[E]`: assignments kept.
    pub load: Vec<u32>,
}

/// What a forward pass brought back; what was not read is absent.
#[derive(Clone, Debug, Default)]
pub struct LayerOutput {
    /// `f32[T, d]`, or `f32[tasks, T, d]`.
    pub output: Option<Vec<f32>>,
    /// Who went where.
    pub routing: Option<Routing>,
    /// Auxiliary losses by name, unweighted, means over groups.
    pub losses: Option<Vec<(&'static str, f32)>>,
    /// Bytes between devices.
    pub traffic: Option<Vec<Traffic>>,
    /// `f32[T, E]`, or `f32[T, tasks, E]`; `f32[T, E, slots]`, what each token is of each slot, where slots hold mixtures of tokens.
    pub scores: Option<Vec<f32>>,
    /// How the router's solver ended; absent where none ran.
    pub solver: Option<Solver>,
}

/// What a backward pass brought back; what was not read is absent.
#[derive(Clone, Debug, Default)]
pub struct LayerGradients {
    /// `f32[T, d]`.
    pub x: Option<Vec<f32>>,
    /// Shaped as the weights.
    pub weights: Option<LayerWeights>,
    /// Bytes between devices.
    pub traffic: Option<Vec<Traffic>>,
}
