//! A feature store on a real Kubernetes node, with the real Feast, and clients that ask it for features.
//!
//! The node, its control plane, PostgreSQL and Feast run on this machine; [`support::node`] says how. Needs Linux and
//! root: where a node cannot run, the tests are ignored and the reason is printed.
//!
//! A test is a plain function in a file of `tests/real_node/`, named in the list below.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support"]
mod support {
    pub mod feast;
    pub mod node;
    pub mod terraform;
    pub mod testbed;
}

#[path = "real_node"]
mod real_node {
    pub mod failures;
    pub mod lab;
    pub mod load;
    pub mod measure;
    pub mod serving;
    pub mod store;
}

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use real_node::{failures, lab, measure, serving};

/// One trial for each function, named by its path.
macro_rules! trials {
    ($($test:path),* $(,)?) => {
        vec![$(Trial::test(stringify!($test).replace(' ', ""), || { $test(); Ok(()) })),*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One after another: each keeps the machine busy, and a request must not be lost for want of a processor.
    arguments.test_threads = Some(1);
    let missing = support::node::missing();
    if !missing.is_empty() {
        eprintln!("real_node: no test runs, because {}", missing.join("; "));
    }
    let named = arguments.filter.as_deref().unwrap_or_default();
    let failures = short_failures().into_iter().chain(long_failures());
    let failures = failures.map(|trial| trial.with_ignored_flag(!missing.is_empty()));
    let side_by_side = Arguments {
        test_threads: Some(4),
        ..arguments.clone()
    };
    let failed = libtest_mimic::run(&side_by_side, failures.collect()).has_failed();
    let trials = trials![serving::serves_features_through_services].into_iter();
    let trials = trials.map(|trial| trial.with_ignored_flag(!missing.is_empty()));
    // Run only when it is named.
    let measurements = trials![measure::requests_lost_by_pre_stop_sleep].into_iter();
    let is_ignored = !missing.is_empty() || !named.contains("measure");
    let measurements = measurements.map(|trial| trial.with_ignored_flag(is_ignored));
    let all = trials.chain(measurements).collect();
    let conclusion = libtest_mimic::run(&arguments, all);
    lab::stop();
    match failed {
        true => ExitCode::from(101),
        false => conclusion.exit_code(),
    }
}

/// Trials of feature stores that do not become ready, which mostly wait. Together, they take less than a minute.
fn short_failures() -> Vec<Trial> {
    trials![
        failures::a_pod_that_no_node_takes,
        failures::a_node_whose_network_is_repaired,
        failures::a_claim_is_writable,
        failures::a_sandbox_that_cannot_be_created,
        failures::a_csi_driver_that_does_not_exist,
    ]
}

/// The others, which last as long as the kubelet's pauses. Together, they take less than four minutes.
fn long_failures() -> Vec<Trial> {
    trials![
        failures::a_volume_beyond_its_size_limit,
        failures::a_secret_that_does_not_exist,
        failures::a_container_that_cannot_be_created,
        failures::an_image_that_cannot_be_pulled,
        failures::a_server_that_crashes,
        failures::a_server_beyond_its_memory_limit,
        failures::a_server_on_another_port,
        failures::a_volume_without_space,
        failures::a_claim_that_the_user_cannot_write,
        failures::a_git_repository_that_cannot_be_cloned,
        failures::a_wrong_password,
        failures::a_database_that_does_not_exist,
        failures::a_database_without_tls,
    ]
}
