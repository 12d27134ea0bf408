//! The second step to the objects: the content of the user's Secrets goes into the feature store's own.
//!
//! It goes there and nowhere else: what comes out of here is sent and forgotten, no error tells of it, and
//! of the filled objects nothing can be printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;

use super::super::feature_store_yaml::{Problem, SecretError};
use super::super::names;
use super::super::objects::{Key, Kind, Objects};
use super::super::ownership::Ownership;
use super::super::rendered::{Rendered, Workload};
use super::source::{Contents, Mounted};

/// What filling needs from outside.
pub struct Secrets<'a> {
    /// The user's Secrets and ConfigMaps.
    pub contents: &'a Contents,
    /// Random, made once for a feature store and kept in its Secret.
    pub hash_key: &'a [u8],
    /// What the user wrote, as JSON, kept in the Secret for import.
    pub configuration: &'a str,
}

/// With the user's Secrets merged in: ready to send, never to be shown or kept.
#[derive(Clone, PartialEq)]
pub struct Resolved {
    pub(super) servers: Fingerprints,
    pub(super) lineage: Option<Fingerprints>,
    /// The hash of what the Job applies, where there is one.
    pub(super) applied: Option<String>,
}

/// Of what the pods of a Deployment read, as they carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprints {
    /// Of `feature_store.yaml`.
    pub configuration: String,
    /// Of the mounted certificates, where there are any.
    pub certificates: Option<String>,
}

impl Objects<Rendered> {
    /// Merges the Secrets in and marks the pods with the fingerprint of the result.
    pub fn resolve_secrets(
        self,
        secrets: &Secrets<'_>,
    ) -> Result<Objects<Resolved>, Vec<SecretError>> {
        let Secrets {
            contents,
            hash_key,
            configuration,
        } = secrets;
        let Self {
            namespace,
            mut manifests,
            phase:
                Rendered {
                    servers,
                    lineage,
                    apply,
                },
        } = self;
        let filled = servers.resolve_secrets(contents, hash_key);
        let lineage = lineage.map(|lineage| lineage.resolve_secrets(contents, hash_key));
        let (servers, lineage) = match (filled, lineage.transpose()) {
            (Ok(servers), Ok(lineage)) => (servers, lineage),
            (servers, lineage) => return Err(together([servers.err(), lineage.err()])),
        };
        let applied = apply.map(|job| {
            // A Job's pods cannot be changed, so a change of them makes another Job.
            let applied = fingerprint(hash_key, &format!("{}{}", servers.text, job["spec"]));
            let (key, job) = named(job, &applied);
            manifests.insert(key, job);
            applied
        });
        for text in [&servers].into_iter().chain(&lineage) {
            let key = Key::new(Kind::Deployment, &text.deployment);
            if let Some(deployment) = manifests.get_mut(&key) {
                annotate_pods(deployment, &text.fingerprints);
            }
        }
        let key = Key::new(Kind::Deployment, &servers.deployment);
        if let (Some(applied), Some(deployment)) = (&applied, manifests.get_mut(&key)) {
            deployment["metadata"]["annotations"][names::APPLIED_ANNOTATION] = json!(applied);
        }
        for (key, manifest) in &mut manifests {
            if key.kind == Kind::Secret
                && let Some(secret) = manifest.as_object_mut()
            {
                secret.remove("stringData");
                let mut data = json!({
                    names::HASH_KEY: BASE64.encode(hash_key),
                    names::CONFIGURATION_JSON: BASE64.encode(configuration),
                });
                for text in [&servers].into_iter().chain(&lineage) {
                    data[text.file] = json!(BASE64.encode(&text.text));
                }
                secret.insert("data".to_owned(), data);
            }
        }
        Ok(Objects {
            namespace,
            manifests,
            phase: Resolved {
                servers: servers.fingerprints,
                lineage: lineage.map(|lineage| lineage.fingerprints),
                applied,
            },
        })
    }
}

/// A workload's `feature_store.yaml`, with what was read.
struct Text {
    deployment: String,
    file: &'static str,
    text: String,
    fingerprints: Fingerprints,
}

