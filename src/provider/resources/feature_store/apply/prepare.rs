//! The first half of an apply: everything that can reject it before the first write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::cluster::{self, CancellationToken, Cluster, StoreName};
use crate::feast::feature_store_yaml::{SecretError, SecretProblem};
use crate::feast::names;
use crate::feast::objects::Objects;
use crate::feast::ownership::{Ownership, OwnershipEvent};
use crate::feast::secrets::issued::issued;
use crate::feast::secrets::redaction::Redaction;
use crate::feast::secrets::resolve::{Resolved, Secrets};
use crate::feast::secrets::source::{Contents, Source};
use crate::feast::secrets::store_secret;
use crate::kubernetes::{Key, pod_template};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::{Diagnostics, Severity};

use super::super::cluster_check::check_values;
use super::super::data_loss;
use super::super::desired_store::DesiredStore;
use super::super::manifests::Manifests;
use super::super::parse::{Parsed, parse_over};
use super::super::secret_drift;
use super::super::user_sources::{references_errors, sources, sources_errors, with_placeholders};
use super::ApplyOperation;

/// The time for which an apply waits for missing objects of the user, unless the timeout of the operation is shorter.
const SOURCES_TIMEOUT: Duration = Duration::from_secs(30);
/// The age from which objects that were read are read again before they are used.
const MAX_AGE: Duration = Duration::from_secs(1);

/// A feature store whose objects can be written.
pub(super) struct Prepared {
    pub cluster: Arc<Cluster>,
    pub store: StoreName,
    pub desired: DesiredStore,
    pub resolved: ResolvedStore,
    /// The live objects.
    pub live: BTreeMap<Key, Json>,
    /// The certificates that do not exist yet; `resolved` has placeholders for them.
    pub awaited: Option<Awaited>,
}

/// Certificates that another controller issues for objects of the feature store.
pub(super) struct Awaited {
    sources: BTreeSet<Source>,
    /// The objects that ask for them, by the Secret or ConfigMap that has them.
    requested_by: BTreeMap<Key, Key>,
    /// The objects that ask for the missing ones.
    pub blocked_by: BTreeSet<Key>,
    /// The values of all other sources.
    contents: Contents,
    configuration: String,
    hash_key: Vec<u8>,
}

/// The objects with the content of the user's Secrets.
pub(super) struct ResolvedStore {
    pub objects: Objects<Resolved>,
    /// The ownership that their Secret records.
    pub ownership: Ownership,
    /// Hashes of the user's Secrets and ConfigMaps in them.
    pub sources: BTreeMap<String, String>,
    /// The values to remove from container logs.
    pub redaction: Redaction,
}

/// The live objects, and the ownership that this operation will record.
struct LiveStore {
    live: BTreeMap<Key, Json>,
    ownership: Ownership,
}

