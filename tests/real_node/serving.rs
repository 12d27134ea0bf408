//! A store serves features, from `terraform apply` to the answer.

use serde_json::Value as Json;

use crate::real_node::store::Store;
use crate::support::feast::features::{expected_response, features_request, values};

pub fn serves_features_through_services() {
    let store = Store::create("serving", "");
    assert_serves_features(&store);
    store.destroy();
}

/// In a namespace with the Pod Security level `restricted`, all containers run with a read-only root file system: the
/// servers, and the Job that runs `feast apply`.
pub fn serves_features_with_a_read_only_root_file_system() {
    let store = Store::new("hardened");
    let namespace = store.namespace.name().to_owned();
    let level = "pod-security.kubernetes.io/enforce=restricted";
    (store.lab.cluster)
        .kubectl(&["label", "namespace", &namespace, level])
        .unwrap();
    let services = "container_security_context = { read_only_root_filesystem = true }
    ui = {}";
    let store = Store::started(store, services);
    assert_serves_features(&store);
    for (container, command) in [
        (
            "online",
            "! touch /opt/app-root/src/x && touch ~/x && ls -d /tmp/feast_metrics_*",
        ),
        (
            "ui",
            "python -c 'import urllib.request as r; r.urlopen(\"http://localhost:8888/projects-list.json\")'",
        ),
    ] {
        let container = format!("--container={container}");
        let exec = [
            "exec",
            "deployment/feast-demo",
            &container,
            "--",
            "bash",
            "-ec",
            command,
        ];
        store.namespace.kubectl(&exec).unwrap();
    }
    store.destroy();
}

/// The same for init containers, which run `feast init` and `feast apply` with files in the pod.
pub fn creates_a_repository_with_a_read_only_root_file_system() {
    let store = Store::new("hardened-init");
    let services = "container_security_context = { read_only_root_filesystem = true }";
    store.write("demo", "", services);
    store.apply();
    store.destroy();
}

/// Checks the features that a pod of the store receives through the Service.
pub fn assert_serves_features(store: &Store) {
    assert_eq!(served(store), Some(expected_response()));
}

/// Returns the features that a pod of the store receives through the Service; `None` for an error.
pub fn served(store: &Store) -> Option<Json> {
    let ask = format!(
        "import json, urllib.request\n\
         request = urllib.request.Request('http://feast-demo-online.{}.svc.cluster.local/get-online-features', \
         json.dumps({}).encode(), {{'content-type': 'application/json'}})\n\
         print(urllib.request.urlopen(request).read().decode())",
        store.namespace.name(),
        features_request()
    );
    let exec = [
        "exec",
        "deployment/feast-demo",
        "--container=online",
        "--",
        "python",
        "-c",
        &ask,
    ];
    let said = store.namespace.kubectl(&exec).ok()?;
    let said: Json = serde_json::from_str(&said).ok()?;
    Some(values(&said))
}
