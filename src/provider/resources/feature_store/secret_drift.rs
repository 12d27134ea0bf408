//! Drift of the content of Secrets: what the pods run with against what they would run with after an apply. Contents
//! are compared by their hashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::cluster::{CancellationToken, Cluster};
use crate::feast::config::DriftKind;
use crate::feast::names;
use crate::feast::rendered::StoreInputs;
use crate::feast::secrets::hashes::{PodHashes, StoreHashes, hmac_hash};
use crate::feast::secrets::source::{Contents, Source};
use crate::feast::secrets::store_secret;
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::managed_fields::{Author, ManagedFields, last_writer};
use crate::kubernetes::{Key, Kind};

use super::drift::DriftEntry;

/// The live objects to compare.
pub struct SecretDrift<'a> {
    pub cluster: &'a Arc<Cluster>,
    pub stop: &'a CancellationToken,
    pub namespace: &'a str,
    /// What the hashes of the last apply depend on; `None` where its configuration cannot be read.
    pub inputs: Option<&'a StoreInputs>,
    /// The Deployment of the servers.
    pub deployment: &'a Json,
    /// The Deployment of the lineage server.
    pub lineage: Option<&'a Json>,
    /// The feature store's own Secret.
    pub secret: Option<&'a Json>,
}

/// The result of a comparison.
pub struct Compared {
    pub entries: Vec<DriftEntry>,
    /// True if an apply would replace the pods.
    pub is_changed: bool,
    /// Hashes of the user's Secrets and ConfigMaps that the pods run with, by the name of the source.
    pub sources: BTreeMap<String, String>,
}

/// The hashes of the present content of the user's Secrets and ConfigMaps.
struct CurrentHashes {
    /// The hashes that an apply would write to the objects.
    objects: StoreHashes,
    sources: BTreeMap<Source, String>,
}

impl SecretDrift<'_> {
    /// Compares. `sources` are the recorded hashes; they are empty after an import.
    pub async fn compare(&self, sources: &BTreeMap<String, String>) -> Compared {
        let mut compared = Compared {
            entries: Vec::new(),
            is_changed: false,
            sources: sources.clone(),
        };
        let Some(secret) = self.secret else {
            // The lost Secret itself is in the drift of the objects.
            compared.is_changed = configuration_hash(self.deployment).is_some();
            return compared;
        };
        let own = Key::new(Kind::Secret, secret_name(secret));
        let lineage = self.lineage.map(|it| (it, names::LINEAGE_YAML));
        let servers = (self.deployment, names::FEATURE_STORE_YAML);
        for (deployment, file) in [servers].into_iter().chain(lineage) {
            let hash = store_secret::configuration_hash(secret, file);
            if hash.as_deref() != configuration_hash(deployment) {
                let kind = DriftKind::Changed;
                let entry = DriftEntry::of_content(kind, &own, Some(file), Some(secret));
                let manager = &self.cluster.options().field_manager;
                if !is_unfinished_apply(manager, entry.change.author.as_ref(), deployment) {
                    compared.entries.push(entry);
                }
                compared.is_changed = true;
            }
        }
        let Some(current) = self.current(secret).await else {
            return compared;
        };
        if self.runs_with(&current.objects) {
            compared.sources = by_name(current.sources);
            return compared;
        }
        compared.is_changed = true;
        if sources.is_empty() && !current.sources.is_empty() {
            // Without recorded hashes, the source that changed is unknown. Without sources, another version of
            // the provider rendered the configuration.
            let file = Some(names::FEATURE_STORE_YAML);
            let entry = DriftEntry::of_content(DriftKind::Rotated, &own, file, None);
            compared.entries.push(entry);
        }
        for (source, hash) in current.sources {
            let recorded = sources.get(&source.to_string());
            if recorded.is_some_and(|recorded| *recorded != hash) {
                compared.entries.push(self.rotated(&source).await);
            }
        }
        compared
    }

    /// Returns whether the pods run with what an apply would give them.
    fn runs_with(&self, current: &StoreHashes) -> bool {
        let StoreHashes {
            servers,
            lineage,
            feast_apply,
        } = current;
        let lineage = self.lineage.zip(lineage.as_ref());
        has_hashes(self.deployment, servers)
            && lineage.is_none_or(|(deployment, current)| has_hashes(deployment, current))
            && feast_apply.as_deref() == applied(self.deployment)
    }

    async fn rotated(&self, source: &Source) -> DriftEntry {
        let object = source.object();
        let live = self.cluster.get(self.namespace, &object, self.stop).await;
        DriftEntry::rotated(source, live.ok().flatten().as_ref())
    }

    /// Returns `None` if the user's Secrets cannot be read or merged, which the next apply reports.
    async fn current(&self, secret: &Json) -> Option<CurrentHashes> {
        let hash_key = store_secret::hash_key(secret)?;
        let inputs = self.inputs?;
        let sources = inputs.sources();
        let contents = (self.cluster).contents_for_refresh(self.namespace, &sources, self.stop);
        let contents = contents.await.ok()?;
        Some(CurrentHashes {
            objects: inputs.hashes(&contents, &hash_key).ok()?,
            sources: source_hashes(&contents, &hash_key),
        })
    }
}

