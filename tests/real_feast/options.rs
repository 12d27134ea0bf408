//! Server options that differ from the defaults: Feast parses each as intended, and applies it.
//!
//! The package of MLflow is not installed here, and servers and `feast apply` run without it; for MLflow itself, see
//! `mlflow`. The OpenLineage transports other than `http` are not tested.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::real_feast::stores::MATERIALIZE;
use crate::support::feast::features::{expected_response, features_request, values};
use crate::support::feast::{Listener, Pod, Secrets};
use crate::support::testbed::cluster::eventually;

const BASE: &str = "/feast-data";
const ONLINE: &str = "http://127.0.0.1:6566";
const METRICS: &str = "http://127.0.0.1:8000/metrics";
const LISTENER: i32 = 5000;
const DEFINITIONS: &str = include_str!("repository/with_pushes.py");
const GET: &str = include_str!("options/get.py");

fn configuration() -> Json {
    json!({
        "name": "demo",
        "feastProject": "demo",
        "materialization": {"onlineWriteBatchSize": 1, "extraConfig": {"pull_latest_features": "true"}},
        "openlineage": {
            "enabled": true,
            "transportType": "http",
            "transportUrl": format!("http://127.0.0.1:{LISTENER}"),
            "transportEndpoint": "events/here",
            "apiKeySecretRef": {"name": "lineage"},
            "extraConfig": {"namespace": "ours", "producer": "us", "emit_on_materialize": "false"},
        },
        "mlflow": {
            "enabled": true,
            "trackingUri": "http://127.0.0.1:5001",
            "uiUrl": "https://mlflow.example.com",
            "autoLog": false,
            "autoLogEntityDf": true,
            "entityDfMaxRows": 500,
            "logOperations": true,
            "opsExperimentSuffix": "-ops",
            "extraConfig": {"request_timeout": "60", "max_retries": "0", "retry_backoff_factor": "1.5"},
        },
        "dataQualityMonitoring": {"autoBaseline": true},
        "services": {
            "onlineStore": {
                "server": {
                    "logLevel": "debug",
                    "workerConfigs": {
                        "workers": 2,
                        "workerConnections": 50,
                        "maxRequests": 200,
                        "maxRequestsJitter": 1,
                        "keepAliveTimeout": 2,
                        "registryTTLSeconds": 1,
                    },
                },
                "serving": {
                    "metrics": {"enabled": true, "categories": {"push": false}},
                    "offlinePushBatching": {"enabled": true, "batchSize": 3, "batchIntervalSeconds": 1},
                    "mcp": {"enabled": true, "serverName": "ours", "serverVersion": "9.9.9", "transport": "http"},
                },
            },
            "registry": {"local": {
                "persistence": {"file": {"cache_ttl_seconds": 30, "cache_mode": "sync"}},
                "server": {"grpc": false, "restAPI": true, "mcp": {"enabled": true}},
            }},
        },
    })
}

fn secrets() -> Secrets {
    let key = BTreeMap::from([("api_key".to_owned(), "lineage-key".to_owned())]);
    Secrets::from([("lineage".to_owned(), key)])
}

/// Runs a Python program in the online server's container.
fn python(pod: &Pod<'_>, program: &str, arguments: &[&str]) -> String {
    let words = ["python", "-W", "ignore", "-c", program];
    let finished = pod.exec("online", &[&words, arguments].concat()).unwrap();
    finished.success().trim().to_owned()
}

fn until<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    let step = Duration::from_millis(100);
    eventually(what, Duration::from_secs(60), step, attempt)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Feast ignores unknown keys without an error.
pub fn feast_parses_every_section() {
    let store = lab::feature_store(&configuration(), &secrets(), None);
    let pod = store.pod();
    pod.run("feast-init").unwrap().success();
    let output = python(&pod, include_str!("options/sections.py"), &[]);
    // Warnings follow this line.
    let output = output.lines().find(|line| line.starts_with('{')).unwrap();
    let output: Json = serde_json::from_str(output).unwrap();
    let read = json!({
        "registry": {
            "registry_type": "file",
            "path": "/feast-data/registry.db",
            "cache_ttl_seconds": 30,
            "cache_mode": "sync",
            "serve_features_while_materializing": true,
            "mcp": {"enabled": true},
        },
        "feature_server": {
            "type": "mcp",
            "metrics": {"enabled": true, "push": false},
            "offline_push_batching_enabled": true,
            "offline_push_batching_batch_size": 3,
            "offline_push_batching_batch_interval_seconds": 1,
            "mcp_enabled": true,
            "mcp_server_name": "ours",
            "mcp_server_version": "9.9.9",
            "mcp_transport": "http",
        },
        "materialization": {"online_write_batch_size": 1, "pull_latest_features": true},
        "openlineage": {
            "enabled": true,
            "transport_type": "http",
            "transport_url": "http://127.0.0.1:5000",
            "transport_endpoint": "events/here",
            "api_key": "lineage-key",
            "namespace": "ours",
            "producer": "us",
            "emit_on_materialize": false,
        },
        "mlflow": {
            "enabled": true,
            "tracking_uri": "http://127.0.0.1:5001",
            "ui_url": "https://mlflow.example.com",
            "auto_log": false,
            "auto_log_entity_df": true,
            "entity_df_max_rows": 500,
            "log_operations": true,
            "ops_experiment_suffix": "-ops",
            "request_timeout": 60,
            "max_retries": 0,
            "retry_backoff_factor": 1.5,
        },
        "data_quality_monitoring": {"auto_baseline": true},
    });
    assert_eq!(output, json!({"read": read, "unknown": []}));
}

