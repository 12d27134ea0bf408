//! Applies the objects of a feature store, tier by tier, by server-side apply.
//!
//! The order of steps:
//!
//! 1. An object that has a desired name and belongs to somebody else stops the apply before the first write. In an
//!    update, so does an object whose dry run the API server rejects ([`dry_run`]).
//! 2. Objects of the Feast operator that the state contains are taken over ([`take_over`]).
//! 3. Prerequisites, in parallel: pods need them to start. Certificates that other controllers issue for them are
//!    awaited ([`certificates`]): by a create after them, and by an update before them.
//! 4. The Job that prepares the rollout, unless it has succeeded for this configuration. No pod is changed before it
//!    has. In an update, neither is the way in which clients reach the running pods: such changes of Services and other
//!    objects follow the Job ([`update`]).
//! 5. If the Deployment gets a fixed replica count, autoscalers that are no longer desired are deleted, because they
//!    would change the count again.
//! 6. The Deployment; before it, where needed, [`handover`] of the replica count and of the strategy. After an
//!    autoscaler was deleted, the Deployment is applied again as long as the autoscaler's controller changes the count.
//! 7. The autoscaler. One of another kind is deleted just before: two must not scale one Deployment, and KEDA rejects a
//!    second one.
//! 8. Objects that are no longer desired are deleted last. What the previous pods can still use is only deleted by
//!    [`Cluster::prune_after_rollout`].
//!
//! A create applies the objects that can exist without the Deployment before it, so that it can be undone if one of
//! them is refused ([`undo`]). If there is a Job, the Deployment is checked by a dry run before the Job runs.
//!
//! # Guarantees
//!
//! - An apply never lowers the replica count unless the configuration sets a lower one.
//! - Nothing is deleted while anything before has failed, so that existing objects keep working.
//! - Objects that already have the desired fields, owned by the configured field manager, are not sent.
//! - A field that another manager has applied is not taken, unless conflicts are forced. A field that was changed by an
//!   update is taken only if it still has the value of the plan ([`object`]).
//! - A write whose answer was lost counts as possibly done: the object is part of the outcome.
//! - A create that the API server refuses can be undone ([`undo`]).
//!
//! # Assumptions
//!
//! The caller has read the live objects with [`Cluster::read_before_apply`]. Each write that depends on what was read
//! has the object's version or UID as a precondition, so that the objects can be older than the apply.
//!
//! # Errors
//!
//! `Err` means that nothing was written. An error after the first write is part of [`Outcome::errors`], and all objects
//! of the same tier are tried.

mod blockers;
mod certificates;
mod conflict;
mod create;
mod dry_run;
mod handover;
mod job;
mod object;
mod outcome;
mod prune;
mod reclaim;
mod replace;
mod take_over;
mod undo;
mod update;
mod write_owner;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem::discriminant;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use certificates::PendingCertificates;
pub use dry_run::{Checked, PlannedCreate, Writes};
pub use object::{immutable_change, to_apply_body};
pub use outcome::Outcome;
pub use undo::Undone;

use object::{Created, Writer};

use super::error::{Error, LabeledOwner, Reason, Verb};
use super::operator;
use super::resource::Resource;
use super::rollout::Wait;
use super::{Cluster, PvcPolicy, StoreName};
use crate::feast::names::{self, MANAGED_BY_LABEL, NAME_LABEL, NAMESPACE_LABEL};
use crate::feast::objects::Objects;
use crate::feast::secrets::resolve::Resolved;
use crate::kubernetes::diff::is_applied;
use crate::kubernetes::kind::{Key, Kind, Removal, Tier};

/// The time after which the webhook of KEDA no longer has a deleted autoscaler in its cache.
const WEBHOOK_CACHE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before an autoscaler that the webhook has denied is applied again.
const WEBHOOK_CACHE_PAUSE: Duration = Duration::from_millis(500);

/// The number of attempts of a write that depends on the version of an object. During a rollout, the status changes the
/// version of a Deployment often.
const ATTEMPTS: usize = 20;

