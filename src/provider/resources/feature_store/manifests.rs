//! Manifests by key, and the attribute `objects`, which shows them to users without values that can be credentials.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::feast::secrets::manifest_redaction::redact_manifest;
use crate::kubernetes::Key;
use crate::schema::Value;

pub type Manifests = BTreeMap<Key, Json>;

/// Returns the manifests as `objects` shows them: JSON texts by `Kind/name`.
pub fn texts(manifests: &Manifests) -> BTreeMap<String, String> {
    let texts = manifests.iter();
    texts
        .map(|(key, manifest)| (key.to_string(), redact_manifest(manifest).to_string()))
        .collect()
}

/// Returns the attribute `objects` for these manifests.
pub fn attribute(manifests: &Manifests) -> Value {
    let texts = texts(manifests).into_iter();
    Value::Map(
        texts
            .map(|(key, text)| (key, Value::string(text)))
            .collect(),
    )
}

/// Serializes a map with the keys as `Kind/name`. Keys of kinds that this version does not have are left out.
pub mod by_key {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::kubernetes::Key;

    pub fn serialize<S: Serializer, V: Serialize>(
        map: &BTreeMap<Key, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(key, value)| (key.to_string(), value)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Key, V>, D::Error> {
        let named = BTreeMap::<String, V>::deserialize(deserializer)?.into_iter();
        Ok(named
            .filter_map(|(name, value)| Some((Key::parse(&name)?, value)))
            .collect())
    }
}
