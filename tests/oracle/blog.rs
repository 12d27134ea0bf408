//! The custom resources of Feast's blog post on scaling (2026-02-21), in the form of that time.
//! `tests/oracle/blog/<case>/objects.yaml` has the expected objects of this provider.

use std::fs;
use std::path::Path;

use expect_test::expect_file;
use libtest_mimic::{Failed, Trial};

use super::provider_objects::{self, documents};
use super::recording::repository;

pub fn trials() -> impl Iterator<Item = Trial> {
    ["static", "hpa", "keda"].into_iter().map(|case| {
        let folder = repository().join("blog").join(case);
        Trial::test(format!("blog {case}"), move || check(&folder))
    })
}

fn check(folder: &Path) -> Result<(), Failed> {
    let manifest = fs::read_to_string(folder.join("cr.yaml"))?;
    let objects = provider_objects::objects(&manifest, &documents(&manifest))
        .map_err(|rejection| format!("{rejection:?}"))?;
    let mut text = String::new();
    for (key, object) in &objects {
        // The content of the Secret has a random key.
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
