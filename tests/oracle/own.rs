//! The project's own cases.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;

use super::differences::{self, DIFFERENCES};
use super::ours::{self, documents};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle")
}

pub fn trials() -> Vec<Trial> {
    let mut cases: Vec<PathBuf> = fs::read_dir(folder().join("cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    let mut trials: Vec<Trial> = cases
        .into_iter()
        .map(|case| {
            let name = case.file_name().unwrap().to_str().unwrap().to_owned();
            Trial::test(name, move || check(&case))
        })
        .collect();
    let refused = fs::read_to_string(folder().join("refused.json")).unwrap();
    trials.extend(rejected(serde_json::from_str(&refused).unwrap()));
    trials
}

/// A custom resource, with the Secrets that it uses beside it, against its objects.
fn check(case: &Path) -> Result<(), Failed> {
    let manifest = fs::read_to_string(case.join("cr.yaml"))?;
    let documents = documents(&manifest);
    let mut objects =
        ours::objects(&manifest, &documents).map_err(|refused| format!("{refused:?}"))?;
    let store = documents.iter().find(|it| it["kind"] == "FeatureStore");
    differences::prepare(&mut objects);
    for difference in DIFFERENCES {
        (difference.ours)(&mut objects, store.unwrap());
    }
    let mut text = String::new();
    for (key, object) in &objects {
        text.push_str(&format!(
            "--- # {key}\n{}",
            serde_saphyr::to_string(object)?
        ));
    }
    expect_file![case.join("objects.yaml")].assert_eq(&text);
    Ok(())
}

/// Custom resources that must be refused. `path`, where it is given, is the attribute that must be named.
pub fn rejected(cases: Vec<Json>) -> Vec<Trial> {
    cases
        .into_iter()
        .filter(|case| case["cr"].is_object())
        .map(|case| {
            let name = case["case"].as_str().unwrap_or_default().to_owned();
            let stage = case["stage"].as_str().unwrap_or_default().to_owned();
            Trial::test(format!("refused {stage} {name}"), move || refuse(&case))
        })
        .collect()
}

fn refuse(case: &Json) -> Result<(), Failed> {
    let manifest = serde_saphyr::to_string(&case["cr"])?;
    let refused = match ours::objects(&manifest, &[]) {
        Ok(_) => return Err("is accepted".into()),
        Err(refused) => refused,
    };
    let text = refused.text();
    let path = case["path"].as_str().unwrap_or_default();
    // What only the cluster knows (a Secret, a key) is refused at apply, before the first write.
    if refused.is_placed() && text.contains(path) {
        Ok(())
    } else {
        Err(format!("does not name {path:?}: {text}").into())
    }
}
