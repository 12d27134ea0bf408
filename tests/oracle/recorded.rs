//! Recordings of the operator: each case against ours.

use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};

use super::differences::{self, DIFFERENCES, Objects};
use super::differing;
use super::ours::{self, Refused, documents};

/// Cases that do not agree yet, and why.
const NOT_YET: &[(&str, &str)] = &[];

/// Cases that the operator makes something of, and that we refuse: the attribute, and why.
const REFUSED_HERE: &[(&str, &str, &str)] = &[
    (
        "authz-noauth-false",
        "authz.no_auth",
        "it does not say how requests are authenticated",
    ),
    (
        "batch-spark-application",
        "batch_engine.config_map_ref",
        "rights are given in the configuration, not by what a ConfigMap happens to hold",
    ),
    (
        "hpa-behavior-partial",
        "services.online_store.server",
        NO_REQUEST,
    ),
    ("hpa-default", "services.online_store.server", NO_REQUEST),
    (
        "hpa-replicas1-explicit",
        "services.online_store.server",
        NO_REQUEST,
    ),
    ("pdb-max-hpa", "services.online_store.server", NO_REQUEST),
    (
        "tls-missing-secret",
        "services.online_store.server.tls.secret_ref",
        "pods that mount a Secret which is not there never start",
    ),
];

const NO_REQUEST: &str =
    "an autoscaler on CPU utilisation never acts while a container requests no CPU";

/// Cases that the operator fails at, and that are right here.
const RIGHT_HERE: &[(&str, &str)] = &[(
    "long-name-47",
    "only the CronJob's name is too long, and without a schedule there is none",
)];

pub fn trials(folder: &Path) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut cases: Vec<_> = fs::read_dir(folder.join("cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        trials.push(Trial::test(name.clone(), move || {
            known_to_fail(&name, check(&name, &case))
        }));
    }
    if let Ok(text) = fs::read_to_string(folder.join("rejected.json")) {
        let rejected: Vec<Json> = serde_json::from_str(&text).unwrap();
        trials.extend(super::own::rejected(rejected));
    }
    if let Ok(text) = fs::read_to_string(folder.join("accepted_though_odd.json")) {
        let odd: Vec<Json> = serde_json::from_str(&text).unwrap();
        trials.extend(odd.into_iter().map(|case| {
            let name = format!("odd {}", case["case"].as_str().unwrap_or_default());
            Trial::test(name.clone(), move || known_to_fail(&name, decided(&case)))
        }));
    }
    trials
}

/// What the operator accepts and one might not, as `docs/decisions/008-what-the-operator-lets-pass.md`
/// decides it: the attribute at which it is refused, or nothing where it stands.
const ODD: &[(&str, Option<&str>)] = &[
    (
        "openlineage-http-without-url",
        Some("openlineage.transport_type"),
    ),
    (
        "online-path-traversal-with-pvc",
        Some("services.online_store.persistence.file.path"),
    ),
    (
        "projectdir-git-traversal-repopath",
        Some("feast_project_dir.git.feature_repo_path"),
    ),
    ("registry-gs-path-ok", None),
    (
        "registry-remote-bad-hostname",
        Some("services.registry.remote.hostname"),
    ),
    // It is the autoscaler without a CPU request that cannot stand, not the number beside it.
    (
        "replicas1+autoscaling",
        Some("services.online_store.server"),
    ),
    ("scaling-empty-object", None),
    ("tls-disable-true-no-secretRef-ok", None),
    (
        "workers-0",
        Some("services.online_store.server.worker_configs.workers"),
    ),
];

fn decided(case: &Json) -> Result<(), Failed> {
    let name = case["case"].as_str().unwrap_or_default();
    let Some((_, place)) = ODD.iter().find(|(odd, _)| *odd == name) else {
        return Err("not decided yet".into());
    };
    let manifest = serde_saphyr::to_string(&case["cr"])?;
    match (place, ours::objects(&manifest, &[])) {
        (None, Ok(_)) => Ok(()),
        (Some(place), Err(refused)) if refused.text().contains(place) => Ok(()),
        (_, Ok(_)) => Err("is accepted".into()),
        (_, Err(refused)) => Err(refused.text().into()),
    }
}

fn known_to_fail(name: &str, result: Result<(), Failed>) -> Result<(), Failed> {
    match (NOT_YET.iter().find(|(case, _)| *case == name), result) {
        (None, result) => result,
        (Some(_), Err(_)) => Ok(()),
        (Some(_), Ok(())) => Err("agrees now: take it off NOT_YET".into()),
    }
}

fn check(name: &str, case: &Path) -> Result<(), Failed> {
    let text = |file: &str| fs::read_to_string(case.join(file));
    let manifest = text("cr.yaml")?;
    let others = text("prereq.yaml").map_or(Vec::new(), |text| documents(&text));
    let result: Json = serde_json::from_str(&text("result.json")?)?;
    // Another feature store that one refers to stands with what it needs.
    let stores: Vec<Json> = (documents(&manifest).into_iter())
        .chain(others.iter().cloned())
        .filter(|document| document["kind"] == "FeatureStore")
        .collect();
    let mut ours = Objects::new();
    for store in &stores {
        // One at a time: a Terraform resource is one feature store.
        let manifest = serde_saphyr::to_string(store)?;
        match ours::objects(&manifest, &others) {
            Ok(objects) => {
                let mut objects = objects;
                (differences::prepare)(&mut objects);
                for difference in DIFFERENCES {
                    (difference.ours)(&mut objects, store);
                }
                ours.extend(objects);
            }
            Err(refused) => return check_refusal(name, &result, &refused),
        }
    }
    if REFUSED_HERE.iter().any(|(case, ..)| *case == name) {
        return Err("is not refused".into());
    }
    let failed = result["phase"]
        .as_object()
        .is_some_and(|phases| phases.values().any(|phase| phase == "Failed"));
    if failed {
        return match RIGHT_HERE.iter().any(|(case, _)| *case == name) {
            true => Ok(()),
            false => Err("the operator fails at it, we do not".into()),
        };
    }
    let mut theirs = sent(&serde_json::from_str(&text("as_sent.json")?)?);
    (differences::prepare)(&mut theirs);
    for store in &stores {
        for difference in DIFFERENCES {
            (difference.theirs)(&mut theirs, store);
        }
    }
    let lines = differing(&json!(theirs), &json!(ours));
    if lines.is_empty() {
        Ok(())
    } else {
        Err(lines.join("\n").into())
    }
}

fn check_refusal(name: &str, result: &Json, refused: &Refused) -> Result<(), Failed> {
    let text = refused.text();
    if let Some((_, path, _)) = REFUSED_HERE.iter().find(|(case, ..)| *case == name) {
        return if text.contains(path) {
            Ok(())
        } else {
            Err(format!("does not name {path}: {text}").into())
        };
    }
    let failed = result["phase"]
        .as_object()
        .is_none_or(|phases| phases.values().any(|phase| phase == "Failed"));
    if failed {
        Ok(())
    } else {
        Err(format!("{refused:?}").into())
    }
}

/// What the operator sent: the last form of each object's first write.
fn sent(recording: &Json) -> Objects {
    recording
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, write)| (key.clone(), write["object"].clone()))
        .collect()
}
