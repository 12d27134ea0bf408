//! The prepared objects as a YAML text to read, to review and to keep in Git.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::objects::{Key, Kind, Objects};
use super::prepared::Prepared;

/// One document for each object, in the order in which they are applied.
pub fn yaml(objects: &Objects<Prepared>) -> String {
    let mut text = String::new();
    let mut manifests: BTreeMap<Key, &Json> = (objects
        .manifests
        .iter()
        .map(|(key, manifest)| (key.clone(), manifest)))
    .collect();
    if let Some(job) = objects.apply_job() {
        let name = job["metadata"]["name"].as_str().unwrap_or_default();
        manifests.insert(Key::new(Kind::Job, name), job);
    }
    for (key, manifest) in manifests {
        text.push_str("---\n");
        if key.kind == Kind::Secret {
            text.push_str(&completion(objects));
        }
        if key.kind == Kind::Job {
            text.push_str("# The name gets a hash of the configuration when this is applied, so that it runs once for each.\n");
        }
        // Manifests are JSON: there is nothing in them that YAML could not say.
        text.push_str(&serde_saphyr::to_string(manifest).unwrap_or_default());
    }
    text
}

/// What the provider adds to the Secret when it applies it.
fn completion(objects: &Objects<Prepared>) -> String {
    let mut text = String::new();
    for slot in objects.slots() {
        text.push_str(&format!(
            "# The section {} is completed from {} when this is applied.\n",
            slot.section(),
            slot.source
        ));
    }
    text
}