impl ApplyOperation<'_> {
    /// Checks everything that can reject the apply, and returns the feature store that can be written, with warnings
    /// about values that may not fit the cluster.
    ///
    /// # Errors
    ///
    /// Everything that rejects the apply. Nothing was written.
    pub(super) async fn prepare(
        &self,
        settings: &Settings,
    ) -> Result<(Prepared, Diagnostics), Diagnostics> {
        self.prior.check_was_read().map_err(|error| vec![error])?;
        let (parsed, desired) = self.desired(settings)?;
        let cluster = settings.cluster().await.map_err(|error| vec![error])?;
        let warnings = check_values(&cluster, &desired, self.stop).await;
        if warnings.iter().any(|it| it.severity == Severity::Error) {
            return Err(warnings);
        }
        let owner_id = format!("{:032x}", u128::from_be_bytes(random()?));
        let read = || self.live_store(&cluster, &desired, &parsed.json, &owner_id);
        // Ownership can reject the apply, so it is checked before the wait for the user's Secrets.
        let mut live = read().await?;
        let read_at = Instant::now();
        let contents = self.awaited_contents(&cluster, &desired).await?;
        if read_at.elapsed() >= MAX_AGE {
            live = read().await?;
        }
        let configuration = parsed.json.to_string();
        let prepared = Prepared::new(cluster, desired, configuration, live, contents)?;
        Ok((prepared, warnings))
    }

    /// Returns the planned configuration, and the feature store that it describes, with the manifests that the plan
    /// has changed.
    fn desired(&self, settings: &Settings) -> Result<(Parsed, DesiredStore), Diagnostics> {
        let parsed = parse_over(self.prior.block, self.planned, self.prior.value)?;
        // The plan could not check values that were unknown.
        let forbidden = data_loss::forbidden_changes(&self.prior, &parsed);
        if !forbidden.is_empty() {
            return Err(forbidden);
        }
        let namespace = settings.namespace().unwrap_or(names::DEFAULT_NAMESPACE);
        let Some(mut desired) = DesiredStore::of(&parsed, namespace) else {
            return Err(vec![diagnostics::still_unknown(
                "an apply",
                &parsed.unknown,
            )]);
        };
        for (key, manifest) in &mut desired.objects.manifests {
            if let Some(planned) = self.prior.private.planned.get(key) {
                manifest.clone_from(planned);
            }
        }
        Ok((parsed, desired))
    }

    /// Reads the live objects and decides about the ownership of the feature store. `owner_id` is the id of a create,
    /// or of an update without an id in its private state.
    async fn live_store(
        &self,
        cluster: &Cluster,
        desired: &DesiredStore,
        configuration: &Json,
        owner_id: &str,
    ) -> Result<LiveStore, Diagnostics> {
        let store = desired.store_name();
        let keys = self.keys(&desired.objects.manifests);
        let live = cluster.read_before_apply(&store, &keys, self.is_create(), self.stop);
        let live = live
            .await
            .map_err(|error| vec![diagnostics::preparation_error(&error)])?;
        let secret = live.get(&store_secret::key(&store.name));
        let event = match self.is_create() {
            true => OwnershipEvent::CreateStarts {
                owner_id,
                is_same_configuration: store_secret::has_configuration(secret, configuration),
                now: cluster.now(),
                timeout: desired.store.timeouts.create,
            },
            false => OwnershipEvent::UpdateStarts {
                owner_id: self.prior.private.owner_id.as_deref(),
                new_id: owner_id,
            },
        };
        let ownership = Ownership::of(secret).after(event).map_err(|occupied| {
            vec![match self.is_create() {
                true => diagnostics::already_exists(&store, occupied, &live),
                false => diagnostics::not_updated(&store),
            }]
        })?;
        Ok(LiveStore { live, ownership })
    }

    /// Returns the keys of the objects to read before a write: those of the manifests, and those of the prior state.
    pub(super) fn keys(&self, manifests: &Manifests) -> BTreeSet<Key> {
        let keys = manifests.keys().chain(self.prior.observed.keys());
        keys.cloned().collect()
    }

    /// Reads the user's Secrets and ConfigMaps. Waits for missing ones, because another operator can create them within
    /// seconds. Returns separately those that exist only after this apply has written objects.
    async fn contents(
        &self,
        cluster: &Cluster,
        desired: &DesiredStore,
    ) -> Result<(Contents, BTreeSet<Source>), Diagnostics> {
        let timeout = self.sources_timeout(desired);
        let namespace = &desired.store.namespace;
        let (sources, later) = sources(desired);
        let (issued, missing) = (cluster.contents_so_far(namespace, later, self.stop).await)
            .map_err(|errors| sources_errors(desired, &errors, None))?;
        let is_incomplete = |contents: &Contents| {
            let mut contents = with_placeholders(contents.clone(), &missing);
            contents.extend(issued.clone());
            let hashes = desired.objects.inputs().hashes(&contents, &[]);
            let is_missing = |error: &SecretError| {
                matches!(
                    error.problem,
                    SecretProblem::Missing | SecretProblem::NoDiscoveryUrl
                )
            };
            hashes.is_err_and(|errors| errors.iter().all(is_missing))
        };
        let contents = cluster.wait_for_contents(
            namespace,
            &sources,
            is_incomplete,
            self.started + timeout,
            self.stop,
        );
        let contents = contents.await;
        let mut contents =
            contents.map_err(|errors| sources_errors(desired, &errors, Some(timeout)))?;
        contents.extend(issued);
        Ok((contents, missing))
    }

    /// Returns [`contents`](Self::contents) after everything else exists, too, that the pods need.
    async fn awaited_contents(
        &self,
        cluster: &Cluster,
        desired: &DesiredStore,
    ) -> Result<(Contents, BTreeSet<Source>), Diagnostics> {
        let others = self.stop.child_token();
        let deadline = self.started + self.sources_timeout(desired);
        let (contents, missing) = tokio::join!(
            async {
                let contents = self.contents(cluster, desired).await;
                // It failed for another reason than that something is missing.
                if contents.is_err() && Instant::now() < deadline {
                    others.cancel();
                }
                contents
            },
            self.missing_references(cluster, desired, &others)
        );
        match (contents, missing) {
            (Ok(contents), Ok(missing)) if missing.is_empty() => Ok(contents),
            (Ok(_), Ok(missing)) => Err(missing),
            (Ok(_), Err(error)) => Err(vec![diagnostics::preparation_error(&error)]),
            (Err(errors), missing) => {
                let missing = missing.unwrap_or_default();
                Err(errors.into_iter().chain(missing).collect())
            }
        }
    }

    /// Waits for the objects that new pods need, for as long as for the user's Secrets, and returns an error for each
    /// that is missing. An apply that does not wait for the rollout can come before them.
    ///
    /// # Errors
    ///
    /// The first error that prevented a check, or the cancellation.
    async fn missing_references(
        &self,
        cluster: &Cluster,
        desired: &DesiredStore,
        stop: &CancellationToken,
    ) -> Result<Diagnostics, cluster::Error> {
        if !desired.store.wait_for_rollout {
            return Ok(Vec::new());
        }
        let timeout = self.sources_timeout(desired);
        let store = desired.store_name();
        // Pods that run do not need them.
        let mut changed = desired.objects.manifests.clone();
        let last_applied = &self.prior.private.last_applied;
        changed.retain(|key, manifest| {
            pod_template::of(key.kind, manifest).is_none()
                || last_applied.get(key) != Some(&*manifest)
        });
        let sources = desired.objects.sources();
        let missing = cluster.wait_for_references(
            &store.namespace,
            &changed,
            &sources,
            self.started + timeout,
            stop,
        );
        let missing = missing.await?;
        Ok(references_errors(
            &store,
            &missing,
            self.attributes(),
            Some(timeout),
        ))
    }

    /// The time for which this apply waits for missing objects.
    fn sources_timeout(&self, desired: &DesiredStore) -> Duration {
        SOURCES_TIMEOUT.min(self.timeout(desired))
    }

    /// The timeout of the operation.
    pub(super) fn timeout(&self, desired: &DesiredStore) -> Duration {
        let timeouts = &desired.store.timeouts;
        match self.is_create() {
            true => timeouts.create,
            false => timeouts.update,
        }
    }
}

