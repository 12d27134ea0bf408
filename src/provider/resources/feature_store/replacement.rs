//! The check of a plan that replaces a feature store: whether the new one can be created.
//!
//! Terraform destroys the old feature store before it plans or applies the new one. So this is the only plan that
//! contacts the cluster. It reports what an apply would report before its first write, and what the API server rejects in
//! a dry run of each object.
//!
//! Terraform plans a replacement with two requests. The first has a prior state, and its response names the attributes
//! that require the replacement. The second has no prior state, but the private data of the first response; only the
//! second shows that the user requested the replacement (`-replace`, `replace_triggered_by`). The response to a checked
//! request has no private data, so each replacement is checked once.
//!
//! Terraform plans a tainted feature store with one request that looks like that of a create. It is not checked:
//! Terraform sends the same request before a destroy, which an error would block.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::cluster::{self, CancellationToken, Cluster, Reason, StoreName, apply};
use crate::feast::names;
use crate::feast::ownership::{Event, Occupied, Ownership};
use crate::feast::secrets::resolve::Secrets;
use crate::feast::secrets::store_secret;
use crate::kubernetes::kind::Scope;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::{Diagnostic, Diagnostics, Path, Severity, Value};

use super::apply::{check_remote_registry, check_volume_group, sources_error};
use super::computed::Desired;
use super::prior_state::PriorState;

/// A feature store that is to be destroyed and created again, under the same name or another one.
pub struct Replacement {
    /// `None` if the user requested the replacement: then it has the name of the new one.
    pub old: Option<Old>,
    /// The new one; `None` while its name or namespace is unknown.
    pub new: Option<StoreName>,
    /// The new one; `None` while any value of its configuration is unknown.
    pub desired: Option<Desired>,
    /// The configuration of the new one in its serde form.
    pub configuration: Json,
    /// The attribute that requires the replacement, at which errors about the new name are reported.
    pub attribute: Path,
    /// The id of the create that the old one belongs to, if it is known.
    pub owner_id: Option<String>,
}

/// The old feature store, as the prior state describes it.
pub struct Old {
    store: StoreName,
    objects: BTreeSet<Key>,
    deletes_data: bool,
}

impl Replacement {
    /// Checks whether the new feature store can be created. Returns an error for each reason that prevents it, and a
    /// warning if it could not be checked.
    pub async fn check(&self, settings: &Settings, stop: &CancellationToken) -> Diagnostics {
        let Some(new) = &self.new else {
            return vec![diagnostics::replacement_unknown(self.old())];
        };
        let cluster = match settings.cluster().await {
            Ok(cluster) => cluster,
            Err(diagnostic) => return vec![diagnostics::replacement_unchecked(new, &diagnostic)],
        };
        let checked = match self.check_new(&cluster, new, stop).await {
            Ok(diagnostics) => diagnostics,
            Err(error) if error.reason.is_no_answer() => vec![unchecked(new, &error)],
            Err(error) => vec![self.rejected(&error)],
        };
        let explained = |diagnostic: Diagnostic| match diagnostic.severity {
            Severity::Error => diagnostics::replacement_rejected(self.old(), new, diagnostic),
            Severity::Warning => diagnostic,
        };
        checked.into_iter().map(explained).collect()
    }

    /// # Errors
    ///
    /// The error after which no further request makes sense: the namespace or the objects cannot be read.
    async fn check_new(
        &self,
        cluster: &Cluster,
        new: &StoreName,
        stop: &CancellationToken,
    ) -> Result<Diagnostics, cluster::Error> {
        cluster.check_namespace(&new.namespace, stop).await?;
        let main = names::main(&new.name);
        let manifests = match &self.desired {
            Some(desired) => desired.objects.manifests.clone(),
            // These exist whatever the unknown values are. Their content is unknown.
            None => [Kind::Secret, Kind::Deployment]
                .map(|kind| (Key::new(kind, &main), Json::Null))
                .into(),
        };
        let keys: BTreeSet<Key> = manifests.keys().cloned().collect();
        let live = cluster.read(new, &keys, stop).await?;
        let secret = live.get(&Key::new(Kind::Secret, &main));
        let ownership = Ownership::of(secret);
        let mut diagnostics = Diagnostics::new();
        if let Err(occupied) = self.check_available(&ownership, secret, cluster.now())
            && !self.is_old(&ownership)
        {
            let diagnostic = diagnostics::already_exists(new, occupied);
            diagnostics.push(diagnostic.at(self.attribute.clone()));
        }
        let manifests = match &self.desired {
            Some(desired) => {
                let registry = check_remote_registry(cluster, desired, stop).await;
                diagnostics.extend(registry.err().into_iter().flatten());
                let group = check_volume_group(cluster, desired, stop).await;
                diagnostics.extend(group.err().into_iter().flatten());
                let (manifests, unresolved) = resolved(cluster, new, desired, stop).await;
                diagnostics.extend(unresolved);
                manifests
            }
            None => manifests,
        };
        let checked = cluster
            .check_create(
                &live,
                &apply::Replacement {
                    store: new,
                    wanted: &manifests,
                    freed: &self.freed(cluster, new, &live, &ownership),
                    frees_quota: self.old().is_none_or(|old| old.namespace == new.namespace),
                },
                stop,
            )
            .await;
        diagnostics.extend(checked.refused.iter().map(|error| self.rejected(error)));
        diagnostics.extend(checked.unchecked.first().map(|error| unchecked(new, error)));
        Ok(diagnostics)
    }