fn secret_name(secret: &Json) -> &str {
    secret["metadata"]["name"].as_str().unwrap_or_default()
}

/// Returns the hash of each of the user's Secrets and ConfigMaps.
fn source_hashes(contents: &Contents, hash_key: &[u8]) -> BTreeMap<Source, String> {
    let texts = contents.iter().map(|(source, values)| {
        let text = json!(values).to_string();
        (source.clone(), hmac_hash(hash_key, &text))
    });
    texts.collect()
}

/// Returns the hashes as the private state records them.
pub fn recorded(contents: &Contents, hash_key: &[u8]) -> BTreeMap<String, String> {
    by_name(source_hashes(contents, hash_key))
}

fn by_name(sources: BTreeMap<Source, String>) -> BTreeMap<String, String> {
    let named = sources.into_iter();
    named
        .map(|(source, hash)| (source.to_string(), hash))
        .collect()
}

/// Returns whether the pod template has these hashes.
fn has_hashes(deployment: &Json, hashes: &PodHashes) -> bool {
    let PodHashes {
        configuration,
        certificates,
    } = hashes;
    configuration_hash(deployment) == Some(configuration)
        && pod_annotation(deployment, names::CERTIFICATES_HASH_ANNOTATION)
            == certificates.as_deref()
}

/// Returns whether `manager` was the last to write both the Secret, whose last writer is `secret`, and the hash in the
/// pod template. Then an apply has written the one and not the other, and nobody else has changed anything.
fn is_unfinished_apply(manager: &str, secret: Option<&Author>, deployment: &Json) -> bool {
    let field = FieldPath::of(&[
        "spec",
        "template",
        "metadata",
        "annotations",
        names::CONFIGURATION_HASH_ANNOTATION,
    ]);
    let hash = last_writer(ManagedFields::of(deployment).owners(&field));
    let mut authors = [secret, hash.as_ref()].into_iter();
    authors.all(|author| author.is_some_and(|author| author.manager == manager))
}

/// Returns the hash of the configuration that the pods run with.
pub fn configuration_hash(deployment: &Json) -> Option<&str> {
    pod_annotation(deployment, names::CONFIGURATION_HASH_ANNOTATION)
}

fn pod_annotation<'a>(deployment: &'a Json, annotation: &str) -> Option<&'a str> {
    deployment.pointer("/spec/template/metadata/annotations")?[annotation].as_str()
}

/// Returns the hash of the last `feast apply` that has succeeded, or for which its apply did not wait.
pub fn applied(deployment: &Json) -> Option<&str> {
    deployment["metadata"]["annotations"][names::APPLIED_ANNOTATION].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::managed_fields::Operation;

    #[test]
    fn an_apply_is_unfinished_if_nobody_else_has_written() {
        let author = |manager: &str| Author {
            manager: manager.to_owned(),
            operation: Operation::Apply,
            time: None,
        };
        let hash = names::CONFIGURATION_HASH_ANNOTATION;
        let deployment = |manager: &str| {
            let annotations = json!({"f:annotations": {format!("f:{hash}"): {}}});
            let fields = json!({"f:spec": {"f:template": {"f:metadata": annotations}}});
            json!({"metadata": {"managedFields": [
                {"manager": manager, "operation": "Apply", "fieldsV1": fields},
            ]}})
        };
        for (secret, deployment, expected) in [
            (Some(author("ours")), deployment("ours"), true),
            (Some(author("kubectl-edit")), deployment("ours"), false),
            (Some(author("ours")), deployment("kubectl-edit"), false),
            (Some(author("ours")), json!({}), false),
            (None, deployment("ours"), false),
        ] {
            let found = is_unfinished_apply("ours", secret.as_ref(), &deployment);
            assert_eq!(found, expected, "{secret:?}, {deployment}");
        }
    }
}
