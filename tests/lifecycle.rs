//! The real `terraform` and OpenTofu against a real Kubernetes API server.
//!
//! The tests share one control plane, which the first test that asks for it boots; each has a
//! namespace of its own. With `FEAST_TEST_KUBECONFIG=<file>` they use that cluster instead, and
//! skip what only the testbed's simulated nodes can show.
//!
//! A test is a plain function in a file of `tests/lifecycle/`, named in the list below.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support"]
mod support {
    pub mod terraform;
    pub mod testbed;
}

#[path = "lifecycle"]
mod lifecycle {
    pub mod account;
    pub mod adoption;
    pub mod authz;
    pub mod cluster;
    pub mod concurrency;
    pub mod conflicts;
    pub mod convert;
    pub mod data;
    pub mod data_source;
    pub mod documentation;
    pub mod drift;
    pub mod examples;
    pub mod faults;
    pub mod guard;
    pub mod ignored;
    pub mod import;
    pub mod jobs;
    pub mod keda;
    pub mod lab;
    pub mod leftovers;
    pub mod lineage;
    pub mod lost_answers;
    pub mod nulls;
    pub mod operator;
    pub mod permissions;
    pub mod persistence;
    pub mod pods;
    pub mod policies;
    pub mod recovery;
    pub mod replacement;
    pub mod requests;
    pub mod rollouts;
    pub mod scaling;
    pub mod secrets;
    pub mod store;
    pub mod terraform_runner;
    pub mod testbed;
    pub mod tls;
    pub mod waiting;
}

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use lifecycle::{
    adoption, authz, cluster, concurrency, conflicts, convert, data, data_source, documentation,
    drift, examples, faults, guard, ignored, import, jobs, keda, lab, leftovers, lineage,
    lost_answers, nulls, permissions, persistence, pods, policies, recovery, replacement, requests,
    rollouts, scaling, secrets, terraform_runner, testbed, tls, waiting,
};

/// One trial for each function, named by its path.
macro_rules! trials {
    ($($test:path),* $(,)?) => {
        vec![$(Trial::test(stringify!($test).replace(' ', ""), || { $test(); Ok(()) })),*]
    };
}

/// The same for the tests of the layer `cluster` in one file, each in a namespace of its own.
macro_rules! cluster_trials {
    ($file:ident: $($test:ident),* $(,)?) => {
        vec![$(Trial::test(concat!(stringify!($file), "::", stringify!($test)), || {
            let namespace = lab::namespace("cluster");
            cluster::in_namespace(namespace.cluster().kubeconfig(), namespace.name(), $file::$test);
            Ok(())
        })),*]
    };
}

/// Tests of the simulated nodes, which a user's own cluster does not have.
fn simulation_trials() -> Vec<Trial> {
    let mut all = cluster_trials![
        cluster:
        a_wait_can_be_cancelled,
        each_right_is_needed_and_its_lack_is_named,
    ];
    all.extend(cluster_trials![
        rollouts:
        a_claim_without_a_volume,
        a_liveness_probe_that_fails,
        a_pod_that_no_node_takes,
        a_progress_deadline,
        a_pull_that_fails_once_is_no_failure,
        a_quota_that_is_used_up,
        a_readiness_probe_that_fails,
        a_secret_that_is_missing,
        a_server_that_crashes,
        a_wait_whose_time_is_over_looks_once,
        an_admission_that_is_denied,
        an_image_name_that_cannot_be,
        an_image_that_cannot_be_pulled,
        an_init_container_that_crashes,
        the_trouble_of_old_pods_is_not_the_new_ones,
        too_little_memory,
    ]);
    all.extend(cluster_trials![
        waiting:
        a_claim_in_use_names_the_pod_that_keeps_it,
        a_minimum_that_a_quota_refuses,
        a_node_that_comes_late_is_waited_for,
        a_paused_rollout_ends_at_once,
        a_replica_set_that_is_refused,
        a_suspended_job_ends_at_once,
        external_scaling_to_zero_is_complete,
        job_that_a_sidecar_keeps_running,
        job_that_gets_its_pod_late,
        job_whose_pods_a_quota_refuses,
        job_whose_pods_pod_security_refuses,
        pods_that_stay_are_named,
        sandbox_that_cannot_be_created,
        servers_without_limits_under_a_quota,
    ]);
    all.extend(faults::trials());
    all.extend(trials![
        authz::the_guides_rights_are_enough,
        data::a_claim_that_somebody_has_grown_is_no_drift,
        drift::an_injector_shows_only_to_the_strict,
        requests::ten_stores_share_what_they_read,
        concurrency::an_api_server_that_restarts_is_waited_for,
        jobs::a_failing_job_says_why_and_leaves_the_servers_alone,
        lineage::a_rollout_of_it_that_fails_says_why,
        lost_answers::an_api_server_that_stays_away_ends_the_apply_and_the_next_makes_it_good,
        keda::scales_where_it_is_installed,
        rollouts::an_apply_ends_before_its_time_out,
        scaling::a_number_that_is_moved_during_the_rollout_is_set_again,
        rollouts::progress_is_logged,
        rollouts::without_waiting_an_apply_ends_at_once,
        scaling::hpa_scales_out_and_the_plan_stays_empty,
        testbed::failing_pods_say_why,
        testbed::hpa_scales_out,
        testbed::nothing_listens_beyond_loopback,
        testbed::pods_become_ready_late_when_asked_to,
        testbed::volumes_are_provisioned,
    ]);
    all
}

