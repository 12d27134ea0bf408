//! The real `terraform` and OpenTofu against a real Kubernetes API server.
//!
//! The tests share one control plane, which starts when the first test needs it. Each test has its own namespace.
//!
//! A test is a plain function in a file of `tests/lifecycle/`, and is listed below.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support"]
mod support {
    pub mod terraform;
    pub mod testbed;
    pub mod usage;
}

#[path = "lifecycle"]
mod lifecycle {
    pub mod account;
    pub mod actions;
    pub mod admission;
    pub mod admission_policy;
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
    pub mod exposure;
    pub mod faults;
    pub mod guard;
    pub mod ignored;
    pub mod import;
    pub mod jobs;
    pub mod keda;
    pub mod lab;
    pub mod leftovers;
    pub mod lineage;
    pub mod lost_responses;
    pub mod matrix;
    pub mod memory;
    pub mod migration;
    pub mod module;
    pub mod moved;
    pub mod nulls;
    pub mod odd_values;
    pub mod openshift;
    pub mod operator;
    pub mod permissions;
    pub mod persistence;
    pub mod pods;
    pub mod policies;
    pub mod preflight;
    pub mod pulumi;
    pub mod query;
    pub mod quota;
    pub mod reattach;
    pub mod recovery;
    pub mod replacement;
    pub mod requests;
    pub mod restricted;
    pub mod rollouts;
    pub mod scaling;
    pub mod secrets;
    pub mod services;
    pub mod store;
    pub mod terraform_runner;
    pub mod testbed;
    pub mod times;
    pub mod tls;
    pub mod versions;
    pub mod waiting;
    pub mod without_refresh;
}

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use lifecycle::{
    actions, admission, authz, cluster, concurrency, conflicts, convert, data, data_source,
    documentation, drift, examples, exposure, faults, guard, ignored, import, jobs, keda, lab,
    leftovers, lineage, lost_responses, matrix, memory, migration, module, moved, nulls,
    odd_values, openshift, permissions, persistence, pods, policies, preflight, pulumi, query,
    reattach, recovery, replacement, requests, restricted, rollouts, scaling, secrets, services,
    terraform_runner, testbed, times, tls, versions, waiting, without_refresh,
};

/// Returns one trial for each function, named by its path.
macro_rules! trials {
    ($($test:path),* $(,)?) => {
        vec![$(Trial::test(stringify!($test).replace(' ', ""), || {
            times::measured(stringify!($test), $test);
            Ok(())
        })),*]
    };
}

/// Returns one trial for each test of the layer `cluster` in one file, each in its own namespace.
macro_rules! cluster_trials {
    ($file:ident: $($test:ident),* $(,)?) => {
        vec![$(Trial::test(concat!(stringify!($file), "::", stringify!($test)), || {
            times::measured(concat!(stringify!($file), "::", stringify!($test)), || {
                let namespace = lab::namespace("cluster");
                cluster::in_namespace(namespace.cluster().kubeconfig(), namespace.name(), $file::$test);
            });
            Ok(())
        })),*]
    };
}

/// Returns one trial for each function that needs a minor version of Kubernetes. With an earlier one, they are ignored.
macro_rules! trials_since {
    ($minor:literal: $($test:path),* $(,)?) => {{
        let is_old = !lab::has_kubernetes($minor);
        trials![$($test),*].into_iter().map(move |trial| trial.with_ignored_flag(is_old))
    }};
}

/// Returns one trial for each function that needs Terraform 1.15. On a machine that cannot have it, they are ignored.
macro_rules! newest_terraform_trials {
    ($($test:path),* $(,)?) => {
        vec![$(Trial::ignorable_test(stringify!($test).replace(' ', ""), || {
            Ok(times::measured(stringify!($test), || lab::with_newest_terraform($test)))
        })),*]
    };
}

