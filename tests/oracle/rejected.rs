//! Custom resources that must be refused, each at the attribute that is wrong.

use std::collections::BTreeSet;

use expect_test::expect_file;
use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;

use super::ours::{self, Refused};
use super::recording;

/// One trial for each custom resource. `path`, where it is given, is the attribute that the error must name.
pub fn trials(cases: &[Json]) -> Vec<Trial> {
    let with_resource = cases.iter().filter(|case| case["cr"].is_object()).cloned();
    with_resource
        .map(|case| Trial::test(format!("refused {}", title(&case)), move || refuse(&case)))
        .collect()
}

fn title(case: &Json) -> String {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    match text("stage") {
        "" => text("case").to_owned(),
        stage => format!("{stage}: {}", text("case")),
    }
}

fn refuse(case: &Json) -> Result<(), Failed> {
    let refused = refusal(case)?;
    let text = refused.text();
    let path = case["path"].as_str().unwrap_or_default();
    // What only the cluster knows (a Secret, a key) is refused at apply, before the first write.
    if refused.is_placed() && text.contains(path) {
        Ok(())
    } else {
        Err(format!("does not name {path:?}: {text}").into())
    }
}

fn refusal(case: &Json) -> Result<Refused, Failed> {
    let manifest = serde_saphyr::to_string(&case["cr"])?;
    match ours::objects(&manifest, &[]) {
        Ok(_) => Err("is accepted".into()),
        Err(refused) => Ok(refused),
    }
}

/// The attributes at which this provider refuses what the operator rejects, case by case, as
/// `tests/oracle/rejected.txt` holds them.
pub fn attributes(cases: &[Json]) -> Trial {
    let lines: Vec<String> = (cases.iter())
        .filter(|case| case["cr"].is_object())
        .map(|case| {
            let attributes = match refusal(case) {
                Ok(Refused::Reading(text)) => text,
                Ok(Refused::Plan(found) | Refused::Filling(found)) => {
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
