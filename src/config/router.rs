//! Which router, with its settings: one file a router.

use serde::Serialize;

use super::read::Fields;
use super::{LayerConfig, raw::Node};
use crate::error::Error;

mod bandit;
mod base;
mod dense_to_sparse;
mod domain;
mod expert_choice;
mod hash;
mod language;
mod multi_gate;
mod noisy_top_k;
mod reinforce;
mod sinkhorn;
mod soft;
mod task;
mod thor;
mod thresholds;
mod token_then_expert;
mod top_k;

pub use bandit::{Bandit, Policy};
pub use base::Base;
pub use dense_to_sparse::{DenseGate, DenseToSparse, Schedule};
pub use domain::Domain;
pub use expert_choice::{Across, Dykstra, ExpertChoice};
pub use hash::{Hash, Hashed};
pub use language::{Language, Side};
pub use multi_gate::MultiGate;
pub use noisy_top_k::{Branches, Noise, NoisyTopK};
pub use reinforce::{Baseline, Reinforce};
pub use sinkhorn::{Sinkhorn, SinkhornGate};
pub use soft::Soft;
pub use task::Task;
pub use thor::{Draw, Thor};
pub use thresholds::Thresholds;
pub use token_then_expert::{Key, Negotiation, TokenThenExpert};
pub use top_k::{Exploration, SecondPolicy, TopK};

/// How logits become scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scoring {
    /// Softmax over experts.
    Softmax,
    /// One sigmoid for each expert (DeepSeek-V3).
    Sigmoid,
}

impl Scoring {
    const NAMES: [(&str, Scoring); 2] = [("softmax", Scoring::Softmax), ("sigmoid", Scoring::Sigmoid)];
}

/// Over which experts a softmax is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SoftmaxOver {
    /// Over all experts, before the selection.
    All,
    /// Over the logits of the chosen experts only.
    Selected,
}

impl SoftmaxOver {
    const NAMES: [(&str, SoftmaxOver); 2] = [("all", SoftmaxOver::All), ("selected", SoftmaxOver::Selected)];
}

/// When the chosen weights of a token are divided by their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Renormalize {
    /// Never (Switch).
    None,
    /// By the sum of all chosen weights, before capacity drops any (GShard, Mixtral).
    PreDrop,
    /// By the sum of the weights that were kept (fairseq, DeepSpeed).
    PostDrop,
}

impl Renormalize {
    const NAMES: [(&str, Renormalize); 3] =
        [("none", Renormalize::None), ("preDrop", Renormalize::PreDrop), ("postDrop", Renormalize::PostDrop)];
}

/// How a choice is weighed in the output, from the scores: the part of a router that has a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// How logits become scores.
    pub scoring: Scoring,
    /// Over which experts the softmax is taken; read only for [`Scoring::Softmax`].
    pub softmax_over: SoftmaxOver,
    /// When the chosen weights are divided by their sum.
    pub renormalize: Renormalize,
    /// Factor on the final weights.
    pub scale: f32,
    /// Equal runs of experts, over each of which a softmax over all is taken; 1 for all sigmoids.
    pub prototypes: usize,
}

impl Gate {
    /// Softmax over all experts, as it is: Switch's gate.
    pub const SOFTMAX: Gate = Gate {
        scoring: Scoring::Softmax,
        softmax_over: SoftmaxOver::All,
        renormalize: Renormalize::None,
        scale: 1.0,
        prototypes: 1,
    };
    /// The sigmoid of each chosen logit: that of BASE layers.
    pub const SIGMOID: Gate = Gate { scoring: Scoring::Sigmoid, ..Gate::SOFTMAX };
}

/// Who decides which tokens an expert gets, and so which kernels route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chooses {
    /// Each token takes experts by its logits, or those whose thresholds admit it, and then waits for a slot.
    Tokens,
    /// Each expert takes tokens, and seats them itself.
    Experts,
    /// In training experts bid for tokens, all of which are sold; outside it each token takes experts by its logits.
    Auction,
    /// Nobody's logits: the expert follows from what the caller says of the token, and perhaps from what came of it before.
    Labels,
    /// Nobody: experts get mixtures of tokens in place of tokens.
    Nobody,
}

/// Random numbers that a pass uses, and that its caller may give in place of the router's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// `[T, E]`, standard normal: added to the logits; `[T, E + branches]` where experts are in branches.
    Normal,
    /// `[T, E]`, of the standard Gumbel distribution: added to the logits, or to those that experts are drawn by.
    Gumbel,
    /// `[T, k]`, from 0 to 1: by each of them a choice is asked or not; nothing hangs on that of a first choice.
    Uniform,
}

