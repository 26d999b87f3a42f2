//! The one error type: each message says what, where, what was given, what was wanted and what to do.

use serde::Serialize;

/// Everything that can go wrong, as a caller sees it.
///
/// Serialises as the plain object of its fields (`details` of a `WebMoeError` in JavaScript).
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Error {
    /// A field of a description has a value outside its range or of another type.
    #[error("config field `{field}` is {got}; it must be {wanted}")]
    InvalidConfig {
        /// Path of the field, such as `router.k`.
        field: String,
        /// The value given.
        got: String,
        /// The values allowed.
        wanted: String,
    },
    /// A description has a field that nothing reads: most often a misspelling.
    #[error("unknown config field `{field}`; known here: {known}")]
    UnknownField {
        /// Path of the field.
        field: String,
        /// The fields known at that place.
        known: String,
    },
    /// A description could not be read at all.
    #[error("the layer's description could not be read: {reason}; pass a plain object")]
    MalformedConfig {
        /// What the reader says.
        reason: String,
    },
    /// `router.kind` names no router.
    #[error("unknown router kind `{kind}`; known: {known}")]
    UnknownRouter {
        /// The name given.
        kind: String,
        /// The names known.
        known: String,
    },
    /// A token cannot choose more experts than it may choose from.
    #[error("router.k is {k}, but a token may choose from {experts} experts; lower `k` or raise `{raise}`")]
    TooManyChoices {
        /// Choices per token.
        k: usize,
        /// Experts within reach.
        experts: usize,
        /// The field that bounds them.
        raise: &'static str,
    },
    /// Experts are split evenly among devices.
    #[error(
        "{experts} experts cannot be split evenly among {devices} devices; make `experts` a multiple of `mesh.devices`"
    )]
    ExpertsNotDivisible {
        /// Number of experts.
        experts: usize,
        /// Virtual devices.
        devices: usize,
    },
    /// Routing groups are split evenly among devices.
    #[error(
        "{groups} routing groups cannot be split evenly among {devices} devices; make `groups` a multiple of `mesh.devices`"
    )]
    GroupsNotDivisible {
        /// Routing groups.
        groups: usize,
        /// Virtual devices.
        devices: usize,
    },
    /// Tokens are split evenly among groups, and so among devices.
    #[error("{tokens} tokens cannot be split evenly among {parts} {by}; pad the batch to a multiple of {parts}")]
    TokensNotDivisible {
        /// Tokens given.
        tokens: usize,
        /// `"devices"` or `"groups"`.
        by: &'static str,
        /// How many of them.
        parts: usize,
    },
    /// Experts that must be full cannot be, with so few experts a token.
    #[error(
        "{experts} experts that take {slots} tokens each are {places} places, but {tokens} tokens with at most {most} experts \
         each fill only {found}; lower `router.slots` or raise `router.maxExpertsPerToken`"
    )]
    TooManyPlaces {
        /// Number of experts, `E`.
        experts: usize,
        /// Tokens that each takes from a group, `c`.
        slots: usize,
        /// Tokens of a group, `S`.
        tokens: usize,
        /// Experts that a token may have, `b`.
        most: usize,
        /// `c·E`.
        places: u64,
        /// `b·S`, which may not be less.
        found: u64,
    },
    /// A loss weight for a loss that the router does not define.
    #[error("config field `lossWeights` names `{name}`, which this router does not define; known: {known}")]
    UnknownLoss {
        /// The name given.
        name: String,
        /// The losses of the router.
        known: String,
    },
    /// A router needs to be told something of each token.
    #[error("{router} routing needs `{what}`: one number for each token, in the options of `forward`")]
    MissingLabels {
        /// The option that is missing.
        what: &'static str,
        /// The router's kind.
        router: &'static str,
    },
    /// A token is not where its expert is, and tokens do not cross.
    #[error(
        "token {token} is on device {home}, but its expert {expert} is on device {away}, and with `router.exchange: \"none\"` no token \
         leaves its device; sort the batch so that each device has the tokens of its experts, or set it to \"all2all\""
    )]
    ExpertElsewhere {
        /// The token.
        token: usize,
        /// Its device.
        home: usize,
        /// Its expert.
        expert: usize,
        /// The expert's device.
        away: usize,
    },
    /// An array's length does not fit its shape.
    #[error("`{what}` has {got} values; its shape {shape} wants {wanted}")]
    WrongLength {
        /// The array.
        what: String,
        /// Its length.
        got: usize,
        /// The length wanted.
        wanted: usize,
        /// The shape, written with its numbers.
        shape: String,
    },
    /// An input's length is not a whole number of tokens.
    #[error(
        "`{what}` has {got} values, which is not a multiple of dModel = {d_model}; pass whole rows [tokens, {d_model}]"
    )]
    PartialToken {
        /// The array.
        what: String,
        /// Its length.
        got: usize,
        /// Width of a token.
        d_model: usize,
    },
    /// An array that the layer does not have.
    #[error("this layer has no weights `{what}`; it has: {known}")]
    UnknownWeights {
        /// The array given.
        what: String,
        /// The arrays of the layer.
        known: String,
    },
    /// An array that the layer needs is absent.
    #[error("the weights `{what}` of shape {shape} are missing")]
    MissingWeights {
        /// The array wanted.
        what: String,
        /// Its shape, written with its numbers.
        shape: String,
    },
    /// NaN or infinity where a number is needed.
    #[error("`{what}[{index}]` is {value}; every value must be finite")]
    NonFinite {
        /// The array.
        what: String,
        /// The first bad entry.
        index: usize,
        /// Its value, in words (`NaN`, `inf`, `-inf`).
        value: String,
    },
    /// A weight beyond the hidden width of its expert.
    #[error(
        "`{what}[{index}]` is {value}, but expert {expert} has a hidden width of {width}; every value beyond it must be 0"
    )]
    BeyondWidth {
        /// The array.
        what: String,
        /// The first such entry that is not 0.
        index: usize,
        /// Its value, in words.
        value: String,
        /// The expert that it belongs to.
        expert: usize,
        /// Hidden width of the expert, from `expertWidths`.
        width: usize,
    },
    /// More memory than the device allows for one buffer.
    #[error(
        "{what} needs {bytes} bytes, the device allows {limit} in one buffer; use fewer tokens, slots or experts, or the CPU engine"
    )]
    TooLarge {
        /// What the buffer holds.
        what: String,
        /// Its size in bytes.
        bytes: u64,
        /// The device's limit in bytes.
        limit: u64,
    },
    /// A name in `read` that this call cannot bring back.
    #[error("cannot read `{name}` here; `read` takes {known}")]
    UnknownRead {
        /// The name given.
        name: String,
        /// The names known.
        known: String,
    },
    /// An option or argument of a call has a value that it cannot take.
    #[error("`{what}` is {got}; it must be {wanted}")]
    InvalidArgument {
        /// The option or argument.
        what: String,
        /// The value given.
        got: String,
        /// The values allowed.
        wanted: String,
    },
    /// A call that builds on another one came first.
    #[error("`{call}` works on the last `{needs}`, and there was none; call `{needs}` first")]
    OutOfOrder {
        /// The call made.
        call: &'static str,
        /// The call that must come before it.
        needs: &'static str,
    },
    /// Use after `dispose()`.
    #[error("this {what} was disposed of; create a new one")]
    Disposed {
        /// `"layer"` or `"runtime"`.
        what: &'static str,
    },
    /// The browser or the driver took the device away.
    #[error("the GPU device was lost ({reason}): {message}; create a new runtime")]
    DeviceLost {
        /// Why, in the platform's word.
        reason: String,
        /// What the platform says.
        message: String,
    },
    /// An allocation failed.
    #[error("out of GPU memory: {message}; use fewer tokens or a smaller layer, or dispose of layers no longer needed")]
    OutOfMemory {
        /// What the platform says.
        message: String,
    },
    /// There is no WebGPU adapter to be had.
    #[error("WebGPU is not available: {reason}; use device: \"cpu\" or \"auto\"")]
    WebGpuUnavailable {
        /// Why not, in words a person can act on.
        reason: String,
    },
    /// A shader did not compile or a command was not valid: a fault of ours.
    #[error("the GPU engine refused a command in {what}: {message}; this is a fault of webmoe, please report it")]
    Engine {
        /// The kernel or the step.
        what: String,
        /// What the platform says.
        message: String,
    },
    /// The caller's signal ended the call.
    #[error("`{call}` was aborted by its signal")]
    Aborted {
        /// The call ended.
        call: &'static str,
    },
}

