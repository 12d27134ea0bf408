//! Second step to the objects: the content of the user's Secrets and ConfigMaps is merged into the Secret of the
//! feature store.
//!
//! # Guarantees
//!
//! The content is written to that Secret only. Errors do not contain it, and resolved objects cannot be printed.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value as Json, json};

use super::super::feature_store_yaml::SecretError;
use super::super::names;
use super::super::objects::Objects;
use super::super::rendered::{Rendered, StoreInputs, WorkloadInputs};
use super::hashes::{PodHashes, StoreHashes, hmac_hash, mounted_files_hash};
use super::source::Contents;
use super::store_secret;
use crate::kubernetes::{Key, Kind};

/// The input of [`Objects::resolve_secrets`].
pub struct Secrets<'a> {
    /// The user's Secrets and ConfigMaps.
    pub contents: &'a Contents,
    /// The HMAC key of the hashes: random, created once for a feature store and kept in its Secret.
    pub hash_key: &'a [u8],
    /// The configuration as JSON, which is kept in the Secret for import.
    pub configuration: &'a str,
}

/// The phase of objects with the content of the user's Secrets: ready to be applied, never to be shown or stored.
#[derive(Clone, PartialEq)]
pub struct Resolved {
    hashes: StoreHashes,
}

impl Objects<Rendered> {
    /// Merges the content of Secrets into the objects and annotates the pods with its hashes.
    ///
    /// # Errors
    ///
    /// Returns everything that is missing from the Secrets and ConfigMaps or invalid in them, each problem once.
    pub fn resolve_secrets(
        self,
        secrets: &Secrets<'_>,
    ) -> Result<Objects<Resolved>, Vec<SecretError>> {
        let Self {
            namespace,
            mut manifests,
            phase: Rendered { inputs },
        } = self;
        let resolved = inputs.resolve(secrets.contents, secrets.hash_key)?;
        if let (Some(job), Some(hash)) = (inputs.feast_apply_job, &resolved.feast_apply_hash) {
            let (key, job) = named_job(job, hash);
            manifests.insert(key, job);
        }
        for workload in resolved.workloads() {
            let key = Key::new(Kind::Deployment, &workload.deployment);
            if let Some(deployment) = manifests.get_mut(&key) {
                workload.hashes.annotate_pods(deployment);
            }
        }
        let key = Key::new(Kind::Deployment, &resolved.servers.deployment);
        if let (Some(hash), Some(deployment)) =
            (&resolved.feast_apply_hash, manifests.get_mut(&key))
        {
            deployment["metadata"]["annotations"][names::APPLIED_ANNOTATION] = json!(hash);
        }
        let files = resolved.workloads();
        let mut files: Vec<_> = files
            .map(|workload| (workload.file, workload.text.as_str()))
            .collect();
        if resolved.feast_apply_hash.is_some() {
            files.push((names::APPLY_YAML, resolved.servers.text.as_str()));
        }
        store_secret::write(&mut manifests, secrets, &files);
        Ok(Objects {
            namespace,
            manifests,
            phase: Resolved {
                hashes: resolved.into_hashes(),
            },
        })
    }
}

impl Objects<Resolved> {
    /// Returns objects that need no content of Secrets.
    #[doc(hidden)]
    pub fn without_secrets(namespace: &str, manifests: BTreeMap<Key, Json>) -> Self {
        let hashes = StoreHashes {
            servers: PodHashes {
                configuration: String::new(),
                certificates: None,
            },
            lineage: None,
            feast_apply: None,
        };
        Self {
            namespace: namespace.to_owned(),
            manifests,
            phase: Resolved { hashes },
        }
    }

    /// Returns the hashes in these objects.
    pub fn hashes(&self) -> &StoreHashes {
        &self.phase.hashes
    }
}

impl StoreInputs {
    /// Returns the hashes that [`Objects::resolve_secrets`] writes to the objects, for a comparison with live objects.
    ///
    /// # Errors
    ///
    /// Returns everything that is missing from the Secrets and ConfigMaps or invalid in them, each problem once.
    pub fn hashes(
        &self,
        contents: &Contents,
        hash_key: &[u8],
    ) -> Result<StoreHashes, Vec<SecretError>> {
        let resolved = self.resolve(contents, hash_key)?;
        Ok(resolved.into_hashes())
    }

