//! Runs the real Feast with the rendered objects of this provider.
//!
//! Each configuration is processed as in an apply: rules, specification, rendering, resolving Secrets. The containers
//! of the Deployment are then started as rendered, with a real PostgreSQL and Redis, and the test requests features.
//! All programs are installed into the user's cache, once. No container runtime and no network are needed. The tests
//! need Linux, for its namespaces, and Python. Where something is missing, they are ignored with the reason.
//!
//! A test is a plain function in a file of `tests/real_feast/`, and is listed below.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support"]
mod support {
    pub mod feast;
    pub mod testbed;
}

#[path = "real_feast"]
mod real_feast {
    pub mod addresses;
    pub mod concurrent_apply;
    pub mod configurations;
    pub mod feature_repository;
    pub mod lab;
    pub mod lineage;
    pub mod materialization;
    pub mod mlflow;
    pub mod offline_servers;
    pub mod options;
    pub mod prometheus;
    pub mod restarts;
    pub mod sslmode;
    pub mod stores;
    pub mod three_replicas;
    pub mod tls;
    pub mod tokens;
    pub mod upgrade;
}

use std::process::ExitCode;
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use real_feast::{
    addresses, concurrent_apply, configurations, lab, lineage, materialization, mlflow,
    offline_servers, options, prometheus, restarts, sslmode, stores, three_replicas, tls, tokens,
    upgrade,
};

/// Returns one trial for each function, named by its path.
macro_rules! trials {
    ($($test:path),* $(,)?) => {
        vec![$(Trial::ignorable_test(stringify!($test).replace(' ', ""), || run($test))),*]
    };
}

/// Trials of every `cargo test`, sorted by duration, longest first.
fn short() -> Vec<Trial> {
    trials![
        three_replicas::replicas_return_the_same_features,
        options::servers_apply_their_options,
        tls::every_server_presents_its_certificate,
        restarts::postgresql_recovers_from_every_restart,
        stores::redis_and_duckdb,
        restarts::redis_recovers_from_every_restart,
        lineage::lineage_server_receives_feast_events,
        stores::sqlite_on_pvcs,
        addresses::servers_listen_at_both_families,
        stores::feast_init_defaults,
        options::feast_parses_every_section,
        configurations::feast_loads_every_rendered_file,
        options::sends_no_events_to_kafka,
        sslmode::connections_are_as_the_secrets_guide_says,
        mlflow::some_settings_have_no_effect,
        tokens::a_rejected_token_has_the_roles_of_the_account_that_it_names,
        options::the_image_lacks_the_packages_of_the_warnings,
    ]
}

/// Trials of `.ci/extended`, which passes `--include-ignored`. They also run if the filter of `cargo test` selects no
/// short trial.
fn long() -> Vec<Trial> {
    trials![
        materialization::features_are_served_while_they_are_materialized,
        materialization::features_are_rejected_without_the_setting,
        upgrade::data_survives_an_upgrade_and_a_rollback,
        offline_servers::retrievals_reach_any_of_several_servers,
        prometheus::scrapes_what_the_service_monitor_points_to,
        lineage::lineage_server_rejects_other_keys,
        mlflow::each_option_has_its_effect,
        mlflow::the_namespace_is_the_workspace,
        concurrent_apply::sql_registry,
        concurrent_apply::file_registry,
        concurrent_apply::old_pod_reverts_new_definitions,
        restarts::measure_postgresql,
        restarts::measure_redis,
    ]
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test keeps a processor busy.
    arguments.test_threads.get_or_insert(2);
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let short = short();
    let selects_short = short.iter().any(|trial| trial.name().contains(filter));
    let long = long().into_iter();
    let long = long.map(|trial| trial.with_ignored_flag(selects_short));
    let all = short.into_iter().chain(long);
    let conclusion = libtest_mimic::run(&arguments, all.collect());
    // A static is never dropped.
    lab::stop();
    conclusion.exit_code()
}

/// Runs the test, or ignores it where Feast cannot run.
fn run(test: fn()) -> Result<Completion, Failed> {
    static MISSING: LazyLock<Vec<String>> = LazyLock::new(support::feast::missing);
    if MISSING.is_empty() {
        test();
        Ok(Completion::Completed)
    } else {
        Ok(Completion::ignored_with(MISSING.join("; ")))
    }
}
