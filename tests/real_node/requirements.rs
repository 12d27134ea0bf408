//! The requirements of a node, on a machine that lacks them.

use std::fs;

use crate::support::node::missing_control_groups;

pub fn control_groups_of_version_2_are_not_supported() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("cgroup.controllers"),
        "cpu memory pids\n",
    )
    .unwrap();
    assert_eq!(
        missing_control_groups(folder.path()).as_deref(),
        Some(
            "a node needs control groups of version 1, and this machine has version 2, which is not supported yet"
        )
    );
}

pub fn control_groups_of_version_1_are_named_if_they_are_not_mounted() {
    let folder = tempfile::tempdir().unwrap();
    for hierarchy in [
        "blkio", "cpu", "cpuacct", "cpuset", "freezer", "memory", "pids",
    ] {
        let path = folder.path().join(hierarchy);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("cgroup.procs"), "").unwrap();
    }
    assert_eq!(
        missing_control_groups(folder.path()).as_deref(),
        Some(
            "a node needs control groups of version 1, and these hierarchies are not mounted: devices, systemd"
        )
    );
}
