//! Measures what happens if every pod of a Deployment applies the feature repository at the same time, or applies an
//! old one again.
//!
//! These trials are evidence for a decision (docs/decisions), not requirements, and take a minute. `.ci/extended` runs
//! them, and `cargo test --test real_feast concurrent_apply`.

use std::fs;
use std::process::Command;
use std::thread;

use serde_json::{Value as Json, json};

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::real_feast::three_replicas::{self, secrets};
use crate::support::feast::{Finished, Pod, Postgres, Secrets};

/// Three replicas, each of which applies the repository.
fn configuration() -> Json {
    let mut configuration = three_replicas::configuration();
    configuration["services"]["feastApply"] = json!("init_container");
    configuration
}

const PODS: usize = 5;
const VIEWS: usize = 5;
const ROUNDS: usize = 3;

/// Each round uses an empty registry. In most rounds, at least one pod fails, on tables or versions that another has
/// just created. With a registry that has definitions, no pod fails, but one change becomes several versions.
pub fn sql_registry() {
    let postgres = lab::postgres();
    for round in 1..=ROUNDS {
        let database = format!("concurrent_{round}");
        postgres.create_database(&database).unwrap();
        let store = lab::feature_store(&configuration(), &secrets(&database), Some(postgres));
        let pods: Vec<_> = (0..PODS).map(|_| store.pod()).collect();
        create_repositories(&pods);
        report(
            &format!("SQL, empty, round {round}"),
            apply(&pods),
            &contents(postgres, &database),
        );
        if round == ROUNDS {
            report(
                "SQL, the same again",
                apply(&pods),
                &contents(postgres, &database),
            );
            pods.iter()
                .for_each(|pod| define(pod, VIEWS, ", Field(name='more', dtype=Int64)"));
            report(
                "SQL, each view changed",
                apply(&pods),
                &contents(postgres, &database),
            );
        }
        assert_eq!(
            count(postgres, &database, "feature_views"),
            VIEWS.to_string()
        );
    }
}

/// The registry is a file on a PVC that every pod mounts. The rules reject several replicas with it, and warn about a
/// rolling update, which has two pods at the same time: Feast writes the file in place, without a lock, so it can lose
/// views or be damaged. No `feast apply` repairs a damaged file; one without the file does.
pub fn file_registry() {
    let pvc = json!({"ref": {"name": "registry"}, "mountPath": "/data"});
    let registry = json!({"local": {"persistence": {"file": {"pvc": pvc}}}});
    let configuration =
        json!({"name": "demo", "feastProject": "demo", "services": {"registry": registry}});
    let store = lab::feature_store(&configuration, &Secrets::new(), None);
    let pods: Vec<_> = (0..PODS).map(|_| store.pod()).collect();
    create_repositories(&pods);
    let finished = apply(&pods);
    let contents = match listed_views(&pods[0]) {
        Ok(views) => format!("{views} of {VIEWS} views"),
        Err(output) => {
            assert!(output.contains(DAMAGED), "{output}");
            "the file is damaged".to_owned()
        }
    };
    report("file, empty", finished, &contents);

    let file = pods[0].path("feast-apply", "/data/registry.db");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let failed = pods[0].run("feast-apply").unwrap();
    assert!(!failed.status.success(), "{}", failed.output);
    assert!(failed.output.contains(DAMAGED), "{}", failed.output);
    fs::remove_file(&file).unwrap();
    pods[0].run("feast-apply").unwrap().success();
    assert_eq!(listed_views(&pods[0]), Ok(VIEWS));
}

/// What Feast prints about a registry file that it cannot read. The advice on a failed rollout depends on it.
const DAMAGED: &str = "protobuf.message.DecodeError";

/// Returns the number of views in the registry, or the output of a failure.
fn listed_views(pod: &Pod<'_>) -> Result<usize, String> {
    let list = ["feast", "feature-views", "list"];
    let listed = pod.exec("online", &list).unwrap();
    match listed.status.success() {
        true => Ok(listed.output.matches("stats_").count()),
        false => Err(listed.output),
    }
}

/// A pod of the old revision that restarts after the new definitions were applied reverts them.
pub fn old_pod_reverts_new_definitions() {
    let postgres = lab::postgres();
    let database = "old_pod";
    postgres.create_database(database).unwrap();
    let store = lab::feature_store(&configuration(), &secrets(database), Some(postgres));
    let pods: Vec<_> = (0..2).map(|_| store.pod()).collect();
    create_repositories(&pods);
    let [old, new] = pods.as_slice() else {
        unreachable!()
    };
    define(new, VIEWS + 1, "");
    old.run("feast-apply").unwrap().success();
    new.run("feast-apply").unwrap().success();
    let tables = "select count(*) from pg_tables where tablename = 'demo_stats_5'";
    assert_eq!(count(postgres, database, "feature_views"), "6");
    assert_eq!(postgres.query(database, tables).unwrap(), "1");

    let output = old.run("feast-apply").unwrap().success();
    eprintln!("the old pod, again:\n{output}");
    assert_eq!(count(postgres, database, "feature_views"), "5");
    // The tables of the features are gone as well.
    assert_eq!(postgres.query(database, tables).unwrap(), "0");
}

/// Runs `feast init` once for all pods, and replaces its examples with [`VIEWS`] views.
fn create_repositories(pods: &[Pod<'_>]) {
    pods[0].run("feast-init").unwrap().success();
    for pod in pods {
        let [from, to] = [&pods[0], pod].map(|pod| pod.path("feast-init", "/feast-data"));
        if from != to {
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(from.join("demo")).arg(to);
            assert!(copy.status().unwrap().success());
        }
        define(pod, VIEWS, "");
    }
}

fn define(pod: &Pod<'_>, views: usize, more: &str) {
    let folder = pod.path("feast-init", &repository::repository("/feast-data"));
    fs::remove_file(folder.join("feature_definitions.py")).ok();
    let text = include_str!("repository/many.py");
    let text = text
        .replace("VIEWS", &views.to_string())
        .replace("MORE", more);
    fs::write(folder.join("definitions.py"), text).unwrap();
}

fn apply(pods: &[Pod<'_>]) -> Vec<Finished> {
    thread::scope(|scope| {
        let running: Vec<_> = pods
            .iter()
            .map(|pod| scope.spawn(|| pod.run("feast-apply").unwrap()))
            .collect();
        running.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

fn report(what: &str, finished: Vec<Finished>, contents: &str) {
    let failed = finished.iter().filter(|it| !it.status.success());
    let slowest = finished.iter().map(|it| it.took).max().unwrap();
    let mut reasons: Vec<_> = failed
        .clone()
        .flat_map(|it| it.output.lines())
        .filter(|line| line.contains("psycopg.errors.") && !line.starts_with("sqlalchemy"))
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    eprintln!(
        "{what}: {} of {PODS} failed, {:.0} s; {contents} {reasons:#?}",
        failed.count(),
        slowest.as_secs_f64()
    );
}

/// Returns the views, and the number of versions of each.
fn contents(postgres: &Postgres, database: &str) -> String {
    let versions = "select feature_view_name, count(*) from feature_view_version_history group by 1 order by 1";
    format!(
        "{} views, versions {}",
        count(postgres, database, "feature_views"),
        postgres
            .query(database, versions)
            .unwrap()
            .replace('\n', " ")
    )
}

fn count(postgres: &Postgres, database: &str, table: &str) -> String {
    let statement = format!("select count(*) from {table}");
    postgres.query(database, &statement).unwrap()
}
