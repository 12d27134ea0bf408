//! A feature store on a real Kubernetes node, with the real Feast, and clients that ask it for features.
//!
//! The node, its control plane, PostgreSQL and Feast run on this machine; [`support::node`] says how. Needs Linux, root
//! and cgroups v1: where a node cannot run, the tests are ignored with the reason.
//!
//! A test is a plain function in a file of `tests/real_node/`, named in one of the lists below.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support"]
mod support {
    pub mod feast;
    pub mod measured;
    pub mod node;
    pub mod terraform;
    pub mod testbed;
}

#[path = "real_node"]
mod real_node {
    pub mod actions;
    pub mod benchmark;
    pub mod failures;
    pub mod getting_started;
    pub mod lab;
    pub mod load;
    pub mod measure;
    pub mod requirements;
    pub mod rollouts;
    pub mod serving;
    pub mod store;
}

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use real_node::{
    actions, benchmark, failures, getting_started, lab, measure, requirements, rollouts, serving,
};

/// Returns one trial for each function, named by its path and started by `$run`.
macro_rules! trials {
    ($run:ident: $($test:path),* $(,)?) => {
        vec![$(Trial::ignorable_test(stringify!($test).replace(' ', ""), || $run($test))),*]
    };
}

/// Trials of every `cargo test`. Together, they take at most four minutes on two cores.
fn short() -> Vec<Trial> {
    let mut trials = trials![run:
        requirements::names_cgroups_v1_hierarchies_that_are_not_mounted,
        requirements::rejects_cgroups_v2,
    ];
    trials.extend(trials![run_on_node:
        serving::serves_features_through_services,
        serving::serves_features_with_a_read_only_root_file_system,
        serving::creates_a_repository_with_a_read_only_root_file_system,
        getting_started::the_guide_serves_a_feature,
        rollouts::scaling_and_updating_lose_no_request,
        rollouts::destroy_refuses_requests_only_without_the_service,
        rollouts::every_server_ends_before_the_grace_period,
        actions::materializes_and_restarts_without_a_lost_request,
    ]);
    trials
}

/// Trials of `.ci/extended`, which passes `--include-ignored`. They also run if the filter of `cargo test` selects no
/// short trial.
fn long() -> Vec<Trial> {
    trials![run_on_node:
        actions::a_failing_feast_apply_is_explained,
        measure::requests_lost_by_pre_stop_sleep,
        rollouts::every_transition_loses_no_request,
        benchmark::throughput,
        benchmark::scale_out,
    ]
}

/// Short trials of feature stores that do not become ready. They mostly wait, so they run side by side, and together
/// take about a minute.
fn short_failures() -> Vec<Trial> {
    trials![run_on_node:
        failures::a_pod_that_no_node_takes,
        failures::a_node_whose_network_is_repaired,
        failures::a_pvc_is_writable,
        failures::a_sandbox_that_cannot_be_created,
        failures::a_csi_driver_that_does_not_exist,
    ]
}

/// The long ones, which last as long as the kubelet's pauses. Together, they take less than four minutes.
fn long_failures() -> Vec<Trial> {
    trials![run_on_node:
        failures::a_volume_beyond_its_size_limit,
        failures::an_image_that_runs_as_root,
        failures::a_container_that_cannot_be_created,
        failures::an_image_that_cannot_be_pulled,
        failures::a_server_that_crashes,
        failures::a_server_beyond_its_memory_limit,
        failures::a_server_on_another_port,
        failures::a_volume_without_space,
        failures::a_pvc_that_the_user_cannot_write,
        failures::a_git_repository_that_cannot_be_cloned,
        failures::a_wrong_password,
        failures::a_database_that_does_not_exist,
        failures::a_database_without_tls,
    ]
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let (short, short_failures) = (short(), short_failures());
    let mut all_short = short.iter().chain(&short_failures);
    let selects_short = all_short.any(|trial| trial.name().contains(filter));
    let with_long = |short: Vec<Trial>, long: Vec<Trial>| {
        let long = long.into_iter();
        let long = long.map(|trial| trial.with_ignored_flag(selects_short));
        short.into_iter().chain(long).collect()
    };
    let run = |threads: usize, trials: Vec<Trial>| {
        let arguments = Arguments {
            test_threads: Some(threads),
            ..arguments.clone()
        };
        libtest_mimic::run(&arguments, trials).has_failed()
    };
    let groups = [
        (4, with_long(short_failures, long_failures())),
        // One after another: each keeps the machine busy, and a request must not be lost because the CPU is busy.
        (1, with_long(short, long())),
    ];
    let failed = groups.map(|(threads, trials)| run(threads, trials));
    lab::stop();
    match failed.contains(&true) {
        true => ExitCode::from(101),
        false => ExitCode::SUCCESS,
    }
}

fn run(test: fn()) -> Result<Completion, Failed> {
    test();
    Ok(Completion::Completed)
}

/// Runs the test, or ignores it where a node cannot run.
fn run_on_node(test: fn()) -> Result<Completion, Failed> {
    let missing = support::node::missing();
    if missing.is_empty() {
        run(test)
    } else {
        Ok(Completion::ignored_with(missing.join("; ")))
    }
}
