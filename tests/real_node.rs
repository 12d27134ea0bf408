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
    pub mod lab;
    pub mod load;
    pub mod measure;
    pub mod rollouts;
    pub mod serving;
    pub mod store;
}

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use real_node::{lab, measure, rollouts, serving};

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
    let trials = trials![
        serving::serves_features_through_services,
        rollouts::scaling_and_updating_lose_no_request,
        rollouts::destroy_refuses_requests_only_without_the_service,
    ]
    .into_iter();
    let trials = trials.map(|trial| trial.with_ignored_flag(!missing.is_empty()));
    // Run only when it is named.
    let measurements = trials![
        measure::requests_lost_by_pre_stop_sleep,
        rollouts::every_transition_loses_no_request,
    ]
    .into_iter();
    let is_ignored =
        !missing.is_empty() || !(named.contains("measure") || named.contains("every_transition"));
    let measurements = measurements.map(|trial| trial.with_ignored_flag(is_ignored));
    let all = trials.chain(measurements).collect();
    let conclusion = libtest_mimic::run(&arguments, all);
    lab::stop();
    conclusion.exit_code()
}
