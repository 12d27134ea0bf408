//! The first half of an apply: everything that can be refused is, and nothing is written yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::cluster::sources::may_appear;
use crate::cluster::{self, CancellationToken, Cluster, Reason, StoreName};
use crate::feast::feature_store_yaml::{SecretError, SecretProblem};
use crate::feast::names;
use crate::feast::objects::Objects;
use crate::feast::secrets::redaction::Redaction;
use crate::feast::secrets::resolve::{Resolved, Secrets};
use crate::feast::secrets::source::Contents;
use crate::feast::secrets::store_secret::{self, Ownership};
use crate::feast::spec::Registry;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::{Diagnostic, Diagnostics};

use super::super::computed::Desired;
use super::super::parse::{Parsed, parse_over};
use super::super::{creation, manifests, secret_drift};
use super::ApplyOperation;

/// How long missing Secrets and ConfigMaps are waited for, if the time-out of the operation is not shorter.
const SOURCES_TIMEOUT: Duration = Duration::from_secs(30);
/// What was read before that is read again before it is judged.
const CURRENT: Duration = Duration::from_secs(1);

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
    pub filled: Objects<Resolved>,
    /// Whose the feature store is, as it stands in them.
    pub creation: Ownership,
    /// Fingerprints of what went into them.
    pub sources: BTreeMap<String, String>,
    /// What must not be shown of a container's log.
    pub secrets: Redaction,
}

impl Merged {
    /// Returns the store's Secret with a changed record of the create.
    pub fn secret(&self, key: &Key, change: impl FnOnce(&mut Ownership)) -> Json {
        let mut creation = self.creation.clone();
        change(&mut creation);
        let mut signed = self.filled.clone();
        signed.write_owner(&creation);
        signed.manifests[key].clone()
    }
}

impl ApplyOperation<'_> {
    /// `began` is when the operation has begun, which its time-out counts from.
    pub(super) async fn prepare(
        &self,
        settings: &Settings,
        began: Instant,
    ) -> Result<Prepared, Diagnostics> {
        let parsed = parse_over(self.block, self.planned, self.prior)?;
        let namespace = settings.namespace().unwrap_or(names::DEFAULT_NAMESPACE);
        let Some(mut desired) = Desired::of(&parsed, namespace) else {
            return Err(vec![diagnostics::still_unknown(&parsed.unknown)]);
        };
        for (key, manifest) in &mut desired.objects.manifests {
            if let Some(planned) = self.before.planned.get(&key.to_string()) {
                manifest.clone_from(planned);
            }
        }
        let cluster = settings.cluster().await.map_err(|error| vec![error])?;
        let store = desired.store_name();
        remote_registry(&cluster, &desired, self.stop).await?;
        let known = manifests::of(self.block, self.prior, &self.before);
        let keys = desired.objects.manifests.keys().chain(known.keys());
        let keys: BTreeSet<Key> = keys.cloned().collect();
        let read = async || {
            let live = cluster.read_before_apply(&store, &keys, self.prior.is_null(), self.stop);
            live.await.map_err(|error| unprepared(&[error]))
        };
        let mut live = read().await?;
        let key = Key::new(Kind::Secret, names::main(&store.name));
        // An apply that cannot begin does not wait for the user's Secrets.
        self.creation(&cluster, &desired, live.get(&key), &parsed.json)?;
        let asked = Instant::now();
        let contents = self.contents(&cluster, &desired, began).await?;
        if asked.elapsed() >= CURRENT {
            live = read().await?;
        }
        let mut merged =
            self.resolve_secrets(&cluster, &desired, &parsed, live.get(&key), &contents)?;
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

    /// Returns the record of ownership that the store's Secret will hold.
    fn creation(
        &self,
        cluster: &Cluster,
        desired: &Desired,
        secret: Option<&Json>,
        configuration: &Json,
    ) -> Result<Ownership, Diagnostics> {
        if !self.prior.is_null() {
            return creation::updated(secret, self.before.creation.as_ref());
        }
        let now = cluster.now();
        creation::check_available(secret, configuration, now).map_err(|occupied| {
            vec![diagnostics::exists_already(&desired.store_name(), occupied)]
        })?;
        creation::begun(now, desired.store.timeouts.create)
    }

    /// Reads the user's Secrets and ConfigMaps. What is missing is waited for, since an operator may make it within
    /// seconds.
    async fn contents(
        &self,
        cluster: &Cluster,
        desired: &Desired,
        began: Instant,
    ) -> Result<Contents, Diagnostics> {
        let patience = SOURCES_TIMEOUT.min(self.timeout(desired));
        let lacks = |contents: &Contents| {
            let filled = desired.objects.clone().resolve_secrets(&Secrets {
                contents,
                hash_key: &[],
                configuration: "",
            });
            let is_missing = |error: &SecretError| {
                matches!(
                    error.problem,
                    SecretProblem::Missing | SecretProblem::NoDiscoveryUrl
                )
            };
            filled.is_err_and(|errors| errors.iter().all(is_missing))
        };
        let sources = desired.objects.sources();
        let read = cluster.contents_before(
            &desired.store.namespace,
            &sources,
            lacks,
            began + patience,
            self.stop,
        );
        read.await
            .map_err(|errors| unread(desired, &errors, Some(patience)))
    }

    /// Merges the user's Secrets and ConfigMaps into our Secret.
    fn resolve_secrets(
        &self,
        cluster: &Cluster,
        desired: &Desired,
        parsed: &Parsed,
        live: Option<&Json>,
        contents: &Contents,
    ) -> Result<Merged, Diagnostics> {
        let creation = self.creation(cluster, desired, live, &parsed.json)?;
        let hash_key = match live.and_then(store_secret::hash_key) {
            Some(key) => key,
            // So that the configuration's hash tells nobody anything of a guessed password.
            None => creation::random::<32>()?.to_vec(),
        };
        let filled = desired.objects.clone().resolve_secrets(&Secrets {
            contents,
            hash_key: &hash_key,
            configuration: &parsed.json.to_string(),
        });
        let mut filled = filled.map_err(|errors| {
            errors
                .iter()
                .map(diagnostics::secret_error)
                .collect::<Diagnostics>()
        })?;
        filled.write_owner(&creation);
        Ok(Merged {
            filled,
            creation,
            sources: secret_drift::remembered(contents, &hash_key),
            secrets: Redaction::of(contents),
        })
    }
}

