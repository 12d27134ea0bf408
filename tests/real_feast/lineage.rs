//! The lineage server with the registry's database, and the events of `feast apply`.

use std::fs;

use serde_json::{Value as Json, json};
use terraform_provider_feast::feast::names;
use terraform_provider_feast::kubernetes::Kind;

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab::{self, FeatureStoreInCluster};
use crate::real_feast::stores::MATERIALIZE;
use crate::real_feast::three_replicas;
use crate::support::feast::Pod;

const EVENTS: &str = "http://127.0.0.1:6580/api/v1/lineage";
const KEY: &str = "key-of-the-senders";
const OTHER_KEY: &str = "key-of-somebody-else";
/// What Feast logs for each event that the server rejects.
const REJECTED: &str = "Failed to emit OpenLineage event: 401";

/// All stores are in the database, and the events in the registry's database.
fn configuration() -> Json {
    let mut configuration = three_replicas::configuration();
    let env = configuration["services"]["onlineStore"]["server"]["env"].clone();
    configuration["services"]["scaling"] = json!({"replicas": 1});
    configuration["openlineage"] = json!({
        "enabled": true,
        "extraConfig": {"namespace": "shop"},
        "consumer": {
            "enabled": true,
            "apiKeySecretRef": {"name": "lineage"},
            "namespaceMapping": {"airflow": "demo"},
            "lineageServer": {"server": {"env": env, "logLevel": "debug"}},
        },
    });
    configuration
}

/// Returns an event of another tool.
fn event() -> Json {
    json!({
        "eventType": "COMPLETE",
        "eventTime": "2026-11-24T21:00:00Z",
        "run": {"runId": "0b7e2a34-2f4f-4a53-8a0e-0a3a1b9f0c11"},
        "job": {"namespace": "airflow", "name": "nightly"},
        "inputs": [],
        "outputs": [{"namespace": "airflow", "name": "driver_stats"}],
        "producer": "https://airflow.apache.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    })
}

pub fn lineage_server_receives_feast_events() {
    let store = store("lineage", &configuration());
    let pod = with_lineage_server(&store);
    let rejected = pod.post(EVENTS, &event()).unwrap_err().to_string();
    assert!(rejected.contains("HTTP Error 401"), "{rejected}");

    // The command of the Job, with the environment of the servers.
    let output = pod.exec("online", &["feast", "apply"]).unwrap().success();
    assert!(!output.contains(REJECTED), "{output}");
    assert_eq!(jobs(&pod), [own()]);
    keys_are_in_secrets_only(&store);
}

/// `feast apply` logs an error and succeeds, and so does materialization.
pub fn lineage_server_rejects_other_keys() {
    let mut configuration = configuration();
    configuration["openlineage"]["apiKeySecretRef"] = json!({"name": "other"});
    let store = store("lineage_key", &configuration);
    let pod = with_lineage_server(&store);
    let output = pod.exec("online", &["feast", "apply"]).unwrap().success();
    assert!(output.contains(REJECTED), "{output}");
    let output = pod.exec("online", &MATERIALIZE).unwrap().success();
    assert!(output.contains(REJECTED), "{output}");
    assert!(jobs(&pod).is_empty());
    let log = pod.log("lineage");
    assert!(
        log.contains("\"POST /api/v1/lineage HTTP/1.1\" 401"),
        "{log}"
    );
    keys_are_in_secrets_only(&store);

    // With the right key, the events of unchanged definitions are sent, too.
    let right = resolved("lineage_key", &self::configuration());
    let yaml = &right.environment.secrets["feast-demo"]["feature_store.yaml"];
    let file = pod.path("online", "/feast-data").join("right.yaml");
    fs::write(file, yaml).unwrap();
    let file = format!("{}=/feast-data/right.yaml", names::FEATURE_STORE_YAML_PATH);
    let words = ["env", &file, "feast", "apply"];
    let output = pod.exec("online", &words).unwrap().success();
    assert!(!output.contains(REJECTED), "{output}");
    assert_eq!(jobs(&pod), [own()]);
}

/// Returns the job of the definitions.
fn own() -> (String, String) {
    let name = "feast_feature_views_demo";
    ("shop/demo".to_owned(), name.to_owned())
}

/// Returns the feature store, with a new database.
fn store(database: &str, configuration: &Json) -> FeatureStoreInCluster {
    let postgres = lab::postgres();
    postgres.create_database(database).unwrap();
    repository::fill_table(postgres, database);
    resolved(database, configuration)
}

fn resolved(database: &str, configuration: &Json) -> FeatureStoreInCluster {
    let mut secrets = three_replicas::secrets(database);
    for (name, key) in [
        ("lineage", format!("{KEY}\n")),
        ("other", OTHER_KEY.to_owned()),
    ] {
        let key = [("api_key".to_owned(), key)];
        secrets.insert(name.to_owned(), key.into());
    }
    lab::feature_store(configuration, &secrets, Some(lab::postgres()))
}

/// Starts the lineage server in a pod with a feature repository. The containers of both Deployments run in one pod,
/// because each pod has its own network here.
fn with_lineage_server(store: &FeatureStoreInCluster) -> Pod<'_> {
    let mut pod = store.pod_with_lineage_server();
    pod.make_services(&store.services()).unwrap();
    pod.start("lineage").unwrap();
    pod.wait_until_ready("lineage").unwrap();
    pod.run("feast-init").unwrap().success();
    repository::from_a_table(&pod, "/feast-data");
    pod
}

/// Returns the namespace and the name of each job whose events the lineage server has received.
fn jobs(pod: &Pod<'_>) -> Vec<(String, String)> {
    let jobs = pod.get(&format!("{EVENTS}/openlineage/jobs")).unwrap();
    let jobs = jobs["jobs"].as_array().unwrap();
    let words = |job: &Json, name: &str| job[name].as_str().unwrap_or_default().to_owned();
    (jobs.iter())
        .map(|job| (words(job, "job_namespace"), words(job, "job_name")))
        .collect()
}

/// No manifest but that of the Secret has a key, so it is not in a pod specification.
fn keys_are_in_secrets_only(store: &FeatureStoreInCluster) {
    let mut with_keys = Vec::new();
    for (key, manifest) in &store.objects.manifests {
        let text = match key.kind {
            Kind::Secret => lab::decoded(manifest).into_values().collect(),
            _ => manifest.to_string(),
        };
        if [KEY, OTHER_KEY].iter().any(|secret| text.contains(secret)) {
            with_keys.push((key.kind, key.name.as_str()));
        }
    }
    assert_eq!(with_keys, [(Kind::Secret, "feast-demo")]);
}
