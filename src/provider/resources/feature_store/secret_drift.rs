//! What the pods run with against what they should run with today: the content of Secrets, told by fingerprints alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::cluster::{CancellationToken, Cluster};
use crate::feast::config::DriftKind;
use crate::feast::objects::Objects;
use crate::feast::secrets::fingerprint::{Fingerprints, fingerprint};
use crate::feast::secrets::resolve::{Resolved, Secrets};
use crate::feast::secrets::source::{Contents, Source};
use crate::feast::{names, secrets::store_secret};
use crate::kubernetes::Key;
use crate::schema::{Block, Value};

use super::computed::Desired;
use super::drift::DriftEntry;
use super::parse::parse_over;
use super::private_state::PrivateState;

/// What is compared.
pub struct SecretDrift<'a> {
    pub block: &'a Block,
    pub cluster: &'a Arc<Cluster>,
    pub stop: &'a CancellationToken,
    /// As it was applied.
    pub state: &'a Value,
    /// The servers'.
    pub deployment: &'a Json,
    /// The lineage server's, where there is one.
    pub lineage: Option<&'a Json>,
    /// The feature store's own.
    pub secret: Option<(&'a Key, &'a Json)>,
}

/// What should run today, the user's Secrets as they are now.
struct Today {
    filled: Objects<Resolved>,
    sources: BTreeMap<Source, String>,
}

impl SecretDrift<'_> {
    /// What is not as the pods run with it; the private_state learns of it.
    pub async fn compare(&self, private_state: &mut PrivateState) -> Vec<DriftEntry> {
        let mut findings = Vec::new();
        let Some((key, secret)) = self.secret else {
            // Its loss is told as that of any object.
            private_state.secrets_changed = carried_hash(self.deployment).is_some();
            return findings;
        };
        let lineage = self.lineage.map(|it| (it, names::LINEAGE_YAML));
        let servers = (self.deployment, names::FEATURE_STORE_YAML);
        for (deployment, file) in [servers].into_iter().chain(lineage) {
            if store_secret::configuration_hash(secret, file).as_deref() != carried_hash(deployment)
            {
                private_state.secrets_changed = true;
                findings.push(DriftEntry::of_content(
                    DriftKind::Changed,
                    key,
                    Some(file),
                    Some(secret),
                ));
            }
        }
        let Some(today) = self.today(secret).await else {
            return findings;
        };
        let lineage = self.lineage.zip(today.filled.lineage());
        let is_other = !carries(self.deployment, today.filled.servers())
            || lineage.is_some_and(|(deployment, today)| !carries(deployment, today))
            || today.filled.applied() != applied(self.deployment);
        if !is_other {
            private_state.sources = by_name(today.sources);
            return findings;
        }
        private_state.secrets_changed = true;
        if private_state.sources.is_empty() {
            // Nothing was remembered, as after an import: which one it was cannot be told.
            let file = Some(names::FEATURE_STORE_YAML);
            findings.push(DriftEntry::of_content(DriftKind::Rotated, key, file, None));
        }
        for (source, fingerprint) in today.sources {
            let known = private_state.sources.get(&source.to_string());
            if known.is_some_and(|known| *known != fingerprint) {
                findings.push(self.rotated(&source).await);
            }
        }
        findings
    }

    async fn rotated(&self, source: &Source) -> DriftEntry {
        let namespace = self.state.attribute("namespace").as_str();
        let object = source.object();
        let live = self
            .cluster
            .get(namespace.unwrap_or_default(), &object, self.stop)
            .await;
        DriftEntry::rotated(source, live.ok().flatten().as_ref())
    }

    /// `None` when it cannot be told, which is for the next apply to explain.
    async fn today(&self, secret: &Json) -> Option<Today> {
        let hash_key = store_secret::hash_key(secret)?;
        let parsed = parse_over(self.block, self.state, self.state).ok()?;
        let desired = Desired::of(&parsed, self.state.attribute("namespace").as_str()?)?;
        let namespace = &desired.store.namespace;
        let sources = desired.objects.sources();
        let contents = self
            .cluster
            .contents_for_refresh(namespace, &sources, self.stop)
            .await
            .ok()?;
        let filled = desired.objects.resolve_secrets(&Secrets {
            contents: &contents,
            hash_key: &hash_key,
            configuration: "",
        });
        Some(Today {
            filled: filled.ok()?,
            sources: fingerprints(&contents, &hash_key),
        })
    }
}

/// Of what the user's Secrets and ConfigMaps hold.
fn fingerprints(contents: &Contents, hash_key: &[u8]) -> BTreeMap<Source, String> {
    let texts = contents.iter().map(|(source, values)| {
        let text = json!(values).to_string();
        (source.clone(), fingerprint(hash_key, &text))
    });
    texts.collect()
}

/// The same, as the private_state keeps it.
pub fn remembered(contents: &Contents, hash_key: &[u8]) -> BTreeMap<String, String> {
    by_name(fingerprints(contents, hash_key))
}

fn by_name(sources: BTreeMap<Source, String>) -> BTreeMap<String, String> {
    let named = sources.into_iter();
    named
        .map(|(source, fingerprint)| (source.to_string(), fingerprint))
        .collect()
}

/// Whether the pods run with what these are the fingerprints of.
fn carries(deployment: &Json, fingerprints: &Fingerprints) -> bool {
    let Fingerprints {
        configuration,
        certificates,
    } = fingerprints;
    carried_hash(deployment) == Some(configuration)
        && pod_annotation(deployment, names::CERTIFICATES_HASH_ANNOTATION)
            == certificates.as_deref()
}

/// The hash of the configuration that the pods run with.
pub fn carried_hash(deployment: &Json) -> Option<&str> {
    pod_annotation(deployment, names::CONFIGURATION_HASH_ANNOTATION)
}

fn pod_annotation<'a>(deployment: &'a Json, annotation: &str) -> Option<&'a str> {
    deployment.pointer("/spec/template/metadata/annotations")?[annotation].as_str()
}

/// The hash of what `feast apply` has been run with.
fn applied(deployment: &Json) -> Option<&str> {
    deployment["metadata"]["annotations"][names::APPLIED_ANNOTATION].as_str()
}
