use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;
use crate::feast::ownership::Ownership;
use crate::feast::render::render;
use crate::feast::secrets::source::Source;
use crate::feast::spec::{Defaults, Store};

fn rendered() -> Objects<Rendered> {
    let store = serde_json::from_value(json!({
        "name": "demo",
        "feastProject": "demo",
        "services": {
            "onlineStore": {"persistence": {"store": {"type": "postgres", "secretRef": {"name": "s"}}}},
            "registry": {"local": {"persistence": {"store": {
                "type": "sql", "secretRef": {"name": "s"}, "secretKeyName": "catalogue",
            }}}},
        },
    }));
    render(&Store::new(&store.unwrap(), &Defaults::default()))
}

fn contents(online: &str, registry: Option<&str>) -> Contents {
    let mut contents = Contents::new();
    let mut add = |key: &str, text: &str| {
        let values = BTreeMap::from([(key.to_owned(), text.to_owned())]);
        contents.insert(Source::secret("s", key), values);
    };
    add("postgres", online);
    if let Some(registry) = registry {
        add("catalogue", registry);
    }
    contents
}

fn resolve(online: &str, registry: Option<&str>) -> Result<Objects<Resolved>, Vec<SecretError>> {
    rendered().resolve_secrets(&Secrets {
        contents: &contents(online, registry),
        hash_key: b"key",
        configuration: "{}",
    })
}

#[test]
fn parameters_go_into_the_secret_and_nowhere_else() {
    let resolved = resolve(
        "host: h\npassword: hunter2\n",
        Some("path: postgresql://u:hunter2@h/db"),
    )
    .unwrap();
    let secret = &resolved.manifests[&Key::new(Kind::Secret, "feast-demo")];
    assert_eq!(secret.get("stringData"), None);
    let data = |key: &str| {
        let text = secret["data"][key].as_str().unwrap();
        String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
    };
    assert_eq!(
        data("feature_store.yaml"),
        "project: demo\nprovider: local\nonline_store:\n    type: postgres\n    conn_type: pool\n    max_conn: 1000\n    host: h\n    password: hunter2\nregistry:\n    registry_type: sql\n    serve_features_while_materializing: true\n    path: postgresql://u:hunter2@h/db\nauth:\n    type: no_auth\nentity_key_serialization_version: 3\n"
    );
    assert_eq!(
        (data("hash_key"), data("configuration.json")),
        ("key".into(), "{}".into())
    );

    let deployment = &resolved.manifests[&Key::new(Kind::Deployment, "feast-demo")];
    assert_eq!(
        deployment["spec"]["template"]["metadata"]["annotations"],
        json!({"feast.dev/configuration-hash": resolved.hashes().servers.configuration})
    );
    for (key, manifest) in &resolved.manifests {
        assert!(!manifest.to_string().contains("hunter2"), "{key}");
    }
    assert!(!format!("{resolved:?}").contains("data\""), "{resolved:?}");
}

#[test]
fn errors_describe_the_text_without_its_content() {
    let messages = |online: &str| -> Vec<String> {
        let errors = resolve(online, Some("path: p")).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    };
    let placeholder = "has a line that is only an environment reference, so the names of the parameters are not known. \
         Set each parameter separately, such as `host: ${HOST}`";
    for (text, problem) in [
        ("${ALL}", placeholder),
        ("host: h\n${MORE}\n", placeholder),
        (
            "- a",
            "is not a YAML mapping of parameters, such as `host: db.example.com`",
        ),
        (
            "host: h\nports: [\n  ${PORT}\n",
            "is not valid YAML at line 2. Use a mapping of parameters, such as `host: db.example.com`",
        ),
        (
            "host: ${H}\nhost: secret",
            "is not valid YAML at line 2. Use a mapping of parameters, such as `host: db.example.com`",
        ),
    ] {
        assert_eq!(
            messages(text),
            [format!("key \"postgres\" of Secret \"s\" {problem}")]
        );
    }
}

#[test]
fn the_owner_is_one_key_of_the_secret() {
    let plain = resolve("password: a", Some("path: p")).unwrap();
    let mut owned = plain.clone();
    let owner = Ownership::Complete {
        owner_id: "c0ffee".to_owned(),
    };
    owned.set_owner(&owner);
    let key = Key::new(Kind::Secret, "feast-demo");
    let read = |objects: &Objects<Resolved>| Ownership::of(objects.manifests.get(&key));
    assert_eq!(read(&plain), Ownership::Unrecorded);
    assert_eq!(read(&owned), owner);
    let secret = owned.manifests.get_mut(&key).unwrap();
    secret["data"]
        .as_object_mut()
        .unwrap()
        .remove("creation.json");
    assert_eq!(owned, plain);
}

