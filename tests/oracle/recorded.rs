//! Recorded results of other projects' code.

use webmoe::reference::{Forward, Gradients, Setting, backward, backward_exact, forward, forward_exact};
use webmoe::weights::Weights;

use crate::common::case::Case;
use crate::common::families::flaxformer::PaddedGroups;
use crate::common::fixtures::{cases, injected_cases, padded_groups};
use crate::common::got::Got;

fn run(case: &Case) -> (Forward, Gradients) {
    let draws: Option<Vec<f64>> = case.draws.as_ref().map(|draws| draws.iter().copied().map(f64::from).collect());
    let setting = Setting { train: case.train, draws: draws.as_deref(), ..Setting::default() };
    let forward = forward(&case.config, &case.weights, &case.x, setting);
    let forward = forward.unwrap_or_else(|e| panic!("{}: {e}", case.id));
    let gradients = backward(&case.config, &case.weights, &case.x, &forward, &case.d_output);
    let gradients = gradients.unwrap_or_else(|e| panic!("{}: {e}", case.id));
    (forward, gradients)
}

#[test]
fn the_oracle_agrees_with_every_recorded_case() {
    let check = |case: &Case| {
        case.config.check().unwrap_or_else(|e| panic!("{}: {e}", case.id));
        let (forward, gradients) = run(case);
        case.check(&Got::from_oracle(&forward, &gradients))
    };
    let wrong: Vec<String> = cases().iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_oracle_agrees_where_the_recorded_choices_must_be_given() {
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let check = |(case, choices): &(Case, Vec<usize>)| {
        let weights = Weights::build(&case.config, |name, _| wide(case.weights.get(name).unwrap_or_default()));
        let setting = Setting { train: case.train, choices: Some(choices), ..Setting::default() };
        let (x, d_output) = (wide(&case.x), wide(&case.d_output));
        let forward = forward_exact(&case.config, &weights, &x, setting).expect("a case that runs");
        let gradients = backward_exact(&case.config, &weights, &x, &forward, &d_output).expect("a case that runs");
        case.check(&Got::from_oracle(&forward, &gradients))
    };
    let wrong: Vec<String> = injected_cases().iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn groups_of_unequal_size_add_up_to_the_recorded_losses_and_gradients() {
    let check = |padded: &PaddedGroups| {
        let of_case = |case: &Case| {
            let (forward, gradients) = run(case);
            Got::from_oracle(&forward, &gradients)
        };
        padded.check(&padded.cases.iter().map(of_case).collect::<Vec<Got>>())
    };
    let wrong: Vec<String> = padded_groups().iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_families_are_all_there() {
    let ids: Vec<String> = cases().into_iter().map(|case| case.id).collect();
    let injected: Vec<String> = injected_cases().into_iter().map(|(case, _)| case.id).collect();
    for (family, count) in [
        ("hf_mixtral/", 16),
        ("hf_olmoe/", 6),
        ("hf_qwen2_moe/", 3),
        ("hf_qwen3_moe/", 3),
        ("hf_switch/", 8),
        ("hf_deepseek_v3/", 4),
        ("gshard_ds_top1/", 2),
        ("gshard_ds_top2/", 3),
        ("gshard_ds_topk_position_3/", 2),
        ("gshard_ds_topk_probs_3/", 2),
        ("gshard_fairscale/", 2),
        ("lucid_mixture_of_experts/", 6),
        ("lucid_soft_moe/", 3),
        ("lucid_st_moe/", 6),
        ("flaxformer_tokens_choose/", 6),
        ("flaxformer_experts_choose/", 8),
        ("megatron_topk/", 12),
        ("aux_losses/", 47),
        ("ffn_big/", 3),
    ] {
        assert_eq!(ids.iter().filter(|id| id.starts_with(family)).count(), count, "cases of {family}");
    }
    assert_eq!(injected.iter().filter(|id| id.starts_with("hf_mixtral/")).count(), 5, "broken ties");
}
