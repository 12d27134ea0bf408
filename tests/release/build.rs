//! The build of a program.

use std::path::Path;
use std::process::Command;

use super::dist::{self, NAME, ROOT, VERSION};
use crate::support::testbed::Progress;
use crate::support::testbed::process::output;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// A build of the same commit in another folder makes the same program, bit for bit.
pub fn is_the_same_in_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("clone");
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", ROOT]).arg(&clone);
    output(&mut git, "copying the repository").unwrap();

    let released: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dist::path("metadata.json")).unwrap()).unwrap();
    assert_eq!(
        released["commit"],
        head(&clone),
        "dist/ is of another commit"
    );

    let step = Progress::stderr().step("Building the program again (about 5 minutes)");
    let mut build = Command::new(clone.join(".ci/release"));
    build.args(["--only", TARGET]);
    output(&mut build, "building the program again").unwrap();
    step.done();
    let program = format!("target/{TARGET}/release/{NAME}_v{VERSION}");
    let program = std::fs::read(clone.join(program)).unwrap();
    assert!(
        program == dist::program("linux_amd64"),
        "the programs differ"
    );
}

fn head(repository: &Path) -> String {
    let mut git = Command::new("git");
    git.args(["rev-parse", "HEAD"]).current_dir(repository);
    let commit = output(&mut git, "reading the commit").unwrap();
    commit.trim_end().to_owned()
}