    fn resolve(
        &self,
        contents: &Contents,
        hash_key: &[u8],
    ) -> Result<ResolvedInputs, Vec<SecretError>> {
        let servers = self.servers.resolve(contents, hash_key);
        let lineage = self.lineage.as_ref();
        let lineage = lineage
            .map(|lineage| lineage.resolve(contents, hash_key))
            .transpose();
        let (servers, lineage) = match (servers, lineage) {
            (Ok(servers), Ok(lineage)) => (servers, lineage),
            (servers, lineage) => return Err(merge_errors([servers.err(), lineage.err()])),
        };
        let feast_apply_hash = self.feast_apply_job.as_ref().map(|job| {
            // The pod template of a Job is immutable, so each change of it needs another Job.
            let input = format!("{}{}", servers.text, job["spec"]["template"]);
            hmac_hash(hash_key, &input)
        });
        Ok(ResolvedInputs {
            servers,
            lineage,
            feast_apply_hash,
        })
    }
}

/// The inputs with the content of Secrets. It has no `Debug`, so that the content cannot be printed.
struct ResolvedInputs {
    servers: ResolvedWorkload,
    lineage: Option<ResolvedWorkload>,
    feast_apply_hash: Option<String>,
}

impl ResolvedInputs {
    fn workloads(&self) -> impl Iterator<Item = &ResolvedWorkload> {
        [&self.servers].into_iter().chain(&self.lineage)
    }

    fn into_hashes(self) -> StoreHashes {
        StoreHashes {
            servers: self.servers.hashes,
            lineage: self.lineage.map(|lineage| lineage.hashes),
            feast_apply: self.feast_apply_hash,
        }
    }
}

/// The content for the pods of a Deployment, with the resolved text of its `feature_store.yaml`. It has no `Debug`
/// either.
struct ResolvedWorkload {
    deployment: String,
    file: &'static str,
    text: String,
    hashes: PodHashes,
}

impl WorkloadInputs {
    fn resolve(
        &self,
        contents: &Contents,
        hash_key: &[u8],
    ) -> Result<ResolvedWorkload, Vec<SecretError>> {
        let Self {
            deployment,
            file,
            document,
            mounted_files,
            databases,
        } = self;
        let files: Vec<SecretError> = (databases.iter())
            .filter(|(placeholder, _)| placeholder.is_file(contents))
            .map(|(placeholder, problem)| placeholder.error(problem.clone()))
            .collect();
        let text = document.resolve(contents);
        let certificates = mounted_files_hash(mounted_files, contents, hash_key);
        match (text, certificates) {
            (Ok(text), Ok(certificates)) if files.is_empty() => Ok(ResolvedWorkload {
                deployment: deployment.clone(),
                file,
                hashes: PodHashes {
                    configuration: hmac_hash(hash_key, &text),
                    certificates,
                },
                text,
            }),
            (text, certificates) => {
                Err(merge_errors([text.err(), certificates.err(), Some(files)]))
            }
        }
    }
}

/// Returns each error once: two workloads can read the same Secret.
fn merge_errors<const N: usize>(lists: [Option<Vec<SecretError>>; N]) -> Vec<SecretError> {
    let mut errors = Vec::new();
    for error in lists.into_iter().flatten().flatten() {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    errors
}

/// Names the `feast apply` Job after the hash of what it applies.
fn named_job(mut job: Json, feast_apply_hash: &str) -> (Key, Json) {
    let store = job["metadata"]["labels"][names::NAME_LABEL].as_str();
    let name = names::feast_apply_job(store.unwrap_or_default(), feast_apply_hash);
    job["metadata"]["name"] = json!(name);
    (Key::new(Kind::Job, name), job)
}

impl fmt::Debug for Objects<Resolved> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects<Resolved>")
            .field("namespace", &self.namespace)
            .field("keys", &self.manifests.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