#[test]
fn the_hash_follows_the_content() {
    let hash = |online: &str| {
        let resolved = resolve(online, Some("path: p")).unwrap();
        resolved.hashes().servers.configuration.clone()
    };
    assert_eq!(hash("password: a"), hash("password: a"));
    assert_ne!(hash("password: a"), hash("password: b"));
    assert_eq!(hash("password: a").len(), 32);
}

#[test]
fn hashes_need_no_objects() {
    for (online, registry) in [
        ("password: a", Some("path: p")),
        ("password: b", Some("path: p")),
        ("- a", None),
    ] {
        let hashes = rendered()
            .inputs()
            .hashes(&contents(online, registry), b"key");
        let resolved = resolve(online, registry);
        assert_eq!(hashes, resolved.map(|objects| objects.hashes().clone()));
    }
}

#[test]
fn certificates_have_a_separate_hash() {
    let resolve = |certificate: &str, key: &str| {
        let store = serde_json::from_value(json!({
            "name": "demo",
            "feastProject": "demo",
            "services": {"ui": {"tls": {"secretRef": {"name": "s"}}}},
        }));
        let mut contents = Contents::new();
        for (name, text) in [("tls.crt", certificate), ("tls.key", key)] {
            let values = BTreeMap::from([(name.to_owned(), text.to_owned())]);
            contents.insert(Source::secret("s", name), values);
        }
        contents.retain(|_, values| values.values().all(|text| text != "-"));
        render(&Store::new(&store.unwrap(), &Defaults::default())).resolve_secrets(&Secrets {
            contents: &contents,
            hash_key: b"key",
            configuration: "{}",
        })
    };
    let hashes = |certificate: &str, key: &str| {
        let resolved = resolve(certificate, key).unwrap();
        let deployment = &resolved.manifests[&Key::new(Kind::Deployment, "feast-demo")];
        let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
        let certificates = resolved.hashes().servers.certificates.clone().unwrap();
        assert_eq!(
            annotations,
            &json!({
                "feast.dev/configuration-hash": resolved.hashes().servers.configuration,
                "feast.dev/certificates-hash": certificates,
            })
        );
        assert!(!format!("{:?}", resolved.manifests).contains("PRIVATE"));
        (
            resolved.hashes().servers.configuration.clone(),
            certificates,
        )
    };
    let (configuration, first) = hashes("one", "PRIVATE");
    let (same, renewed) = hashes("two", "PRIVATE");
    assert_eq!(configuration, same);
    assert_ne!(first, renewed);
    assert_ne!(hashes("ab", "c").1, hashes("a", "bc").1);
    let store = json!({
        "name": "demo", "feastProject": "demo", "services": {"ui": {"tls": {"secretRef": {"name": "s"}}}},
    });
    let store: crate::feast::config::FeatureStore = serde_json::from_value(store).unwrap();
    let rendered = render(&Store::new(&store, &Defaults::default()));
    let attribute = |kind, name| rendered.attribute(kind, name).map(|path| path.to_string());
    assert_eq!(
        attribute("Secret", "s").as_deref(),
        Some("services.ui.tls.secret_ref")
    );
    assert_eq!(attribute("Secret", "t"), None);
    let errors = resolve("-", " ").unwrap_err();
    let messages: Vec<_> = (errors.iter())
        .map(|error| (error.path.to_string(), error.to_string()))
        .collect();
    let at = "services.ui.tls.secret_ref".to_owned();
    assert_eq!(
        messages,
        [
            (
                at.clone(),
                "key \"tls.crt\" of Secret \"s\" does not exist".to_owned()
            ),
            (at, "key \"tls.key\" of Secret \"s\" is empty".to_owned()),
        ]
    );
}

#[test]
fn the_name_of_the_job_follows_the_configuration() {
    let applied = |online: &str| {
        let resolved = resolve(online, Some("path: p")).unwrap();
        let applied = resolved.hashes().feast_apply.clone().unwrap();
        let deployment = &resolved.manifests[&Key::new(Kind::Deployment, "feast-demo")];
        let annotations = &deployment["metadata"]["annotations"];
        assert_eq!(annotations, &json!({"feast.dev/applied": applied}));
        let name = format!("feast-demo-apply-{}", &applied[..8]);
        let job = &resolved.manifests[&Key::new(Kind::Job, &name)];
        assert_eq!(job["metadata"]["name"], json!(name));
        name
    };
    assert_eq!(applied("password: a"), applied("password: a"));
    assert_ne!(applied("password: a"), applied("password: b"));
}

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
