//! What a machine must have to run the real Feast.

use std::process::Command;

use super::pod::NAMESPACES;
use crate::support::testbed::process::output;
use crate::support::testbed::tools::missing_programs;

const PROGRAMS: [&str; 4] = ["bash", "mount", "nsenter", "unshare"];

/// Returns what this machine lacks to run the real Feast, each as a sentence; nothing if Feast can run.
pub fn missing() -> Vec<String> {
    if !cfg!(target_os = "linux") {
        return vec!["the real Feast needs Linux, for its namespaces".to_owned()];
    }
    let mut missing = Vec::new();
    if let Some(programs) = missing_programs(&PROGRAMS) {
        missing.push(programs);
    } else if !succeeds("unshare", &[&NAMESPACES[..], &["--fork", "true"]].concat()) {
        missing.push(
            "this user cannot create user namespaces: run the tests as root, or allow it, with `sysctl \
             kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu) or `sysctl kernel.unprivileged_userns_clone=1` \
             (older Debian)"
                .to_owned(),
        );
    }
    let program = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
    if !succeeds("python3", &["-c", program]) {
        missing.push(
            "`python3` is not Python 3.11 or later with its venv module (Debian: apt-get install python3-venv)"
                .to_owned(),
        );
    }
    missing
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    output(Command::new(program).args(arguments), "trying a program").is_ok()
}
