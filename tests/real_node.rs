//! A feature store on a real Kubernetes node, with the real Feast, and clients that ask it for features.
//!
//! The node, its control plane, PostgreSQL and Feast run on this machine; [`support::node`] says how. Needs Linux, root
//! and control groups of version 1: where a node cannot run, the tests are ignored with the reason.
//!
//! A test is a plain function in a file of `tests/real_node/`, named in one of the lists below.
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

use real_node::{lab, measure, requirements, rollouts, serving};

/// Returns one trial for each function, named by its path and started by `$run`.
macro_rules! trials {
    ($run:ident: $($test:path),* $(,)?) => {
        vec![$(Trial::ignorable_test(stringify!($test).replace(' ', ""), || $run($test))),*]
    };
}

/// Trials that need no node.
fn without_node() -> Vec<Trial> {
    trials![run:
        requirements::control_groups_of_version_1_are_named_if_they_are_not_mounted,
        requirements::control_groups_of_version_2_are_not_supported,
    ]
}

/// Trials of every `cargo test`. Together, they take at most four minutes on two cores.
fn short() -> Vec<Trial> {
    trials![run_on_node:
        serving::serves_features_through_services,
        rollouts::scaling_and_updating_lose_no_request,
        rollouts::destroy_refuses_requests_only_without_the_service,
    ]
}

/// Trials of `.ci/extended`, which passes `--include-ignored`. They also run if the filter of `cargo test` selects no
/// short trial.
fn long() -> Vec<Trial> {
    trials![run_on_node:
        measure::requests_lost_by_pre_stop_sleep,
        rollouts::every_transition_loses_no_request,
    ]
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One after another: each keeps the machine busy, and a request must not be lost for want of a processor.
    arguments.test_threads = Some(1);
    let short: Vec<Trial> = without_node().into_iter().chain(short()).collect();
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let selects_short = short.iter().any(|trial| trial.name().contains(filter));
    let long = long()
        .into_iter()
        .map(|trial| trial.with_ignored_flag(selects_short));
    let all = short.into_iter().chain(long).collect();
    let conclusion = libtest_mimic::run(&arguments, all);
    lab::stop();
    conclusion.exit_code()
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
