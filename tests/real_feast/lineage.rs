//! The lineage server with the registry's database, and the events of `feast apply`.

use serde_json::{Value as Json, json};

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::real_feast::three_replicas;

const EVENTS: &str = "http://127.0.0.1:6580/api/v1/lineage";

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
    let postgres = lab::postgres();
    postgres.create_database("lineage").unwrap();
    repository::fill_table(postgres, "lineage");
    let mut secrets = three_replicas::secrets("lineage");
    let key = [("api_key".to_owned(), "key-of-the-senders\n".to_owned())];
    secrets.insert("lineage".to_owned(), key.into());
    let store = lab::feature_store(&configuration(), &secrets, Some(postgres));

    // The containers of both Deployments run in one pod, because each pod has its own network here.
    let mut pod = store.pod_with_lineage_server();
    pod.make_services(&store.services()).unwrap();
    pod.start("lineage").unwrap();
    pod.wait_until_ready("lineage").unwrap();
    let refused = pod.post(EVENTS, &event()).unwrap_err().to_string();
    assert!(refused.contains("HTTP Error 401"), "{refused}");

    pod.run("feast-init").unwrap().success();
    repository::from_a_table(&pod, "/feast-data");
    // The command of the Job, with the environment of the servers.
    pod.exec("online", &["feast", "apply"]).unwrap().success();
    let jobs = pod.get(&format!("{EVENTS}/openlineage/jobs")).unwrap();
    let jobs = jobs["jobs"].as_array().unwrap();
    let words = |job: &Json, name: &str| job[name].as_str().unwrap_or_default().to_owned();
    let sent: Vec<_> = (jobs.iter())
        .map(|job| (words(job, "job_namespace"), words(job, "job_name")))
        .collect();
    let own = (
        "shop/demo".to_owned(),
        "feast_feature_views_demo".to_owned(),
    );
    assert_eq!(sent, [own]);
}