impl Prepared {
    /// Merges the user's Secrets into the objects. `contents` are their values, and the sources that exist only after
    /// this apply has written objects.
    ///
    /// # Errors
    ///
    /// An error for each value that cannot be merged.
    fn new(
        cluster: Arc<Cluster>,
        desired: DesiredStore,
        configuration: String,
        LiveStore { live, ownership }: LiveStore,
        (contents, missing): (Contents, BTreeSet<Source>),
    ) -> Result<Self, Diagnostics> {
        let secret = live.get(&store_secret::key(&desired.store.name));
        let hash_key = match secret.and_then(store_secret::hash_key) {
            Some(key) => key,
            // With a random key, the hash of the configuration does not confirm a guessed password.
            None => random::<32>()?.to_vec(),
        };
        let inputs = Secrets {
            contents: &with_placeholders(contents.clone(), &missing),
            hash_key: &hash_key,
            configuration: &configuration,
        };
        let resolved = resolve(&desired, &inputs, &ownership, &live)?;
        let requested_by = issued(&desired.objects.manifests);
        let blocked_by = (missing.iter()).filter_map(|it| requested_by.get(&it.object()));
        let blocked_by: BTreeSet<Key> = blocked_by.cloned().collect();
        let awaited = (!missing.is_empty()).then_some(Awaited {
            sources: missing,
            requested_by,
            blocked_by,
            contents,
            configuration,
            hash_key,
        });
        Ok(Self {
            awaited,
            cluster,
            store: desired.store_name(),
            desired,
            resolved,
            live,
        })
    }

    /// Waits for certificates that another controller issues, and merges them into the objects. `live` are the live
    /// objects of the feature store.
    ///
    /// # Errors
    ///
    /// The certificates that are not issued in time.
    pub(super) async fn resolve_issued(
        &self,
        awaited: &Awaited,
        live: &BTreeMap<Key, Json>,
        timeout: Duration,
        stop: &CancellationToken,
    ) -> Result<ResolvedStore, Vec<cluster::Error>> {
        let namespace = &self.store.namespace;
        let Awaited {
            sources,
            requested_by,
            blocked_by: _,
            contents,
            configuration,
            hash_key,
        } = awaited;
        let deadline = Instant::now() + timeout.min(SOURCES_TIMEOUT);
        let issued =
            self.cluster
                .wait_for_certificates(namespace, sources, requested_by, deadline, stop);
        let mut contents = contents.clone();
        contents.extend(issued.await?);
        let secrets = Secrets {
            contents: &contents,
            hash_key,
            configuration,
        };
        let ownership = &self.resolved.ownership;
        // Only the certificates are new, so an error is about them.
        resolve(&self.desired, &secrets, ownership, live).map_err(|_| {
            let issued = requested_by.iter();
            issued
                .map(|(key, by)| self.cluster.not_issued(namespace, key, by, None))
                .collect()
        })
    }
}

/// Merges the user's Secrets and ConfigMaps into the objects.
fn resolve(
    desired: &DesiredStore,
    secrets: &Secrets<'_>,
    ownership: &Ownership,
    live: &BTreeMap<Key, Json>,
) -> Result<ResolvedStore, Diagnostics> {
    let resolved = desired.objects.clone().resolve_secrets(secrets);
    let mut objects = resolved.map_err(|errors| {
        let diagnostics = errors.iter().map(diagnostics::secret_error);
        diagnostics.collect::<Diagnostics>()
    })?;
    objects.set_owner(ownership);
    objects.list_objects(live);
    Ok(ResolvedStore {
        objects,
        ownership: ownership.clone(),
        sources: secret_drift::recorded(secrets.contents, secrets.hash_key),
        redaction: Redaction::of(secrets.contents),
    })
}

/// Returns bytes that nobody can guess.
///
/// # Errors
///
/// The operating system returns none.
fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], Diagnostics> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| {
        let purpose = "the Secret of the feature store";
        vec![diagnostics::no_random_numbers(purpose, &error.to_string())]
    })?;
    Ok(bytes)
}