impl Draws {
    /// Numbers for each token of a layer.
    pub fn of_token(self, layer: &LayerConfig) -> usize {
        match self {
            Draws::Normal | Draws::Gumbel => layer.logits(),
            Draws::Uniform => layer.k(),
        }
    }
}

/// Whether tokens cross between virtual devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Exchanges {
    /// Never: every expert must be on its tokens' device, and there is no all2all.
    None,
    /// Tokens go to their experts and come back, wherever those are.
    All2all,
}

impl Exchanges {
    const NAMES: [(&str, Exchanges); 2] = [("none", Exchanges::None), ("all2all", Exchanges::All2all)];
}

/// Which router, with its settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum RouterConfig {
    /// Token choice: each token takes its `k` best experts.
    TopK(TopK),
    /// Token choice by logits with noise.
    NoisyTopK(NoisyTopK),
    /// Each expert takes its best tokens.
    ExpertChoice(ExpertChoice),
    /// Balanced assignment by an auction.
    Base(Base),
    /// Token choice by logits that optimal transport has balanced.
    Sinkhorn(Sinkhorn),
    /// The expert is looked up in a table, by the token's id.
    Hash(Hash),
    /// The expert is drawn at random.
    Thor(Thor),
    /// The expert of a token's domain, or all experts, mixed.
    Domain(Domain),
    /// The expert of a token's language.
    Language(Language),
    /// Token choice by the embedding of a token's task.
    Task(Task),
    /// Tokens name experts, then experts choose among those that named them.
    TokenThenExpert(TokenThenExpert),
    /// One gate a task over the same experts.
    MultiGate(MultiGate),
    /// Every expert gets mixtures of all tokens.
    Soft(Soft),
    /// From all experts to one, as a temperature falls.
    DenseToSparse(DenseToSparse),
    /// The expert is drawn by a policy that learns from rewards.
    Reinforce(Reinforce),
    /// The expert is an arm that a bandit of the token's id pulls.
    Bandit(Bandit),
}

/// What the layer must know of any router. The defaults are those of token choice.
pub(super) trait Router {
    /// Most experts of a token, of `experts`: the columns of its routing.
    fn choices(&self, experts: usize) -> usize;

    /// Experts that a token asks in a pass, of `experts`, before any declines.
    fn asked(&self, experts: usize, _train: bool) -> usize {
        self.choices(experts)
    }

    /// How a choice is weighed; `None`: by 1 over as many as are averaged.
    fn gate(&self) -> Option<Gate>;

    /// Rows of its weights, of `experts` experts: one each, or none where nothing is learned.
    fn rows(&self, experts: usize) -> usize {
        if self.chooses() == Chooses::Labels { 0 } else { experts }
    }

    /// Branches of the experts that a token chooses among first; 0: there are none, and it chooses among the experts at once.
    fn branches(&self) -> usize {
        0
    }

    /// How many of them a token chooses.
    fn branch_choices(&self) -> usize {
        0
    }

    /// Outputs of the layer: one a task, where each has a gate.
    fn outputs(&self) -> usize {
        1
    }

    /// Scores of a token, of `experts` experts: one for each row that scores.
    fn scored(&self, experts: usize) -> usize {
        self.rows(experts)
    }

    /// Whether a choice is weighed by its score; if not, by 1, and no gradient of the output reaches the router.
    fn weighs(&self) -> bool {
        true
    }

    /// What the logits are divided by.
    fn temperature(&self) -> f32 {
        1.0
    }

    /// Checks the settings, and how they fit the layer.
    fn check(&self, layer: &LayerConfig) -> Result<(), Error>;

    /// Who chooses.
    fn chooses(&self) -> Chooses {
        Chooses::Tokens
    }

    /// Whether tokens cross between virtual devices.
    fn exchange(&self) -> Exchanges {
        Exchanges::All2all
    }

    /// Slots of each of `experts` in a group of `tokens`, of a router that seats its tokens itself.
    fn own_slots(&self, _tokens: usize, _experts: usize) -> Option<usize> {
        None
    }

    /// Thresholds by which its experts admit tokens, of a router that has them.
    fn thresholds(&self) -> Option<Thresholds> {
        None
    }

    /// Tokens of a group of `tokens` that each of `experts` would take: it is the key of the last of them that its threshold follows.
    fn quota(&self, _tokens: usize, _experts: usize) -> usize {
        0
    }

    /// Rounds in which devices that share a group agree on who goes where; `None`: each decides alone.
    fn handshake(&self) -> Option<usize> {
        None
    }

    /// Whether scores are shares of an expert's column instead of a token's row.
    fn over_tokens(&self) -> bool {
        false
    }

    /// Checks that a group of `tokens` can be routed.
    fn check_group(&self, _tokens: usize, _experts: usize) -> Result<(), Error> {
        Ok(())
    }