/// The desired state of one feature store, and the rules for reaching it.
#[derive(Clone, Copy)]
pub struct DesiredState<'a> {
    pub store: &'a StoreName,
    /// All objects of the feature store.
    pub objects: &'a Objects<Resolved>,
    /// The manifests of the prior state, which the plan has shown to the user; empty for a create. These objects belong
    /// to the feature store even if somebody has removed their labels.
    pub prior: &'a BTreeMap<Key, Json>,
    pub pvc_policy: &'a PvcPolicy,
    /// The end of the time for the deletion of objects that are created again, which have at least a minute.
    pub deadline: Instant,
    /// The wait for the Job that prepares the rollout; `None` only starts the Job.
    pub wait_for_job: Option<Wait<'a>>,
}

impl<'a> DesiredState<'a> {
    /// Returns the writes over these live objects.
    fn writes(&self, live: &'a BTreeMap<Key, Json>) -> Writes<'a> {
        Writes {
            store: self.store,
            manifests: &self.objects.manifests,
            live,
            prior: self.prior,
        }
    }

    /// Returns whether the prior state has no objects.
    fn is_create(&self) -> bool {
        self.prior.is_empty()
    }

    fn writer(&self, cluster: &'a Cluster, cancel: &'a CancellationToken) -> Writer<'a> {
        Writer {
            cluster,
            store: self.store,
            prior: self.prior,
            dry_run: false,
            cancel,
        }
    }
}

impl Cluster {
    /// Applies the desired state over the live objects of [`Cluster::read_before_apply`]. `certificates` are
    /// those that do not exist yet.
    ///
    /// # Errors
    ///
    /// Objects of others have desired names, the cluster lacks an API, or the API server refuses a change of an update
    /// or does not answer. Nothing was written.
    pub async fn apply<'a>(
        &'a self,
        live: BTreeMap<Key, Json>,
        desired: &DesiredState<'a>,
        certificates: Option<PendingCertificates<'a>>,
        cancel: &'a CancellationToken,
    ) -> Result<Outcome, Vec<Error>> {
        let DesiredState {
            store,
            objects,
            prior,
            ..
        } = *desired;
        let manifests = &objects.manifests;
        let blockers = self.blockers(store, manifests, prior, &live, cancel);
        let blockers = blockers.await;
        if !blockers.is_empty() {
            return Err(blockers);
        }
        let writes = desired.writes(&live);
        let refused = match desired.is_create() {
            true => self.unstored_fields(&writes, cancel).await,
            false => self.check_update(&writes, cancel).await,
        };
        if !refused.is_empty() {
            return Err(refused);
        }
        let is_of_store = |(key, live): &(Key, Json)| self.may_change(store, prior, key, live);
        let applier = Applier {
            cluster: self,
            desired: *desired,
            certificates,
            writer: desired.writer(self, cancel),
            cancel,
            outcome: Outcome {
                objects: live.into_iter().filter(is_of_store).collect(),
                ..Outcome::default()
            },
        };
        // On the heap, because it is the largest part of the future of an apply.
        Ok(Box::pin(applier.run()).await)
    }

    /// Returns whether the live object belongs to the feature store, or to the Feast operator and to the prior state. A
    /// create never takes over an object of the operator.
    fn may_change(
        &self,
        store: &StoreName,
        prior: &BTreeMap<Key, Json>,
        key: &Key,
        live: &Json,
    ) -> bool {
        let was_applied = prior.contains_key(key);
        self.is_ours(store, live, was_applied)
            || (was_applied && operator::is_managed_by_operator(live, store))
    }

    pub(super) fn object_error(
        &self,
        verb: Verb,
        store: &StoreName,
        key: &Key,
        reason: Reason,
    ) -> Error {
        let resource = Resource::from(key.kind);
        self.error(verb, resource, &store.namespace, Some(&key.name), reason)
    }
}

/// Returns the owner that the labels of the object name.
pub(super) fn owner(live: &Json) -> LabeledOwner {
    let labels = &live["metadata"]["labels"];
    let store = labels[NAME_LABEL].as_str().map(|store| {
        let namespace = labels[NAMESPACE_LABEL].as_str();
        namespace.map_or(store.to_owned(), |namespace| format!("{namespace}/{store}"))
    });
    LabeledOwner {
        store,
        manager: labels[MANAGED_BY_LABEL].as_str().map(str::to_owned),
    }
}

/// Returns whether the API server refuses the object because it is a binding whose role does not exist. An account
/// without the verb `bind` can write a binding only if it has the permissions of the role, which must exist for that.
fn lacks_role(key: &Key, reason: &Reason) -> bool {
    matches!(key.kind, Kind::RoleBinding | Kind::ClusterRoleBinding)
        && matches!(reason, Reason::Rejected { code: 404, .. })
}

