//! One file a kernel: its bindings, its parts and its f32 twin, which does on slices what the WGSL of the same name does on
//! the GPU, binding by binding.

mod act;
mod activation;
mod admit;
mod advantage;
mod auction;
mod auction_ask;
mod auction_award;
mod auction_bar;
mod auction_bid;
mod auction_bounds;
mod auction_offers;
mod auction_trade;
mod average;
mod branches;
mod branches_backward;
mod choose;
mod column_backward;
mod column_scores;
mod combine;
mod combine_backward;
mod contests;
mod credit;
mod crowded;
mod draw;
mod exchange;
mod expert_in;
mod expert_in_backward;
mod expert_out;
mod expert_out_backward;
mod follow;
mod gate_backward;
mod gather_tasks;
mod grids;
mod gumbel;
mod identity;
mod input_noise;
mod last_key;
mod line_up;
mod lookup;
mod loss_sums;
mod losses;
mod matmul;
mod mix;
mod mixture_backward;
mod mixture_scores;
mod multi_gate;
mod multi_gate_backward;
mod noise;
mod noisy;
mod noisy_backward;
mod noisy_logits;
mod noisy_losses;
mod noisy_odds;
mod noisy_sums;
mod nominate;
mod normal;
mod others;
mod pairs;
mod place;
mod policy_backward;
mod project_experts;
mod project_tokens;
mod pull;
mod repair;
mod reweigh;
mod route;
mod route_branches;
mod router_backward;
mod router_logits;
mod seat;
mod settle;
mod sgd;
mod share_gradient;
mod shuffle;
mod sinkhorn_experts;
mod sinkhorn_tokens;
mod slot_count;
mod slot_count_by_key;
mod slot_scan;
mod sort;
mod spread;
mod taken;
mod unmix;
mod weight_gradient;

pub use act::ACT;
pub use admit::ADMIT;
pub use advantage::ADVANTAGE;
pub use auction_ask::AUCTION_ASK;
pub use auction_award::AUCTION_AWARD;
pub use auction_bar::AUCTION_BAR;
pub use auction_bid::AUCTION_BID;
pub use auction_bounds::AUCTION_BOUNDS;
pub use auction_offers::AUCTION_OFFERS;
pub use auction_trade::AUCTION_TRADE;
pub use average::AVERAGE;
pub use branches_backward::BRANCHES_BACKWARD;
pub use choose::CHOOSE;
pub use column_backward::COLUMN_BACKWARD;
pub use column_scores::COLUMN_SCORES;
pub use combine::COMBINE;
pub use combine_backward::COMBINE_BACKWARD;
pub use credit::CREDIT;
pub use crowded::CROWDED;
pub use draw::DRAW;
pub use exchange::{EXCHANGE, SPAN as EXCHANGE_SPAN};
pub use expert_in::EXPERT_IN;
pub use expert_in_backward::EXPERT_IN_BACKWARD;
pub use expert_out::EXPERT_OUT;
pub use expert_out_backward::EXPERT_OUT_BACKWARD;
pub use follow::FOLLOW;
pub use gate_backward::GATE_BACKWARD;
pub use gather_tasks::GATHER_TASKS;
pub use identity::IDENTITY;
pub use last_key::LAST_KEY;
pub use line_up::LINE_UP;
pub use lookup::LOOKUP;
pub use loss_sums::LOSS_SUMS;
pub use losses::{LOSS_NAMES, LOSSES};
pub use mix::MIX;
pub use mixture_backward::MIXTURE_BACKWARD;
pub use mixture_scores::{MIXTURE_SCORES, OVER_SLOTS, OVER_TOKENS};
pub use multi_gate::MULTI_GATE;
pub use multi_gate_backward::MULTI_GATE_BACKWARD;
pub use noise::NOISE;
pub use noisy_backward::NOISY_BACKWARD;
pub use noisy_logits::NOISY_LOGITS;
pub use noisy_losses::NOISY_LOSSES;
pub use noisy_odds::NOISY_ODDS;
pub use noisy_sums::NOISY_SUMS;
pub use nominate::NOMINATE;
pub use others::OTHERS;
pub use place::PLACE;
pub use policy_backward::POLICY_BACKWARD;
pub use project_experts::PROJECT_EXPERTS;
pub use project_tokens::PROJECT_TOKENS;
pub use pull::PULL;
pub use repair::REPAIR;
pub use reweigh::REWEIGH;
pub use route::ROUTE;
pub use route_branches::ROUTE_BRANCHES;
pub use router_backward::ROUTER_BACKWARD;
pub use router_logits::ROUTER_LOGITS;
pub use seat::SEAT;
pub use settle::SETTLE;
pub use sgd::SGD;
pub use share_gradient::SHARE_GRADIENT;
pub use shuffle::SHUFFLE;
pub use sinkhorn_experts::SINKHORN_EXPERTS;
pub use sinkhorn_tokens::SINKHORN_TOKENS;
pub use slot_count::{BLOCK, SLOT_COUNT};
pub use slot_count_by_key::SLOT_COUNT_BY_KEY;
pub use slot_scan::{MOST_EXPERTS, SLOT_SCAN};
pub use spread::SPREAD;
pub use taken::TAKEN;
pub use unmix::UNMIX;
pub use weight_gradient::WEIGHT_GRADIENT;

