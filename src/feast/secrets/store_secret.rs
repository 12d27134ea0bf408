//! What the feature store's own Secret keeps, read back from the live object.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::super::names;
use super::super::secrets::resolve::fingerprint;
use crate::kubernetes::Key;

/// The create that has made the feature store, or has taken up what an interrupted one left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Random; the state of who made it remembers it.
    pub id: String,
    /// Whether it has ended well. Until then, what is there may be what an interrupted create has left.
    pub complete: bool,
    /// Whether the create has ended with an error, so that no provider process works on it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub failed: bool,
    /// The Unix time in seconds, by the clock of the API server, after which no provider process works on the create
    /// any more. Absent in records of older versions of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// The key of the configuration's hash.
pub fn hash_key(secret: &Json) -> Option<Vec<u8>> {
    entry(secret, names::HASH_KEY).filter(|key| !key.is_empty())
}

/// The configuration as the user wrote it, in its serde form.
pub fn configuration(secret: &Json) -> Option<Json> {
    serde_json::from_slice(&entry(secret, names::CONFIGURATION_JSON)?).ok()
}

/// Whose the feature store is.
pub fn ownership(secret: &Json) -> Option<Ownership> {
    serde_json::from_slice(&entry(secret, names::CREATION_JSON)?).ok()
}

/// The Unix time in seconds at which the API server created the object.
pub fn created_at(object: &Json) -> Option<i64> {
    let timestamp = object["metadata"]["creationTimestamp"].clone();
    let time: Time = serde_json::from_value(timestamp).ok()?;
    Some(time.0.as_second())
}

/// The objects that the last apply was to make or has found. Empty for a Secret of an earlier version of the provider.
pub fn objects(secret: &Json) -> BTreeSet<Key> {
    let listed = entry(secret, names::OBJECTS_JSON)
        .and_then(|text| serde_json::from_slice::<Vec<String>>(&text).ok());
    let listed = listed.into_iter().flatten();
    listed.filter_map(|key| Key::parse(&key)).collect()
}

/// The hash of the `feature_store.yaml` in it under the key `file`.
pub fn configuration_hash(secret: &Json, file: &str) -> Option<String> {
    let text = String::from_utf8(entry(secret, file)?).ok()?;
    Some(fingerprint(&hash_key(secret)?, &text))
}

fn entry(secret: &Json, key: &str) -> Option<Vec<u8>> {
    BASE64.decode(secret["data"][key].as_str()?).ok()
}