/// Returns whether running pods can need the object. Without a NetworkPolicy, they have more traffic and not less.
fn is_used_by_pods(key: &Key) -> bool {
    key.kind.removal() == Removal::AfterPods && key.kind != Kind::NetworkPolicy
}

fn is_autoscaler(key: &Key) -> bool {
    key.kind.tier() == Tier::Autoscaler
}

pub(super) fn is_terminating(live: &Json) -> bool {
    !live["metadata"]["deletionTimestamp"].is_null()
}

/// The result of applying one object, with the new live object.
enum Written {
    /// It already had the desired state.
    Unchanged,
    Changed(Json),
    /// It did not exist.
    Created(Json),
}

/// An apply in progress.
struct Applier<'a> {
    cluster: &'a Cluster,
    desired: DesiredState<'a>,
    certificates: Option<PendingCertificates<'a>>,
    writer: Writer<'a>,
    cancel: &'a CancellationToken,
    outcome: Outcome,
}

impl Applier<'_> {
    /// Writes the objects, in the order of the module documentation.
    async fn run(mut self) -> Outcome {
        self.take_over().await;
        if self.desired.is_create() {
            let store = self.desired.store.clone();
            self.cluster.created().insert(store);
            self.apply_before_deployment().await;
        } else {
            self.prepare_update().await;
        }
        if self.sets_replicas() {
            self.prune(is_autoscaler).await;
        }
        // A create has applied its autoscaler by now.
        let Outcome {
            changed, objects, ..
        } = &self.outcome;
        let is_deleted = |key: &Key| is_autoscaler(key) && !objects.contains_key(key);
        let has_deleted_autoscaler = changed.iter().any(is_deleted);
        self.apply_tier(Tier::Workload).await;
        if has_deleted_autoscaler {
            self.settle_replicas().await;
        }
        self.prune(is_autoscaler).await;
        self.apply_autoscaler().await;
        self.prune(|key| !is_used_by_pods(key)).await;
        self.defer_removals();
        self.outcome
    }

    /// Returns whether the next step can begin.
    fn ok_so_far(&self) -> bool {
        self.outcome.errors.is_empty()
    }

    fn manifests(&self) -> &BTreeMap<Key, Json> {
        &self.desired.objects.manifests
    }

    /// Returns whether the manifest of the feature servers sets the replica count.
    fn sets_replicas(&self) -> bool {
        let key = Key::new(Kind::Deployment, names::main(&self.desired.store.name));
        let manifest = self.manifests().get(&key);
        manifest.is_some_and(|manifest| manifest["spec"].get("replicas").is_some())
    }

    async fn apply_tier(&mut self, tier: Tier) {
        self.apply_matching(|key| key.kind.tier() == tier).await;
    }

    /// Applies the autoscaler. The webhook of KEDA rejects a ScaledObject for a Deployment that has another autoscaler,
    /// and can still have one in its cache that was just deleted.
    async fn apply_autoscaler(&mut self) {
        let mut keys = self.manifests().keys();
        let is_custom = keys.any(|key| is_autoscaler(key) && key.kind.is_custom());
        let is_replacement = is_custom && self.outcome.changed.iter().any(is_autoscaler);
        let deadline = Instant::now() + WEBHOOK_CACHE_TIMEOUT;
        let is_denied = |error: &Error| matches!(error.reason, Reason::Denied { .. });
        loop {
            self.apply_tier(Tier::Autoscaler).await;
            let is_retried =
                is_replacement && Instant::now() < deadline && !self.cancel.is_cancelled();
            if !is_retried || !self.outcome.errors.iter().any(is_denied) {
                return;
            }
            self.outcome.errors.retain(|error| !is_denied(error));
            tokio::time::sleep(WEBHOOK_CACHE_PAUSE).await;
        }
    }

    /// Applies the selected objects in parallel. A failure does not stop the others. A binding that the API server has
    /// refused because its role did not exist yet is applied again after the others.
    async fn apply_matching(&mut self, selected: impl Fn(&Key) -> bool) {
        if !self.ok_so_far() {
            return;
        }
        let manifests = &self.desired.objects.manifests;
        let selected = manifests.iter().filter(|(key, _)| selected(key)).collect();
        let mut early = Vec::new();
        for (key, result) in self.apply_all(selected).await {
            match result {
                Err(error) if lacks_role(key, &error.reason) => early.push((key, &manifests[key])),
                result => self.note_result(key, result),
            }
        }
        for (key, result) in self.apply_all(early).await {
            self.note_result(key, result);
        }
    }

    async fn apply_all<'k>(
        &self,
        manifests: Vec<(&'k Key, &'k Json)>,
    ) -> Vec<(&'k Key, Result<Written, Error>)> {
        let applied = manifests.into_iter().map(|(key, manifest)| async move {
            let live = self.outcome.objects.get(key);
            (key, self.apply_object(key, manifest, live).await)
        });
        join_all(applied).await
    }

    fn note_result(&mut self, key: &Key, result: Result<Written, Error>) {
        match result {
            Ok(written) => {
                self.note_write(key, written);
                self.note_differences(key);
            }
            Err(error) => self.note_failure(key, error),
        }
    }

    fn note_write(&mut self, key: &Key, written: Written) {
        let live = match written {
            Written::Unchanged => return,
            Written::Changed(live) => live,
            Written::Created(live) => {
                self.outcome.created.insert(key.clone());
                live
            }
        };
        self.outcome.objects.insert(key.clone(), live);
        self.outcome.changed.insert(key.clone());
    }

    /// Notes the fields in which an applied object differs from its manifest.
    fn note_differences(&mut self, key: &Key) {
        let (Some(manifest), Some(live)) =
            (self.manifests().get(key), self.outcome.objects.get(key))
        else {
            return;
        };
        let body = to_apply_body(key, manifest);
        let differences = self.writer.differences(key, &body, live);
        if differences.is_empty() {
            self.outcome.differences.remove(key);
        } else {
            self.outcome.differences.insert(key.clone(), differences);
        }
    }

    /// Notes that an object could not be written. If the write may have been done, the object is part of the outcome;
    /// the next refresh shows whether it exists.
    fn note_failure(&mut self, key: &Key, error: Error) {
        if error.maybe_done {
            let manifest = self.manifests()[key].clone();
            self.outcome.objects.entry(key.clone()).or_insert(manifest);
        }
        push_error(&mut self.outcome.errors, error);
    }

    async fn apply_object(
        &self,
        key: &Key,
        manifest: &Json,
        live: Option<&Json>,
    ) -> Result<Written, Error> {
        let body = to_apply_body(key, manifest);
        let mut live = live.map(Cow::Borrowed);
        loop {
            if let Some(old) = &live
                && self.delete_for_replacement(key, &body, old).await?
            {
                live = None;
            }
            match live {
                Some(live) => return self.update(key, body.into_owned(), live).await,
                None => match self.create(key, &body).await? {
                    Created::New(object) => return Ok(Written::Created(object)),
                    Created::Existing(object) => live = Some(Cow::Owned(object)),
                },
            }
        }
    }

    /// Changes an object that exists. An object that only the create has found is new to the outcome, changed or not.
    async fn update(&self, key: &Key, body: Json, live: Cow<'_, Json>) -> Result<Written, Error> {
        let live = self.writer.reclaim(key, &body, live).await?;
        if is_applied(&body, &live, &self.cluster.options().field_manager) {
            return Ok(match live {
                Cow::Borrowed(_) => Written::Unchanged,
                Cow::Owned(found) => Written::Changed(found),
            });
        }
        if key.kind == Kind::Secret && self.desired.is_create() {
            let written = (self.cluster).write_owner(self.desired.store, &live, &body, self.cancel);
            return written.await.map(Written::Changed);
        }
        if key.kind == Kind::Deployment {
            self.release_fields(key, &body, &live).await?;
        }
        let sent = self.writer.send_apply(key, body, live).await;
        sent.map(Written::Changed)
    }
}

/// Adds an error. An error about the server, the account or the namespace is reported once.
fn push_error(errors: &mut Vec<Error>, error: Error) {
    let is_same = |other: &Error| discriminant(&other.reason) == discriminant(&error.reason);
    if error.is_about_one_object() || !errors.iter().any(is_same) {
        errors.push(error);
    }
}

#[cfg(test)]
mod tests;