fn trials() -> Vec<Trial> {
    let mut all = cluster_trials![
        cluster:
        a_connection_that_goes_silent_is_left,
        a_failed_apply_says_what_exists,
        an_interrupted_apply_knows_what_exists,
        conflicts_with_other_managers,
        credentials_of_every_sort,
        foreign_objects_are_not_overwritten,
        many_waits_hold_up_no_request,
        concurrent_creates_first_writer_wins,
        one_store_that_stays_holds_up_no_other,
        pruning_and_deleting,
        replicas_never_fall_through_any_transition,
        requests_go_through_a_proxy,
        secrets_of_the_user,
        strategies_change_both_ways,
        what_came_into_being_since_the_read_is_met,
        what_is_no_longer_wanted_vanishes,
        what_was_edited_since_the_read_is_not_overwritten,
    ];
    all.extend(trials![
        concurrency::a_name_that_is_still_being_deleted_is_waited_for,
        concurrency::a_namespace_that_is_terminating_is_one_clear_error,
        concurrency::a_plan_that_is_stale_undoes_nothing_unseen,
        concurrency::of_creates_at_once_one_has_the_store,
        concurrency::two_different_creates_at_once_leave_one_owner,
        conflicts::an_applier_is_a_conflict_with_two_ways_out,
        conflicts::plain_updates_are_drift_that_an_apply_repairs,
        adoption::an_import_block_generates_the_configuration,
        adoption::an_operator_at_work_stops_the_apply,
        adoption::missing_rights_are_named,
        adoption::the_lineage_server_is_made_anew,
        adoption::pods_are_replaced_once_and_the_count_stays,
        adoption::the_guide_works_as_it_is_written,
        adoption::what_cannot_be_taken_over_is_said,
        adoption::what_the_operator_made_is_taken_over_with_its_data,
        convert::examples_are_planned,
        convert::functions_tell_what_is_wrong,
        convert::is_formatted_valid_and_means_the_same,
        data_source::needs_only_the_right_to_read,
        data_source::shows_what_is_there,
        authz::every_mode_cleans_up_after_the_one_before,
        authz::two_stores_of_one_name_do_not_meet,
        authz::what_cannot_stand_is_refused_at_plan,
        data::claims_go_when_the_user_says_so,
        data::claims_only_grow,
        data::claims_outlive_every_change,
        documentation::tfplugindocs_finds_nothing_wrong,
        drift::a_rotated_secret_is_named_and_rolls_the_pods,
        drift::drift_is_told_again_after_a_kept_refresh,
        drift::drift_shows_at_the_attribute_that_set_it,
        drift::every_hand_edit_is_shown_and_repaired,
        drift::foreign_fields_never_show,
        drift::values_of_variables_are_shown_only_where_they_are_set,
        faults::a_seed_chooses_the_same_cases_again,
        faults::requests_have_stable_names,
        examples::autoscaling,
        examples::external_autoscaler,
        examples::production,
        examples::static_replicas,
        examples::the_others,
        guard::an_empty_namespace_destroys_nothing,
        guard::another_cluster_is_refused,
        guard::connection_errors_name_server_and_origin,
        guard::credentials_that_are_not_accepted_are_explained,
        guard::the_guard_asks_once,
        guard::the_guard_needs_one_right_and_says_so,
        ignored::live_values_that_a_rule_forbids_are_kept,
        ignored::live_values_that_are_ignored_make_no_plan,
        import::another_address_is_free,
        import::another_name_or_namespace_replaces,
        import::by_block_with_a_generated_configuration_gives_an_empty_plan,
        import::by_id_gives_an_empty_plan,
        import::every_configuration_comes_back_as_it_was,
        import::metrics_in_another_order_are_the_same,
        import::of_a_store_without_its_deployment_the_plan_makes_it,
        import::what_is_not_there_is_said,
        jobs::a_schedule_comes_changes_and_goes,
        jobs::a_job_without_pods_says_why_and_is_taken_up_again,
        jobs::definitions_are_applied_once_for_each_configuration,
        leftovers::dropped_fields_go_after_the_record_of_owners_was_lost,
        leftovers::dropped_fields_go_after_a_restore_from_a_backup,
        leftovers::dropped_fields_of_a_former_field_manager_go,
        leftovers::dropped_fields_that_others_own_are_reported,
        leftovers::leftovers_of_a_lost_state_are_shown_and_removed,
        leftovers::objects_of_every_kind_that_a_lost_state_had_are_removed,
        leftovers::values_that_admission_changes_are_reported,
        lineage::has_pods_of_its_own,
        lineage::the_example_comes_and_goes,
        permissions::the_guides_role_is_enough_and_a_missing_verb_is_named,
        persistence::databases_and_object_stores_are_accepted_without_a_cluster,
        persistence::files_are_refused_without_a_cluster,
        persistence::unknown_values_are_judged_at_apply,
        pods::advice_is_shown_and_stops_nothing,
        pods::every_option_is_applied_and_taken_back,
        nulls::null_elements_of_lists_are_refused_with_the_idiom,
        nulls::null_elements_of_maps_count_as_absent,
        policies::create_update_and_delete_say_that_a_policy_rejected_them,
        lost_answers::a_write_is_repeated_when_the_api_server_is_back,
        recovery::a_create_that_times_out_says_why_and_converges,
        recovery::a_failed_rollout_is_not_forgotten,
        recovery::an_interrupted_apply_is_taken_up_again,
        replacement::a_failed_create_is_taken_up_by_another_configuration,
        replacement::a_name_that_is_in_use_is_refused_at_plan_and_a_free_one_is_taken,
        replacement::a_namespace_that_cannot_take_the_store_is_refused_at_plan,
        replacement::a_replacement_without_rights_is_refused_and_without_a_cluster_warned_of,
        replacement::a_requested_replacement_that_cannot_be_created_is_refused_at_plan,
        replacement::the_command_of_the_error_removes_what_a_create_has_left,
        replacement::a_complete_store_is_not_made_again_before_it_is_destroyed,
        replacement::a_renamed_block_is_destroyed_before_it_is_made_again,
        replacement::an_import_may_be_destroyed,
        replacement::of_two_blocks_of_one_name_one_has_the_store,
        replacement::what_a_create_has_left_is_its_replacements,
        scaling::a_budget_comes_changes_and_goes,
        scaling::every_transition,
        scaling::a_refresh_reports_no_drift_of_numbers_that_move_by_design,
        scaling::external_count_survives_every_update,
        secrets::a_rotation_between_plan_and_apply_is_no_error,
        secrets::a_secret_that_comes_late_is_waited_for,
        secrets::secrets_that_never_come_are_all_named,
        secrets::the_password_is_nowhere_but_in_our_secret,
        tls::a_renewed_certificate_rolls_the_pods,
        tls::the_authority_of_a_token_provider_must_be_there,
        tls::the_example_is_applied,
        tls::the_registry_of_another_store_is_looked_at_first,
        testbed::control_plane_answers,
        testbed::deployment_becomes_available,
        terraform_runner::mirror_layout_is_the_one_that_the_tools_look_for,
        terraform_runner::plans_and_applies,
        terraform_runner::reports_a_failed_plan,
    ]);
    all
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests mostly wait for the cluster, not for a processor.
    arguments.test_threads.get_or_insert(8);
    let simulation = simulation_trials().into_iter();
    let on_own_cluster = lab::kubeconfig_of_the_user().is_some();
    let mut all = trials();
    all.extend(simulation.map(|trial| trial.with_ignored_flag(on_own_cluster)));

    if let Err(error) = support::testbed::stop_on_signal() {
        panic!("{error}");
    }
    let conclusion = libtest_mimic::run(&arguments, all);
    // A static is never dropped.
    lab::stop();
    conclusion.exit_code()
}