/// Returns the tests that take longest, the longest first.
fn long_trials() -> Vec<Trial> {
    let mut all = trials![odd_values::validate_rejects_what_the_api_server_rejects];
    all.extend(faults::trials());
    all.extend(cluster_trials![
        cluster:
        cancels_a_wait,
        names_each_missing_permission,
    ]);
    all.extend(cluster_trials![
        rollouts:
        pvc_without_volume,
        failing_liveness_probe,
        unschedulable_pod,
        exceeded_progress_deadline,
        ignores_a_single_failed_pull,
        exhausted_quota,
        failing_readiness_probe,
        missing_secret,
        crashing_server,
        expired_wait_reports_the_current_state,
        denied_admission,
        invalid_image_name,
        image_pull_failure,
        crashing_init_container,
        ignores_issues_of_old_pods,
        a_change_repairs_a_crashing_server,
        out_of_memory,
    ]);
    all.extend(cluster_trials![
        waiting:
        names_the_pod_that_uses_a_pvc,
        quota_below_the_minimum_ends_the_wait,
        waits_for_a_late_node,
        paused_rollout_fails_immediately,
        rejected_replica_set_ends_the_wait,
        suspended_job_fails_immediately,
        external_scaling_to_zero_is_complete,
        running_sidecar_ends_the_wait_for_a_job,
        failure_behind_a_sidecar_ends_the_wait_for_a_job,
        job_succeeds_after_its_quota_is_raised,
        job_rejected_by_quota,
        job_rejected_by_pod_security,
        names_remaining_pods,
        terminating_pod_is_reported_at_the_timeout,
        failing_sandbox_is_reported_at_the_timeout,
        servers_without_limits_under_a_quota,
    ]);
    // With a MutatingAdmissionPolicy, which is stable since then.
    all.extend(trials_since![
        36:
        drift::strict_policy_reports_injected_fields,
        openshift::example_is_applied,
    ]);
    all.extend(trials![
        authz::documented_permissions_are_sufficient,
        data::enlarged_pvc_is_not_drift,
        requests::ten_stores_share_reads,
        concurrency::waits_for_an_api_server_restart,
        jobs::failed_job_of_an_apply_that_did_not_wait_runs_again,
        jobs::failing_job_is_explained_and_keeps_the_pods,
        lineage::failing_lineage_rollout_is_explained,
        lost_responses::next_apply_converges_after_an_outage,
        keda::requires_keda_and_creates_a_scaled_object,
        openshift::certificates_are_issued_before_an_update_changes_anything,
        openshift::a_create_without_the_service_ca_is_undone,
        openshift::requires_openshift,
        rollouts::apply_fails_before_its_timeout,
        scaling::resets_replicas_that_change_during_the_rollout,
        rollouts::logs_progress,
        rollouts::does_not_wait_if_disabled,
        scaling::plan_is_empty_after_hpa_scales_out,
        testbed::failing_pods_report_their_reason,
        testbed::hpa_scales_out,
        testbed::delays_pod_readiness,
        testbed::volumes_are_provisioned,
    ]);
    all.push(Trial::ignorable_test(
        "testbed::listens_only_on_loopback",
        || Ok(testbed::listens_only_on_loopback()),
    ));
    all
}

/// Returns one trial for each version of Terraform and OpenTofu. On a machine that cannot have a version, its trial is
/// ignored.
fn matrix_trials() -> Vec<Trial> {
    let tools = matrix::TOOLS.iter();
    tools
        .map(|&(name, tool, is_in_ci)| {
            let trial = Trial::ignorable_test(name, move || {
                Ok(times::measured(name, || {
                    lab::with_tool(tool, matrix::check)
                }))
            });
            trial.with_ignored_flag(!is_in_ci)
        })
        .collect()
}

