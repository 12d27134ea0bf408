//! Feast's stores inside one pod: SQLite, DuckDB, Dask, Redis, and a registry in a file.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::support::feast::features::{expected_response, features_request, values};
use crate::support::feast::{Pod, Redis, Secrets};

const ONLINE: &str = "http://127.0.0.1:6566";
/// The command of the CronJob, which is also the operator's.
pub const MATERIALIZE: [&str; 3] = [
    "bash",
    "-c",
    "feast materialize-incremental $(date -u +'%Y-%m-%dT%H:%M:%S')",
];

/// Runs the containers in the order of Kubernetes, and installs the definitions of the tests after `feast init`.
pub fn start_containers(pod: &mut Pod<'_>, base: &str) {
    pod.run("feast-init").unwrap().success();
    repository::from_a_file(pod, base);
    pod.run("feast-apply").unwrap().success();
    pod.exec("online", &MATERIALIZE).unwrap().success();
    for server in pod.servers() {
        pod.start(&server).unwrap();
    }
    for server in pod.servers() {
        pod.wait_until_ready(&server).unwrap();
    }
}

fn features(pod: &Pod<'_>) -> Json {
    let url = format!("{ONLINE}/get-online-features");
    values(&pod.post(&url, &features_request()).unwrap())
}

/// The defaults, with the examples of `feast init`. Their values are random, so the result is compared with their data
/// file.
pub fn feast_init_defaults() {
    let configuration = json!({"name": "demo", "feastProject": "demo"});
    let store = lab::feature_store(&configuration, &Secrets::new(), None);
    let mut pod = store.pod();
    assert_eq!(pod.init_containers(), ["feast-init", "feast-apply"]);
    assert_eq!(pod.servers(), ["online"]);
    let output = pod.run("feast-init").unwrap().success();
    assert!(
        output.contains("The feature repository is ready."),
        "{output}"
    );
    pod.run("feast-apply").unwrap().success();
    // If the containers of a pod restart, they find the existing repository.
    let output = pod.run("feast-init").unwrap().success();
    assert!(!output.contains("Creating"), "{output}");
    pod.exec("online", &MATERIALIZE).unwrap().success();
    pod.start("online").unwrap();
    pod.wait_until_ready("online").unwrap();

    let program = include_str!("repository/newest_example.py");
    let data = pod.path("online", &repository::repository("/feast-data"));
    let data = data.join("data/driver_stats.parquet");
    let expected = lab::python().run(program, &[&data.to_string_lossy()]);
    let expected: Json = serde_json::from_str(&expected.unwrap()).unwrap();
    let features_request = json!({
        "features": ["driver_hourly_stats:conv_rate", "driver_hourly_stats:avg_daily_trips"],
        "entities": {"driver_id": [1001, 1002]},
    });
    let answer = pod.post(&format!("{ONLINE}/get-online-features"), &features_request);
    assert_eq!(values(&answer.unwrap()), expected);
}

/// Redis with its password from the environment, DuckDB, and two servers with a debug log.
pub fn redis_and_duckdb() {
    let secrets = Secrets::from([
        (
            "cache".to_owned(),
            BTreeMap::from([(
                "redis".to_owned(),
                "connection_string: 127.0.0.1:${CACHE_PORT},password=${CACHE_PASSWORD}\n"
                    .to_owned(),
            )]),
        ),
        (
            "cache-environment".to_owned(),
            BTreeMap::from([
                ("PORT".to_owned(), Redis::PORT.to_string()),
                ("PASSWORD".to_owned(), Redis::PASSWORD.to_owned()),
            ]),
        ),
    ]);
    let configuration = json!({
        "name": "demo",
        "feastProject": "demo",
        "services": {
            "onlineStore": {
                "persistence": {"store": {"type": "redis", "secretRef": {"name": "cache"}}},
                "server": {
                    "logLevel": "debug",
                    "envFrom": [{"prefix": "CACHE_", "secretRef": {"name": "cache-environment"}}],
                },
            },
            "offlineStore": {"persistence": {"file": {"type": "duckdb"}}, "server": {"logLevel": "debug"}},
        },
    });
    let store = lab::feature_store(&configuration, &secrets, None);
    let mut pod = store.pod();
    Redis::start(&mut pod, lab::python()).unwrap();
    assert_eq!(pod.servers(), ["online", "offline"]);
    start_containers(&mut pod, "/feast-data");
    assert_eq!(features(&pod), expected_response());
}

/// All stores in files on PVCs, with the feature repository on the offline store's PVC. A second pod then uses them.
pub fn sqlite_on_pvcs() {
    let pvc = |path: &str| json!({"create": {}, "mountPath": path});
    let configuration = json!({
        "name": "demo",
        "feastProject": "demo",
        "services": {
            "onlineStore": {"persistence": {"file": {"path": "online.db", "pvc": pvc("/data/online")}}},
            "offlineStore": {"persistence": {"file": {"type": "dask", "pvc": pvc("/data/offline")}}},
            "registry": {"local": {
                "persistence": {"file": {"path": "catalogue.db", "pvc": pvc("/data/registry")}},
                "server": {"grpc": false, "restAPI": true},
            }},
        },
    });
    let store = lab::feature_store(&configuration, &Secrets::new(), None);
    let mut pod = store.pod();
    start_containers(&mut pod, "/data/offline");
    assert_eq!(features(&pod), expected_response());
    for file in ["/data/online/online.db", "/data/registry/catalogue.db"] {
        assert!(pod.path("online", file).is_file(), "{file}");
    }
    let views = pod
        .get("http://127.0.0.1:6572/api/v1/feature_views?project=demo")
        .unwrap();
    assert_eq!(
        views["featureViews"][0]["spec"]["name"], "driver_stats",
        "{views:#}"
    );
    pod.stop();

    let mut next = store.pod();
    next.run("feast-init").unwrap().success();
    next.start("online").unwrap();
    next.wait_until_ready("online").unwrap();
    assert_eq!(features(&next), expected_response());
}
