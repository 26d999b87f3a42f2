//! dims.wgsl — the sizes and settings that the routing kernels share. Mirror of `kernels::Dims`, offset by offset.

struct Dims {
    tokens: u32,          // T
    group_tokens: u32,    // S, tokens of a routing group
    groups: u32,          // G
    experts: u32,         // E
    choices: u32,         // k
    columns: u32,         // k + units of the shared expert
    slots: u32,           // C of each expert in each group; 0xffffffff: dropless
    stride: u32,          // f32s between two tokens' scores
    devices: u32,         // N
    blocks: u32,          // blocks of assignments in a group
    d4: u32,              // d in vec4s
    expert_groups: u32,   // groups of experts that a token may choose from
    group_limit: u32,     // how many of them
    scale: f32,           // factor on the weights
    jitter: f32,          // half-width of the factor on the router's input
    seed_lo: u32,
    seed_hi: u32,
    step: u32,
    balance: f32,         // weight of the loss loadBalance
    balance_first: f32,   // weight of the loss loadBalanceFirst
    z: f32,               // weight of the loss z
    importance: f32,      // weight of the loss importance
    load: f32,            // weight of the loss load, where it has a gradient
    column_blocks_in: u32,        // workgroups across the columns of expert_in
    column_blocks_out: u32,       // of expert_out and expert_in_backward
    column_blocks_hidden: u32,    // of expert_out_backward
    counter_base: u32,    // where an exchange's [N, N] counters begin
    learning_rate: f32,   // of sgd
    length: u32,          // elements, where a kernel works on a flat array
    k4: u32,              // sizes of the present product in vec4s: what is summed over,
    m4: u32,              // rows of a weight gradient,
    n4: u32,              // columns,
    hidden4: u32,         // F
    gate_at: u32,         // where the shared expert's gate lies among a token's logits
    vocabulary: u32,      // ids that the tables of a hash layer, or a bandit, know
    iterations: u32,      // of a solver, at most
    tolerance: f32,       // at which it stops
    epsilon: f32,         // weight of the entropy, least bid, or share of tokens that explore
    temperature: f32,     // that logits are divided by
    noise: f32,           // floor, or width, of the noise on logits, or on rewards
    threshold: f32,       // that a score must reach
    iteration: u32,       // of a solver: which one this is
    nominees: u32,        // experts that a token may name, should have at most, that are drawn for it, or that a task takes
    decay: f32,           // of a running mean: what a batch keeps of it
    entropy: f32,         // weight of the policy's entropy
    tasks: u32,           // outputs of the layer
    identities: u32,      // experts, the last ones, that return their token as it is
    dropout: f32,         // share of the router's input that is dropped
    second_place: f32,    // weight of the loss secondPlace
    prototypes: u32,      // equal runs of experts, each with a softmax and choices of its own
    quota: u32,           // tokens that an expert would take of a group: its threshold follows the last one's key
    mixtures: u32,        // M, mixtures of a group's tokens that go to experts in place of tokens, rounded up; 0: tokens do
    exploration: f32,     // how far a bandit reaches beyond the mean of what it does not know well
    prior_mean: f32,      // what is expected of an arm before any reward
    prior_weight: f32,    // how many rewards that counts as
    logits: u32,          // that a token chooses by: of each expert, then of each branch
    branches: u32,        // equal runs of experts that a token chooses among first; 0: there are none
    branch_choices: u32,  // how many of them it chooses
}

/// In `slot` and `row` of a placement: the assignment was dropped.
const DROPPED = 0xffffffffu;
/// In `expert_of`, instead of an expert: no choice.
const NONE = 0xffffffffu;
/// Bit of an expert that was named, and weighs with the others, but was not asked.
const DECLINED = 0x80000000u;
