//! The buffers of a batch.

use super::Sizes;
use crate::config::Chooses;
use crate::engine::Engine;
use crate::error::Error;
use crate::kernels::{Dims, LOSS_NAMES};
use crate::recording::{Buffer, BufferId};
use crate::shader::Tiling;
use crate::weights::volume;

/// A grid has at most this many workgroups along each side: the base limit of WebGPU.
const MOST_TILES: usize = 65_535;

/// Collects wanted buffers, and hands out their handles in the same order.
struct Plan {
    wanted: Vec<(&'static str, usize)>,
}

impl Plan {
    /// Wants a buffer of a shape.
    fn want<const N: usize>(&mut self, name: &'static str, shape: [usize; N]) {
        // a binding has at least one vec4
        self.wanted.push((name, volume(&shape).max(4)));
    }
}

struct Made {
    wanted: std::vec::IntoIter<((&'static str, usize), BufferId)>,
}

impl Made {
    fn next<T>(&mut self) -> Buffer<T> {
        let ((_, len), id) = self.wanted.next().expect("as many buffers are taken as were wanted");
        Buffer::new(id, len)
    }
}

impl Plan {
    async fn create(self, engine: &Engine) -> Result<(Made, Vec<BufferId>), Error> {
        let ids = engine.create(&self.wanted).await?;
        let wanted = self.wanted.into_iter().zip(ids.clone()).collect::<Vec<_>>().into_iter();
        Ok((Made { wanted }, ids))
    }
}

/// Buffers on both sides of the exchanges between virtual devices.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// `f32[rows, d]`: rows as they arrived at the experts.
    pub received: Buffer<f32>,
    /// `f32[rows, d]`: the experts' rows, home again.
    pub home: Buffer<f32>,
}

/// Buffers of experts that choose, or admit by thresholds; placeholders where they do not.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// `u32[T, E]`: what a pair is while experts choose, then the slot of each token that an expert took, or none.
    pub pairs: Buffer<u32>,
    /// `u32[T, E]`: what experts rank tokens by.
    pub keys: Buffer<u32>,
    /// `u32[G, 4]`: how far the rounds have come.
    pub progress: Buffer<u32>,
    /// `f32[G, E]`: the key of the last token that each expert would take, for thresholds to follow.
    pub last_keys: Buffer<f32>,
    /// `f32[2, T, stride]`: where shares are bounded step by step: what the bound of 1 took of each, and their logarithms.
    pub shares: Buffer<f32>,
    /// `f32[T]`: what the bound on all of a token's shares took.
    pub taken: Buffer<f32>,
}

/// Buffers of routers that add noise to logits; placeholders where they do not.
#[derive(Clone, Copy, Debug)]
pub struct Noisy {
    /// `f32[T, E + branches]`: random numbers, one a logit; of other routers those that may be given, of the shape of their
    /// [`Draws`](crate::config::Draws).
    pub noise: Buffer<f32>,
    /// `f32[T, E + branches]`: logits without noise.
    pub clean: Buffer<f32>,
    /// `f32[T, E + branches, 2]`: what each token adds to importance and load.
    pub odds: Buffer<f32>,
    /// `u32[T, contests]`: the best logit that was not chosen.
    pub runner_up: Buffer<u32>,
    /// `f32[G, E + branches, 2]`: importance and load.
    pub sums: Buffer<f32>,
    /// `f32[G, E + branches, 2]`: derivative of the losses by them.
    pub d_odds: Buffer<f32>,
}

/// Buffers of an auction, for `K·E` tokens of a group, `K = ⌈S/E⌉`; placeholders where there is none.
#[derive(Clone, Copy, Debug)]
pub struct Auction {
    /// `u32[G, 2]`: the range of the scores.
    pub bounds: Buffer<u32>,
    /// `f32[G, K·E]`.
    pub prices: Buffer<f32>,
    /// `u32[G, K·E]`: who has a token.
    pub places: Buffer<u32>,
    /// `f32[G, K·E, E]`.
    pub bids: Buffer<f32>,
    /// `u32[G, E, 2]`: what tokens without a bid must reach.
    pub bars: Buffer<u32>,
    /// `u32[G, E]`: how many of them asked anew in each turn.
    pub asked: Buffer<u32>,
    /// `u32[iterations + E, 4]`: grids of the rounds of bids, and of the experts' turns after them.
    pub grids: Buffer<u32>,
    /// `f32[G, E, E]`: what the best token of an expert gains with another.
    pub gains: Buffer<f32>,
    /// `u32[G, E, E]`: which token that is.
    pub offered: Buffer<u32>,
    /// `u32[G, E]`: the last round in which an expert traded.
    pub traders: Buffer<u32>,
}

/// Rows in the caller's order, where the router shuffles them: a pass begins and ends with an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// `f32[T, d]`: what the caller gave.
    pub given: Buffer<f32>,
    /// `f32[T, d]`: what the caller gets.
    pub told: Buffer<f32>,
}

