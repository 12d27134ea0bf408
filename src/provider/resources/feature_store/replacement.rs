//! The check of a plan that replaces a feature store: whether the new one can be created.
//!
//! Terraform destroys the old feature store before it plans or applies the new one. So such a plan contacts the cluster,
//! as otherwise only a preflight does. It reports what an apply would report before its first write, and what the API
//! server rejects in a dry run of each object.
//!
//! Terraform plans a replacement with two requests. The first has a prior state, and its response names the attributes
//! that require the replacement. The second has no prior state, but the private data of the first response; only the
//! second shows that the user requested the replacement (`-replace`, `replace_triggered_by`). The private data of the
//! first response says whether the replacement was checked
//! ([`is_checked`](super::private_state::PrivateState::is_checked)), so each is checked once. Of the second response,
//! Terraform shows errors only: there is no warning of a requested replacement that could not be checked.
//!
//! Terraform plans a tainted feature store with one request that looks like that of a create. It is not checked:
//! Terraform sends the same request before a destroy, which an error would block. A preflight checks it as a create,
//! and only warns of the feature store that exists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::cluster::{self, CancellationToken, Cluster, Reason, StoreName};
use crate::feast::ownership::{Ownership, OwnershipEvent};
use crate::kubernetes::kind::Scope;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::{Diagnostic, Diagnostics, Path, Severity, Value};

use super::cluster_check::{Findings, Freed, check_create};
use super::plan::PlannedStore;
use super::prior_state::PriorState;
use super::user_sources::sources_errors;

/// The destruction of a feature store before a new one is created, under the same name or another one.
pub struct Replacement {
    /// `None` if the user requested the replacement: then it has the name of the new one.
    pub old: Option<Old>,
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
    pub async fn check(
        &self,
        planned: &PlannedStore,
        settings: &Settings,
        stop: &CancellationToken,
    ) -> Diagnostics {
        let Some(new) = &planned.store else {
            return vec![diagnostics::replacement_unknown(self.old())];
        };
        let cluster = match settings.cluster().await {
            Ok(cluster) => cluster,
            Err(diagnostic) => return vec![diagnostics::replacement_unchecked(new, &diagnostic)],
        };
        let freed = |live: &BTreeMap<Key, Json>, ownership: &Ownership| {
            let owner_id = self.owner_id.as_deref();
            let is_old = self.old.is_none()
                && ownership
                    .after(OwnershipEvent::DestroyStarts { owner_id })
                    .is_ok();
            Freed {
                is_same_store: is_old,
                objects: self.freed_objects(&cluster, new, live, is_old),
                quota: self.frees_quota(new),
            }
        };
        let checked = match check_create(&cluster, planned, new, freed, stop).await {
            Ok(found) => self.diagnostics(new, planned, found),
            Err(error) if error.reason.is_unanswered() => vec![unchecked(new, &error)],
            Err(error) => vec![self.rejected(&error)],
        };
        let explained = |diagnostic: Diagnostic| match diagnostic.severity {
            Severity::Error => diagnostics::replacement_rejected(self.old(), new, diagnostic),
            Severity::Warning => diagnostic,
        };
        checked.into_iter().map(explained).collect()
    }

    fn diagnostics(&self, new: &StoreName, planned: &PlannedStore, found: Findings) -> Diagnostics {
        let Findings {
            live,
            occupied,
            remote_store,
            diagnostics,
            missing,
            refused,
            unchecked: not_checked,
            ..
        } = found;
        let occupied = occupied.map(|occupied| {
            let error = diagnostics::already_exists(new, occupied, &live);
            error.at(self.attribute.clone())
        });
        let remote_store = remote_store.as_ref().map(diagnostics::remote_store_error);
        let missing = (planned.desired.as_ref())
            .map(|desired| sources_errors(desired, &missing, None))
            .unwrap_or_default();
        (occupied.into_iter())
            .chain(remote_store)
            .chain(diagnostics)
            .chain(missing)
            .chain(refused.iter().map(|error| self.rejected(error)))
            .chain(not_checked.first().map(|error| unchecked(new, error)))
            .collect()
    }

    /// Returns whether the destroy frees quota of the namespace of the new feature store.
    pub fn frees_quota(&self, new: &StoreName) -> bool {
        self.old().is_none_or(|old| old.namespace == new.namespace)
    }

    fn old(&self) -> Option<&StoreName> {
        self.old.as_ref().map(|old| &old.store)
    }

    /// Returns the objects that the destroy deletes before the create. With `is_old`, the feature store that exists
    /// under the new name is the one to be replaced.
    fn freed_objects(
        &self,
        cluster: &Cluster,
        new: &StoreName,
        live: &BTreeMap<Key, Json>,
        is_old: bool,
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
            None if is_old => {
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
