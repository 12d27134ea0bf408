//! The first half of an apply: everything that can be refused is, and nothing is written yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::cluster::{self, Cluster, Reason, StoreName};
use crate::feast::fill::{Filled, Secrets};
use crate::feast::kept::{self, Creation};
use crate::feast::names;
use crate::feast::objects::{Key, Kind, Objects};
use crate::feast::redaction::Redaction;
use crate::feast::spec::Registry;
use crate::provider::settings::Settings;
use crate::provider::wording;
use crate::schema::{Diagnostic, Diagnostics};

use super::super::computed::Desired;
use super::super::parse::{Parsed, parse_over};
use super::super::{content, creation, manifests};
use super::Recipe;

/// Everything that can be refused has been, and nothing has been written yet.
pub(super) struct Prepared {
    pub cluster: Arc<Cluster>,
    pub store: StoreName,
    pub desired: Desired,
    pub merged: Merged,
    /// What the last state holds, as the plan has shown it.
    pub known: BTreeMap<Key, Json>,
    /// What is there.
    pub live: BTreeMap<Key, Json>,
}

/// The objects with the content of the user's Secrets in them.
pub(super) struct Merged {
    pub filled: Objects<Filled>,
    /// Whose the feature store is, as it stands in them.
    pub creation: Creation,
    /// Fingerprints of what went into them.
    pub sources: BTreeMap<String, String>,
    /// What must not be shown of a container's log.
    pub secrets: Redaction,
}

impl Recipe<'_> {
    pub(super) async fn prepare(&self, settings: &Settings) -> Result<Prepared, Diagnostics> {
        let parsed = parse_over(self.block, self.planned, self.prior)?;
        let namespace = settings.namespace().unwrap_or(names::DEFAULT_NAMESPACE);
        let Some(mut desired) = Desired::of(&parsed, namespace) else {
            return Err(vec![wording::still_unknown(&parsed.unknown)]);
        };
        for (key, manifest) in &mut desired.objects.manifests {
            if let Some(planned) = self.before.planned.get(&key.to_string()) {
                manifest.clone_from(planned);
            }
        }
        let cluster = settings.cluster().await.map_err(|error| vec![error])?;
        let store = StoreName {
            namespace: desired.store.namespace.clone(),
            name: desired.store.name.clone(),
        };
        self.peer(&cluster, &desired).await?;
        let known = manifests::of(self.block, self.prior, &self.before);
        let keys = desired.objects.manifests.keys().chain(known.keys());
        let live = cluster
            .read_before_apply(
                &store,
                &keys.cloned().collect(),
                self.prior.is_null(),
                self.stop,
            )
            .await
            .map_err(|error| unprepared(&[error]))?;
        let secret = live.get(&Key::new(Kind::Secret, names::main(&store.name)));
        let merged = self.fill(&cluster, &store, &desired, &parsed, secret);
        let mut merged = merged.await?;
        merged.filled.list_objects(&live);
        Ok(Prepared {
            cluster,
            store,
            desired,
            merged,
            known,
            live,
        })
    }

    /// Looks whether the registry of another feature store is served. Who may not look into the other's
    /// namespace is believed.
    async fn peer(&self, cluster: &Cluster, desired: &Desired) -> Result<(), Diagnostics> {
        let Registry::Remote(remote) = &desired.store.registry else {
            return Ok(());
        };
        let Some(peer) = &remote.peer else {
            return Ok(());
        };
        let key = Key::new(Kind::Service, peer.service());
        let service = match cluster.get(&peer.namespace, &key, self.stop).await {
            Ok(service) => service,
            Err(error) if matches!(error.reason, Reason::Forbidden { .. }) => return Ok(()),
            Err(error) => {
                let summary = "Cannot look at the remote registry";
                return Err(vec![wording::cluster_error(summary, &error)]);
            }
        };
        let judged = peer.judge(service.as_ref());
        judged.map_err(|error| vec![wording::peer_error(&error)])
    }

    /// Whose the feature store will be.
    fn creation(
        &self,
        store: &StoreName,
        secret: Option<&Json>,
        configuration: &Json,
    ) -> Result<Creation, Diagnostics> {
        if !self.prior.is_null() {
            return creation::updated(secret, self.before.creation.as_ref());
        }
        match creation::taken(secret, configuration) {
            Some(taken) => Err(vec![wording::exists_already(store, taken)]),
            None => creation::begun(),
        }
    }

    /// Merges the user's Secrets and ConfigMaps into our Secret.
    async fn fill(
        &self,
        cluster: &Cluster,
        store: &StoreName,
        desired: &Desired,
        parsed: &Parsed,
        live: Option<&Json>,
    ) -> Result<Merged, Diagnostics> {
        let creation = self.creation(store, live, &parsed.json)?;
        let contents = cluster
            .contents(&store.namespace, &desired.objects.sources(), self.stop)
            .await
            .map_err(|errors| unread(desired, &errors))?;
        let hash_key = match live.and_then(kept::hash_key) {
            Some(key) => key,
            // So that the configuration's hash tells nobody anything of a guessed password.
            None => creation::random::<32>()?.to_vec(),
        };
        let filled = desired.objects.clone().fill(&Secrets {
            contents: &contents,
            hash_key: &hash_key,
            configuration: &parsed.json.to_string(),
        });
        let mut filled = filled.map_err(|errors| {
            errors
                .iter()
                .map(wording::fill_error)
                .collect::<Diagnostics>()
        })?;
        filled.sign(&creation);
        Ok(Merged {
            filled,
            creation,
            sources: content::remembered(&contents, &hash_key),
            secrets: Redaction::of(&contents),
        })
    }
}

fn unprepared(errors: &[cluster::Error]) -> Diagnostics {
    let summary = "Cannot prepare the feature store";
    (errors.iter())
        .map(|error| wording::cluster_error(summary, error))
        .collect()
}

/// That Secrets and ConfigMaps of the user's cannot be read: what is missing is told at the attribute that names it.
fn unread(desired: &Desired, errors: &[cluster::Error]) -> Diagnostics {
    let attribute = |error: &cluster::Error| match (&error.reason, &error.target.name) {
        (Reason::NotFound | Reason::KeyMissing(_) | Reason::NotText(_), Some(name)) => {
            desired.objects.attribute(error.target.kind, name)
        }
        _ => None,
    };
    let placed = |(diagnostic, error): (Diagnostic, &cluster::Error)| match attribute(error) {
        Some(path) => diagnostic.at(path),
        None => diagnostic,
    };
    let diagnostics = unprepared(errors).into_iter();
    diagnostics.zip(errors).map(placed).collect()
}
