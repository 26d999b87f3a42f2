//! What holds on every engine: one body a claim, called by `tests/twins.rs`, `tests/gpu.rs` and `tests/web.rs`.

pub mod calls;
pub mod counts;
pub mod experts;
pub mod kernels;
pub mod loss;
pub mod mesh;
pub mod oracle;
pub mod recorded;
pub mod repeats;
pub mod routers;
pub mod training;

pub use routers::{
    dense_to_sparse, domain, expert_choice, hash, language, multi_gate, noisy_top_k, reinforce, sinkhorn, task, thor,
    token_then_expert, top_k,
};

/// Calls a macro with every claim about any engine, as `group::claim`.
macro_rules! on_every_engine {
    ($test:ident) => {
        $test! {
            recorded::every_recorded_case_comes_out,
            oracle::every_kind_of_expert_agrees_with_the_oracle,
            oracle::every_way_to_weigh_agrees_with_the_oracle,
            oracle::every_way_to_choose_agrees_with_the_oracle,
            oracle::every_priority_and_order_agrees_with_the_oracle,
            oracle::every_capacity_agrees_with_the_oracle,
            oracle::shared_experts_agree_with_the_oracle,
            oracle::jitter_and_groups_agree_with_the_oracle,
            oracle::odd_sizes_agree_with_the_oracle,
            oracle::ties_go_to_the_lower_expert_and_the_earlier_token,
            oracle::huge_and_tiny_logits_agree_with_the_oracle,
            oracle::a_token_that_is_not_a_number_spoils_only_itself,
            mesh::devices_change_neither_output_nor_losses_nor_gradients,
            mesh::bytes_are_those_of_the_formulas,
            mesh::padded_exchanges_move_the_golden_bytes,
            mesh::what_goes_there_comes_back_the_other_way,
            mesh::a_second_backward_pass_moves_and_finds_the_same,
            counts::a_forward_pass_that_reads_nothing_is_eight_dispatches_or_ten_on_a_mesh,
            counts::no_setting_of_the_router_adds_a_dispatch,
            counts::everything_comes_back_in_one_readback,
            repeats::the_same_seed_gives_the_same_bits_on_another_engine,
            repeats::another_seed_gives_other_weights_and_outputs,
            routers::routing_alone_is_that_of_a_whole_pass,
            routers::devices_change_nothing_for_any_router,
            routers::these_routers_move_rows_twice_each_way,
            top_k::drawn_choices_agree_with_the_oracle,
            top_k::every_policy_for_second_choices_agrees_with_the_oracle,
            top_k::tokens_that_take_as_many_experts_as_they_need_agree_with_the_oracle,
            top_k::prototypes_agree_with_the_oracle,
            top_k::noise_on_the_routers_input_agrees_with_the_oracle,
            top_k::experts_are_drawn_as_often_as_they_are_liked,
            noisy_top_k::noisy_top_k_agrees_with_the_oracle,
            noisy_top_k::noise_is_another_in_every_step_and_absent_outside_training,
            noisy_top_k::a_router_that_has_learned_nothing_spreads_tokens_by_chance,
            noisy_top_k::draws_that_are_given_take_the_place_of_the_layers_own,
            noisy_top_k::a_noisy_token_that_is_not_a_number_spoils_only_itself,
            expert_choice::expert_choice_agrees_with_the_oracle,
            expert_choice::shares_of_the_tokens_agree_with_the_oracle,
            expert_choice::choices_of_few_experts_a_token_agree_with_the_oracle,
            expert_choice::no_token_has_more_experts_than_it_may_and_every_expert_is_full,
            expert_choice::a_batch_with_too_few_tokens_for_its_places_is_refused_with_the_rule,
            expert_choice::every_expert_takes_exactly_as_many_tokens_as_it_may,
            expert_choice::groups_of_one_position_do_not_look_ahead,
            expert_choice::thousands_of_tokens_are_ranked_exactly,
            sinkhorn::sinkhorn_agrees_with_the_oracle,
            sinkhorn::prices_even_out_what_the_tokens_ask_for,
            sinkhorn::the_solver_tells_how_it_ended,
            sinkhorn::what_a_token_adds_to_all_its_logits_changes_no_choice,
            hash::hash_layers_agree_with_the_oracle,
            hash::what_is_hashed_follows_the_setting,
            hash::a_router_that_goes_by_ids_says_what_is_wrong_with_them,
            thor::thor_agrees_with_the_oracle,
            thor::tokens_that_share_a_draw_share_their_experts,
            thor::passes_and_steps_draw_apart_and_every_expert_equally_often,
            thor::an_ensemble_is_the_mean_of_its_experts,
            thor::a_step_of_two_passes_moves_rows_four_times_each_way,
            thor::one_draw_for_the_batch_makes_a_hot_spot_or_moves_nothing,
            thor::equal_draws_agree_and_others_do_not,
            thor::a_pass_that_cannot_be_told_apart_is_refused,
            domain::domain_experts_agree_with_the_oracle,
            domain::a_batch_sorted_by_domain_moves_nothing,
            domain::a_token_whose_expert_is_elsewhere_is_refused_or_counted,
            domain::all_the_weight_on_one_expert_is_that_experts_label,
            domain::a_mixture_takes_all_experts_that_weigh_anything,
            domain::an_expert_that_is_removed_is_one_without_weight,
            domain::a_step_without_a_domain_leaves_its_expert_alone,
            domain::mixtures_that_cannot_be_are_refused,
            language::language_experts_agree_with_the_oracle,
            language::a_language_that_is_not_known_is_refused,
            task::task_routing_agrees_with_the_oracle,
            task::all_tokens_of_a_task_have_its_experts_whatever_they_are,
            task::the_network_of_a_task_gives_the_bits_of_the_layer,
            task::what_a_task_network_cannot_be_made_of_is_refused,
            task::a_step_moves_the_embeddings_of_the_tasks_that_came,
            token_then_expert::token_then_expert_agrees_with_the_oracle,
            token_then_expert::the_golden_example_comes_out_in_every_form,
            token_then_expert::one_nomination_is_batch_priority_with_one_choice,
            token_then_expert::naming_every_expert_in_one_round_is_expert_choice,
            token_then_expert::with_room_for_all_it_is_token_choice,
            token_then_expert::no_token_left_behind_drops_only_whom_switch_drops,
            token_then_expert::more_places_keep_all_that_fewer_kept,
            token_then_expert::deferred_acceptance_leaves_no_pair_that_would_rather_have_each_other,
            token_then_expert::deferred_acceptance_of_thousands_of_tokens_takes_pairs_by_their_scores,
            token_then_expert::the_rounds_tell_how_they_ended,
            token_then_expert::with_a_handshake_experts_choose_over_all_devices,
            token_then_expert::a_handshake_is_two_exchanges_of_numbers_and_then_no_row_for_nothing,
            multi_gate::multi_gate_agrees_with_the_oracle,
            multi_gate::with_one_task_it_is_a_soft_mixture,
            multi_gate::equal_gates_give_every_task_the_same_bits,
            multi_gate::the_loss_of_a_task_moves_no_other_gate,
            multi_gate::experts_are_computed_once_however_many_tasks_ask_them,
            multi_gate::a_gradient_for_too_few_tasks_is_refused,
            dense_to_sparse::dense_to_sparse_agrees_with_the_oracle,
            dense_to_sparse::bytes_fall_from_all_experts_to_one_with_the_temperature,
            dense_to_sparse::outside_training_dense_to_sparse_is_top_1,
            dense_to_sparse::a_cold_token_goes_to_an_expert_as_often_as_its_softmax_says,
            reinforce::reinforce_agrees_with_the_oracle,
            reinforce::rewards_give_the_gradient_that_the_oracle_finds,
            reinforce::the_running_mean_is_that_of_the_batches_before,
            reinforce::a_planted_problem_is_solved,
            reinforce::training_explores_and_inference_does_not,
            reinforce::the_scores_are_the_policies,
            reinforce::rewards_that_do_not_fit_are_refused_and_teach_nothing,
            experts::experts_of_any_width_agree_with_the_oracle,
            experts::identities_agree_with_the_oracle,
            experts::residual_experts_agree_with_the_oracle,
            experts::the_two_parts_of_a_residual_layer_weigh_one,
            experts::experts_that_are_all_alike_are_what_they_are_without_widths,
            experts::room_beyond_the_widest_expert_changes_nothing,
            experts::beyond_its_width_an_expert_stays_zero,
            experts::what_a_wider_expert_left_in_a_row_is_never_read,
            experts::an_identity_gives_back_the_bits_it_was_given,
            experts::neither_widths_nor_identities_change_who_goes_where_or_what_it_moves,
            experts::devices_change_nothing_for_any_expert,
            experts::identities_cost_one_dispatch_and_widths_none,
            training::an_update_is_the_weight_minus_the_rate_times_the_gradient,
            training::the_loss_falls_in_every_step,
            training::weights_come_back_as_they_were_given,
            training::one_array_is_replaced_alone,
            training::after_training_the_layer_is_the_layer_of_its_weights,
            training::backward_recomputes_what_a_pass_outside_training_did_not_keep,
            calls::a_failed_call_leaves_the_layer_as_it_was,
            calls::a_batch_that_does_not_fit_leaves_the_last_pass_alone,
            calls::calls_out_of_order_are_refused,
            calls::a_layer_that_does_not_fit_leaves_nothing_behind,
            calls::fifty_layers_leave_nothing_behind,
            calls::batches_of_any_length_follow_each_other,
            calls::batches_of_many_lengths_do_not_add_up,
            calls::a_buffer_that_is_used_again_is_zero_again,
        }
    };
}

/// Calls a macro with every claim about the GPU engine alone, as `group::claim`.
macro_rules! on_every_gpu {
    ($test:ident) => {
        $test! {
            kernels::no_kernel_differs_from_its_twin,
            kernels::no_kernel_differs_from_its_twin_on_a_mesh,
            kernels::no_kernel_of_any_router_differs_from_its_twin,
            kernels::no_kernel_of_any_expert_differs_from_its_twin,
            kernels::a_broken_kernel_is_named,
            kernels::every_tiling_agrees_with_the_oracle,
            kernels::every_kernel_compiles_in_every_tiling,
            loss::a_lost_device_is_an_error_and_not_a_panic,
        }
    };
}

pub(crate) use {on_every_engine, on_every_gpu};