use crate::shader::{Part, Product};

/// In a placement: the assignment was dropped.
pub const DROPPED: u32 = u32::MAX;
/// Among the choices, instead of an expert: no choice.
pub const NONE: u32 = u32::MAX;
/// Bit of a chosen expert that was named, and weighs with the others, but was not asked.
pub const DECLINED: u32 = 1 << 31;

/// The uniform every kernel gets at binding 0: sizes and settings. Mirror of `Dims` in `shaders/shared/dims.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[expect(missing_docs, reason = "each field is described in dims.wgsl, whose mirror this is")]
pub struct Dims {
    pub tokens: u32,
    pub group_tokens: u32,
    pub groups: u32,
    pub experts: u32,
    pub choices: u32,
    pub columns: u32,
    pub slots: u32,
    pub stride: u32,
    pub devices: u32,
    pub blocks: u32,
    pub d4: u32,
    pub expert_groups: u32,
    pub group_limit: u32,
    pub scale: f32,
    pub jitter: f32,
    pub seed_lo: u32,
    pub seed_hi: u32,
    pub step: u32,
    pub balance: f32,
    pub balance_first: f32,
    pub z: f32,
    pub importance: f32,
    pub load: f32,
    pub column_blocks_in: u32,
    pub column_blocks_out: u32,
    pub column_blocks_hidden: u32,
    pub counter_base: u32,
    pub learning_rate: f32,
    pub length: u32,
    pub k4: u32,
    pub m4: u32,
    pub n4: u32,
    pub hidden4: u32,
    pub gate_at: u32,
    pub vocabulary: u32,
    pub iterations: u32,
    pub tolerance: f32,
    pub epsilon: f32,
    pub temperature: f32,
    pub noise: f32,
    pub threshold: f32,
    pub iteration: u32,
    pub nominees: u32,
    pub decay: f32,
    pub entropy: f32,
    pub tasks: u32,
    pub identities: u32,
    pub dropout: f32,
    pub second_place: f32,
    pub prototypes: u32,
    pub quota: u32,
    pub mixtures: u32,
    pub exploration: f32,
    pub prior_mean: f32,
    pub prior_weight: f32,
    pub logits: u32,
    pub branches: u32,
    pub branch_choices: u32,
}

/// Whether a kernel writes a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// Override constants of a kernel, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Constants(pub Vec<(&'static str, u32)>);

impl Constants {
    /// Value of `name`, 0 if it is not set: all overrides but tile and block sizes default to 0.
    pub fn get(&self, name: &str) -> u32 {
        self.0.iter().find(|(n, _)| *n == name).map_or(0, |(_, v)| *v)
    }

    /// Whether the flag `name` is set.
    pub fn on(&self, name: &str) -> bool {
        self.get(name) == 1
    }
}

/// A kernel: WGSL, bindings and twin.
pub struct Kernel {
    /// Name of the file in `shaders/`, without ending.
    pub name: &'static str,
    /// WGSL text.
    pub source: &'static str,
    /// Shared parts it is joined with.
    pub parts: &'static [&'static Part],
    /// The product it is built around, if any.
    pub product: Option<Product>,
    /// Storage bindings 1, 2, …
    pub bindings: &'static [Access],
    /// Names of its overrides, all of them switches or small numbers.
    pub constants: &'static [&'static str],
    /// The same computation on slices.
    pub twin: fn(&Call, &mut [Slice]),
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Kernel({})", self.name)
    }
}

/// What a twin is called with besides its bindings.
pub struct Call<'a> {
    /// Binding 0.
    pub dims: &'a Dims,
    /// Overrides.
    pub constants: &'a Constants,
    /// Workgroups.
    pub grid: [u32; 3],
}

