//! The feature store on a real Kubernetes node, with the real Feast, while clients ask for features all the time.
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
    let trials = trials![
        serving::serves_features_through_services,
        rollouts::rolling_update_loses_no_request,
        rollouts::scaling_by_hand_loses_no_request,
    ];
    let named = arguments.filter.as_ref();
    let named = named.is_some_and(|filter| filter.contains("measure"));
    let evidence = trials![measure::requests_lost_by_pre_stop_sleep];
    let evidence = evidence
        .into_iter()
        .map(|trial| trial.with_ignored_flag(!named));
    let all = trials.into_iter().chain(evidence);
    let all = all
        .map(|trial| trial.with_ignored_flag(!missing.is_empty()))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, all);
    lab::stop();
    conclusion.exit_code()
}
