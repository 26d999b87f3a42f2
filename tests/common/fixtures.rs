//! Every recorded case that the layer can express, and those that only the oracle can.

use super::case::{Case, What};
use super::families::{
    aux_losses, base, experts_choose, ffn_big, flaxformer, gshard, huggingface, lucidrains, megatron, noisy_top_k, pot,
    soft_moe, st_moe,
};

/// What was recorded and cannot be said in terms of the layer's public interface, and why.
///
/// [`injected_cases`] puts those with equal scores to the oracle, with the choices made from outside.
pub const NOT_EXPRESSIBLE: [(&str, &str); 1] =
    [("hf_mixtral ties, all_tied, near_tie, zero_tokens", "equal scores, chosen among in no documented order")];

/// No gradient is recorded more exactly than this: what the peers' float32 leaves of terms that cancel.
const ROUNDING: f64 = 1e-7;

/// Gradients that cancel almost wholly, so that what was recorded is mostly rounding, with the size of the rounding.
const CANCELLED: [(&str, What, f64); 3] = [
    // All weight is on one expert, and p(1 − p) was taken in float32.
    ("hf_qwen2_moe/hot", What::Gradient("router"), 5e-6),
    ("gshard_ds_top2/hot", What::Gradient("x"), 5e-7),
    // One choice divided by itself: the router's gradient is zero, with an absolute tolerance of zero.
    ("ffn_big/T512_d64_ff256_E16_k1_relu", What::Gradient("router"), 1e-5),
];

/// All cases that run through the layer as anyone uses it.
pub fn cases() -> Vec<Case> {
    let families = [
        huggingface::cases(),
        gshard::cases(),
        lucidrains::cases(),
        soft_moe::cases(),
        st_moe::cases(),
        flaxformer::cases(),
        experts_choose::cases(),
        megatron::cases(),
        noisy_top_k::cases(),
        base::cases(),
        pot::cases(),
        aux_losses::cases(),
        ffn_big::cases(),
    ];
    families.into_iter().flatten().map(allow_rounding).collect()
}

/// Cases with choices `[T, k]` that the recorded code made and the layer cannot be made to repeat.
pub fn injected_cases() -> Vec<(Case, Vec<usize>)> {
    huggingface::injected_cases().into_iter().map(|(case, choices)| (allow_rounding(case), choices)).collect()
}

fn allow_rounding(mut case: Case) -> Case {
    for expect in &mut case.expect {
        if matches!(expect.what, What::Gradient(_)) {
            expect.tol.abs = expect.tol.abs.max(ROUNDING);
        }
        for (id, what, rounding) in &CANCELLED {
            if case.id == *id && expect.what == *what {
                expect.tol.abs = expect.tol.abs.max(*rounding);
            }
        }
    }
    case
}

/// Padded fixtures by their groups, of unequal size without the padding, with what these must add up to.
pub fn padded_groups() -> [flaxformer::PaddedGroups; 2] {
    [flaxformer::padded_groups(), experts_choose::padded_groups()]
}
