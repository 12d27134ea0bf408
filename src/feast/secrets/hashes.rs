//! Hashes of what pods read: pods are annotated with them, so they restart when it changes.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;

use super::super::feature_store_yaml::{SecretError, SecretProblem};
use super::super::names;
use super::source::{Contents, Mounted};

/// The hashes in the objects of a feature store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHashes {
    /// The hashes of the servers' pods.
    pub servers: PodHashes,
    /// The hashes of the lineage server's pods, if there are any.
    pub lineage: Option<PodHashes>,
    /// The hash of what the `feast apply` Job applies, if there is a Job. The servers' Deployment is annotated with it
    /// once the Job has succeeded, or once it has started if the apply does not wait for it.
    pub feast_apply: Option<String>,
}

/// The hashes of what the pods of a Deployment read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodHashes {
    /// The hash of `feature_store.yaml`.
    pub configuration: String,
    /// The hash of the mounted certificates, if there are any.
    pub certificates: Option<String>,
}

impl PodHashes {
    /// Adds the hashes to the annotations of a Deployment's pod template.
    pub(super) fn annotate_pods(&self, deployment: &mut Json) {
        let Self {
            configuration,
            certificates,
        } = self;
        if let Some(metadata) = deployment.pointer_mut("/spec/template/metadata") {
            metadata["annotations"][names::CONFIGURATION_HASH_ANNOTATION] = json!(configuration);
            if let Some(certificates) = certificates {
                metadata["annotations"][names::CERTIFICATES_HASH_ANNOTATION] = json!(certificates);
            }
        }
    }
}

/// Returns the first 128 bits of an HMAC-SHA256, in hexadecimal.
pub fn hmac_hash(key: &[u8], text: &str) -> String {
    let mut mac = match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac,
        // HMAC accepts keys of every length.
        Err(error) => unreachable!("HMAC key: {error}"),
    };
    mac.update(text.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns the hash of all mounted files whose changes replace pods; `None` if there are none.
///
/// # Errors
///
/// Returns the mounted files, of any kind, that are missing or empty.
pub(super) fn mounted_files_hash(
    mounted: &[Mounted],
    contents: &Contents,
    key: &[u8],
) -> Result<Option<String>, Vec<SecretError>> {
    let mut text = String::new();
    let mut errors = Vec::new();
    for mount in mounted {
        let Mounted {
            source,
            path,
            rolls_pods,
        } = mount;
        match source.text(contents) {
            Some(file) if !file.trim().is_empty() => {
                if *rolls_pods {
                    // The length makes different sequences of files different texts.
                    text.push_str(&format!("{source} {}\n{file}", file.len()));
                }
            }
            file => errors.push(SecretError {
                source_: source.clone(),
                path: path.clone(),
                problem: file.map_or(SecretProblem::Missing, |_| SecretProblem::Empty),
            }),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let any = mounted.iter().any(|mount| mount.rolls_pods);
    Ok(any.then(|| hmac_hash(key, &text)))
}
