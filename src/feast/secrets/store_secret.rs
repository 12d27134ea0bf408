//! The Secret of the feature store: what the provider writes to it and reads back.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value as Json, json};

use super::super::feature_store_yaml;
use super::super::names;
use super::super::objects::Objects;
use super::super::ownership::Ownership;
use super::super::rendered::Rendered;
use super::hashes::hmac_hash;
use super::redaction::Redaction;
use super::resolve::{Resolved, Secrets};
use crate::kubernetes::{Key, Kind};

/// Returns the key of the Secret of a feature store.
pub fn key(store: &str) -> Key {
    Key::new(Kind::Secret, names::main(store))
}

/// Replaces the data of the Secret: the HMAC key of the hashes, the configuration, and a `feature_store.yaml` for each
/// workload and for the Job.
pub(super) fn write(
    manifests: &mut BTreeMap<Key, Json>,
    secrets: &Secrets<'_>,
    files: &[(&str, &str)],
) {
    let Secrets {
        contents: _,
        hash_key,
        configuration,
    } = secrets;
    let mut data = json!({
        names::HASH_KEY: BASE64.encode(hash_key),
        names::CONFIGURATION_JSON: BASE64.encode(configuration),
    });
    for (file, text) in files {
        data[*file] = json!(BASE64.encode(text));
    }
    for secret in secrets_of(manifests) {
        if let Some(secret) = secret.as_object_mut() {
            secret.remove("stringData");
            secret.insert("data".to_owned(), data.clone());
        }
    }
}

fn secrets_of(manifests: &mut BTreeMap<Key, Json>) -> impl Iterator<Item = &mut Json> {
    let manifests = manifests.iter_mut();
    manifests.filter_map(|(key, manifest)| (key.kind == Kind::Secret).then_some(manifest))
}

impl Objects<Resolved> {
    /// Writes the owner of the feature store to its Secret.
    pub fn set_owner(&mut self, owner: &Ownership) {
        if let Some(record) = owner.record() {
            self.write_entry(names::CREATION_JSON, &record);
        }
    }

    /// Writes the list of the objects to the Secret of the feature store, including the `existing` ones, which are not
    /// pruned yet: they can be found even if the state is lost.
    pub fn list_objects<V>(&mut self, existing: &BTreeMap<Key, V>) {
        let keys: BTreeSet<String> = (self.manifests.keys().chain(existing.keys()))
            // A Job is named after what it applies, and is deleted after it has finished.
            .filter(|key| key.kind != Kind::Job)
            .map(Key::to_string)
            .collect();
        self.write_entry(names::OBJECTS_JSON, &json!(keys));
    }

    /// Replaces the configuration by `null`, which matches no configuration. An absent one would match every
    /// configuration.
    pub fn clear_configuration(&mut self) {
        self.write_entry(names::CONFIGURATION_JSON, &Json::Null);
    }

    fn write_entry(&mut self, key: &str, value: &Json) {
        for secret in secrets_of(&mut self.manifests) {
            secret["data"][key] = json!(BASE64.encode(value.to_string()));
        }
    }
}

/// Returns the HMAC key of the hashes.
pub fn hash_key(secret: &Json) -> Option<Vec<u8>> {
    entry(secret, names::HASH_KEY).filter(|key| !key.is_empty())
}

/// Returns the configuration in its JSON form. `None` also after [`Objects::clear_configuration`].
pub fn configuration(secret: &Json) -> Option<Json> {
    recorded_configuration(secret).filter(|configuration| !configuration.is_null())
}

/// Returns the configuration; `null` if it was cleared.
fn recorded_configuration(secret: &Json) -> Option<Json> {
    serde_json::from_slice(&entry(secret, names::CONFIGURATION_JSON)?).ok()
}

/// Returns the Secret with the files that the running pods mount, and with the configuration that they come from, as
/// the live Secret has them.
pub fn with_running_files(secret: &Json, live: &Json) -> Json {
    let mut secret = secret.clone();
    for key in [
        names::FEATURE_STORE_YAML,
        names::LINEAGE_YAML,
        names::CONFIGURATION_JSON,
    ] {
        if let Some(value) = live["data"].get(key) {
            secret["data"][key] = value.clone();
        }
    }
    secret
}

