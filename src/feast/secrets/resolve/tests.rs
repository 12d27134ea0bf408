mod errors;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;
use crate::feast::ownership::Ownership;
use crate::feast::render::render;
use crate::feast::secrets::source::Source;
use crate::feast::spec::{Defaults, Store};

fn store() -> Store {
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
    Store::new(&store.unwrap(), &Defaults::default())
}

fn rendered() -> Objects<Rendered> {
    render(&store())
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
        // The Job has its own copy of the file of the servers.
        let file = &job["spec"]["template"]["spec"]["volumes"][0]["secret"]["items"][0];
        assert_eq!(file["key"], "apply_feature_store.yaml");
        let data = &resolved.manifests[&Key::new(Kind::Secret, "feast-demo")]["data"];
        assert_eq!(data["apply_feature_store.yaml"], data["feature_store.yaml"]);
        name
    };
    assert_eq!(applied("password: a"), applied("password: a"));
    assert_ne!(applied("password: a"), applied("password: b"));
}

#[test]
fn the_job_stays_the_same_if_an_apply_stops_waiting() {
    let job = |waits: bool| {
        let mut store = store();
        store.wait_for_rollout = waits;
        let resolved = render(&store).resolve_secrets(&Secrets {
            contents: &contents("password: a", Some("path: p")),
            hash_key: b"key",
            configuration: "{}",
        });
        let mut manifests = resolved.unwrap().manifests.into_iter();
        let (key, mut job) = manifests.find(|(key, _)| key.kind == Kind::Job).unwrap();
        let spec = job["spec"].as_object_mut().unwrap();
        let time_to_live = spec.remove("ttlSecondsAfterFinished");
        (time_to_live, key, job)
    };
    let (day, key, manifest) = job(true);
    assert_eq!(day, Some(json!(86400)));
    assert_eq!(job(false), (None, key, manifest));
}
