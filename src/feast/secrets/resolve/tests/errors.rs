//! What cannot be merged into the objects.

use super::*;

/// Returns the errors (path and message) of Secrets with these keys for a configuration with these settings.
fn messages(settings: Json, secrets: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut store = json!({"name": "demo", "feastProject": "demo"});
    if let (Json::Object(store), Json::Object(settings)) = (&mut store, settings) {
        store.extend(settings);
    }
    let store = serde_json::from_value(store).unwrap();
    let mut contents = Contents::new();
    for (key, text) in secrets {
        let values = BTreeMap::from([((*key).to_owned(), (*text).to_owned())]);
        contents.insert(Source::secret("s", *key), values);
    }
    let resolved = render(&Store::new(&store, &Defaults::default())).resolve_secrets(&Secrets {
        contents: &contents,
        hash_key: b"key",
        configuration: "{}",
    });
    (resolved.err().unwrap_or_default().iter())
        .map(|error| (error.path.to_string(), error.to_string()))
        .collect()
}

fn database(store_type: &str) -> Json {
    json!({"persistence": {"store": {"type": store_type, "secretRef": {"name": "s"}}}})
}

#[test]
fn several_pods_require_a_database() {
    let messages = |scaling: Json, apply: Json| {
        let services = json!({
            "scaling": scaling,
            "feastApply": apply,
            "onlineStore": database("milvus"),
            "registry": {"local": database("sql")},
        });
        let secrets = [
            ("milvus", "path: /hunter2.db"),
            ("sql", "path: sqlite:////hunter2.db"),
        ];
        messages(json!({"services": services}), &secrets)
    };
    let both = |what: &str| {
        [("milvus", "online_store"), ("sql", "registry.local")].map(|(key, service)| {
            (
                format!("services.{service}.persistence.store.secret_ref"),
                format!("key {key:?} of Secret \"s\" {what}"),
            )
        })
    };
    assert_eq!(messages(json!({}), json!("init_container")), []);
    assert_eq!(
        messages(json!({"replicas": 2}), json!("init_container")),
        both(
            "describes a file (such as SQLite), and each of several pods would have its own file. Set the address of a \
             database, or run a single pod"
        )
    );
    assert_eq!(
        messages(json!({"replicas": 1}), Json::Null),
        both(
            "describes a file (such as SQLite), and the `feast apply` Job would have its own file. Set the address of \
             a database, or set `services.feast_apply = \"init_container\"`"
        )
    );
}

#[test]
fn the_secret_tells_whether_a_database_is_a_file() {
    let has_file = |sql: &str| {
        let services = json!({
            "feastApply": "init_container",
            "onlineStore": database("postgres"),
            "registry": {"local": database("sql")},
        });
        let store = json!({"name": "demo", "feastProject": "demo", "services": services});
        let store = serde_json::from_value(store).unwrap();
        let rendered = render(&Store::new(&store, &Defaults::default()));
        let contents = [("postgres", "host: h"), ("sql", sql)].map(|(key, text)| {
            let values = BTreeMap::from([(key.to_owned(), text.to_owned())]);
            (Source::secret("s", key), values)
        });
        let resolved = rendered.clone().resolve_secrets(&Secrets {
            contents: &Contents::from(contents),
            hash_key: b"key",
            configuration: "{}",
        });
        let manifests = resolved.unwrap().manifests;
        let secret = &manifests[&Key::new(Kind::Secret, "feast-demo")];
        store_secret::has_file(secret, &rendered)
    };
    assert!(has_file("path: sqlite:////feast-data/r.db"));
    assert!(!has_file("path: postgresql://h/db"));
}

#[test]
fn a_lineage_server_requires_a_database() {
    let messages = |server: Json, own: bool| {
        let consumer = json!({
            "enabled": true,
            "lineageServer": server,
            "connectionStringSecretRef": own.then(|| json!({"name": "s"})),
        });
        let services = json!({
            "feastApply": "none",
            "registry": {"local": database("sql")},
        });
        let settings = json!({
            "services": services, "openlineage": {"enabled": true, "consumer": consumer},
        });
        let secrets = [
            ("sql", "path: sqlite:////hunter2.db"),
            ("connection_string", "sqlite:////hunter2.db\n"),
        ];
        messages(settings, &secrets)
    };
    let problem = |path: &str, key: &str| {
        [(
            path.to_owned(),
            format!(
                "key {key:?} of Secret \"s\" describes a file (such as SQLite), and the lineage server has its own pod, \
                 which would have its own file. Set the address of a database, or remove \
                 `openlineage.consumer.lineage_server`"
            ),
        )]
    };
    let own = problem(
        "openlineage.consumer.connection_string_secret_ref",
        "connection_string",
    );
    let registry = problem(
        "services.registry.local.persistence.store.secret_ref",
        "sql",
    );
    assert_eq!(messages(Json::Null, true), []);
    for server in [json!({}), json!({"replicas": 2})] {
        assert_eq!(messages(server.clone(), true), own);
        assert_eq!(messages(server, false), registry);
    }
}

#[test]
fn all_errors_are_reported_without_content() {
    let messages = |online: &str, registry| -> Vec<String> {
        let errors = resolve(online, registry).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        messages("- hunter2", None),
        [
            "key \"postgres\" of Secret \"s\" is not a YAML mapping of parameters, such as `host: db.example.com`",
            "key \"catalogue\" of Secret \"s\" does not exist",
        ]
    );
    assert_eq!(
        messages("type: redis", Some("registry_type: sql")),
        [
            "key \"postgres\" of Secret \"s\" sets `type` to a value that differs from the type of the store. Remove \
             `type`"
        ]
    );
}