fn trials() -> Vec<Trial> {
    let mut all = cluster_trials![
        cluster:
        replaces_an_unresponsive_connection,
        failed_apply_reports_existing_objects,
        interrupted_apply_reports_existing_objects,
        conflicts_with_other_managers,
        supports_every_credential_type,
        reports_unreachable_servers,
        does_not_overwrite_foreign_objects,
        waits_do_not_block_requests,
        concurrent_creates_first_writer_wins,
        blocked_deletion_does_not_delay_others,
        dry_run_reports_every_rejected_object,
        dry_run_reports_conflicts_of_an_update,
        prunes_and_deletes,
        replicas_never_drop_during_a_transition,
        sends_requests_through_a_proxy,
        reads_the_users_secrets,
        changes_the_strategy_in_both_directions,
        detects_objects_created_after_the_read,
        removes_unwanted_fields_and_objects,
        does_not_overwrite_edits_after_the_read,
    ];
    // With resource claims, which are stable since then. The test of `query` uses the same node ports.
    all.extend(trials_since![34: import::imports_every_configuration_unchanged]);
    all.extend(trials![
        concurrency::waits_for_objects_being_deleted,
        concurrency::terminating_namespace_is_reported_once,
        concurrency::stale_plan_keeps_unseen_changes,
        concurrency::concurrent_creates_have_one_owner,
        concurrency::concurrent_different_creates_have_one_owner,
        conflicts::applied_fields_conflict,
        conflicts::reverts_plain_updates,
        migration::import_block_generates_configuration,
        migration::running_operator_stops_the_apply,
        migration::names_missing_permissions,
        migration::recreates_the_lineage_server,
        migration::replaces_pods_once_and_keeps_replicas,
        migration::commands_of_the_guide_succeed,
        migration::rejects_unsupported_imports,
        migration::migrates_objects_and_data,
        module::creates_several_feature_stores,
        module::tests_of_the_module_pass,
        moved::kubectl_manifest_is_taken_over,
        convert::plans_examples,
        convert::functions_report_errors,
        convert::output_is_formatted_valid_and_equivalent,
        data_source::rejects_a_provider_namespace_known_after_apply,
        data_source::needs_only_read_permissions,
        data_source::returns_live_values,
        authz::each_mode_removes_objects_of_the_previous_mode,
        authz::failed_rollout_keeps_the_permissions_of_the_previous_mode,
        authz::same_name_in_two_namespaces_is_independent,
        authz::granted_permissions_replace_escalate_and_bind,
        authz::rejects_invalid_configurations_at_plan,
        data::deletes_pvcs_with_delete_data,
        data::failed_rollout_keeps_the_pvc,
        data::kept_pvc_is_deleted_only_by_a_plan_that_names_it,
        data::never_deletes_the_pvc_of_an_earlier_store,
        data::rejects_shrinking_a_pvc,
        data::keeps_pvcs_by_default,
        documentation::passes_tfplugindocs,
        drift::rotated_secret_is_listed_and_rolls_the_pods,
        drift::drift_remains_after_a_saved_refresh,
        drift::drift_shows_at_its_attribute,
        drift::shows_and_reverts_edits,
        drift::foreign_fields_are_not_drift,
        drift::variable_values_show_only_at_their_attribute,
        faults::same_seed_selects_same_cases,
        faults::requests_have_stable_names,
        examples::are_formatted,
        examples::autoscaling,
        examples::external_autoscaler,
        examples::production,
        examples::static_replicas,
        examples::remaining_examples,
        guard::missing_namespace_does_not_replace,
        guard::provider_blocks_have_their_own_namespaces,
        guard::rejects_another_cluster,
        guard::connection_errors_name_server_and_origin,
        guard::explains_rejected_credentials,
        guard::checks_the_cluster_uid_once_per_connection,
        guard::names_the_missing_permission,
        ignored::keeps_live_values_that_violate_a_rule,
        ignored::ignored_live_values_cause_no_plan,
        import::moved_block_changes_nothing,
        import::name_or_namespace_change_replaces,
        import::import_by_block_gives_an_empty_plan,
        import::import_by_id_gives_an_empty_plan,
        import::metric_order_is_not_drift,
        import::plans_a_missing_deployment,
        import::rejects_missing_stores,
        import::removed_block_keeps_the_store,
        jobs::creates_changes_and_deletes_a_schedule,
        jobs::job_without_pods_is_explained_and_retried,
        jobs::applies_definitions_once_per_configuration,
        leftovers::removes_fields_after_a_managed_fields_reset,
        leftovers::removes_fields_after_a_restore,
        leftovers::removes_fields_of_a_former_field_manager,
        leftovers::reports_dropped_fields_with_other_owners,
        leftovers::removes_leftovers_of_a_lost_state,
        leftovers::removes_leftover_objects_of_every_kind,
        lineage::runs_in_separate_pods,
        lineage::example_is_applied_and_destroyed,
        permissions::documented_role_is_sufficient,
        persistence::accepts_databases_and_object_stores,
        persistence::rejects_files,
        persistence::checks_unknown_values_at_apply,
        pods::warnings_do_not_stop_the_apply,
        pods::applies_and_removes_every_option,
        nulls::rejects_null_list_elements,
        nulls::ignores_null_map_elements,
        admission::a_refused_create_leaves_nothing,
        admission::a_refused_update_changes_nothing,
        admission::warnings_of_the_api_server_are_shown_once,
        policies::explains_rejection_by_a_policy,
        preflight::finds_every_obstacle_at_once,
        preflight::reports_missing_permissions_together,
        preflight::missing_namespace_is_a_warning,
        preflight::a_replacement_may_use_the_quota_of_the_old_store,
        preflight::a_tainted_store_is_replaced_and_destroyed,
        preflight::an_unreachable_cluster_is_a_warning,
        lost_responses::retries_a_write_after_an_api_server_restart,
        reattach::each_tool_uses_the_running_provider,
        recovery::timed_out_create_converges,
        recovery::plan_is_not_empty_after_a_failed_rollout,
        recovery::resumes_an_interrupted_apply,
        replacement::adopts_a_failed_create_with_another_configuration,
        replacement::rejects_a_name_in_use_at_plan,
        replacement::rejects_an_unusable_namespace_at_plan,
        replacement::rejects_a_replacement_without_permissions,
        replacement::rejects_a_requested_replacement_without_its_secret,
        replacement::suggested_command_removes_leftovers,
        replacement::rejects_create_before_destroy,
        replacement::renamed_block_needs_a_moved_block_or_two_applies,
        replacement::destroys_an_imported_store,
        replacement::two_blocks_of_one_name_have_one_owner,
        replacement::replacement_adopts_a_tainted_store,
        restricted::configurations_of_the_guide_are_applied,
        restricted::every_kind_of_pod_is_accepted,
        restricted::production_example_is_accepted,
        scaling::creates_changes_and_deletes_a_budget,
        scaling::every_transition,
        scaling::refresh_ignores_autoscaled_counts,
        scaling::keeps_a_replica_count_set_outside_terraform,
        secrets::accepts_a_rotation_between_plan_and_apply,
        secrets::waits_for_a_late_secret,
        secrets::keeps_the_pod_while_the_next_one_could_not_start,
        secrets::names_all_missing_secrets,
        secrets::password_is_only_in_the_store_secret,
        exposure::ingress_example_refers_to_existing_ports,
        exposure::gateway_example_refers_to_existing_ports,
        exposure::service_monitor_example_is_applied_and_deleted,
        services::the_type_changes_in_place,
        services::address_families_change_or_replace_the_service,
        versions::fields_that_the_api_server_does_not_store_are_refused,
        tls::renewed_certificate_rolls_the_pods,
        tls::requires_the_ca_of_a_token_provider,
        tls::example_is_applied,
        tls::rejects_a_missing_or_unencrypted_remote_registry,
        without_refresh::every_operation_succeeds_without_a_refresh,
        testbed::control_plane_responds,
        testbed::deployment_becomes_available,
        testbed::python_programs_start_from_any_folder,
        terraform_runner::mirror_layout_is_found,
        terraform_runner::plans_and_applies,
        terraform_runner::reports_a_failed_plan,
    ]);
    all.extend(newest_terraform_trials![
        actions::a_restart_is_no_drift,
        actions::commands_of_file_based_stores_need_a_cron_job,
        actions::examples_run_by_command_and_by_trigger,
        actions::runs_wait_for_other_jobs_and_leave_none_when_cancelled,
        migration::commands_for_a_cluster_move_ten_feature_stores,
        query::generated_configuration_migrates_a_namespace,
        query::import_by_identity_generates_configuration,
        query::invalid_queries_are_rejected,
        query::missing_permissions_are_warnings,
    ]);
    // With a MutatingAdmissionPolicy, which is stable since then.
    all.extend(trials_since![
        36:
        admission::rewritten_values_cause_no_plan,
        admission::registry_mirror_of_the_guide_causes_no_plan,
    ]);
    all.extend(trials_since![34: query::generates_every_configuration]);
    // Since then, kubectl has preferences.
    all.extend(trials_since![34: testbed::kubectl_ignores_the_preferences_of_the_user]);
    all.extend(matrix_trials());
    all.extend(keda::real::trials());
    all.push(Trial::ignorable_test(
        "memory::fifty_stores_stay_within_the_baseline",
        || Ok(memory::fifty_stores_stay_within_the_baseline()),
    ));
    let pulumi = trials![pulumi::example].into_iter();
    all.extend(pulumi.map(|trial| trial.with_ignored_flag(true)));
    all
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests wait for the cluster more than for a processor.
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    arguments.test_threads.get_or_insert(3 * processors);
    // The longest are first, so that the last minutes are not those of a single test.
    let mut all = long_trials();
    all.extend(trials());

    if let Err(error) = support::testbed::stop_on_signal() {
        panic!("{error}");
    }
    let conclusion = libtest_mimic::run(&arguments, all);
    // A static is never dropped.
    lab::stop();
    keda::real::stop();
    times::print_longest();
    conclusion.exit_code()
}
