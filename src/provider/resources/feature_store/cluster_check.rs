//! The checks of a planned feature store against the cluster: what the cluster would refuse before and during the first
//! writes of an apply.
//!
//! A plan that replaces a feature store ([`replacement`](super::replacement)) and a preflight
//! ([`preflight`](super::preflight)) run all of them, an apply ([`apply`](super::apply)) only [`check_values`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::cluster::apply::{self, Checked, Writes};
use crate::cluster::{self, CancellationToken, Cluster, StoreName};
use crate::feast::names;
use crate::feast::ownership::{Occupied, Ownership};
use crate::feast::remote_store::RemoteStoreError;
use crate::feast::secrets::resolve::Secrets;
use crate::feast::secrets::store_secret;
use crate::feast::spec::Registry;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::schema::{Diagnostic, Diagnostics};

use super::desired_store::DesiredStore;
use super::manifests::Manifests;
use super::plan::PlannedStore;
use super::private_state::PrivateState;
use super::user_sources::present_contents;

/// The findings of a check.
#[derive(Default)]
pub struct Findings {
    /// The live objects.
    pub live: BTreeMap<Key, Json>,
    /// The manifests with the content of the user's Secrets, as far as it could be read. A null is an object of unknown
    /// content.
    pub manifests: BTreeMap<Key, Json>,
    /// The reason why the name of a new feature store is in use.
    pub occupied: Option<Occupied>,
    /// The reason why the registry of another feature store cannot be used. The same run can create or change that one.
    pub remote_store: Option<RemoteStoreError>,
    /// Errors and warnings about other values that do not fit the cluster.
    pub diagnostics: Diagnostics,
    /// The user's Secrets and ConfigMaps that cannot be read.
    pub missing: Vec<cluster::Error>,
    /// Errors that the writes would have.
    pub refused: Vec<cluster::Error>,
    /// Errors that prevented a check.
    pub unchecked: Vec<cluster::Error>,
    /// True if quota of the namespace becomes free before the writes.
    pub frees_quota: bool,
}

/// The objects and the quota that a destroy frees before the create.
#[derive(Default)]
pub struct Freed {
    /// True if the feature store that exists under the new name is the one to be destroyed.
    pub is_same_store: bool,
    pub objects: BTreeSet<Key>,
    /// True if quota of the namespace becomes free.
    pub quota: bool,
}

/// Checks whether a new feature store can be created.
///
/// # Errors
///
/// The error after which no further request makes sense: the namespace or the objects cannot be read.
pub async fn check_create(
    cluster: &Cluster,
    planned: &PlannedStore,
    new: &StoreName,
    freed: impl FnOnce(&BTreeMap<Key, Json>, &Ownership) -> Freed,
    stop: &CancellationToken,
) -> Result<Findings, cluster::Error> {
    cluster.check_namespace(&new.namespace, stop).await?;
    let manifests = manifests(planned, new);
    let keys: BTreeSet<Key> = manifests.keys().cloned().collect();
    let live = cluster.read(new, &keys, stop).await?;
    let secret = live.get(&store_secret::key(&new.name));
    let ownership = Ownership::of(secret);
    let freed = freed(&live, &ownership);
    let occupied = occupied(planned, &ownership, secret, cluster.now());
    let mut found = Findings {
        occupied: occupied.filter(|_| !freed.is_same_store),
        manifests,
        live,
        ..Findings::default()
    };
    if let Some(desired) = &planned.desired {
        found.check_desired(cluster, desired, stop).await;
    }
    let create = apply::PlannedCreate {
        store: new,
        wanted: &found.manifests,
        freed: &freed.objects,
        frees_quota: freed.quota,
    };
    let checked = cluster.check_create(&found.live, &create, stop).await;
    found.add(checked);
    Ok(found)
}

/// Checks whether an existing feature store can be updated. As an apply does, it takes the objects of the last refresh
/// for the ones that the user has seen, and values that admission has rewritten for applied.
///
/// # Errors
///
/// The same as for [`check_create`].
pub async fn check_update(
    cluster: &Cluster,
    planned: &PlannedStore,
    store: &StoreName,
    prior: &PrivateState,
    stop: &CancellationToken,
) -> Result<Findings, cluster::Error> {
    cluster.check_namespace(&store.namespace, stop).await?;
    let manifests = manifests(planned, store);
    let observed = prior.observed();
    let keys: BTreeSet<Key> = manifests.keys().chain(observed.keys()).cloned().collect();
    let live = cluster.read(store, &keys, stop).await?;
    let mut found = Findings {
        manifests,
        live,
        ..Findings::default()
    };
    if let Some(desired) = &planned.desired {
        found.check_desired(cluster, desired, stop).await;
    }
    prior
        .rewrites
        .restore_applied(&found.manifests, &mut found.live);
    let writes = Writes {
        store,
        manifests: &found.manifests,
        live: &found.live,
        prior: &observed,
    };
    let (blockers, checked) = tokio::join!(
        cluster.blockers(store, &found.manifests, &observed, &found.live, stop),
        cluster.check_writes(&writes, stop)
    );
    found.refused.extend(blockers);
    found.add(checked);
    Ok(found)
}