/// What a forward pass works on.
#[derive(Debug)]
pub struct Batch {
    /// Tokens `T`.
    pub tokens: usize,
    /// Tiling of products over tokens.
    pub token_tiling: Tiling,
    /// Tiling of products over tasks.
    pub task_tiling: Tiling,
    /// Tiling of products over rows.
    pub row_tiling: Tiling,
    /// `f32[T, d]`: the layer's input; `f32[T + G·M, d]` with the mixtures that experts get in place of tokens, behind the tokens.
    ///
    /// So it is with `y`, `dy` and `dx`, and with whatever is of each token and its experts: `expert_of`, `placement`, `weight` and
    /// `d_weight`.
    pub x: Buffer<f32>,
    /// `f32[2, T, stride]`: logits, scores; of mixtures `f32[3, T, stride]`: logits, shares over tokens, shares over slots.
    pub router: Buffer<f32>,
    /// `u32[T, k]`.
    pub expert_of: Buffer<u32>,
    /// `f32[tasks, T, columns]`: scores of the choices.
    pub chosen: Buffer<f32>,
    /// `f32[T, 4]`: logsumexp, best score, sum of scores, logsumexp of all logits but the first choice's.
    pub stats: Buffer<f32>,
    /// `u32[T, k]`.
    pub place_in_block: Buffer<u32>,
    /// `u32[G, blocks, E]`.
    pub counts: Buffer<u32>,
    /// `u32[G, E]`: assignments before drops.
    pub demanded: Buffer<u32>,
    /// `u32[G·E + units]`: rows of the first slots.
    pub starts: Buffer<u32>,
    /// `u32[E + units + 1]`: first row of each expert.
    pub offsets: Buffer<u32>,
    /// `u32[tiles, 4]`.
    pub tiles: Buffer<u32>,
    /// `u32[3, 4]`: grids of the experts' products.
    pub grids: Buffer<u32>,
    /// `u32[T, columns, 2]`: slot and row.
    pub placement: Buffer<u32>,
    /// `f32[tasks, T, columns]`: weights of the assignments.
    pub weight: Buffer<f32>,
    /// `u32[rows]`: assignment of each row.
    pub held: Buffer<u32>,
    /// `f32[rows, f]`.
    pub hidden: Buffer<f32>,
    /// `f32[rows, d]`.
    pub out: Buffer<f32>,
    /// `f32[tasks, T, d]`: the layer's output.
    pub y: Buffer<f32>,
    /// `f32[G, E, 4]`: importance, first choices, and the same of second choices.
    pub sums: Buffer<f32>,
    /// `f32[G, 6]`: the losses of every group.
    pub losses: Buffer<f32>,
    /// `f32[2, G, E]`: derivative of the losses by the score shares, and by those without the first choice's.
    pub d_share: Buffer<f32>,
    /// `u32[moves, N, N]`: rows that dispatch, combine, shuffle and unshuffle moved, from device i to device j, with the nominations
    /// last where devices agree by a handshake.
    pub moved: Buffer<u32>,
    /// Where tokens cross between devices.
    pub exchange: Option<Exchange>,
    /// `f32[1]`, bound where a kernel has no use for a binding.
    pub unused: Buffer<f32>,
    /// `u32[T]`, or `f32[T, E]` of experts that are mixed: what the caller says of the tokens, for a router that goes by it;
    /// `u32[2, T]` for a bandit: ids, and the tokens sorted by them.
    pub labels: Buffer<u32>,
    /// `f32[tasks, stride]`: logits of the tasks, for a router that reads these.
    pub task_logits: Buffer<f32>,
    /// `f32[G, E]`: what a solver adds to the logits of a group's tokens, for routers that balance.
    pub prices: Buffer<f32>,
    /// `u32[G, iterations]`: what a solver leaves of each iteration; `f32[G, 4]`: how the rounds ended, where experts choose.
    pub solver: Buffer<u32>,
    /// `u32[rounds + 1, 2, 4]` each: grids of both halves of a round, for routers that go in rounds until they are done; even rounds
    /// have theirs in the first, odd ones in the second.
    pub round_grids: [Buffer<u32>; 2],
    /// Scratch of sorts by key: `u32[2, G, E, min(C, S), 2]` of the experts' tokens, where they choose; `u32[2, T·k]` of assignments,
    /// where they are served by key.
    pub lines: Buffer<u32>,
    /// Where experts choose.
    pub choice: Choice,
    /// Where logits get noise.
    pub noisy: Noisy,
    /// Where experts bid.
    pub auction: Auction,
    /// `u32[T]`: where each token stands while it is routed, for routers that shuffle.
    pub places: Buffer<u32>,
    /// For routers that shuffle: only in training, without which the caller's order is that of `x` and `y`.
    pub caller: Option<Caller>,
    buffers: Vec<BufferId>,
}