impl Workload {
    fn resolve_secrets(
        self,
        contents: &Contents,
        hash_key: &[u8],
    ) -> Result<Text, Vec<SecretError>> {
        let Self {
            deployment,
            file,
            document,
            mounted,
            databases,
        } = self;
        let files: Vec<SecretError> = (databases.into_iter())
            .filter(|(placeholder, _)| placeholder.is_file(contents))
            .map(|(placeholder, problem)| placeholder.error(problem))
            .collect();
        match (document.filled(contents), texts(&mounted, contents)) {
            (Ok(text), Ok(certificates)) if files.is_empty() => Ok(Text {
                deployment,
                file,
                fingerprints: Fingerprints {
                    configuration: fingerprint(hash_key, &text),
                    certificates: certificates.map(|texts| fingerprint(hash_key, &texts)),
                },
                text,
            }),
            (text, certificates) => Err(together([text.err(), certificates.err(), Some(files)])),
        }
    }
}

/// Each error once: two workloads may read one Secret.
fn together<const N: usize>(lists: [Option<Vec<SecretError>>; N]) -> Vec<SecretError> {
    let mut errors = Vec::new();
    for error in lists.into_iter().flatten().flatten() {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    errors
}

impl Objects<Resolved> {
    /// Records the owner of the feature store in its Secret.
    pub fn set_owner(&mut self, owner: &Ownership) {
        let Some(record) = owner.record() else {
            return;
        };
        let text = record.to_string();
        for (key, manifest) in &mut self.manifests {
            if key.kind == Kind::Secret {
                manifest["data"][names::CREATION_JSON] = json!(BASE64.encode(&text));
            }
        }
    }

    /// Lists the objects of the feature store in its Secret, the `existing` ones too: until they are pruned, a state
    /// that was lost must not make them invisible.
    pub fn list_objects<V>(&mut self, existing: &BTreeMap<Key, V>) {
        let keys: BTreeSet<String> = (self.manifests.keys().chain(existing.keys()))
            // A Job is named after what it does, and ends by itself.
            .filter(|key| key.kind != Kind::Job)
            .map(Key::to_string)
            .collect();
        let text = json!(keys).to_string();
        for (key, manifest) in &mut self.manifests {
            if key.kind == Kind::Secret {
                manifest["data"][names::OBJECTS_JSON] = json!(BASE64.encode(&text));
            }
        }
    }

    /// Of the servers' pods.
    pub fn servers(&self) -> &Fingerprints {
        &self.phase.servers
    }

    /// Of the lineage server's pods, where there are any.
    pub fn lineage(&self) -> Option<&Fingerprints> {
        self.phase.lineage.as_ref()
    }

    /// The fingerprint of what the Job applies, as the Deployment carries it once that is done.
    pub fn applied(&self) -> Option<&str> {
        self.phase.applied.as_deref()
    }
}

impl fmt::Debug for Objects<Resolved> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects<Resolved>")
            .field("namespace", &self.namespace)
            .field("keys", &self.manifests.keys())
            .finish_non_exhaustive()
    }
}

/// The Job under the name of what it applies.
fn named(mut job: Json, applied: &str) -> (Key, Json) {
    let store = job["metadata"]["labels"][names::NAME_LABEL].as_str();
    let name = names::apply_job_of(store.unwrap_or_default(), applied);
    job["metadata"]["name"] = json!(name);
    (Key::new(Kind::Job, name), job)
}

fn annotate_pods(deployment: &mut Json, fingerprints: &Fingerprints) {
    let Fingerprints {
        configuration,
        certificates,
    } = fingerprints;
    if let Some(metadata) = deployment.pointer_mut("/spec/template/metadata") {
        metadata["annotations"][names::CONFIGURATION_HASH_ANNOTATION] = json!(configuration);
        if let Some(certificates) = certificates {
            metadata["annotations"][names::CERTIFICATES_HASH_ANNOTATION] = json!(certificates);
        }
    }
}