fn manifests(planned: &PlannedStore, store: &StoreName) -> Manifests {
    match &planned.desired {
        Some(desired) => desired.objects.manifests.clone(),
        // These exist whatever the unknown values are. Their content is unknown.
        None => [Kind::Secret, Kind::Deployment]
            .map(|kind| (Key::new(kind, names::main(&store.name)), Json::Null))
            .into(),
    }
}

/// Returns why a new feature store cannot have the name.
fn occupied(
    planned: &PlannedStore,
    ownership: &Ownership,
    secret: Option<&Json>,
    now: i64,
) -> Option<Occupied> {
    let is_same_configuration = store_secret::has_configuration(secret, &planned.configuration);
    match ownership.check_available(is_same_configuration, now) {
        // While a value is unknown, so is whether the other create has the same configuration.
        Err(Occupied::DifferentConfig { .. }) if planned.desired.is_none() => None,
        checked => checked.err(),
    }
}

impl Findings {
    fn add(&mut self, checked: Checked) {
        self.refused.extend(checked.refused);
        self.unchecked.extend(checked.unchecked);
    }

    /// Checks the values that only the cluster can judge, and merges the user's Secrets into the manifests.
    async fn check_desired(
        &mut self,
        cluster: &Cluster,
        desired: &DesiredStore,
        stop: &CancellationToken,
    ) {
        match check_remote_registry(cluster, desired, stop).await {
            Ok(unusable) => self.remote_store = unusable,
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
        let findings = check_openshift(cluster, desired, stop).await;
        self.diagnostics.extend(findings);
        let contents = match present_contents(cluster, desired, stop).await {
            Ok(contents) => contents,
            Err(errors) => {
                let (unchecked, missing): (Vec<_>, Vec<_>) =
                    (errors.into_iter()).partition(|error| error.reason.is_unanswered());
                self.unchecked.extend(unchecked);
                self.missing.extend(missing);
                return;
            }
        };
        let secrets = Secrets {
            contents: &contents,
            // A dry run stores nothing, so any key will do.
            hash_key: &[0; 32],
            configuration: "",
        };
        match desired.objects.clone().resolve_secrets(&secrets) {
            Ok(resolved) => self.manifests = resolved.manifests,
            Err(errors) => {
                let errors = errors.iter().map(diagnostics::secret_error);
                self.diagnostics.extend(errors);
            }
        }
    }
}

/// Returns an error for each value that does not fit the cluster, and a warning for each that can be one.
pub async fn check_values(
    cluster: &Cluster,
    desired: &DesiredStore,
    stop: &CancellationToken,
) -> Diagnostics {
    let unusable = match check_remote_registry(cluster, desired, stop).await {
        Ok(unusable) => unusable.as_ref().map(diagnostics::remote_store_error),
        Err(diagnostic) => Some(diagnostic),
    };
    let findings = check_openshift(cluster, desired, stop).await;
    unusable.into_iter().chain(findings).collect()
}

/// Returns an error or a warning for each value that does not fit OpenShift, or another cluster.
async fn check_openshift(
    cluster: &Cluster,
    desired: &DesiredStore,
    stop: &CancellationToken,
) -> Diagnostics {
    let store = &desired.store;
    let on_openshift = [
        // OpenShift refuses the pods, after the old ones have ended.
        (store.has_default_group()).then(diagnostics::group_on_openshift),
        // OpenShift refuses the pods of each run, after the apply has succeeded.
        (store.has_default_cron_job_user())
            .then(|| diagnostics::cron_job_user_on_openshift(&desired.store_name())),
    ];
    let on_openshift: Diagnostics = on_openshift.into_iter().flatten().collect();
    let elsewhere = Vec::from_iter(store.serving_certificates.then(diagnostics::not_openshift));
    if on_openshift.is_empty() && elsewhere.is_empty() {
        return Vec::new();
    }
    match cluster.is_openshift(stop).await {
        Some(true) => on_openshift,
        Some(false) => elsewhere,
        None => Vec::new(),
    }
}

/// Returns the reason why the registry of the feature store that the configuration names cannot be used. An account
/// that may not read the other namespace skips the check.
///
/// # Errors
///
/// The API server does not answer.
async fn check_remote_registry(
    cluster: &Cluster,
    desired: &DesiredStore,
    stop: &CancellationToken,
) -> Result<Option<RemoteStoreError>, Diagnostic> {
    let Registry::Remote(registry) = &desired.store.registry else {
        return Ok(None);
    };
    let Some(remote_store) = &registry.store else {
        return Ok(None);
    };
    let key = Key::new(Kind::Service, remote_store.service());
    match cluster.get(&remote_store.namespace, &key, stop).await {
        Ok(service) => Ok(remote_store.check_service(service.as_ref()).err()),
        Err(error) if error.is_forbidden() => Ok(None),
        Err(error) => {
            let summary = "Cannot check the remote registry";
            Err(diagnostics::cluster_error(summary, &error))
        }
    }
}
