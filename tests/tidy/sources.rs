//! The files of the package, as the other checks read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file of the package.
pub struct Source {
    /// The path from the package's root, with `/`.
    pub path: String,
    pub text: String,
}

/// Returns the package's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns a file of the package, which must exist.
#[track_caller]
pub fn read(path: &str) -> String {
    read_if_exists(path).unwrap_or_else(|| panic!("{path} does not exist"))
}

/// Returns a file of the package, or `None` if it does not exist.
pub fn read_if_exists(path: &str) -> Option<String> {
    match std::fs::read_to_string(root().join(path)) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("reading {path}: {error}"),
    }
}

/// Returns all files in `folder` whose name ends with `.extension`, sorted. There must be at least one.
#[track_caller]
pub fn files(folder: &str, extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join(folder), extension, &mut found);
    assert!(
        !found.is_empty(),
        "{folder}/ has no .{extension} file: the check of them would pass without looking at any"
    );
    found.sort();
    found
        .into_iter()
        .map(|file| Source {
            path: relative(&file),
            text: std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("reading {}: {error}", file.display())),
        })
        .collect()
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .unwrap_or_else(|error| panic!("reading the folder {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
}

/// Returns the path from the package's root, with `/`.
pub fn relative(file: &Path) -> String {
    let inside = file.strip_prefix(root()).unwrap_or(file);
    inside.to_string_lossy().replace('\\', "/")
}

/// Returns the crates in a section of `Cargo.toml`, such as `dependencies`, with their names in Rust.
pub fn crates(section: &str) -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let header = format!("[{section}]");
    manifest
        .lines()
        .skip_while(|line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .filter(|name| !name.starts_with('#'))
        .collect()
}

/// Panics with the list of findings, if there are any.
#[track_caller]
pub fn assert_none(findings: &[String], rule: &str) {
    assert!(
        findings.is_empty(),
        "\n{rule}\n\n  {}\n",
        findings.join("\n  ")
    );
}