pub fn servers_apply_their_options() {
    let store = lab::feature_store(&configuration(), &secrets(), None);
    let mut pod = store.pod();
    pod.run("feast-init").unwrap().success();
    repository::define(&pod, BASE, DEFINITIONS);
    let listener = Listener::start(&mut pod, LISTENER).unwrap();

    let output = pod.run("feast-apply").unwrap().success();
    assert!(output.contains("Computing baseline metrics"), "{output}");
    lineage_events_arrive(&listener);
    pod.exec("online", &MATERIALIZE).unwrap().success();
    assert_eq!(
        listener.requests().len(),
        1,
        "materialization must not send events"
    );

    assert_eq!(pod.servers(), ["registry", "online"]);
    for server in pod.servers() {
        pod.start(&server).unwrap();
    }
    for server in pod.servers() {
        pod.wait_until_ready(&server).unwrap();
    }
    let features = pod.post(
        &format!("{ONLINE}/get-online-features"),
        &features_request(),
    );
    assert_eq!(values(&features.unwrap()), expected_response());
    let log = pod.log("online");
    assert!(log.contains("DEBUG:feast."), "{log}");
    assert!(!pod.log("registry").contains("DEBUG:feast."));
    until("both workers", || (workers(&pod) == 2).then_some(()));
    // The value is in seconds, and higher on a busy machine. Feast's default is 30.
    let idle: u64 = (python(&pod, include_str!("options/idle.py"), &[]).parse()).unwrap();
    assert!((2..30).contains(&idle), "{idle}");

    models_are_served(&pod);
    let rows = pushed_rows_are_collected(&pod);
    categories_are_shown(&pod);
    new_definitions_are_found(&pod);
    // The interval of one second has passed, and the last pushed row is not written yet: Feast starts the writing
    // thread before it forks its workers, which do not have it. If this check fails, correct the attribute's
    // description.
    assert_eq!(self::rows(&pod), rows);
    workers_are_replaced(&pod);
}

fn workers(pod: &Pod<'_>) -> usize {
    pod.log("online").matches("Booting worker with pid").count()
}

fn lineage_events_arrive(listener: &Listener) {
    let [event] = &*listener.requests() else {
        panic!("{:#?}", listener.requests());
    };
    assert_eq!(
        json!({
            "path": event["path"],
            "authorization": event["authorization"],
            "producer": event["body"]["producer"],
            "namespace": event["body"]["job"]["namespace"],
        }),
        json!({
            "path": "/events/here",
            "authorization": "Bearer lineage-key",
            "producer": "us",
            "namespace": "ours/demo",
        })
    );
}

fn models_are_served(pod: &Pod<'_>) {
    let output = python(pod, include_str!("options/mcp.py"), &[]);
    let output: Json = serde_json::from_str(&output).unwrap();
    assert_eq!(output["result"]["serverInfo"]["name"], "ours", "{output:#}");
    // The registry uses the other transport.
    let program = include_str!("options/first_line.py");
    let output = python(pod, program, &["http://127.0.0.1:6572/sse"]);
    assert_eq!(output, "event: endpoint");
}

fn rows(pod: &Pod<'_>) -> usize {
    let folder = pod.path("online", &repository::repository(BASE));
    let file = folder.join(repository::DATA);
    let program = include_str!("options/rows.py");
    let output = lab::python().run(program, &[&file.to_string_lossy()]);
    output.unwrap().trim().parse().unwrap()
}

