//! Recordings of the operator: each case against ours.

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};

use super::differences::{self, DIFFERENCES, Difference, Objects};
use super::differing;
use super::ours::{self, Refused};
use super::recording::{self, Outcome, Recording};
use super::rejected;

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
    "an autoscaler on CPU utilization never acts while a container requests no CPU";

/// Cases that the operator fails at, and that are right here.
const RIGHT_HERE: &[(&str, &str)] = &[(
    "long-name-47",
    "only the CronJob's name is too long, and without a schedule there is none",
)];

/// One trial for each recording in the folder: its cases, what the API server or the operator rejected
/// (`rejected.json`), and what the operator accepted though it looks wrong (`accepted_though_odd.json`).
pub fn trials(folder: &Path) -> Vec<Trial> {
    let list = |file: &str| recording::list(&folder.join(file));
    let recordings = Arc::new(recording::read_all(folder));
    let mut trials = Vec::new();
    for index in 0..recordings.len() {
        let (name, recordings) = (recordings[index].case.clone(), recordings.clone());
        trials.push(Trial::test(name.clone(), move || {
            known_to_fail(&name, check(&recordings[index]))
        }));
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
        Trial::test(name.clone(), move || known_to_fail(&name, decided(&case)))
    }));
    trials
}

/// What the operator accepts and one might not, as `docs/decisions/008-stricter-validation-than-the-operator.md`
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

fn check(recording: &Recording) -> Result<(), Failed> {
    let Recording { case, outcome, .. } = recording;
    let ours = match ours(recording, &all()) {
        Ok(ours) => ours,
        Err(refused) => return check_refusal(case, outcome, &refused),
    };
    if REFUSED_HERE.iter().any(|(refused, ..)| refused == case) {
        return Err("is not refused".into());
    }
    if outcome.is_failure() {
        return match RIGHT_HERE.iter().any(|(right, _)| right == case) {
            true => Ok(()),
            false => Err("the operator fails at it, this provider does not".into()),
        };
    }
    let lines = differing(&json!(theirs(recording, &all())), &json!(ours));
    if lines.is_empty() {
        Ok(())
    } else {
        Err(lines.join("\n").into())
    }
}

fn all() -> Vec<&'static Difference> {
    DIFFERENCES.iter().collect()
}

/// What this provider makes of the case, without its part of the differences.
fn ours(recording: &Recording, differences: &[&Difference]) -> Result<Objects, Refused> {
    let mut all = Objects::new();
    for store in recording.stores() {
        // One at a time: a Terraform resource is one feature store.
        let manifest = serde_saphyr::to_string(store).unwrap();
        let mut objects = ours::objects(&manifest, &recording.prerequisites)?;
        differences::prepare(&mut objects);
        for difference in differences {
            (difference.ours)(&mut objects, store);
        }
        all.extend(objects);
    }
    Ok(all)
}

/// What the operator made of the case, without its part of the differences.
fn theirs(recording: &Recording, differences: &[&Difference]) -> Objects {
    let mut objects = recording.outcome.objects.clone();
    differences::prepare(&mut objects);
    for store in recording.stores() {
        for difference in differences {
            (difference.theirs)(&mut objects, store);
        }
    }
    objects
}

/// Without the difference, at least one case must disagree, or the table says something that is not so.
fn is_needed(difference: &Difference, recordings: &[Recording]) -> Result<(), Failed> {
    let others: Vec<&Difference> = (DIFFERENCES.iter())
        .filter(|other| other.subject != difference.subject)
        .collect();
    let disagrees = |recording: &Recording| {
        !recording.outcome.is_failure()
            && ours(recording, &others)
                .is_ok_and(|ours| json!(ours) != json!(theirs(recording, &others)))
    };
    match recordings.iter().any(disagrees) {
        true => Ok(()),
        false => Err("no recording shows it: take it out of the table".into()),
    }
}

fn check_refusal(case: &str, outcome: &Outcome, refused: &Refused) -> Result<(), Failed> {
    let text = refused.text();
    if let Some((_, path, _)) = REFUSED_HERE.iter().find(|(name, ..)| *name == case) {
        return if text.contains(path) {
            Ok(())
        } else {
            Err(format!("does not name {path}: {text}").into())
        };
    }
    match outcome.is_failure() {
        true => Ok(()),
        false => Err(format!("{refused:?}").into()),
    }
}