    /// Names of the auxiliary losses that it defines; without scores there is only the load.
    fn losses(&self) -> &'static [&'static str] {
        match self.chooses() {
            Chooses::Labels => &["load"],
            Chooses::Nobody => &[],
            Chooses::Tokens | Chooses::Experts | Chooses::Auction => {
                &["loadBalance", "loadBalanceFirst", "z", "importance", "load"]
            }
        }
    }

    /// In training the router's input is multiplied by U(1−jitter, 1+jitter).
    fn jitter(&self) -> f32 {
        0.0
    }

    /// In training this share of the router's input is dropped.
    fn dropout(&self) -> f32 {
        0.0
    }

    /// Whether in training it adds a random number to every logit.
    fn adds_noise(&self) -> bool {
        false
    }

    /// Which random numbers may be given to a pass, in training or outside.
    fn draws(&self, _train: bool) -> Option<Draws> {
        None
    }

    /// Whether the width of its noise is learned: the array `noise` of the weights.
    fn learns_noise(&self) -> bool {
        false
    }

    /// Whether in training the tokens are spread over the groups at random before they are routed.
    fn shuffles(&self) -> bool {
        false
    }
}

impl RouterConfig {
    fn settings(&self) -> &dyn Router {
        match self {
            RouterConfig::TopK(router) => router,
            RouterConfig::NoisyTopK(router) => router,
            RouterConfig::ExpertChoice(router) => router,
            RouterConfig::Base(router) => router,
            RouterConfig::Sinkhorn(router) => router,
            RouterConfig::Hash(router) => router,
            RouterConfig::Thor(router) => router,
            RouterConfig::Domain(router) => router,
            RouterConfig::Language(router) => router,
            RouterConfig::Task(router) => router,
            RouterConfig::TokenThenExpert(router) => router,
            RouterConfig::MultiGate(router) => router,
            RouterConfig::Soft(router) => router,
            RouterConfig::DenseToSparse(router) => router,
            RouterConfig::Reinforce(router) => router,
            RouterConfig::Bandit(router) => router,
        }
    }

    /// Reads a router by its `kind`.
    pub(super) fn read(mut f: Fields) -> Result<RouterConfig, Error> {
        type Read = fn(Fields) -> Result<RouterConfig, Error>;
        let kinds: [(&str, Read); 16] = [
            ("topK", |f| TopK::read(f).map(RouterConfig::TopK)),
            ("noisyTopK", |f| NoisyTopK::read(f).map(RouterConfig::NoisyTopK)),
            ("expertChoice", |f| ExpertChoice::read(f).map(RouterConfig::ExpertChoice)),
            ("base", |f| Base::read(f).map(RouterConfig::Base)),
            ("sinkhorn", |f| Sinkhorn::read(f).map(RouterConfig::Sinkhorn)),
            ("hash", |f| Hash::read(f).map(RouterConfig::Hash)),
            ("tokenThenExpert", |f| TokenThenExpert::read(f).map(RouterConfig::TokenThenExpert)),
            ("thor", |f| Thor::read(f).map(RouterConfig::Thor)),
            ("domain", |f| Domain::read(f).map(RouterConfig::Domain)),
            ("language", |f| Language::read(f).map(RouterConfig::Language)),
            ("task", |f| Task::read(f).map(RouterConfig::Task)),
            ("multiGate", |f| MultiGate::read(f).map(RouterConfig::MultiGate)),
            ("soft", |f| Soft::read(f).map(RouterConfig::Soft)),
            ("denseToSparse", |f| DenseToSparse::read(f).map(RouterConfig::DenseToSparse)),
            ("reinforce", |f| Reinforce::read(f).map(RouterConfig::Reinforce)),
            ("bandit", |f| Bandit::read(f).map(RouterConfig::Bandit)),
        ];
        match f.take("kind") {
            Node::Text(kind) => match kinds.iter().find(|(known, _)| *known == kind) {
                Some((_, read)) => read(f),
                None => Err(Error::UnknownRouter { kind, known: kinds.map(|(known, _)| known).join(", ") }),
            },
            got => Err(f.invalid("kind", &got, "the name of a router")),
        }
    }

    /// Most experts of a token, of `experts`: the columns of its routing.
    pub fn choices(&self, experts: usize) -> usize {
        self.settings().choices(experts)
    }

    /// Experts that a token asks in a pass, of `experts`, before any declines.
    pub fn asked(&self, experts: usize, train: bool) -> usize {
        self.settings().asked(experts, train)
    }

    /// How a choice is weighed; `None`: by 1 over as many as are averaged, with no gradient for any router.
    pub fn gate(&self) -> Option<Gate> {
        self.settings().gate()
    }