/// Returns the values in every file that the Secret has for pods, secret or not.
pub fn redaction(secret: &Json) -> Redaction {
    let mut redaction = Redaction::default();
    for file in [
        names::FEATURE_STORE_YAML,
        names::LINEAGE_YAML,
        names::APPLY_YAML,
    ] {
        if let Some(text) = entry(secret, file).and_then(|text| String::from_utf8(text).ok()) {
            redaction.learn(&text);
        }
    }
    redaction
}

/// Returns whether a database of these objects, the online store or the registry, is a file in the servers' pods. Only
/// its parameters tell, which are in the Secret.
pub fn has_file(secret: &Json, objects: &Objects<Rendered>) -> bool {
    let text = entry(secret, names::FEATURE_STORE_YAML);
    let text = text.and_then(|text| String::from_utf8(text).ok());
    let document = text.and_then(|text| feature_store_yaml::parse(&text));
    document.is_some_and(|document| objects.placeholders().any(|it| it.is_file_in(&document)))
}

/// Returns whether a create of this configuration wrote the Secret. A Secret without a configuration counts as one of
/// it.
pub fn has_configuration(secret: Option<&Json>, configuration: &Json) -> bool {
    let recorded = secret.and_then(recorded_configuration);
    recorded.is_none_or(|recorded| recorded == *configuration)
}

/// Returns the Unix time in seconds at which the API server created an object.
pub fn created_at(object: &Json) -> Option<i64> {
    let timestamp = object["metadata"]["creationTimestamp"].clone();
    let time: Time = serde_json::from_value(timestamp).ok()?;
    Some(time.0.as_second())
}

/// Returns the objects that the last apply listed. Empty for a Secret of an earlier version of the provider.
pub fn objects(secret: &Json) -> BTreeSet<Key> {
    let keys = entry(secret, names::OBJECTS_JSON)
        .and_then(|text| serde_json::from_slice::<Vec<String>>(&text).ok());
    let keys = keys.into_iter().flatten();
    keys.filter_map(|key| Key::parse(&key)).collect()
}

/// Returns the hash of the `feature_store.yaml` under the key `file`.
pub fn configuration_hash(secret: &Json, file: &str) -> Option<String> {
    let text = String::from_utf8(entry(secret, file)?).ok()?;
    Some(hmac_hash(&hash_key(secret)?, &text))
}

/// The content of one key.
pub(in crate::feast) fn entry(secret: &Json, key: &str) -> Option<Vec<u8>> {
    BASE64.decode(secret["data"][key].as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feast::config::FeatureStore;
    use crate::feast::render::render;
    use crate::feast::spec::{Defaults, Store};

    #[test]
    fn running_pods_keep_their_files() {
        let secret = |file: &str, apply: &str, more: Json| {
            let mut data = json!({"feature_store.yaml": file, "configuration.json": file,
                "apply_feature_store.yaml": apply, "creation.json": apply, "hash_key": "k"});
            for (key, value) in more.as_object().unwrap() {
                data[key] = value.clone();
            }
            json!({"metadata": {"name": "feast-x"}, "data": data})
        };
        let lineage = || json!({"lineage_feature_store.yaml": "l"});
        let none = || json!({});
        let live = secret("old", "old", lineage());
        assert_eq!(
            with_running_files(&secret("new", "new", none()), &live),
            secret("old", "new", lineage())
        );
        // A file that no running pod mounts.
        let live = secret("old", "old", none());
        assert_eq!(
            with_running_files(&secret("new", "new", lineage()), &live),
            secret("old", "new", lineage())
        );
    }

    #[test]
    fn a_cleared_configuration_is_absent_and_matches_no_configuration() {
        let json = json!({"name": "x", "feastProject": "p"});
        let config: FeatureStore = serde_json::from_value(json.clone()).unwrap();
        let rendered = render(&Store::new(&config, &Defaults::default()));
        let resolved = rendered.resolve_secrets(&Secrets {
            contents: &BTreeMap::new(),
            hash_key: b"key",
            configuration: &json.to_string(),
        });
        let mut objects = resolved.unwrap();
        let key = key("x");
        let secret = objects.manifests[&key].clone();
        assert_eq!(configuration(&secret), Some(json.clone()));
        assert!(has_configuration(Some(&secret), &json));
        assert!(has_configuration(None, &json));
        objects.clear_configuration();
        let secret = &objects.manifests[&key];
        assert_eq!(configuration(secret), None);
        assert!(!has_configuration(Some(secret), &json));
    }
}