/// All that is mounted and replaces pods when it changes, in one text; `None` when nothing is.
fn texts(mounted: &[Mounted], contents: &Contents) -> Result<Option<String>, Vec<SecretError>> {
    let mut all = String::new();
    let mut errors = Vec::new();
    for mount in mounted {
        let Mounted {
            source,
            path,
            rolls_pods,
        } = mount;
        match source.text(contents) {
            Some(text) if !text.trim().is_empty() && !rolls_pods => {}
            Some(text) if !text.trim().is_empty() => {
                // With the length before it, no two sequences of texts read alike.
                all.push_str(&format!("{source} {}\n{text}", text.len()));
            }
            found => errors.push(SecretError {
                source_: source.clone(),
                path: path.clone(),
                problem: found.map_or(Problem::Missing, |_| Problem::Empty),
            }),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let any = mounted.iter().any(|mount| mount.rolls_pods);
    Ok(any.then_some(all))
}

/// The first half of an HMAC-SHA256: 128 bits, more than enough to tell configurations apart.
pub fn fingerprint(key: &[u8], text: &str) -> String {
    let mut mac = match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac,
        // HMAC takes keys of every length.
        Err(error) => unreachable!("HMAC key: {error}"),
    };
    mac.update(text.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feast::render::render;
    use crate::feast::secrets::source::Source;
    use crate::feast::spec::{Defaults, Store};

    fn prepared() -> Objects<Rendered> {
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

    fn resolve(
        online: &str,
        registry: Option<&str>,
    ) -> Result<Objects<Resolved>, Vec<SecretError>> {
        let mut contents = Contents::new();
        let mut add = |key: &str, text: &str| {
            let values = BTreeMap::from([(key.to_owned(), text.to_owned())]);
            contents.insert(Source::secret("s", key), values);
        };
        add("postgres", online);
        if let Some(registry) = registry {
            add("catalogue", registry);
        }
        prepared().resolve_secrets(&Secrets {
            contents: &contents,
            hash_key: b"key",
            configuration: "{}",
        })
    }

    #[test]
    fn parameters_go_into_the_secret_and_nowhere_else() {
        let filled = resolve(
            "host: h\npassword: hunter2\n",
            Some("path: postgresql://u:hunter2@h/db"),
        )
        .unwrap();
        let secret = &filled.manifests[&Key::new(Kind::Secret, "feast-demo")];
        assert_eq!(secret.get("stringData"), None);
        let data = |key: &str| {
            let text = secret["data"][key].as_str().unwrap();
            String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
        };
        assert_eq!(
            data("feature_store.yaml"),
            "project: demo\nprovider: local\nonline_store:\n    type: postgres\n    host: h\n    password: hunter2\nregistry:\n    registry_type: sql\n    path: postgresql://u:hunter2@h/db\nauth:\n    type: no_auth\nentity_key_serialization_version: 3\n"
        );
        assert_eq!(
            (data("hash_key"), data("configuration.json")),
            ("key".into(), "{}".into())
        );

        let deployment = &filled.manifests[&Key::new(Kind::Deployment, "feast-demo")];
        assert_eq!(
            deployment["spec"]["template"]["metadata"]["annotations"],
            json!({"feast.dev/configuration-hash": filled.servers().configuration})
        );
        for (key, manifest) in &filled.manifests {
            assert!(!manifest.to_string().contains("hunter2"), "{key}");
        }
        assert!(!format!("{filled:?}").contains("data\""), "{filled:?}");
    }

    #[test]
    fn errors_say_what_is_wrong_with_the_text_and_not_what_it_holds() {
        let said = |online: &str| -> Vec<String> {
            let errors = resolve(online, Some("path: p")).unwrap_err();
            errors.iter().map(ToString::to_string).collect()
        };
        let placeholder = "has a placeholder in place of whole parameters, so their names are not known: write each \
                           parameter, such as `host: ${HOST}`";
        for (text, problem) in [
            ("${ALL}", placeholder),
            ("host: h\n${MORE}\n", placeholder),
            (
                "- a",
                "does not hold a YAML mapping of parameters, such as `host: db.example.com`",
            ),
            (
                "host: h\nports: [\n  ${PORT}\n",
                "is not valid YAML at line 2: write a mapping of parameters, such as `host: db.example.com`",
            ),
            (
                "host: ${H}\nhost: secret",
                "is not valid YAML at line 2: write a mapping of parameters, such as `host: db.example.com`",
            ),
        ] {
            assert_eq!(
                said(text),
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
    fn the_fingerprint_follows_the_content() {
        let hash = |online: &str| {
            let filled = resolve(online, Some("path: p")).unwrap();
            filled.servers().configuration.clone()
        };
        assert_eq!(hash("password: a"), hash("password: a"));
        assert_ne!(hash("password: a"), hash("password: b"));
        assert_eq!(hash("password: a").len(), 32);
    }

    #[test]
    fn certificates_have_a_fingerprint_of_their_own() {
        let filled = |certificate: &str, key: &str| {
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
            let filled = filled(certificate, key).unwrap();
            let deployment = &filled.manifests[&Key::new(Kind::Deployment, "feast-demo")];
            let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
            let certificates = filled.servers().certificates.clone().unwrap();
            assert_eq!(
                annotations,
                &json!({
                    "feast.dev/configuration-hash": filled.servers().configuration,
                    "feast.dev/certificates-hash": certificates,
                })
            );
            assert!(!format!("{:?}", filled.manifests).contains("PRIVATE"));
            (filled.servers().configuration.clone(), certificates)
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
        let prepared = render(&Store::new(&store, &Defaults::default()));
        let attribute = |kind, name| prepared.attribute(kind, name).map(|path| path.to_string());
        assert_eq!(
            attribute("Secret", "s").as_deref(),
            Some("services.ui.tls.secret_ref")
        );
        assert_eq!(attribute("Secret", "t"), None);
        let errors = filled("-", " ").unwrap_err();
        let said: Vec<_> = (errors.iter())
            .map(|error| (error.path.to_string(), error.to_string()))
            .collect();
        let at = "services.ui.tls.secret_ref".to_owned();
        assert_eq!(
            said,
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
    fn a_job_is_named_after_what_it_applies() {
        let applied = |online: &str| {
            let filled = resolve(online, Some("path: p")).unwrap();
            let applied = filled.applied().unwrap().to_owned();
            let deployment = &filled.manifests[&Key::new(Kind::Deployment, "feast-demo")];
            let annotations = &deployment["metadata"]["annotations"];
            assert_eq!(annotations, &json!({"feast.dev/applied": applied}));
            let name = format!("feast-demo-apply-{}", &applied[..8]);
            let job = &filled.manifests[&Key::new(Kind::Job, &name)];
            assert_eq!(job["metadata"]["name"], json!(name));
            name
        };
        assert_eq!(applied("password: a"), applied("password: a"));
        assert_ne!(applied("password: a"), applied("password: b"));
    }

    /// What is said of these Secrets, each called after its type of store, by these settings.
    fn said(settings: Json, secrets: &[(&str, &str)]) -> Vec<(String, String)> {
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
        let filled = render(&Store::new(&store, &Defaults::default())).resolve_secrets(&Secrets {
            contents: &contents,
            hash_key: b"key",
            configuration: "{}",
        });
        (filled.err().unwrap_or_default().iter())
            .map(|error| (error.path.to_string(), error.to_string()))
            .collect()
    }

    fn database(store_type: &str) -> Json {
        json!({"persistence": {"store": {"type": store_type, "secretRef": {"name": "s"}}}})
    }

    #[test]
    fn several_pods_need_more_than_a_file() {
        let said = |scaling: Json, apply: Json| {
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
            said(json!({"services": services}), &secrets)
        };
        let both = |what: &str| {
            [("milvus", "online_store"), ("sql", "registry.local")].map(|(key, service)| {
                (
                    format!("services.{service}.persistence.store.secret_ref"),
                    format!("key {key:?} of Secret \"s\" {what}"),
                )
            })
        };
        assert_eq!(said(json!({}), json!("init_container")), []);
        assert_eq!(
            said(json!({"replicas": 2}), json!("init_container")),
            both(
                "keeps the data in a file (SQLite, Milvus Lite), and each of several pods would have a file of its \
                 own: write the address of a database there, or run a single pod"
            )
        );
        assert_eq!(
            said(json!({"replicas": 1}), Json::Null),
            both(
                "keeps the data in a file (SQLite, Milvus Lite), and the Job that runs `feast apply` would have a file \
                 of its own: write the address of a database there, or `feast_apply = \"init_container\"` in `services`"
            )
        );
    }

    #[test]
    fn several_lineage_servers_need_one_database() {
        let said = |replicas: i32, own: bool| {
            let consumer = json!({
                "enabled": true,
                "lineageServer": {"replicas": replicas},
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
            let said = said(settings, &secrets);
            said.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        };
        assert_eq!(said(1, true), [""; 0]);
        assert_eq!(
            said(2, true),
            ["openlineage.consumer.connection_string_secret_ref"]
        );
        assert_eq!(
            said(2, false),
            ["services.registry.local.persistence.store.secret_ref"]
        );
    }

    #[test]
    fn every_error_is_told_and_none_tells_the_content() {
        let messages = |online: &str, registry| -> Vec<String> {
            let errors = resolve(online, registry).err().unwrap_or_default();
            errors.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            messages("- hunter2", None),
            [
                "key \"postgres\" of Secret \"s\" does not hold a YAML mapping of parameters, such as `host: db.example.com`",
                "key \"catalogue\" of Secret \"s\" does not exist",
            ]
        );
        assert_eq!(
            messages("type: redis", Some("registry_type: sql")),
            [
                "key \"postgres\" of Secret \"s\" sets `type` to something else than the store's type: leave `type` out of it"
            ]
        );
    }
}