/// A binding of a twin: the words of a buffer.
pub enum Slice<'a> {
    /// Bound as `read`.
    Read(&'a [u32]),
    /// Bound as `read_write`.
    Write(&'a mut [u32]),
}

impl Slice<'_> {
    /// As `u32[..]`.
    pub fn u32(&self) -> &[u32] {
        match self {
            Slice::Read(s) => s,
            Slice::Write(s) => s,
        }
    }

    /// As `f32[..]`.
    pub fn f32(&self) -> &[f32] {
        bytemuck::cast_slice(self.u32())
    }

    /// As mutable `u32[..]`.
    ///
    /// # Panics
    /// If the kernel does not declare the binding as written: a mistake in the kernel.
    pub fn u32_mut(&mut self) -> &mut [u32] {
        match self {
            Slice::Read(_) => panic!("a twin writes a binding that its kernel declares as read"),
            Slice::Write(s) => s,
        }
    }

    /// As mutable `f32[..]`; panics as [`Slice::u32_mut`].
    pub fn f32_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.u32_mut())
    }
}

/// The slices as an array, one a binding.
fn bound<'s, 'a, const N: usize>(slices: &'s mut [Slice<'a>]) -> &'s mut [Slice<'a>; N] {
    slices.try_into().expect("the engine binds as many buffers as the kernel declares")
}

/// The rows of one expert in a product.
#[derive(Clone, Copy)]
struct Run {
    /// Whose weights.
    expert: usize,
    /// First row.
    first: usize,
    /// First row after.
    end: usize,
    /// Hidden units, rounded up to whole `vec4f`s.
    width: usize,
}

/// Runs of tiles of one expert, from the tile table `u32[tiles, 4]`.
fn experts_of_tiles(tiles: &[u32], count: u32) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for tile in tiles.chunks_exact(4).take(count as usize) {
        let [expert, first, end, width] = [tile[0], tile[1], tile[2], 4 * tile[3]].map(|word| word as usize);
        if runs.last().is_none_or(|run| run.expert != expert) {
            runs.push(Run { expert, first, end, width });
        }
    }
    runs
}

/// Every kernel.
pub static ALL: [&Kernel; 72] = [
    &SHUFFLE,
    &ROUTER_LOGITS,
    &SPREAD,
    &ROUTE,
    &ROUTE_BRANCHES,
    &LOOKUP,
    &DRAW,
    &NOISE,
    &NOISY_LOGITS,
    &REWEIGH,
    &MULTI_GATE,
    &MIXTURE_SCORES,
    &MIX,
    &SEAT,
    &ACT,
    &PULL,
    &AUCTION_BOUNDS,
    &AUCTION_BID,
    &AUCTION_AWARD,
    &AUCTION_ASK,
    &AUCTION_BAR,
    &AUCTION_OFFERS,
    &AUCTION_TRADE,
    &SINKHORN_TOKENS,
    &SINKHORN_EXPERTS,
    &COLUMN_SCORES,
    &PROJECT_EXPERTS,
    &PROJECT_TOKENS,
    &NOMINATE,
    &LAST_KEY,
    &ADMIT,
    &FOLLOW,
    &CHOOSE,
    &SETTLE,
    &REPAIR,
    &CROWDED,
    &LINE_UP,
    &TAKEN,
    &SLOT_COUNT,
    &SLOT_COUNT_BY_KEY,
    &SLOT_SCAN,
    &PLACE,
    &EXCHANGE,
    &EXPERT_IN,
    &EXPERT_OUT,
    &IDENTITY,
    &COMBINE,
    &UNMIX,
    &COMBINE_BACKWARD,
    &EXPERT_OUT_BACKWARD,
    &EXPERT_IN_BACKWARD,
    &WEIGHT_GRADIENT,
    &OTHERS,
    &LOSS_SUMS,
    &LOSSES,
    &NOISY_ODDS,
    &NOISY_SUMS,
    &NOISY_LOSSES,
    &GATE_BACKWARD,
    &COLUMN_BACKWARD,
    &BRANCHES_BACKWARD,
    &NOISY_BACKWARD,
    &MULTI_GATE_BACKWARD,
    &SHARE_GRADIENT,
    &MIXTURE_BACKWARD,
    &ADVANTAGE,
    &POLICY_BACKWARD,
    &CREDIT,
    &GATHER_TASKS,
    &ROUTER_BACKWARD,
    &SGD,
    &AVERAGE,
];