impl Error {
    /// A name for programs, the same in every version: `code` of a `WebMoeError`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::InvalidConfig { .. } | Error::MalformedConfig { .. } => "INVALID_CONFIG",
            Error::UnknownField { .. } => "UNKNOWN_CONFIG_FIELD",
            Error::UnknownRouter { .. } => "UNKNOWN_ROUTER",
            Error::TooManyChoices { .. } => "TOO_MANY_CHOICES",
            Error::ExpertsNotDivisible { .. } => "EXPERTS_NOT_DIVISIBLE",
            Error::GroupsNotDivisible { .. } => "GROUPS_NOT_DIVISIBLE",
            Error::TokensNotDivisible { .. } => "TOKENS_NOT_DIVISIBLE",
            Error::TooManyPlaces { .. } => "TOO_MANY_PLACES",
            Error::UnknownLoss { .. } => "UNKNOWN_LOSS",
            Error::MissingLabels { .. } => "MISSING_LABELS",
            Error::ExpertElsewhere { .. } => "EXPERT_ELSEWHERE",
            Error::WrongLength { .. } | Error::PartialToken { .. } => "WRONG_LENGTH",
            Error::UnknownWeights { .. } => "UNKNOWN_WEIGHTS",
            Error::MissingWeights { .. } => "MISSING_WEIGHTS",
            Error::NonFinite { .. } => "NON_FINITE",
            Error::BeyondWidth { .. } => "BEYOND_WIDTH",
            Error::TooLarge { .. } => "TOO_LARGE",
            Error::UnknownRead { .. } => "UNKNOWN_READ",
            Error::InvalidArgument { .. } => "INVALID_ARGUMENT",
            Error::OutOfOrder { .. } => "OUT_OF_ORDER",
            Error::Disposed { .. } => "DISPOSED",
            Error::DeviceLost { .. } => "DEVICE_LOST",
            Error::OutOfMemory { .. } => "OUT_OF_MEMORY",
            Error::WebGpuUnavailable { .. } => "WEBGPU_UNAVAILABLE",
            Error::Engine { .. } => "ENGINE",
            Error::Aborted { .. } => "ABORTED",
        }
    }

    /// The fields of the error, to be serialised: `details` of a `WebMoeError`.
    pub fn details(&self) -> &impl Serialize {
        self
    }
}