/// The number of rows of one batch is written, and one more is not. Returns the number of rows.
fn pushed_rows_are_collected(pod: &Pod<'_>) -> usize {
    let push = include_str!("options/push.py");
    let accepted = "202";
    let before = rows(pod);
    assert_eq!(python(pod, push, &["2001", "3"]), accepted);
    // A file cannot be read while it is written.
    let folder = pod.path("online", &repository::repository(BASE));
    let file = folder.join(repository::DATA);
    let program = include_str!("options/rows.py");
    let wanted = (before + 3).to_string();
    until("the batch to be written", || {
        let output = lab::python().run(program, &[&file.to_string_lossy()]);
        output.ok().filter(|rows| rows.trim() == wanted)
    });
    assert_eq!(python(pod, push, &["3001", "1"]), accepted);
    before + 3
}

fn categories_are_shown(pod: &Pod<'_>) {
    let metrics = python(pod, GET, &[METRICS]);
    let shown = |line: &str| metrics.lines().any(|it| it.starts_with(line));
    let pushes = "feast_feature_server_request_total{endpoint=\"/push\"";
    assert!(shown(pushes), "{metrics}");
    // Both pushes are recorded, but their category is disabled.
    assert!(!shown("feast_push_request_total{"), "{metrics}");
}

/// New definitions are loaded within a few seconds, one of which is the registry's cache. Feast's default is a minute.
fn new_definitions_are_found(pod: &Pod<'_>) {
    let folder = pod.path("online", &repository::repository(BASE));
    let definitions = DEFINITIONS.replace("\"driver_stats\"", "\"renamed\"");
    fs::write(folder.join("definitions.py"), definitions).unwrap();
    pod.run("feast-apply").unwrap().success();
    let features_request =
        json!({"features": ["renamed:trips"], "entities": {"driver_id": [1001]}});
    let url = format!("{ONLINE}/get-online-features");
    let step = Duration::from_millis(100);
    let found = eventually("the new definitions", Duration::from_secs(40), step, || {
        pod.post(&url, &features_request).ok()
    });
    let expected = json!({"driver_id": [1001], "trips": [null]});
    assert_eq!(values(&found.unwrap()), expected);
}

/// Replaced workers remove their metrics. If this check fails, remove the warning `metrics-end`.
fn workers_are_replaced(pod: &Pod<'_>) {
    assert_eq!(workers(pod), 2);
    python(pod, GET, &[METRICS]);
    let health = format!("{ONLINE}/health");
    let ask = |times: &str| {
        let words = ["python", "-c", GET, &health, times];
        pod.exec("online", &words).unwrap().status.success()
    };
    until("other workers", || {
        // A worker that ends can drop a connection.
        ask("100");
        (workers(pod) >= 4).then_some(())
    });
    until("the servers to respond", || ask("1").then_some(()));
    let words = ["python", "-c", GET, METRICS];
    until("the metrics to disappear", || {
        let finished = pod.exec("online", &words).unwrap();
        finished.output.contains("Connection refused").then_some(())
    });
}

/// If this check fails, change the warnings `mlflow-package`, `openlineage-package` and `store-packages`.
pub fn the_image_lacks_the_packages_of_the_warnings() {
    let output = lab::python().run(include_str!("options/image.py"), &[]);
    let output: Json = serde_json::from_str(output.unwrap().trim()).unwrap();
    assert_eq!(output["image"], "feast[minimal] == 0.67.0");
    let extras: Vec<_> = (output["extras"].as_array().unwrap().iter())
        .map(|extra| extra.as_str().unwrap())
        .collect();
    // Those of Feast's other types of stores.
    for extra in [
        "k8s",
        "aws",
        "gcp",
        "milvus",
        "mysql",
        "postgres-c",
        "redis",
        "snowflake",
    ] {
        assert!(extras.contains(&extra), "{extra}: {extras:?}");
    }
    for extra in [
        "mlflow",
        "openlineage",
        "aerospike",
        "cassandra",
        "clickhouse",
        "couchbase",
        "elasticsearch",
        "hazelcast",
        "hbase",
        "mongodb",
        "mssql",
        "oracle",
        "qdrant",
        "ray",
        "scylladb",
        "singlestore",
        "spark",
        "trino",
    ] {
        assert!(!extras.contains(&extra), "{extra}: {extras:?}");
    }
}

/// The warning `lineage-kafka` describes this behavior. If this check fails, remove the warning.
pub fn sends_no_events_to_kafka() {
    let configuration = json!({
        "name": "demo",
        "feastProject": "demo",
        "openlineage": {
            "enabled": true,
            "transportType": "kafka",
            "extraConfig": {"bootstrap_servers": "127.0.0.1:9092", "topic": "lineage"},
        },
    });
    let store = lab::feature_store(&configuration, &Secrets::new(), None);
    let pod = store.pod();
    pod.run("feast-init").unwrap().success();
    let output = pod.run("feast-apply").unwrap().success();
    assert!(
        output.contains("Failed to initialize OpenLineage client"),
        "{output}"
    );
}
