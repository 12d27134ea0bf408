//! Checks that every example is documented and tested.

use super::sources::{Source, assert_none, files};

#[test]
fn examples_are_named_in_the_documentation_and_in_the_tests() {
    let mut prose = files("docs", "md");
    prose.push(Source {
        path: "README.md".to_owned(),
        text: super::sources::read("README.md"),
    });
    let mut tests = files("tests", "rs");
    tests.retain(|file| !file.path.starts_with("tests/tidy"));
    tests.extend(files("examples", "rs"));
    let mut findings = Vec::new();
    for name in examples() {
        let folder = format!("examples/{name}");
        if !prose.iter().any(|file| file.text.contains(&folder)) {
            findings.push(format!(
                "{folder}: neither README.md nor a page of docs/ names it"
            ));
        }
        if !tests.iter().any(|file| file.text.contains(&folder)) {
            findings.push(format!("{folder}: no file of tests/ names it"));
        }
    }
    assert_none(
        &findings,
        "Mention the example in README.md or docs/, and run it in tests/lifecycle/.",
    );
}

/// Returns the folders in `examples/` that have a configuration.
fn examples() -> Vec<String> {
    files("examples", "tf")
        .iter()
        .filter_map(|file| {
            file.path
                .strip_prefix("examples/")?
                .strip_suffix("/main.tf")
        })
        .filter(|name| !name.contains('/'))
        .map(str::to_owned)
        .collect()
}
