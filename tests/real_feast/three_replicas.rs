//! PostgreSQL for online store, offline store and registry, shared by the pods of one Deployment.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use serde_json::json;

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::real_feast::stores::MATERIALIZE;
use crate::support::feast::features::{expected_response, features_request, values};
use crate::support::feast::{Postgres, Secrets};

/// Returns the Secrets of a user whose database is `database`. Passwords are in the environment, so their characters
/// must not affect the YAML.
pub fn secrets(database: &str) -> Secrets {
    let socket = Postgres::SOCKET_IN_CONTAINERS;
    let user = Postgres::USER;
    let parameters = format!(
        "host: {socket}\nport: 5432\ndatabase: {database}\nuser: {user}\n\
         # in single quotes, since it holds signs of YAML's\npassword: '${{DB_PASSWORD_IN_YAML}}'\n"
    );
    let registry = format!(
        "path: postgresql+psycopg://{user}:${{DB_PASSWORD_IN_URL}}@/{database}?host={socket}\n\
         cache_ttl_seconds: 5\nsqlalchemy_config_kwargs:\n  pool_pre_ping: true\n"
    );
    let in_yaml = Postgres::PASSWORD.replace('\'', "''");
    let in_url: String = Postgres::PASSWORD
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let secret = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
        let entries = entries.iter();
        entries
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    };
    Secrets::from([
        (
            "database".to_owned(),
            secret(&[("postgres", &parameters), ("sql", &registry)]),
        ),
        (
            "passwords".to_owned(),
            secret(&[("yaml", &in_yaml), ("url", &in_url)]),
        ),
    ])
}

/// All stores are in the database, with three replicas.
pub fn configuration() -> serde_json::Value {
    let store = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "database"}}});
    let variable = |name: &str, key: &str| {
        let source = json!({"secretKeyRef": {"name": "passwords", "key": key}});
        json!({"name": name, "valueFrom": source})
    };
    let env = json!([
        variable("DB_PASSWORD_IN_YAML", "yaml"),
        variable("DB_PASSWORD_IN_URL", "url")
    ]);
    let server = json!({"env": env});
    json!({
        "name": "demo",
        "feastProject": "demo",
        "services": {
            "scaling": {"replicas": 3},
            "onlineStore": {"persistence": store("postgres"), "server": server},
            "offlineStore": {"persistence": store("postgres"), "server": server},
            "registry": {"local": {"persistence": store("sql"), "server": {"env": env, "restAPI": true}}},
        },
    })
}

pub fn replicas_return_the_same_features() {
    let postgres = lab::postgres();
    postgres.create_database("replicas").unwrap();
    repository::fill_table(postgres, "replicas");
    let store = lab::feature_store(&configuration(), &secrets("replicas"), Some(postgres));
    assert_eq!(store.deployment.spec.replicas, Some(3));
    let mut pods: Vec<_> = (0..3).map(|_| store.pod()).collect();

    assert_eq!(pods[0].servers(), ["registry", "online", "offline"]);
    assert_eq!(pods[0].init_containers(), ["feast-init"]);
    // One Job for all pods, before they start. For the behavior without a Job, see `concurrent_apply`.
    let job = store.job();
    for pod in pods.iter().chain([&job]) {
        pod.run("feast-init").unwrap().success();
        repository::from_a_table(pod, "/feast-data");
    }
    job.run("feast-apply").unwrap().success();
    pods[0].exec("online", &MATERIALIZE).unwrap().success();
    pods[0].make_services(&store.services()).unwrap();
    // One pod runs all its servers, the others only the server under test.
    for server in ["registry", "offline"] {
        pods[0].start(server).unwrap();
    }
    for pod in &mut pods {
        pod.start("online").unwrap();
    }
    for server in ["registry", "offline"] {
        pods[0].wait_until_ready(server).unwrap();
    }
    for pod in &mut pods {
        pod.wait_until_ready("online").unwrap();
    }

    let url = "http://127.0.0.1:6566/get-online-features";
    thread::scope(|scope| {
        let asking: Vec<_> = pods
            .iter()
            .map(|pod| scope.spawn(|| values(&pod.post(url, &features_request()).unwrap())))
            .collect();
        for asked in asking {
            assert_eq!(asked.join().unwrap(), expected_response());
        }
    });
    // The probes have checked both protocols.
    let views = pods[0]
        .get("http://127.0.0.1:6572/api/v1/feature_views?project=demo")
        .unwrap();
    assert_eq!(
        views["featureViews"][0]["spec"]["name"], "driver_stats",
        "{views:#}"
    );

    // An application with only the client's configuration, connected through the Services.
    let folder = pods[0].path("online", "/feast-data").join("application");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("feature_store.yaml"), store.client_yaml()).unwrap();
    fs::write(
        folder.join("client.py"),
        include_str!("repository/client.py"),
    )
    .unwrap();
    let run = [
        "env",
        "--chdir=/feast-data/application",
        "python",
        "client.py",
    ];
    let output = pods[0].exec("online", &run).unwrap().success();
    let last = output.lines().rfind(|line| line.starts_with('{')).unwrap();
    let known: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        known,
        json!({
            "views": ["driver_stats"],
            "online": {"driver_id": [1001, 1002], "conv_rate": [0.25, 0.5], "trips": [11, 22]},
            // An hour and a half ago: the rows before the newest.
            "historical": {"driver_id": [1001, 1002], "trips": [90, 80]},
        })
    );
}
