//! Compares each recorded case of the operator with the objects of this provider.

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};

use super::differences::{self, DIFFERENCES, Difference, Objects};
use super::differences_of;
use super::provider_objects::{self, Rejection};
use super::recording::{self, Outcome, Recording};
use super::rejected;

/// Cases that the operator accepts and this provider rejects, with the attribute and the reason.
const REJECTED_HERE: &[(&str, &str, &str)] = &[
    (
        "authz-noauth-false",
        "authz.no_auth",
        "it does not set how requests are authenticated",
    ),
    (
        "batch-spark-application",
        "batch_engine.config_map_ref",
        "the configuration grants permissions, not the content of a ConfigMap",
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
        "pods that mount a missing Secret never start",
    ),
];

const NO_REQUEST: &str =
    "an autoscaler on CPU utilization never scales while a container has no CPU request";

/// Cases that fail with the operator and succeed with this provider.
const SUCCEEDS_HERE: &[(&str, &str)] = &[(
    "long-name-47",
    "only the CronJob's name is too long, and without a schedule there is none",
)];

/// Returns one trial for each recording in the folder: its cases, the custom resources that the API server or the
/// operator rejected (`rejected.json`), and those that the operator accepted although they look wrong
/// (`accepted_though_odd.json`).
pub fn trials(folder: &Path) -> Vec<Trial> {
    let list = |file: &str| recording::list(&folder.join(file));
    let recordings = Arc::new(recording::read_all(folder));
    let mut trials = Vec::new();
    for index in 0..recordings.len() {
        let (name, recordings) = (recordings[index].case.clone(), recordings.clone());
        trials.push(Trial::test(name, move || check(&recordings[index])));
    }
    for difference in DIFFERENCES {
        let (name, recordings) = (difference.subject, recordings.clone());
        trials.push(Trial::test(format!("difference: {name}"), move || {
            is_needed(difference, &recordings)
        }));
    }
    trials.extend(rejected::trials(&list("rejected.json")));
    let odd = list("accepted_though_odd.json").into_iter();
    trials.extend(odd.map(|case| {
        let name = format!("odd {}", case["case"].as_str().unwrap_or_default());
        Trial::test(name, move || check_odd(&case))
    }));
    trials
}

/// The custom resources in `accepted_though_odd.json`, as
/// `docs/decisions/008-stricter-validation-than-the-operator.md` decides them: the attribute at which this provider
/// rejects one, or `None` if it accepts it.
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
    // The autoscaler without a CPU request is rejected, not the replica count.
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

fn check_odd(case: &Json) -> Result<(), Failed> {
    let name = case["case"].as_str().unwrap_or_default();
    let Some((_, attribute)) = ODD.iter().find(|(odd, _)| *odd == name) else {
        return Err("not decided yet: add it to ODD".into());
    };
    let manifest = serde_saphyr::to_string(&case["cr"])?;
    match (attribute, provider_objects::objects(&manifest, &[])) {
        (None, Ok(_)) => Ok(()),
        (Some(attribute), Err(rejected)) if rejected.text().contains(attribute) => Ok(()),
        (_, Ok(_)) => Err("is accepted".into()),
        (_, Err(rejected)) => Err(rejected.text().into()),
    }
}

fn check(recording: &Recording) -> Result<(), Failed> {
    let Recording { case, outcome, .. } = recording;
    let objects = match provider_objects_without(recording, &all()) {
        Ok(objects) => objects,
        Err(rejected) => return check_rejection(case, outcome, &rejected),
    };
    if REJECTED_HERE.iter().any(|(rejected, ..)| rejected == case) {
        return Err("is accepted".into());
    }
    if outcome.is_failure() {
        return match SUCCEEDS_HERE.iter().any(|(right, _)| right == case) {
            true => Ok(()),
            false => Err("fails with the operator and succeeds with this provider".into()),
        };
    }
    let lines = differences_of(
        &json!(operator_objects_without(recording, &all())),
        &json!(objects),
    );
    if lines.is_empty() {
        Ok(())
    } else {
        Err(lines.join("\n").into())
    }
}

fn all() -> Vec<&'static Difference> {
    DIFFERENCES.iter().collect()
}

/// Returns the objects of this provider for the case, without its side of the differences.
fn provider_objects_without(
    recording: &Recording,
    differences: &[&Difference],
) -> Result<Objects, Rejection> {
    let mut all = Objects::new();
    for store in recording.stores() {
        // One feature store at a time, as in a Terraform resource.
        let manifest = serde_saphyr::to_string(store).unwrap();
        let mut objects = provider_objects::objects(&manifest, &recording.prerequisites)?;
        differences::prepare(&mut objects);
        for difference in differences {
            (difference.in_provider)(&mut objects, store);
        }
        all.extend(objects);
    }
    Ok(all)
}

/// Returns the objects of the operator for the case, without its side of the differences.
fn operator_objects_without(recording: &Recording, differences: &[&Difference]) -> Objects {
    let mut objects = recording.outcome.objects.clone();
    differences::prepare(&mut objects);
    for store in recording.stores() {
        for difference in differences {
            (difference.in_operator)(&mut objects, store);
        }
    }
    objects
}

/// Checks that at least one case disagrees without the difference. Otherwise, the table has an entry that is not true.
fn is_needed(difference: &Difference, recordings: &[Recording]) -> Result<(), Failed> {
    let others: Vec<&Difference> = (DIFFERENCES.iter())
        .filter(|other| other.subject != difference.subject)
        .collect();
    let disagrees = |recording: &Recording| {
        !recording.outcome.is_failure()
            && provider_objects_without(recording, &others).is_ok_and(|objects| {
                json!(objects) != json!(operator_objects_without(recording, &others))
            })
    };
    match recordings.iter().any(disagrees) {
        true => Ok(()),
        false => Err("no recording shows this difference: remove it from the table".into()),
    }
}

fn check_rejection(case: &str, outcome: &Outcome, rejected: &Rejection) -> Result<(), Failed> {
    let text = rejected.text();
    if let Some((_, path, _)) = REJECTED_HERE.iter().find(|(name, ..)| *name == case) {
        return if text.contains(path) {
            Ok(())
        } else {
            Err(format!("does not name {path}: {text}").into())
        };
    }
    match outcome.is_failure() {
        true => Ok(()),
        false => Err(format!("{rejected:?}").into()),
    }
}
