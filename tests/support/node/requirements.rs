//! What a machine must have to run a node.

use std::path::Path;

use crate::support::testbed::tools::missing_programs;

/// The hierarchies of cgroups v1 that a node uses.
const HIERARCHIES: [&str; 9] = [
    "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "systemd",
];
const PROGRAMS: [&str; 9] = [
    "bash", "flock", "ip", "mount", "nsenter", "pgrep", "tar", "umount", "unshare",
];

/// Returns what this machine lacks to run a node, each as a sentence; nothing if a node can run.
pub fn missing() -> Vec<String> {
    if !cfg!(target_os = "linux") {
        return vec!["a node needs Linux".to_owned()];
    }
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push("a node needs root".to_owned());
    }
    missing.extend(missing_cgroups(Path::new("/sys/fs/cgroup")));
    missing.extend(missing_programs(&PROGRAMS));
    missing
}

/// Returns what the cgroups at `root`, usually `/sys/fs/cgroup`, lack. On most systems since 2021, only v2 is mounted
/// there.
pub fn missing_cgroups(root: &Path) -> Option<String> {
    if root.join("cgroup.controllers").exists() {
        return Some(
            "a node needs cgroups v1, and this machine has v2, which is not supported yet"
                .to_owned(),
        );
    }
    let absent = |name: &&str| !root.join(name).join("cgroup.procs").exists();
    let hierarchies: Vec<&str> = HIERARCHIES.into_iter().filter(absent).collect();
    (!hierarchies.is_empty()).then(|| {
        format!(
            "a node needs cgroups v1, and these hierarchies are not mounted: {}",
            hierarchies.join(", ")
        )
    })
}
