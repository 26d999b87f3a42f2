//! The numbers a layer's buffers and dispatches are made of.

use crate::config::{Chooses, LayerConfig, RouterConfig};
use crate::error::Error;
use crate::kernels::{BLOCK, Dims};
use crate::rng::of_pass;
use crate::router::{self, Switches};
use crate::shape::pad4;
use crate::weights::volume;

/// Sizes that do not depend on the batch. `d`, `f` and `stride` are padded to multiples of 4.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Width of a token.
    pub d: usize,
    /// Hidden width of an expert.
    pub f: usize,
    /// Rows of an expert's first product: `f`, or `2·f` if gated.
    pub u: usize,
    /// Experts, `E`.
    pub experts: usize,
    /// How many of them, the last ones, are identities: they have rows, but no weights.
    pub identities: usize,
    /// Pieces of width `dFf` that the shared expert is cut into; each is an expert that gets every token.
    pub units: usize,
    /// Choices per token, `k`; 1 where experts get mixtures of tokens, each that of its slot.
    pub k: usize,
    /// Mixtures of a group's tokens that experts get in place of tokens, `M`: a slot each, rounded up to whole `vec4f`s; 0 where they
    /// get tokens.
    pub mixtures: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// Logits of a token: experts, where they are scored, what the width of their noise comes from, where that is learned, and the
    /// shared expert's gate; at least 4.
    pub stride: usize,
    /// Where the shared expert's gate lies among them.
    pub gate_at: usize,
    /// Whether the router adds a random number to every logit in training.
    pub noisy: bool,
    /// Random numbers that may be given for a token.
    pub draws: usize,
    /// Logits that a token chooses by.
    pub logits: usize,
    /// Runs of logits of which a token chooses some: one, and more where experts are in branches.
    pub contests: usize,
    /// Who chooses.
    pub chooses: Chooses,
    /// Experts that admit tokens by thresholds: all or none.
    pub thresholds: usize,
    /// Whether experts rank tokens by the shares of a soft plan.
    pub shares: bool,
    /// Words of state that the router's kernels leave for each group.
    pub state: usize,
    /// Whether assignments are served by key.
    pub by_key: bool,
    /// Most rounds of a router that writes, in each, the grids of the next.
    pub rounds: usize,
    /// Whether devices agree on who goes where before rows move.
    pub handshake: bool,
    /// Whether tokens are shuffled in training.
    pub shuffles: bool,
    /// Routing groups.
    pub groups: usize,
    /// Whether backward takes rewards.
    pub rewards: bool,
    /// Whether these have a gradient: a policy's, by its logits.
    pub policy: bool,
    /// Virtual devices.
    pub devices: usize,
    /// Whether tokens cross between them.
    pub exchanges: bool,
    /// Tasks whose embeddings the router reads; 0 where it reads tokens.
    pub tasks: usize,
    /// Words that say something of a token, for a router that goes by it.
    pub labels: usize,
}

impl Sizes {
    /// The sizes of a layer.
    pub fn of(config: &LayerConfig) -> Self {
        let (d, f) = (pad4(config.d_model), pad4(config.d_ff));
        let gate = usize::from(config.shared_expert.is_some_and(|s| s.gate));
        let gate_at = config.router_rows() + config.noise_rows();
        let drawn = |train| config.router.draws(train).map_or(0, |draws| draws.of_token(config));
        let mixtures = pad4(config.router.mixtures() * config.experts);
        Sizes {
            d,
            f,
            u: if config.gated { 2 * f } else { f },
            experts: config.experts,
            identities: config.identity_experts,
            units: config.shared_expert.map_or(0, |s| s.d_ff.div_ceil(config.d_ff)),
            k: if mixtures > 0 { 1 } else { config.k() },
            mixtures,
            outputs: config.router.outputs(),
            stride: pad4(gate_at + gate).max(4),
            gate_at,
            noisy: config.router.adds_noise(),
            draws: drawn(true).max(drawn(false)),
            logits: config.logits(),
            contests: 1 + config.router.branch_choices(),
            chooses: config.router.chooses(),
            thresholds: if config.router.thresholds().is_some() { config.experts } else { 0 },
            shares: router::projects(config),
            state: router::state_words(config),
            by_key: Switches(config).by_key(),
            rounds: router::rounds(config),
            handshake: config.router.handshake().is_some() && !config.stays(),
            shuffles: config.shuffles(),
            groups: config.groups,
            rewards: config.router.rewarded(),
            policy: matches!(config.router, RouterConfig::Reinforce(_)),
            devices: config.devices,
            exchanges: config.exchanges(),
            tasks: config.router.tasks(),
            labels: router::label_words(config),
        }
    }

    /// Experts and units.
    pub fn all(&self) -> usize {
        self.experts + self.units
    }

    /// Those of [`Sizes::all`] that have weights.
    pub fn weighted(&self) -> usize {
        self.all() - self.identities
    }

