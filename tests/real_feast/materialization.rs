//! Requests for features of a feature view while it is materialized, with the registry in PostgreSQL and in a file, and
//! through a registry server.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::support::feast::features::features_request;
use crate::support::feast::{Load, Pod, Postgres, Redis, Secrets, Sent};

const URL: &str = "http://127.0.0.1:6566/get-online-features";
/// The pause of a client between a response and its next request.
const PAUSE: Duration = Duration::from_millis(100);
/// The error of Feast.
const REJECTED: &str = "is in state 'MATERIALIZING'";
/// The folder of the application.
const APPLICATION: &str = "/feast-data/application";

/// With the default of the provider, no request is rejected.
pub fn features_are_served_while_they_are_materialized() {
    for registry in [in_a_database("served"), in_a_file()] {
        let (server, client) = materialize(&registry, true);
        assert_eq!(
            (server.rejected, client.rejected),
            (0, 0),
            "{server:?} {client:?}"
        );
        assert!(
            server.served > 50 && client.served > 10,
            "{server:?} {client:?}"
        );
    }
}

/// Without the setting, servers and clients reject requests if the registry is a file. A SQL registry does not store
/// the state alone (`SqlRegistry._apply_object`, as of 0.67), so it needs no setting.
pub fn features_are_rejected_without_the_setting() {
    let (server, client) = materialize(&in_a_file(), false);
    assert!(server.rejected > 10, "{server:?}");
    assert!(client.rejected > 1, "{client:?}");
    let (server, client) = materialize(&in_a_database("without"), false);
    let rejected = (server.rejected, client.rejected);
    assert_eq!(
        rejected,
        (0, 0),
        "The rule `materialization-requests` must include SQL registries"
    );
}

/// The numbers of requests.
#[derive(Debug, Default)]
struct Requests {
    served: usize,
    rejected: usize,
}

/// A registry: its attribute `persistence`, and the Secrets.
struct Registry {
    persistence: Json,
    secrets: Secrets,
    postgres: Option<&'static Postgres>,
}

fn in_a_file() -> Registry {
    Registry {
        persistence: json!({"file": {"cache_ttl_seconds": 1}}),
        secrets: Secrets::new(),
        postgres: None,
    }
}

fn in_a_database(database: &str) -> Registry {
    let postgres = lab::postgres();
    postgres.create_database(database).unwrap();
    let (socket, user) = (Postgres::SOCKET_IN_CONTAINERS, Postgres::USER);
    let password: String = (Postgres::PASSWORD.bytes())
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let parameters = format!(
        "path: postgresql+psycopg://{user}:{password}@/{database}?host={socket}\ncache_ttl_seconds: 1\n"
    );
    let secret = BTreeMap::from([("sql".to_owned(), parameters)]);
    Registry {
        persistence: json!({"store": {"type": "sql", "secretRef": {"name": "registry"}}}),
        secrets: Secrets::from([("registry".to_owned(), secret)]),
        postgres: Some(postgres),
    }
}

/// Returns a feature store with this registry and with its online store in Redis. `serve` is the setting
/// `serve_features_while_materializing`.
fn feature_store(registry: &Registry, serve: bool) -> lab::FeatureStoreInCluster {
    let cache = format!(
        "connection_string: 127.0.0.1:{},password={}\n",
        Redis::PORT,
        Redis::PASSWORD
    );
    let mut secrets = registry.secrets.clone();
    let cache = BTreeMap::from([("redis".to_owned(), cache)]);
    secrets.insert("cache".to_owned(), cache);
    let mut services = json!({
        "onlineStore": {
            "persistence": {"store": {"type": "redis", "secretRef": {"name": "cache"}}},
            "server": {"workerConfigs": {"registryTTLSeconds": 1}},
        },
        "registry": {"local": {"persistence": registry.persistence, "server": {}}},
    });
    if !serve {
        services["registry"]["serveFeaturesWhileMaterializing"] = json!(false);
    }
    let configuration = json!({"name": "demo", "feastProject": "demo", "services": services});
    lab::feature_store(&configuration, &secrets, registry.postgres)
}

/// Starts Redis, materializes the older rows, and starts the servers.
fn start_servers(store: &lab::FeatureStoreInCluster, pod: &mut Pod<'_>) {
    Redis::start(pod, lab::python()).unwrap();
    pod.make_services(&store.services()).unwrap();
    pod.run("feast-init").unwrap().success();
    repository::from_a_file(pod, "/feast-data");
    pod.exec("online", &["feast", "apply"]).unwrap().success();
    // The newest rows are left for the next materialization.
    let first = "feast materialize-incremental $(date -u -d '-80 minutes' +'%Y-%m-%dT%H:%M:%S')";
    pod.exec("online", &["bash", "-c", first])
        .unwrap()
        .success();
    for server in pod.servers() {
        pod.start(&server).unwrap();
    }
    for server in pod.servers() {
        pod.wait_until_ready(&server).unwrap();
    }
}

/// Sends requests to the server, and as a client with the client's configuration, during one materialization.
fn materialize(registry: &Registry, serve: bool) -> (Requests, Requests) {
    let store = feature_store(registry, serve);
    let mut pod = store.pod();
    start_servers(&store, &mut pod);
    let folder = application(&pod, store.client_yaml());
    let load = Load::start(&pod, URL, &features_request(), 2, PAUSE).unwrap();
    let client = thread::scope(|scope| {
        let client = scope.spawn(|| run(&pod, "client_loop.py"));
        let folder = &folder;
        let start = || folder.join("started").is_file();
        while !start() {
            thread::sleep(Duration::from_millis(50));
            assert!(!client.is_finished(), "the client has ended");
        }
        let program = include_str!("repository/slow_materialize.py");
        let words = ["python", "-W", "ignore", "-c", program, "8"];
        pod.exec("online", &words).unwrap().success();
        // The registry of the servers is refreshed within a second.
        thread::sleep(Duration::from_secs(2));
        fs::write(folder.join("stop"), "").unwrap();
        client.join().unwrap()
    });
    let sent = load.stop().unwrap();
    let unexpected: Vec<&Sent> = (sent.iter())
        .filter(|it| !it.succeeded() && !it.error.contains(REJECTED))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    let rejected = sent.iter().filter(|it| !it.succeeded()).count();
    let server = Requests {
        served: sent.len() - rejected,
        rejected,
    };
    (server, client)
}

/// Creates the folder of an application with the configuration of clients.
fn application(pod: &Pod<'_>, yaml: &str) -> std::path::PathBuf {
    let folder = pod.path("online", APPLICATION);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("feature_store.yaml"), yaml).unwrap();
    let program = include_str!("repository/client_loop.py");
    fs::write(folder.join("client_loop.py"), program).unwrap();
    folder
}

/// Runs the application until the file `stop` exists.
fn run(pod: &Pod<'_>, program: &str) -> Requests {
    let directory = format!("--chdir={APPLICATION}");
    let words = ["env", &directory, "python", "-W", "ignore", program];
    let output = pod.exec("online", &words).unwrap().success();
    let last = output.lines().rfind(|line| line.starts_with('{')).unwrap();
    let output: Json = serde_json::from_str(last).unwrap();
    assert_eq!(output["unexpected"], json!([]));
    let number = |key: &str| usize::try_from(output[key].as_u64().unwrap()).unwrap();
    Requests {
        served: number("served"),
        rejected: number("rejected"),
    }
}
