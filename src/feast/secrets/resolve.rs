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
use super::super::rendered::{DeploymentContent, Rendered};
use super::fingerprint::{Fingerprints, fingerprint, mounted_fingerprint};
use super::source::Contents;
use super::store_secret;
use crate::kubernetes::{Key, Kind};

/// The input of [`Objects::resolve_secrets`].
pub struct Secrets<'a> {
    /// The user's Secrets and ConfigMaps.
    pub contents: &'a Contents,
    /// The key of fingerprints: random, created once for a feature store and kept in its Secret.
    pub hash_key: &'a [u8],
    /// The configuration as JSON, which is kept in the Secret for import.
    pub configuration: &'a str,
}

/// The phase of objects with the content of the user's Secrets: ready to be applied, never to be shown or stored.
#[derive(Clone, PartialEq)]
pub struct Resolved {
    pub(super) servers: Fingerprints,
    pub(super) lineage: Option<Fingerprints>,
    /// The fingerprint of what the `feast apply` Job applies, if there is a Job.
    pub(super) applied: Option<String>,
}

impl Objects<Rendered> {
    /// Merges the content of Secrets into the objects and annotates the pods with its fingerprints.
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
                    apply,
                },
        } = self;
        let servers = servers.resolve(secrets);
        let lineage = lineage.map(|lineage| lineage.resolve(secrets)).transpose();
        let (servers, lineage) = match (servers, lineage) {
            (Ok(servers), Ok(lineage)) => (servers, lineage),
            (servers, lineage) => return Err(merge_errors([servers.err(), lineage.err()])),
        };
        let applied = apply.map(|job| {
            // The pod template of a Job is immutable, so each change of it needs another Job.
            let input = format!("{}{}", servers.text, job["spec"]);
            let applied = fingerprint(secrets.hash_key, &input);
            let (key, job) = named_job(job, &applied);
            manifests.insert(key, job);
            applied
        });
        for workload in [&servers].into_iter().chain(&lineage) {
            let key = Key::new(Kind::Deployment, &workload.deployment);
            if let Some(deployment) = manifests.get_mut(&key) {
                workload.fingerprints.annotate_pods(deployment);
            }
        }
        let key = Key::new(Kind::Deployment, &servers.deployment);
        if let (Some(applied), Some(deployment)) = (&applied, manifests.get_mut(&key)) {
            deployment["metadata"]["annotations"][names::APPLIED_ANNOTATION] = json!(applied);
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
                servers: servers.fingerprints,
                lineage: lineage.map(|lineage| lineage.fingerprints),
                applied,
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
                servers: Fingerprints {
                    configuration: String::new(),
                    certificates: None,
                },
                lineage: None,
                applied: None,
            },
        }
    }
}

/// The content for the pods of a Deployment, with the resolved text of its `feature_store.yaml`.
struct ResolvedContent {
    deployment: String,
    file: &'static str,
    text: String,
    fingerprints: Fingerprints,
}

impl DeploymentContent {
    fn resolve(self, secrets: &Secrets<'_>) -> Result<ResolvedContent, Vec<SecretError>> {
        let Secrets {
            contents,
            hash_key,
            configuration: _,
        } = secrets;
        let Self {
            deployment,
            file,
            document,
            mounted,
            databases,
        } = self;
        let files: Vec<SecretError> = (databases.into_iter())
            .filter(|(placeholder, _)| placeholder.is_file(contents))
            .map(|(placeholder, problem)| placeholder.error(problem))
            .collect();
        let text = document.resolve(contents);
        let certificates = mounted_fingerprint(&mounted, contents, hash_key);
        match (text, certificates) {
            (Ok(text), Ok(certificates)) if files.is_empty() => Ok(ResolvedContent {
                deployment,
                file,
                fingerprints: Fingerprints {
                    configuration: fingerprint(hash_key, &text),
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

/// Names the `feast apply` Job after the fingerprint of what it applies.
fn named_job(mut job: Json, applied: &str) -> (Key, Json) {
    let store = job["metadata"]["labels"][names::NAME_LABEL].as_str();
    let name = names::apply_job_of(store.unwrap_or_default(), applied);
    job["metadata"]["name"] = json!(name);
    (Key::new(Kind::Job, name), job)
}

impl Objects<Resolved> {
    /// Returns the fingerprints of the servers' pods.
    pub fn servers(&self) -> &Fingerprints {
        &self.phase.servers
    }

    /// Returns the fingerprints of the lineage server's pods, if there are any.
    pub fn lineage(&self) -> Option<&Fingerprints> {
        self.phase.lineage.as_ref()
    }

    /// Returns the fingerprint of what the Job applies. The Deployment is annotated with it once the Job has succeeded.
    pub fn applied(&self) -> Option<&str> {
        self.phase.applied.as_deref()
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
