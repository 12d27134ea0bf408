//! Rendered objects as a YAML text, for review and version control.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Rendered;
use crate::feast::objects::Objects;
use crate::kubernetes::{Key, Kind};

/// An object cannot be written as YAML, which is a bug of the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object} cannot be written as YAML: {reason}")]
pub struct YamlWriteError {
    pub object: Key,
    pub reason: String,
}

impl Objects<Rendered> {
    /// Returns a YAML document for each object, in the order in which they are applied.
    ///
    /// # Errors
    ///
    /// Returns the first object that cannot be written as YAML.
    pub fn yaml(&self) -> Result<String, YamlWriteError> {
        let mut text = String::new();
        let manifests = self.manifests.iter();
        let mut manifests: BTreeMap<Key, &Json> =
            manifests.map(|(key, it)| (key.clone(), it)).collect();
        if let Some(job) = self.feast_apply_job() {
            let name = job["metadata"]["name"].as_str().unwrap_or_default();
            manifests.insert(Key::new(Kind::Job, name), job);
        }
        for (object, manifest) in manifests {
            text.push_str("---\n");
            if object.kind == Kind::Secret {
                text.push_str(&self.completion());
            }
            if object.kind == Kind::Job {
                text.push_str(
                    "# The provider appends a hash of the configuration to the name, so that each \
                     configuration is applied once.\n",
                );
            }
            match serde_saphyr::to_string(manifest) {
                Ok(document) => text.push_str(&document),
                Err(error) => {
                    let reason = error.to_string();
                    return Err(YamlWriteError { object, reason });
                }
            }
        }
        Ok(text)
    }

    /// Returns comments on what the provider adds to the Secret during apply.
    fn completion(&self) -> String {
        let mut text = String::new();
        for placeholder in self.placeholders() {
            text.push_str(&format!(
                "# The provider completes the section {} from {} during apply.\n",
                placeholder.section(),
                placeholder.source
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::render::render;
    use crate::feast::spec::{Defaults, Store};

    #[test]
    fn documents_are_in_apply_order() {
        let database = |kind: &str| json!({"persistence": {"store": {"type": kind, "secretRef": {"name": "s"}}}});
        let store = json!({
            "name": "demo",
            "feastProject": "demo",
            "services": {"onlineStore": database("redis"), "registry": {"local": database("sql")}},
        });
        let store = serde_json::from_value(store).unwrap();
        let objects = render(&Store::new(&store, &Defaults::default()));
        let text = objects.yaml().unwrap();
        let heads: Vec<_> = (text.split("---\n").skip(1))
            .map(|document| {
                let comments: Vec<_> = (document.lines())
                    .take_while(|line| line.starts_with('#'))
                    .collect();
                let kind = document.lines().find(|line| line.starts_with("kind: "));
                (kind.unwrap_or_default(), comments)
            })
            .collect();
        assert_eq!(
            heads,
            [
                ("kind: ServiceAccount", vec![]),
                (
                    "kind: Secret",
                    vec![
                        "# The provider completes the section online_store from key \"redis\" of Secret \"s\" during \
                         apply.",
                        "# The provider completes the section registry from key \"sql\" of Secret \"s\" during apply.",
                    ]
                ),
                ("kind: ConfigMap", vec![]),
                ("kind: Service", vec![]),
                (
                    "kind: Job",
                    vec![
                        "# The provider appends a hash of the configuration to the name, so that each configuration is \
                         applied once."
                    ]
                ),
                ("kind: Deployment", vec![]),
            ]
        );
    }
}