    /// Whether the router has weights: one that nobody's logits decide about has none.
    pub fn learned(&self) -> bool {
        self.chooses() != Chooses::Labels
    }

    /// Rows of the router's weights, of `experts` experts: one each, perhaps more, or none where nothing is learned.
    pub fn rows(&self, experts: usize) -> usize {
        self.settings().rows(experts)
    }

    /// Branches of the experts that a token chooses among first; 0: there are none, and it chooses among the experts at once.
    pub fn branches(&self) -> usize {
        self.settings().branches()
    }

    /// How many of them a token chooses.
    pub fn branch_choices(&self) -> usize {
        self.settings().branch_choices()
    }

    /// Outputs of the layer: more than one only for [`MultiGate`], which has one for each task.
    pub fn outputs(&self) -> usize {
        self.settings().outputs()
    }

    /// Scores of a token, of `experts` experts.
    pub fn scored(&self, experts: usize) -> usize {
        self.settings().scored(experts)
    }

    /// Whether a choice is weighed by its score; if not, by 1, and no gradient of the output reaches the router.
    pub fn weighs(&self) -> bool {
        self.settings().weighs()
    }

    /// What the logits are divided by.
    pub fn temperature(&self) -> f32 {
        self.settings().temperature()
    }

    /// Who chooses.
    pub fn chooses(&self) -> Chooses {
        self.settings().chooses()
    }

    /// Slots of each expert that get mixtures of a group's tokens; 0: experts get tokens.
    pub fn mixtures(&self) -> usize {
        match self {
            RouterConfig::Soft(router) => router.slots,
            _ => 0,
        }
    }

    /// Tasks whose embeddings the router reads in place of tokens; 0: it reads tokens.
    pub fn tasks(&self) -> usize {
        match self {
            RouterConfig::Task(router) => router.tasks,
            _ => 0,
        }
    }

    /// Whether `backward` takes a reward for each token.
    pub fn rewarded(&self) -> bool {
        matches!(self, RouterConfig::Reinforce(_) | RouterConfig::Bandit(_))
    }

    /// Ids of each of which the layer remembers every expert's rewards; 0: it remembers none.
    pub fn remembered(&self) -> usize {
        match self {
            RouterConfig::Bandit(router) => router.vocabulary,
            _ => 0,
        }
    }

    /// Whether tokens cross between virtual devices.
    pub fn exchange(&self) -> Exchanges {
        self.settings().exchange()
    }

    /// Slots of each of `experts` in a group of `tokens`, of a router that seats its tokens itself.
    pub(super) fn own_slots(&self, tokens: usize, experts: usize) -> Option<usize> {
        self.settings().own_slots(tokens, experts)
    }

    /// Thresholds by which experts admit tokens one by one; `None`: there are none.
    pub fn thresholds(&self) -> Option<Thresholds> {
        self.settings().thresholds()
    }

    /// Tokens of a group of `tokens` that each of `experts` would take, where thresholds follow what that would be.
    pub fn quota(&self, tokens: usize, experts: usize) -> usize {
        self.settings().quota(tokens, experts)
    }

    /// Rounds in which devices that share a group agree on who goes where, before any row moves; `None`: each decides alone.
    pub fn handshake(&self) -> Option<usize> {
        self.settings().handshake()
    }

    /// Whether the softmax of the scores is each expert's over the tokens of a group, instead of each token's over the experts.
    pub fn over_tokens(&self) -> bool {
        self.settings().over_tokens()
    }

    pub(super) fn check_group(&self, tokens: usize, experts: usize) -> Result<(), Error> {
        self.settings().check_group(tokens, experts)
    }

    /// Names of the auxiliary losses that the router defines.
    pub fn losses(&self) -> &'static [&'static str] {
        self.settings().losses()
    }

    /// In training the router's input is multiplied by U(1−jitter, 1+jitter) (Switch).
    pub fn jitter(&self) -> f32 {
        self.settings().jitter()
    }

    /// In training this share of the router's input is dropped, and the rest divided by 1−dropout (Switch).
    pub fn dropout(&self) -> f32 {
        self.settings().dropout()
    }

    /// Whether in training the router adds a random number to every logit.
    pub fn adds_noise(&self) -> bool {
        self.settings().adds_noise()
    }

    /// Which random numbers may be given to a pass, in training or outside.
    pub fn draws(&self, train: bool) -> Option<Draws> {
        self.settings().draws(train)
    }

    /// Whether the width of the router's noise is learned.
    pub fn learns_noise(&self) -> bool {
        self.settings().learns_noise()
    }

    /// Whether in training the tokens are spread over the groups at random before they are routed (Lewis et al. 2021).
    pub fn shuffles(&self) -> bool {
        self.settings().shuffles()
    }

    pub(super) fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        self.settings().check(layer)
    }
}