    fn check_available(
        &self,
        ownership: &Ownership,
        secret: Option<&Json>,
        now: i64,
    ) -> Result<(), Occupied> {
        let is_same_configuration = store_secret::has_configuration(secret, &self.configuration);
        match ownership.check_available(is_same_configuration, now) {
            // While a value is unknown, so is whether the other create has the same configuration.
            Err(Occupied::DifferentConfig { .. }) if self.desired.is_none() => Ok(()),
            checked => checked,
        }
    }

    fn old(&self) -> Option<&StoreName> {
        self.old.as_ref().map(|old| &old.store)
    }

    /// Returns whether the feature store that exists under the new name is the one to be replaced.
    fn is_old(&self, ownership: &Ownership) -> bool {
        let owner_id = self.owner_id.as_deref();
        self.old.is_none() && ownership.after(Event::DestroyStarts { owner_id }).is_ok()
    }

    /// Returns the objects that the destroy deletes before the create.
    fn freed(
        &self,
        cluster: &Cluster,
        new: &StoreName,
        live: &BTreeMap<Key, Json>,
        ownership: &Ownership,
    ) -> BTreeSet<Key> {
        let mut freed: BTreeSet<Key> = match &self.old {
            Some(old) => {
                let is_same = old.store.namespace == new.namespace;
                let objects = old.objects.iter();
                objects
                    .filter(|key| is_same || key.kind.scope() == Scope::Cluster)
                    .cloned()
                    .collect()
            }
            None if self.is_old(ownership) => {
                let ours = live
                    .iter()
                    .filter(|(_, live)| cluster.is_ours(new, live, false));
                ours.map(|(key, _)| key.clone()).collect()
            }
            None => BTreeSet::new(),
        };
        let deletes_data = self.old.as_ref().is_some_and(|old| old.deletes_data);
        freed.retain(|key| deletes_data || key.kind != Kind::PersistentVolumeClaim);
        freed
    }

    /// Returns the diagnostic at the attribute that the error is about.
    fn rejected(&self, error: &cluster::Error) -> Diagnostic {
        let attribute = match &error.reason {
            Reason::NamespaceMissing(_)
            | Reason::NamespaceTerminating(_)
            | Reason::Forbidden { .. } => Path::of("namespace"),
            _ => self.attribute.clone(),
        };
        diagnostics::cluster_error("Cannot replace the feature store", error).at(attribute)
    }
}

impl Old {
    /// Returns `None` for a null prior state.
    pub fn of(prior: &PriorState<'_>) -> Option<Self> {
        Some(Self {
            store: prior.store_name()?,
            objects: prior.observed.keys().cloned().collect(),
            deletes_data: prior.value.attribute("delete_data") == &Value::Bool(true),
        })
    }
}

fn unchecked(new: &StoreName, error: &cluster::Error) -> Diagnostic {
    diagnostics::replacement_unchecked(new, &diagnostics::cluster_error("", error))
}

/// Returns the objects with the user's Secrets merged in. If that is not possible, returns them without, and why.
async fn resolved(
    cluster: &Cluster,
    new: &StoreName,
    desired: &Desired,
    stop: &CancellationToken,
) -> (BTreeMap<Key, Json>, Diagnostics) {
    let sources = desired.objects.sources();
    let namespace = &desired.store.namespace;
    let diagnostics = match cluster.contents(namespace, &sources, stop).await {
        Ok(contents) => {
            let secrets = Secrets {
                contents: &contents,
                // A dry run stores nothing, so any key will do.
                hash_key: &[0; 32],
                configuration: "",
            };
            match desired.objects.clone().resolve_secrets(&secrets) {
                Ok(resolved) => return (resolved.manifests, Vec::new()),
                Err(errors) => errors.iter().map(diagnostics::secret_error).collect(),
            }
        }
        Err(errors) => match errors.iter().find(|error| error.reason.is_no_answer()) {
            Some(error) => vec![unchecked(new, error)],
            None => sources_error(desired, &errors, None),
        },
    };
    (desired.objects.manifests.clone(), diagnostics)
}