/// What backward needs besides.
#[derive(Debug)]
pub struct Backward {
    /// `f32[rows, u]`: before the activation.
    pub before: Buffer<f32>,
    /// `f32[tasks, T, d]`: gradient of the output.
    pub dy: Buffer<f32>,
    /// `f32[tasks, T, columns]`.
    pub d_weight: Buffer<f32>,
    /// `f32[rows, d]`: gradient of the experts' outputs.
    pub d_out: Buffer<f32>,
    /// `f32[rows, u]`.
    pub d_before: Buffer<f32>,
    /// `f32[rows, d]`: gradient of the rows that entered the experts.
    pub d_row: Buffer<f32>,
    /// `f32[T, stride]`.
    pub d_logits: Buffer<f32>,
    /// `f32[tasks, stride]`.
    pub d_task_logits: Buffer<f32>,
    /// `f32[T, stride]`: the shares of mixtures in the output, each times its gradient.
    pub d_shares: Buffer<f32>,
    /// `f32[T, stride]`: what of that goes on to the input, for a policy that learns from rewards.
    pub d_input_logits: Buffer<f32>,
    /// `f32[T]`: how each token fared, for a router that learns from it.
    pub reward: Buffer<f32>,
    /// `f32[T, 2]`: how much better than expected, for a policy.
    pub advantage: Buffer<f32>,
    /// `f32[T, d]`: gradient of the input.
    pub dx: Buffer<f32>,
    /// `u32[moves, N, N]`: rows that the backward exchanges of combine, dispatch, unshuffle and shuffle moved.
    pub moved: Buffer<u32>,
    /// Where tokens cross between devices: gradients at home, before they leave and after they return.
    pub exchange: Option<Exchange>,
    /// As in [`Batch`], of `dy` and `dx`.
    pub caller: Option<Caller>,
    buffers: Vec<BufferId>,
}

