//! Checks the places and names of files.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::scanner::scan;
use super::sources::{Source, assert_none, files, read_if_exists};

const FOLDERS: [&str; 4] = ["src", "tests", "examples", "benches"];

/// Names that do not describe the purpose of a file.
const VAGUE: [&str; 8] = [
    "mod", "util", "utils", "common", "helper", "helpers", "misc", "shared",
];

#[test]
fn file_names_are_specific() {
    let mut findings = Vec::new();
    for file in rust_files() {
        for part in file.path.trim_end_matches(".rs").split('/') {
            if VAGUE.contains(&part) {
                findings.push(format!("{}: `{part}`", file.path));
            }
        }
    }
    assert_none(
        &findings,
        "Name a file after its subject. A module with submodules is foo.rs next to foo/, not foo/mod.rs.",
    );
}

#[test]
fn every_rust_file_belongs_to_a_crate() {
    let all: BTreeSet<String> = rust_files().into_iter().map(|file| file.path).collect();
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<String> = all
        .iter()
        .filter(|path| is_crate_root(path))
        .cloned()
        .collect();
    while let Some(path) = waiting.pop() {
        // A declaration without a file does not compile, unless a `cfg` excludes it.
        let Some(text) = read_if_exists(&path) else {
            continue;
        };
        if reached.insert(path.clone()) {
            waiting.extend(declared(&path, &text));
        }
    }
    let findings: Vec<String> = all.difference(&reached).cloned().collect();
    assert_none(
        &findings,
        "These files are not in a `mod` declaration, so they are not compiled: declare or delete them.",
    );
}

fn rust_files() -> Vec<Source> {
    FOLDERS
        .into_iter()
        .flat_map(|folder| files(folder, "rs"))
        .collect()
}

/// Returns whether Cargo finds the file itself: a library, a binary, or a file or folder of another target.
fn is_crate_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        ["src", "lib.rs" | "main.rs"]
            | ["tests" | "examples" | "benches", _]
            | ["tests" | "examples" | "benches", _, "main.rs"]
    )
}

/// Returns the files of the module declarations of a file.
fn declared(path: &str, text: &str) -> Vec<String> {
    let file = Path::new(path);
    let folder = file.parent().unwrap_or(Path::new(""));
    let own = if is_crate_root(path) {
        folder.to_owned()
    } else {
        file.with_extension("")
    };
    let scan = scan(text, &[]).unwrap_or_else(|problem| panic!("{path} {problem}"));
    let declarations = scan.declarations;
    declarations
        .into_iter()
        .map(|declaration| {
            let inside: PathBuf = declaration.inside.iter().collect();
            let target = match declaration.path {
                Some(written) if declaration.inside.is_empty() => folder.join(written),
                Some(written) => own.join(inside).join(written),
                None => own.join(inside).join(format!("{}.rs", declaration.name)),
            };
            normal(&target)
        })
        .collect()
}

/// Returns the path without `.` and `..`, and with `/`.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    parts.join("/")
}

#[test]
fn declarations_lead_to_files() {
    let text = "mod plan; mod support { pub mod testbed; #[path = \"../x/y.rs\"] mod y; }";
    assert_eq!(
        declared("tests/lifecycle.rs", text),
        ["tests/plan.rs", "tests/support/testbed.rs", "tests/x/y.rs"]
    );
    assert_eq!(
        declared("src/feast/config.rs", "mod server;"),
        ["src/feast/config/server.rs"]
    );
}
