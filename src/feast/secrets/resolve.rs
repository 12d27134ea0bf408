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
use super::super::rendered::{Rendered, WorkloadInputs};
use super::hashes::{PodHashes, hmac_hash, mounted_files_hash};
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
    pub(super) servers: PodHashes,
    pub(super) lineage: Option<PodHashes>,
    /// The hash of what the `feast apply` Job applies, if there is a Job.
    pub(super) feast_apply_hash: Option<String>,
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
            phase:
                Rendered {
                    servers,
                    lineage,
                    feast_apply_job,
                },
        } = self;
        let servers = servers.resolve(secrets);
        let lineage = lineage.map(|lineage| lineage.resolve(secrets)).transpose();
        let (servers, lineage) = match (servers, lineage) {
            (Ok(servers), Ok(lineage)) => (servers, lineage),
            (servers, lineage) => return Err(merge_errors([servers.err(), lineage.err()])),
        };
        let feast_apply_hash = feast_apply_job.map(|job| {
            // The pod template of a Job is immutable, so each change of it needs another Job.
            let input = format!("{}{}", servers.text, job["spec"]);
            let feast_apply_hash = hmac_hash(secrets.hash_key, &input);
            let (key, job) = named_job(job, &feast_apply_hash);
            manifests.insert(key, job);
            feast_apply_hash
        });
        for workload in [&servers].into_iter().chain(&lineage) {
            let key = Key::new(Kind::Deployment, &workload.deployment);
            if let Some(deployment) = manifests.get_mut(&key) {
                workload.hashes.annotate_pods(deployment);
            }
        }
        let key = Key::new(Kind::Deployment, &servers.deployment);
        if let (Some(feast_apply_hash), Some(deployment)) =
            (&feast_apply_hash, manifests.get_mut(&key))
        {
            deployment["metadata"]["annotations"][names::APPLIED_ANNOTATION] =
                json!(feast_apply_hash);
        }
        let files = [&servers].into_iter().chain(&lineage);
        let files: Vec<_> = files
            .map(|workload| (workload.file, workload.text.as_str()))
            .collect();
        store_secret::write(&mut manifests, secrets, &files);
        Ok(Objects {
            namespace,
            manifests,
            phase: Resolved {
                servers: servers.hashes,
                lineage: lineage.map(|lineage| lineage.hashes),
                feast_apply_hash,
            },
        })
    }
}

impl Objects<Resolved> {
    /// Returns objects that need no content of Secrets.
    #[doc(hidden)]
    pub fn without_secrets(namespace: &str, manifests: BTreeMap<Key, Json>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            manifests,
            phase: Resolved {
                servers: PodHashes {
                    configuration: String::new(),
                    certificates: None,
                },
                lineage: None,
                feast_apply_hash: None,
            },
        }
    }
}

/// The content for the pods of a Deployment, with the resolved text of its `feature_store.yaml`.
struct ResolvedWorkload {
    deployment: String,
    file: &'static str,
    text: String,
    hashes: PodHashes,
}

impl WorkloadInputs {
    fn resolve(self, secrets: &Secrets<'_>) -> Result<ResolvedWorkload, Vec<SecretError>> {
        let Secrets {
            contents,
            hash_key,
            configuration: _,
        } = secrets;
        let Self {
            deployment,
            file,
            document,
            mounted_files,
            databases,
        } = self;
        let files: Vec<SecretError> = (databases.into_iter())
            .filter(|(placeholder, _)| placeholder.is_file(contents))
            .map(|(placeholder, problem)| placeholder.error(problem))
            .collect();
        let text = document.resolve(contents);
        let certificates = mounted_files_hash(&mounted_files, contents, hash_key);
        match (text, certificates) {
            (Ok(text), Ok(certificates)) if files.is_empty() => Ok(ResolvedWorkload {
                deployment,
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

impl Objects<Resolved> {
    /// Returns the hashes of the servers' pods.
    pub fn servers(&self) -> &PodHashes {
        &self.phase.servers
    }

    /// Returns the hashes of the lineage server's pods, if there are any.
    pub fn lineage(&self) -> Option<&PodHashes> {
        self.phase.lineage.as_ref()
    }

    /// Returns the hash of what the Job applies. The Deployment is annotated with it once the Job has succeeded.
    pub fn feast_apply_hash(&self) -> Option<&str> {
        self.phase.feast_apply_hash.as_deref()
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

#[cfg(test)]
mod tests;