impl Batch {
    /// Creates the buffers for `tokens > 0` tokens.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for more tokens than a grid has workgroups for, [`Error::TooLarge`] or [`Error::OutOfMemory`].
    pub async fn create(engine: &Engine, s: &Sizes, dims: &Dims) -> Result<Self, Error> {
        let tokens = dims.tokens as usize;
        let (carried, rows) = (s.carried(tokens), s.rows(dims));
        let assignments = carried.saturating_mul(s.columns());
        let token_tiling = engine.tiling(tokens);
        let row_tiling = engine.tiling(rows);
        let task_tiling = engine.tiling(s.tasks);
        let tiles = rows.div_ceil(row_tiling.rows() as usize) + s.all();
        if tiles > MOST_TILES {
            // in u64: a wasm32 `usize` is too small for the product
            let most =
                [MOST_TILES - s.all(), row_tiling.rows() as usize, tokens].map(|n| n as u64).iter().product::<u64>()
                    / rows as u64;
            let (what, got, wanted) =
                ("x".into(), format!("{tokens} tokens"), format!("at most {most} tokens for this layer"));
            return Err(Error::InvalidArgument { what, got, wanted });
        }
        let mut plan = Plan { wanted: Vec::new() };
        plan.want("the input", [carried, s.d]);
        plan.want("the router's logits and scores", [s.scores(), tokens, s.stride]);
        plan.want("the choices", [carried, s.k]);
        plan.want("the chosen scores", [s.outputs, assignments]);
        plan.want("the tokens' statistics", [4, tokens]);
        plan.want("the places", [tokens, s.k]);
        plan.want("the blocks' counts", [s.groups, dims.blocks as usize, s.experts]);
        plan.want("the experts' demand", [s.groups, s.experts]);
        plan.want("the slots' rows", [s.groups * s.experts + s.units]);
        plan.want("the experts' rows", [s.all() + 1]);
        plan.want("the tile table", [4, tiles]);
        plan.want("the products' grids", [12]);
        plan.want("the placement", [2, assignments]);
        plan.want("the weights of the assignments", [s.outputs, assignments]);
        plan.want("the rows' assignments", [rows]);
        plan.want("the experts' hidden rows", [rows, s.f]);
        plan.want("the experts' outputs", [rows, s.d]);
        plan.want("the output", [s.outputs, carried, s.d]);
        plan.want("the losses' sums", [4, s.groups, s.experts]);
        plan.want("the losses", [LOSS_NAMES.len(), s.groups]);
        plan.want("the losses' derivative", [2, s.groups, s.experts]);
        plan.want("the exchanges' counters", [s.counters()]);
        plan.want("a placeholder", [4]);
        let of_router = |needed: bool, len: usize| [if needed { len } else { 0 }];
        plan.want("the labels", of_router(s.labels > 0, volume(&[tokens, s.labels])));
        plan.want("the tasks' logits", of_router(s.tasks > 0, volume(&[s.tasks, s.stride])));
        plan.want("the experts' prices", of_router(s.chooses == Chooses::Tokens, s.groups * s.experts));
        plan.want("the solver's state", [s.groups * s.state]);
        for grids in ["the even rounds' grids", "the odd rounds' grids"] {
            plan.want(grids, of_router(s.rounds > 0, 8 * (s.rounds + 1)));
        }
        let experts_choose = s.chooses == Chooses::Experts;
        let named = experts_choose || s.thresholds > 0;
        let pairs = volume(&[tokens, s.experts]);
        let lines = match s.chooses {
            Chooses::Experts => volume(&[4, s.groups, s.experts, dims.slots.min(dims.group_tokens) as usize]),
            _ => volume(&[2, tokens, s.k]),
        };
        plan.want("the lines", of_router(experts_choose || s.by_key, lines));
        plan.want("the pairs", of_router(named, pairs));
        plan.want("the experts' keys", of_router(named, pairs));
        plan.want("the rounds' progress", of_router(named, 4 * s.groups));
        plan.want("the last keys", of_router(s.thresholds > 0, s.groups * s.experts));
        plan.want("the shares", of_router(s.shares, volume(&[2, tokens, s.stride])));
        plan.want("what bounds took of the shares", of_router(s.shares, tokens));
        plan.want("the noise", [tokens, s.draws]);
        let noisy = if s.noisy { s.logits } else { 0 };
        plan.want("the logits without noise", [tokens, noisy]);
        plan.want("the odds", [2, tokens, noisy]);
        plan.want("the runners-up", of_router(s.noisy, volume(&[tokens, s.contests])));
        plan.want("the odds' sums", [2, s.groups, noisy]);
        plan.want("the odds' derivative", [2, s.groups, noisy]);
        let auction = s.chooses == Chooses::Auction;
        let sold = volume(&[s.groups, (dims.group_tokens as usize).div_ceil(s.experts), s.experts]);
        plan.want("the range of the scores", of_router(auction, 2 * s.groups));
        plan.want("the tokens' prices", of_router(auction, sold));
        plan.want("the tokens' places", of_router(auction, sold));
        plan.want("the bids", of_router(auction, volume(&[sold, s.experts])));
        plan.want("the experts' bars", of_router(auction, 2 * s.groups * s.experts));
        plan.want("the tokens that ask", of_router(auction, s.groups * s.experts));
        plan.want("the auction's grids", of_router(auction, 4 * (s.state + s.experts)));
        plan.want("the gains of trades", of_router(auction, volume(&[s.groups, s.experts, s.experts])));
        plan.want("the tokens to trade", of_router(auction, volume(&[s.groups, s.experts, s.experts])));
        plan.want("the last trades", of_router(auction, s.groups * s.experts));
        plan.want("the tokens' places in another order", of_router(s.shuffles, tokens));
        if s.shuffles {
            plan.want("the input as it was given", [tokens, s.d]);
            plan.want("the output as it is told", [tokens, s.d]);
        }
        if s.exchanges {
            plan.want("rows received by the experts", [rows, s.d]);
            plan.want("rows brought home", [rows, s.d]);
        }
        let (mut made, buffers) = plan.create(engine).await?;
        Ok(Batch {
            tokens,
            token_tiling,
            task_tiling,
            row_tiling,
            x: made.next(),
            router: made.next(),
            expert_of: made.next(),
            chosen: made.next(),
            stats: made.next(),
            place_in_block: made.next(),
            counts: made.next(),
            demanded: made.next(),
            starts: made.next(),
            offsets: made.next(),
            tiles: made.next(),
            grids: made.next(),
            placement: made.next(),
            weight: made.next(),
            held: made.next(),
            hidden: made.next(),
            out: made.next(),
            y: made.next(),
            sums: made.next(),
            losses: made.next(),
            d_share: made.next(),
            moved: made.next(),
            unused: made.next(),
            labels: made.next(),
            task_logits: made.next(),
            prices: made.next(),
            solver: made.next(),
            round_grids: [made.next(), made.next()],
            lines: made.next(),
            choice: Choice {
                pairs: made.next(),
                keys: made.next(),
                progress: made.next(),
                last_keys: made.next(),
                shares: made.next(),
                taken: made.next(),
            },
            noisy: Noisy {
                noise: made.next(),
                clean: made.next(),
                odds: made.next(),
                runner_up: made.next(),
                sums: made.next(),
                d_odds: made.next(),
            },
            auction: Auction {
                bounds: made.next(),
                prices: made.next(),
                places: made.next(),
                bids: made.next(),
                bars: made.next(),
                asked: made.next(),
                grids: made.next(),
                gains: made.next(),
                offered: made.next(),
                traders: made.next(),
            },
            places: made.next(),
            caller: s.shuffles.then(|| Caller { given: made.next(), told: made.next() }),
            exchange: s.exchanges.then(|| Exchange { received: made.next(), home: made.next() }),
            buffers,
        })
    }

