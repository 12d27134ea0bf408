//! The requirements of a node, on a machine that lacks them.

use std::fs;

use crate::support::node::missing_cgroups;

pub fn rejects_cgroups_v2() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("cgroup.controllers"),
        "cpu memory pids\n",
    )
    .unwrap();
    assert_eq!(
        missing_cgroups(folder.path()).as_deref(),
        Some("a node needs cgroups v1, and this machine has v2, which is not supported yet")
    );
}

pub fn names_cgroups_v1_hierarchies_that_are_not_mounted() {
    let folder = tempfile::tempdir().unwrap();
    for hierarchy in [
        "blkio", "cpu", "cpuacct", "cpuset", "freezer", "memory", "pids",
    ] {
        let path = folder.path().join(hierarchy);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("cgroup.procs"), "").unwrap();
    }
    assert_eq!(
        missing_cgroups(folder.path()).as_deref(),
        Some("a node needs cgroups v1, and these hierarchies are not mounted: devices, systemd")
    );
}