    /// Rows of the input and the output, for a batch of `tokens`: these, and behind them the mixtures, if there are any.
    pub fn carried(&self, tokens: usize) -> usize {
        tokens.saturating_add(volume(&[self.groups, self.mixtures]))
    }

    /// The dispatches' uniform of what is done to all of these rows alike.
    pub fn routed(&self, dims: Dims) -> Dims {
        Dims { tokens: self.carried(dims.tokens as usize) as u32, ..dims }
    }

    /// Arrays of logits and of what the router makes of them.
    pub fn scores(&self) -> usize {
        if self.mixtures > 0 { 3 } else { 2 }
    }

    /// Exchanges of rows in a pass in training, each with counters of its own.
    pub fn moves(&self) -> usize {
        if self.shuffles { 4 } else { 2 }
    }

    /// Assignments of a token, those to the shared expert included.
    pub fn columns(&self) -> usize {
        self.k + self.units
    }

    /// Counters of a forward pass, from device to device: rows of its exchanges, and nominations where these travel.
    pub fn counters(&self) -> usize {
        (self.moves() + usize::from(self.handshake)) * self.devices * self.devices
    }

    /// The dispatches' uniform for a batch, in a pass of a step.
    ///
    /// # Errors
    /// [`Error::TokensNotDivisible`].
    pub fn dims(
        &self,
        config: &LayerConfig,
        tokens: usize,
        train: bool,
        (step, pass): (u32, u32),
    ) -> Result<Dims, Error> {
        let seed = of_pass(config.seed, pass);
        let group_tokens = config.tokens_per_group(tokens)?;
        let loss = |name: &str| config.loss_weights.get(name).copied().unwrap_or(0.0);
        let in_group = (group_tokens * self.k) as u32;
        let blocks = if Switches(config).one_block() { 1 } else { in_group.div_ceil(BLOCK) };
        let dims = Dims {
            tokens: tokens as u32,
            group_tokens: group_tokens as u32,
            groups: self.groups as u32,
            experts: self.experts as u32,
            choices: self.k as u32,
            columns: self.columns() as u32,
            slots: config.slots(group_tokens, train).map_or(u32::MAX, |slots| slots.min(u32::MAX as usize - 1) as u32),
            stride: self.stride as u32,
            devices: self.devices as u32,
            blocks: blocks.max(1),
            d4: (self.d / 4) as u32,
            expert_groups: 1,
            prototypes: config.router.gate().map_or(1, |gate| gate.prototypes as u32),
            group_limit: 1,
            logits: self.logits as u32,
            branches: config.router.branches() as u32,
            branch_choices: config.router.branch_choices() as u32,
            scale: config.router.gate().map_or(1.0, |gate| gate.scale),
            jitter: config.router.jitter(),
            dropout: config.router.dropout(),
            identities: self.identities as u32,
            mixtures: self.mixtures as u32,
            tasks: self.outputs as u32,
            gate_at: self.gate_at as u32,
            seed_lo: seed as u32,
            seed_hi: (seed >> 32) as u32,
            step,
            balance: loss("loadBalance"),
            balance_first: loss("loadBalanceFirst"),
            z: loss("z"),
            importance: loss("importance"),
            second_place: loss("secondPlace"),
            load: loss("load"),
            hidden4: (self.f / 4) as u32,
            ..Dims::default()
        };
        Ok(router::with_settings(dims, &config.router, train))
    }

    /// Most rows that the experts get for a batch, those of the shared expert included.
    pub fn rows(&self, dims: &Dims) -> usize {
        let tokens = dims.tokens as usize;
        match self.chooses {
            Chooses::Experts => {
                let places = volume(&[self.groups, self.experts, dims.slots as usize]).min(volume(&[tokens, self.k]));
                places.saturating_add(volume(&[tokens, self.units]))
            }
            Chooses::Nobody => {
                let slots = volume(&[self.groups, self.experts, dims.slots as usize]);
                slots.saturating_add(volume(&[tokens, self.units]))
            }
            Chooses::Tokens | Chooses::Auction | Chooses::Labels => volume(&[tokens, self.columns()]),
        }
    }

    /// Most rows that the identities get for a batch.
    pub fn identity_rows(&self, dims: &Dims) -> usize {
        let of_tokens = self.carried(dims.tokens as usize) * self.k.min(self.identities);
        let of_slots = (self.groups * self.identities).saturating_mul(dims.slots as usize);
        of_tokens.min(of_slots)
    }
}

/// Hidden widths in `vec4f`s of all that has weights: `u32[experts + units]`, the experts', then the shared expert's units'.
pub fn widths(config: &LayerConfig) -> Vec<u32> {
    let experts = (0..config.feed_forward_experts()).map(|e| config.width(e));
    let shared = config.shared_expert.map_or(0, |shared| shared.d_ff);
    let units = (0..shared).step_by(config.d_ff).map(|first| config.d_ff.min(shared - first));
    experts.chain(units).map(|width| (pad4(width) / 4) as u32).collect()
}