    /// What the experts read, and whether it lies there by token: `f32[T, d]`, or, as the exchange brought it, `f32[rows, d]`.
    pub fn inputs(&self) -> (Buffer<f32>, bool) {
        self.exchange.as_ref().map_or((self.x, true), |e| (e.received, false))
    }

    /// Where the grids of a round are, and where it writes those of the next: a dispatch may not write what its own grid is in.
    pub fn grids_of_round(&self, round: u32) -> [Buffer<u32>; 2] {
        let [even, odd] = self.round_grids;
        if round.is_multiple_of(2) { [even, odd] } else { [odd, even] }
    }

    /// Where the caller's tokens go and where its output comes from, in a pass as in training or not.
    pub fn ends(&self, train: bool) -> Caller {
        self.caller.filter(|_| train).unwrap_or(Caller { given: self.x, told: self.y })
    }

    /// Gives every buffer back.
    pub fn destroy(&self, engine: &Engine) {
        self.buffers.iter().for_each(|b| engine.destroy(*b));
    }
}

impl Backward {
    /// Creates the buffers that backward needs besides `batch`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::OutOfMemory`].
    pub async fn create(engine: &Engine, s: &Sizes, dims: &Dims, batch: &Batch) -> Result<Self, Error> {
        let (tokens, rows) = (batch.tokens, s.rows(dims));
        let carried = s.carried(tokens);
        let mut plan = Plan { wanted: Vec::new() };
        plan.want("the rows before the activation", [rows, s.u]);
        plan.want("the output's gradient", [s.outputs, carried, s.d]);
        plan.want("the weights' gradient", [s.outputs, carried, s.columns()]);
        plan.want("the gradient of the experts' outputs", [rows, s.d]);
        plan.want("the gradient before the activation", [rows, s.u]);
        plan.want("the gradient of the experts' inputs", [rows, s.d]);
        plan.want("the logits' gradient", [tokens, s.stride]);
        plan.want("the gradient of the tasks' logits", [s.tasks, s.stride]);
        plan.want("the shares' gradient", [if s.mixtures > 0 { tokens } else { 0 }, s.stride]);
        let of_router = |needed: bool, len: usize| [if needed { len } else { 0 }];
        plan.want("the logits' gradient for the input", of_router(s.policy, tokens * s.stride));
        plan.want("the rewards", of_router(s.rewards, tokens));
        plan.want("the advantages", of_router(s.policy, 2 * tokens));
        plan.want("the input's gradient", [carried, s.d]);
        plan.want("the backward exchanges' counters", [s.moves(), s.devices, s.devices]);
        if s.exchanges {
            plan.want("gradients on their way to the experts", [rows, s.d]);
            plan.want("gradients brought home", [rows, s.d]);
        }
        if s.shuffles {
            plan.want("the output's gradient as it was given", [tokens, s.d]);
            plan.want("the input's gradient as it is told", [tokens, s.d]);
        }
        let (mut made, buffers) = plan.create(engine).await?;
        Ok(Backward {
            before: made.next(),
            dy: made.next(),
            d_weight: made.next(),
            d_out: made.next(),
            d_before: made.next(),
            d_row: made.next(),
            d_logits: made.next(),
            d_task_logits: made.next(),
            d_shares: made.next(),
            d_input_logits: made.next(),
            reward: made.next(),
            advantage: made.next(),
            dx: made.next(),
            moved: made.next(),
            exchange: s.exchanges.then(|| Exchange { received: made.next(), home: made.next() }),
            caller: s.shuffles.then(|| Caller { given: made.next(), told: made.next() }),
            buffers,
        })
    }

    /// As [`Batch::ends`], of the gradients.
    pub fn ends(&self, train: bool) -> Caller {
        self.caller.filter(|_| train).unwrap_or(Caller { given: self.dy, told: self.dx })
    }

    /// Gives every buffer back.
    pub fn destroy(&self, engine: &Engine) {
        self.buffers.iter().for_each(|b| engine.destroy(*b));
    }
}
