//! TLS for every server, with verified certificates.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value as Json, json};

use crate::real_feast::lab;
use crate::real_feast::stores::start_containers;
use crate::support::feast::Secrets;
use crate::support::feast::features::{expected_response, features_request, values};

/// Returns a self-signed certificate for these names and addresses, and its private key.
pub fn certificate(names: Vec<String>) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(names).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn configuration() -> Json {
    let tls =
        json!({"secretRef": {"name": "certificate"}, "secretKeyNames": {"tlsCrt": "chain.pem"}});
    json!({
        "name": "demo",
        "feastProject": "demo",
        "services": {
            "onlineStore": {"server": {"tls": tls}},
            "offlineStore": {"server": {"tls": tls}},
            "registry": {"local": {"server": {"restAPI": true, "tls": tls}}},
            "ui": {"tls": tls},
        },
    })
}

pub fn every_server_presents_its_certificate() {
    let services = ["online", "offline", "registry", "registry-rest", "ui"];
    let mut names: Vec<String> = services
        .map(|service| format!("feast-demo-{service}.default.svc.cluster.local"))
        .into();
    names.push("127.0.0.1".to_owned());
    let (certificate, key) = certificate(names);
    let secrets = Secrets::from([(
        "certificate".to_owned(),
        BTreeMap::from([
            ("chain.pem".to_owned(), certificate.clone()),
            ("tls.key".to_owned(), key),
        ]),
    )]);
    let store = lab::feature_store(&configuration(), &secrets, None);
    let mut pod = store.pod();
    assert_eq!(pod.servers(), ["registry", "online", "offline", "ui"]);
    pod.make_services(&store.services()).unwrap();
    start_containers(&mut pod, "/feast-data");

    let authority = pod.folder().join("authority.pem");
    fs::write(&authority, certificate).unwrap();
    let authority = authority.to_string_lossy().into_owned();
    let ask = |method: &str, url: &str, body: &str| pod.request(method, url, body, &authority);
    let features = ask(
        "POST",
        "https://127.0.0.1:6567/get-online-features",
        &features_request().to_string(),
    );
    assert_eq!(values(&features.unwrap()), expected_response());
    let views = "https://127.0.0.1:6573/api/v1/feature_views?project=demo";
    let views = ask("GET", views, "").unwrap();
    assert_eq!(
        views["featureViews"][0]["spec"]["name"], "driver_stats",
        "{views:#}"
    );
    let projects = ask("GET", "https://127.0.0.1:8443/projects-list.json", "").unwrap();
    assert_eq!(projects["projects"][0]["id"], "demo", "{projects:#}");

    // An application with the client's configuration and the certificates at its paths, connected through the
    // Services.
    let folder = pod.path("online", "/feast-data").join("application");
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
    // This container mounts every certificate.
    let output = pod.exec("feast-apply", &run).unwrap().success();
    let last = output.lines().rfind(|line| line.starts_with('{')).unwrap();
    let known: Json = serde_json::from_str(last).unwrap();
    assert_eq!(
        known,
        json!({
            "views": ["driver_stats"],
            "online": {"driver_id": [1001, 1002], "conv_rate": [0.25, 0.5], "trips": [11, 22]},
            "historical": {"driver_id": [1001, 1002], "trips": [90, 80]},
        })
    );
}
