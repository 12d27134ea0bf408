//! The artifacts of a release in `dist/`, which `.ci/release` builds.
//!
//! `.ci/extended` builds them and runs these tests with `--include-ignored`; otherwise, all of them are ignored.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support"]
mod support {
    pub mod terraform;
    pub mod testbed;
}

#[path = "release"]
mod release {
    pub mod artifacts;
    pub mod build;
    pub mod dist;
    pub mod installation;
    pub mod program;
    pub mod registry;
    pub mod server;
}

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use release::{artifacts, build, installation};

/// Returns one trial for each function, named by its path.
macro_rules! trials {
    ($($test:path),* $(,)?) => {
        vec![$(Trial::test(stringify!($test).replace(' ', ""), || { $test(); Ok(()) })),*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test of an installation starts a control plane, and the test of the build keeps both cores busy.
    arguments.test_threads.get_or_insert(2);
    let mut all = trials![
        artifacts::names_are_those_of_the_registries,
        artifacts::checksums_and_signature_are_valid,
        artifacts::programs_are_for_their_platforms,
        artifacts::programs_need_no_library_that_a_user_installs,
        artifacts::programs_list_their_dependencies,
        build::is_the_same_in_another_folder,
        installation::from_a_filesystem_mirror,
        installation::from_a_network_mirror,
        installation::from_a_registry,
    ];
    all.push(Trial::ignorable_test(
        "artifacts::arm64_program_runs",
        || Ok(artifacts::arm64_program_runs()),
    ));
    let all = all.into_iter().map(|trial| trial.with_ignored_flag(true));
    if let Err(error) = support::testbed::stop_on_signal() {
        panic!("{error}");
    }
    libtest_mimic::run(&arguments, all.collect()).exit_code()
}
