//! The prepared objects as a YAML text to read, to review and to keep in Git.

use super::objects::{Kind, Objects, Prepared};

/// One document for each object, in the order in which they are applied.
pub fn yaml(objects: &Objects<Prepared>) -> String {
    let mut text = String::new();
    for (key, manifest) in &objects.manifests {
        text.push_str("---\n");
        if key.kind == Kind::Secret {
            text.push_str(&completion(objects));
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
