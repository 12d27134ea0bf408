//! Connections to PostgreSQL with and without TLS, as `docs/guides/secrets.md` describes them.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use crate::real_feast::lab::{self, FeatureStoreInCluster};
use crate::real_feast::tls::certificate;
use crate::support::feast::{Pod, Postgres, Secrets};

const FOLDER: &str = "/feast-data";
/// A PostgreSQL without TLS, and one with TLS.
const PLAIN: i32 = 5433;
const TLS: i32 = 5434;

/// Returns a feature store whose online store has these additional parameters, and whose registry has these arguments.
fn store(port: i32, parameters: &str, arguments: &str) -> FeatureStoreInCluster {
    let (user, password) = (Postgres::USER, Postgres::PASSWORD);
    let in_yaml = password.replace('\'', "''");
    let in_url: String = (password.bytes())
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let online = format!(
        "host: 127.0.0.1\nport: {port}\ndatabase: sslmode\nuser: {user}\npassword: '{in_yaml}'\n{parameters}"
    );
    let registry =
        format!("path: postgresql+psycopg://{user}:{in_url}@127.0.0.1:{port}/sslmode{arguments}\n");
    let secret = BTreeMap::from([
        ("postgres".to_owned(), online),
        ("sql".to_owned(), registry),
    ]);
    let persistence =
        |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "database"}}});
    let configuration = json!({
        "name": "demo",
        "feastProject": "demo",
        "services": {
            "onlineStore": {"persistence": persistence("postgres")},
            "registry": {"local": {"persistence": persistence("sql")}},
        },
    });
    let secrets = Secrets::from([("database".to_owned(), secret)]);
    lab::feature_store(&configuration, &secrets, Some(lab::postgres()))
}

pub fn connections_are_as_the_secrets_guide_says() {
    lab::postgres().create_database("sslmode").unwrap();
    let verified =
        |file: &str| format!("sslmode: verify-full\nsslrootcert_path: {FOLDER}/{file}\n");
    let cases = [
        // The default requires TLS, and does not verify the certificate. That of a registry prefers TLS.
        (
            PLAIN,
            String::new(),
            "",
            Some("server does not support SSL, but SSL was required"),
            None,
        ),
        (TLS, String::new(), "", None, None),
        (
            PLAIN,
            "sslmode: disable\n".to_owned(),
            "?sslmode=disable",
            None,
            None,
        ),
        (
            PLAIN,
            "sslmode: disable\n".to_owned(),
            "?sslmode=require",
            None,
            Some("server does not support SSL, but SSL was required"),
        ),
        (
            TLS,
            verified("authority.pem"),
            "?sslmode=verify-full&sslrootcert=/feast-data/authority.pem",
            None,
            None,
        ),
        (
            TLS,
            verified("other.pem"),
            "?sslmode=verify-full&sslrootcert=/feast-data/other.pem",
            Some("certificate verify failed"),
            Some("certificate verify failed"),
        ),
    ];
    let stores: Vec<_> = (cases.iter())
        .map(|(port, parameters, arguments, ..)| store(*port, parameters, arguments))
        .collect();
    let mut pod = stores[0].pod();
    start(&mut pod);
    let mut folders = Vec::new();
    for (n, store) in stores.iter().enumerate() {
        let folder = pod.path("online", FOLDER).join(n.to_string());
        fs::create_dir(&folder).unwrap();
        let yaml = &store.environment.secrets["feast-demo"]["feature_store.yaml"];
        fs::write(folder.join("feature_store.yaml"), yaml).unwrap();
        folders.push(format!("{FOLDER}/{n}"));
    }
    let mut words = vec![
        "python",
        "-W",
        "ignore",
        "-c",
        include_str!("sslmode/connect.py"),
    ];
    words.extend(folders.iter().map(String::as_str));
    let output = pod.exec("online", &words).unwrap().success();
    let last = output.lines().rfind(|line| line.starts_with('[')).unwrap();
    let errors: Vec<[Option<String>; 2]> = serde_json::from_str(last).unwrap();
    assert_eq!(errors.len(), cases.len(), "{output}");
    for ((.., online, registry), found) in cases.iter().zip(&errors) {
        for (expected, found) in [online, registry].into_iter().zip(found) {
            match (expected, found) {
                (None, None) => (),
                (Some(expected), Some(found)) if found.contains(expected) => (),
                _ => panic!("expected {expected:?}, found {found:?}: {errors:#?}"),
            }
        }
    }
    // Those of the default and of the verified certificate, each of the online store and of the registry.
    let log = pod.log("tls");
    assert_eq!(log.matches("TLS\n").count(), 4, "{log}");
    assert!(!log.contains("plain"), "{log}");
}

/// Starts the listeners, and writes the certificates.
fn start(pod: &mut Pod<'_>) {
    let socket = lab::postgres().socket().join(".s.PGSQL.5432");
    let socket = socket.to_string_lossy().into_owned();
    let (authority, key) = certificate(vec!["127.0.0.1".to_owned()]);
    let (other, _) = certificate(vec!["127.0.0.1".to_owned()]);
    let pem = pod.folder().join("server.pem");
    fs::write(&pem, format!("{authority}{key}")).unwrap();
    let folder = pod.path("online", FOLDER);
    fs::write(folder.join("authority.pem"), authority).unwrap();
    fs::write(folder.join("other.pem"), other).unwrap();
    let program = include_str!("sslmode/listener.py");
    let pem = pem.to_string_lossy().into_owned();
    for (name, port, pem) in [("plain", PLAIN, None), ("tls", TLS, Some(pem))] {
        let port_text = port.to_string();
        let mut arguments = vec![port_text.as_str(), &socket];
        arguments.extend(pem.as_deref());
        pod.start_program(name, program, &arguments).unwrap();
        pod.wait_for_port("127.0.0.1", port).unwrap();
    }
}
