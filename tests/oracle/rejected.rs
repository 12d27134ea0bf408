//! Custom resources that must be rejected, each at the invalid attribute.

use std::collections::BTreeSet;

use expect_test::expect_file;
use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;

use super::provider_objects::{self, Rejection};
use super::recording;

/// Returns one trial for each custom resource. If it has a `path`, the error must name that attribute.
pub fn trials(cases: &[Json]) -> Vec<Trial> {
    let with_resource = cases.iter().filter(|case| case["cr"].is_object()).cloned();
    with_resource
        .map(|case| {
            Trial::test(format!("rejected {}", title(&case)), move || {
                expect_rejected(&case)
            })
        })
        .collect()
}

fn title(case: &Json) -> String {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    match text("stage") {
        "" => text("case").to_owned(),
        stage => format!("{stage}: {}", text("case")),
    }
}

fn expect_rejected(case: &Json) -> Result<(), Failed> {
    let rejected = rejection(case)?;
    let text = rejected.text();
    let path = case["path"].as_str().unwrap_or_default();
    // A value that is only in the cluster (a Secret, a key) is rejected during apply, before the first write.
    if rejected.has_attribute() && text.contains(path) {
        Ok(())
    } else {
        Err(format!("does not name {path:?}: {text}").into())
    }
}

fn rejection(case: &Json) -> Result<Rejection, Failed> {
    let manifest = serde_saphyr::to_string(&case["cr"])?;
    match provider_objects::objects(&manifest, &[]) {
        Ok(_) => Err("is accepted".into()),
        Err(rejected) => Ok(rejected),
    }
}

/// Returns the attributes at which this provider rejects the custom resources that the operator rejects, as in
/// `tests/oracle/rejected.txt`.
pub fn attributes(cases: &[Json]) -> Trial {
    let lines: Vec<String> = (cases.iter())
        .filter(|case| case["cr"].is_object())
        .map(|case| {
            let attributes = match rejection(case) {
                Ok(Rejection::Reading(text)) => text,
                Ok(Rejection::Plan(found) | Rejection::Apply(found)) => {
                    let paths: BTreeSet<String> =
                        found.iter().map(|(path, _)| path.to_string()).collect();
                    paths.into_iter().collect::<Vec<_>>().join(", ")
                }
                Err(_) => "accepted".to_owned(),
            };
            format!("{}: {attributes}\n", title(case))
        })
        .collect();
    Trial::test("attributes of what the operator rejects", move || {
        expect_file![recording::repository().join("rejected.txt")].assert_eq(&lines.concat());
        Ok(())
    })
}