/// Checks that the registry of another feature store is served, where one is named. An account that may not read the
/// other namespace is not checked.
pub async fn remote_registry(
    cluster: &Cluster,
    desired: &Desired,
    stop: &CancellationToken,
) -> Result<(), Diagnostics> {
    let Registry::Remote(remote) = &desired.store.registry else {
        return Ok(());
    };
    let Some(peer) = &remote.store else {
        return Ok(());
    };
    let key = Key::new(Kind::Service, peer.service());
    let service = match cluster.get(&peer.namespace, &key, stop).await {
        Ok(service) => service,
        Err(error) if matches!(error.reason, Reason::Forbidden { .. }) => return Ok(()),
        Err(error) => {
            let summary = "Cannot look at the remote registry";
            return Err(vec![diagnostics::cluster_error(summary, &error)]);
        }
    };
    let judged = peer.check_service(service.as_ref());
    judged.map_err(|error| vec![diagnostics::remote_store_error(&error)])
}

fn unprepared(errors: &[cluster::Error]) -> Diagnostics {
    let summary = "Cannot prepare the feature store";
    (errors.iter())
        .map(|error| diagnostics::cluster_error(summary, error))
        .collect()
}

/// That Secrets and ConfigMaps of the user's cannot be read: what is missing is told at the attribute that names it.
/// `waited` is how long it has been waited for them.
pub fn unread(
    desired: &Desired,
    errors: &[cluster::Error],
    waited: Option<Duration>,
) -> Diagnostics {
    let attribute = |error: &cluster::Error| match (&error.reason, &error.target.name) {
        (Reason::NotFound | Reason::KeyMissing(_) | Reason::NotText(_), Some(name)) => {
            desired.objects.attribute(error.target.kind, name)
        }
        _ => None,
    };
    let waited = waited.filter(|_| errors.iter().all(may_appear));
    let placed = |(mut diagnostic, error): (Diagnostic, &cluster::Error)| {
        if let Some(waited) = waited {
            diagnostic.detail.push_str(&format!(
                " It was waited for {} s, in case an operator makes it.",
                waited.as_secs()
            ));
        }
        match attribute(error) {
            Some(path) => diagnostic.at(path),
            None => diagnostic,
        }
    };
    let diagnostics = unprepared(errors).into_iter();
    diagnostics.zip(errors).map(placed).collect()
}
