//! The custom resources of Feast's article on scaling (2026-02-21), in the form of that month: what the provider makes
//! of each is in `tests/oracle/blog/<case>/objects.yaml`.

use std::fs;
use std::path::Path;

use expect_test::expect_file;
use libtest_mimic::{Failed, Trial};

use super::ours::{self, documents};
use super::recording::repository;

pub fn trials() -> impl Iterator<Item = Trial> {
    ["static", "hpa", "keda"].into_iter().map(|case| {
        let folder = repository().join("blog").join(case);
        Trial::test(format!("blog {case}"), move || check(&folder))
    })
}

fn check(folder: &Path) -> Result<(), Failed> {
    let manifest = fs::read_to_string(folder.join("cr.yaml"))?;
    let objects = ours::objects(&manifest, &documents(&manifest))
        .map_err(|refused| format!("{refused:?}"))?;
    let mut text = String::new();
    for (key, object) in &objects {
        // Its content has a random key.
        if key.starts_with("Secret/") {
            continue;
        }
        text.push_str(&format!(
            "--- # {key}\n{}",
            serde_saphyr::to_string(object)?
        ));
    }
    expect_file![folder.join("objects.yaml")].assert_eq(&text);
    Ok(())
}
