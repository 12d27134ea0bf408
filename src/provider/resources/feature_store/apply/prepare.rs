//! The first half of an apply: everything that can reject it before the first write.

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
use crate::feast::ownership::{Ownership, OwnershipEvent};
use crate::feast::secrets::issued::issued;
use crate::feast::secrets::redaction::Redaction;
use crate::feast::secrets::resolve::{Resolved, Secrets};
use crate::feast::secrets::source::{Contents, Source};
use crate::feast::secrets::store_secret;
use crate::feast::spec::Registry;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::{Diagnostic, Diagnostics};

use super::super::data_loss;
use super::super::desired_store::DesiredStore;
use super::super::parse::parse_over;
use super::super::secret_drift;
use super::ApplyOperation;

/// The time for which an apply waits for missing Secrets and ConfigMaps, unless the timeout of the operation is shorter.
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
struct Existing {
    live: BTreeMap<Key, Json>,
    ownership: Ownership,
}

impl ApplyOperation<'_> {
    /// # Errors
    ///
    /// Everything that rejects the apply. Nothing was written.
    pub(super) async fn prepare(&self, settings: &Settings) -> Result<Prepared, Diagnostics> {
        self.prior.check_was_read().map_err(|error| vec![error])?;
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
        let cluster = settings.cluster().await.map_err(|error| vec![error])?;
        check_remote_registry(&cluster, &desired, self.stop).await?;
        check_volume_group(&cluster, &desired, self.stop).await?;
        check_openshift(&cluster, &desired, self.stop).await?;
        let owner_id = format!("{:032x}", u128::from_be_bytes(random()?));
        let read = || self.existing_objects(&cluster, &desired, &parsed.json, &owner_id);
        // Ownership can reject the apply, so it is checked before the wait for the user's Secrets.
        let mut existing = read().await?;
        let read_at = Instant::now();
        let (contents, missing) = self.contents(&cluster, &desired).await?;
        if read_at.elapsed() >= MAX_AGE {
            existing = read().await?;
        }
        let configuration = parsed.json.to_string();
        let secret = Key::new(Kind::Secret, names::main(&desired.store.name));
        let secret = existing.live.get(&secret);
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
        let resolved = resolve(&desired, &inputs, &existing.ownership, &existing.live)?;
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
        Ok(Prepared {
            awaited,
            cluster,
            store: desired.store_name(),
            desired,
            resolved,
            live: existing.live,
        })
    }

    /// Reads the live objects and decides about the ownership of the feature store. `owner_id` is the id of a create,
    /// or of an update without an id in its private state.
    async fn existing_objects(
        &self,
        cluster: &Cluster,
        desired: &DesiredStore,
        configuration: &Json,
        owner_id: &str,
    ) -> Result<Existing, Diagnostics> {
        let store = desired.store_name();
        let manifests = &desired.objects.manifests;
        let keys = manifests.keys().chain(self.prior.observed.keys());
        let keys: BTreeSet<Key> = keys.cloned().collect();
        let live = cluster.read_before_apply(&store, &keys, self.is_create(), self.stop);
        let live = live.await.map_err(|error| preparation_errors(&[error]))?;
        let secret = live.get(&Key::new(Kind::Secret, names::main(&store.name)));
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
                true => diagnostics::already_exists(&store, occupied),
                false => diagnostics::not_updated(&store),
            }]
        })?;
        Ok(Existing { live, ownership })
    }

    /// Reads the user's Secrets and ConfigMaps. Waits for missing ones, because another operator can create them within
    /// seconds. Returns separately those that exist only after this apply has written objects.
    async fn contents(
        &self,
        cluster: &Cluster,
        desired: &DesiredStore,
    ) -> Result<(Contents, BTreeSet<Source>), Diagnostics> {
        let timeout = SOURCES_TIMEOUT.min(self.timeout(desired));
        let namespace = &desired.store.namespace;
        let (sources, later) = sources(desired);
        let (issued, missing) = (cluster.contents_so_far(namespace, later, self.stop).await)
            .map_err(|errors| sources_errors(desired, &errors, None))?;
        let is_incomplete = |contents: &Contents| {
            let mut contents = with_placeholders(contents.clone(), &missing);
            contents.extend(issued.clone());
            let resolved = desired.objects.clone().resolve_secrets(&Secrets {
                contents: &contents,
                hash_key: &[],
                configuration: "",
            });
            let is_missing = |error: &SecretError| {
                matches!(
                    error.problem,
                    SecretProblem::Missing | SecretProblem::NoDiscoveryUrl
                )
            };
            resolved.is_err_and(|errors| errors.iter().all(is_missing))
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

/// Returns the Secrets and ConfigMaps to read: those that exist before the apply, and those that objects of the feature
/// store ask another controller for.
fn sources(desired: &DesiredStore) -> (BTreeSet<Source>, BTreeSet<Source>) {
    let issued = issued(&desired.objects.manifests);
    let sources = desired.objects.sources().into_iter();
    sources.partition(|source| !issued.contains_key(&source.object()))
}

/// Adds a placeholder for each missing certificate, so that everything else can be checked before the first write.
fn with_placeholders(mut contents: Contents, missing: &BTreeSet<Source>) -> Contents {
    for source in missing {
        let key = source.key().unwrap_or_default().to_owned();
        let values = BTreeMap::from([(key, "not issued yet".to_owned())]);
        contents.insert(source.clone(), values);
    }
    contents
}

/// Reads the Secrets and ConfigMaps once, with placeholders for those that another controller creates after the apply
/// has begun.
///
/// # Errors
///
/// One error for each source that is missing or cannot be read.
pub async fn present_contents(
    cluster: &Cluster,
    desired: &DesiredStore,
    stop: &CancellationToken,
) -> Result<Contents, Vec<cluster::Error>> {
    let namespace = &desired.store.namespace;
    let (sources, later) = sources(desired);
    let (issued, missing) = cluster.contents_so_far(namespace, later, stop).await?;
    let contents = cluster.contents(namespace, &sources, stop).await?;
    let mut contents = with_placeholders(contents, &missing);
    contents.extend(issued);
    Ok(contents)
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

/// Checks that the registry of the feature store that the configuration names is served. An account that may not read
/// the other namespace skips the check.
pub async fn check_remote_registry(
    cluster: &Cluster,
    desired: &DesiredStore,
    stop: &CancellationToken,
) -> Result<(), Diagnostics> {
    let Registry::Remote(registry) = &desired.store.registry else {
        return Ok(());
    };
    let Some(remote_store) = &registry.store else {
        return Ok(());
    };
    let key = Key::new(Kind::Service, remote_store.service());
    let service = match cluster.get(&remote_store.namespace, &key, stop).await {
        Ok(service) => service,
        Err(error) if matches!(error.reason, Reason::Forbidden { .. }) => return Ok(()),
        Err(error) => {
            let summary = "Cannot check the remote registry";
            return Err(vec![diagnostics::cluster_error(summary, &error)]);
        }
    };
    let checked = remote_store.check_service(service.as_ref());
    checked.map_err(|error| vec![diagnostics::remote_store_error(&error)])
}

/// Checks that the cluster accepts the default group of volumes. OpenShift refuses the pods, after the old ones have
/// ended.
pub async fn check_volume_group(
    cluster: &Cluster,
    desired: &DesiredStore,
    stop: &CancellationToken,
) -> Result<(), Diagnostics> {
    match desired.store.has_default_group() && cluster.is_openshift(stop).await == Some(true) {
        true => Err(vec![diagnostics::group_on_openshift()]),
        false => Ok(()),
    }
}

/// Checks that a feature store with certificates of OpenShift is in an OpenShift cluster.
pub async fn check_openshift(
    cluster: &Cluster,
    desired: &DesiredStore,
    stop: &CancellationToken,
) -> Result<(), Diagnostics> {
    match desired.store.serving_certificates && cluster.is_openshift(stop).await == Some(false) {
        true => Err(vec![diagnostics::not_openshift()]),
        false => Ok(()),
    }
}

fn preparation_errors(errors: &[cluster::Error]) -> Diagnostics {
    let summary = "Cannot prepare the feature store";
    (errors.iter())
        .map(|error| diagnostics::cluster_error(summary, error))
        .collect()
}

/// Returns a diagnostic for each of the user's Secrets and ConfigMaps that cannot be read, at the attribute that names
/// it. `waited` is how long the apply has waited for missing ones.
pub fn sources_errors(
    desired: &DesiredStore,
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
    let complete = |(mut diagnostic, error): (Diagnostic, &cluster::Error)| {
        if let Some(waited) = waited {
            diagnostic.detail.push_str(&format!(
                " The apply waited {} s for it, in case an operator creates it.",
                waited.as_secs()
            ));
        }
        match attribute(error) {
            Some(path) => diagnostic.at(path),
            None => diagnostic,
        }
    };
    let diagnostics = preparation_errors(errors).into_iter();
    diagnostics.zip(errors).map(complete).collect()
}
