//! The content of the feature store's own Secret, read from the live object.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value as Json;

use super::super::names;
use super::super::objects::Key;
use super::resolve::fingerprint;

/// The key of the HMAC that fingerprints the configuration.
pub fn hash_key(secret: &Json) -> Option<Vec<u8>> {
    entry(secret, names::HASH_KEY).filter(|key| !key.is_empty())
}

/// The configuration of the last apply as the user wrote it, in its serde form.
pub fn configuration(secret: &Json) -> Option<Json> {
    serde_json::from_slice(&entry(secret, names::CONFIGURATION_JSON)?).ok()
}

/// Returns whether a create of this configuration wrote the Secret. A Secret without a configuration counts as one of it.
pub fn has_configuration(secret: Option<&Json>, configuration: &Json) -> bool {
    let recorded = secret.and_then(self::configuration);
    recorded.is_none_or(|recorded| recorded == *configuration)
}

/// The Unix time in seconds at which the API server created the object.
pub fn created_at(object: &Json) -> Option<i64> {
    let timestamp = object["metadata"]["creationTimestamp"].clone();
    let time: Time = serde_json::from_value(timestamp).ok()?;
    Some(time.0.as_second())
}

/// The objects that the last apply had to create, and those that existed before it. Empty for a Secret of an earlier
/// version of the provider.
pub fn objects(secret: &Json) -> BTreeSet<Key> {
    let listed = entry(secret, names::OBJECTS_JSON)
        .and_then(|text| serde_json::from_slice::<Vec<String>>(&text).ok());
    let listed = listed.into_iter().flatten();
    listed.filter_map(|key| Key::parse(&key)).collect()
}

/// The fingerprint of the `feature_store.yaml` under the key `file` of the Secret.
pub fn configuration_hash(secret: &Json, file: &str) -> Option<String> {
    let text = String::from_utf8(entry(secret, file)?).ok()?;
    Some(fingerprint(&hash_key(secret)?, &text))
}

/// The content of one key.
pub(in crate::feast) fn entry(secret: &Json, key: &str) -> Option<Vec<u8>> {
    BASE64.decode(secret["data"][key].as_str()?).ok()
}
