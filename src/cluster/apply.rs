//! Bringing a store's objects to what is wanted: in tiers, by server-side apply, and without ever
//! letting the replica count fall on the way.
//!
//! The order, and why:
//!
//! 1. Read what is there. An object of a wanted name that is not ours stops everything, before the
//!    first write.
//! 2. What a state knows and is the Feast operator's is taken over ([`take_over`]).
//! 3. Prerequisites, in parallel: a pod needs them to start.
//! 4. The Job that prepares the rollout, unless it has been done for this configuration. While it has not
//!    succeeded, no pod is touched.
//! 5. When the Deployment gets a fixed number of replicas, an autoscaler that is no longer wanted goes
//!    first, or it would move the number again.
//! 6. The Deployment; before it, where needed, [`handover`] of the replica count and the strategy.
//!    After an autoscaler has gone, again as long as its controller still moves the number.
//! 7. The autoscaler: it finds a Deployment whose count is nobody's (or its own) to change. One of another
//!    kind goes just before: no two may move one Deployment, and KEDA refuses to be the second.
//! 8. What is no longer wanted, last: while anything before has failed, the old still works.
//!
//! Objects that are already as wanted, and owned as wanted, are not sent.

mod api;
mod conflict;
mod dry_run;
mod handover;
mod job;
mod object;
mod prune;
mod reclaim;
mod take_over;
mod write_owner;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::mem::discriminant;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use dry_run::{Checked, Replacement};
pub use object::to_apply_body;

use object::Created;

use super::delete::StalledDeletion;
use super::drift::changes::Change;
use super::error::{Error, LabelledOwner, Reason, Verb};
use super::operator;
use super::resource::Resource;
use super::rollout::Wait;
use super::watch::Unfinished;
use super::{Cluster, PvcPolicy, StoreName};
use crate::feast::names::{self, MANAGED_BY_LABEL, NAME_LABEL, NAMESPACE_LABEL};
use crate::feast::objects::{Key, Kind};
use crate::kubernetes::kind::Tier;

/// How long an object of the same name that is still being deleted is waited for.
const DELETION_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a write is judged again and repeated when the object has another version by then: a Deployment's status
/// changes its version often during a rollout.
const ATTEMPTS: usize = 20;

/// What is wanted of one store.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub store: &'a StoreName,
    pub wanted: &'a BTreeMap<Key, Json>,
    /// What the last state holds, as the plan has shown it to the user. Found again even where someone has
    /// taken the labels off.
    pub known: &'a BTreeMap<Key, Json>,
    /// What becomes of claims that are no longer wanted.
    pub claims: &'a PvcPolicy,
    /// What others changed by plain update is undone, as far as `known` has it: so the user has seen it.
    pub repair_drift: bool,
    /// How long the Job of the preparation is waited for; `None`: it is only started.
    pub wait_for_job: Option<Wait<'a>>,
}

/// What exists after an apply, whether or not all of it succeeded.
#[derive(Default)]
pub struct Outcome {
    /// Every object of the store, as it is now.
    pub exists: BTreeMap<Key, Json>,
    /// What was the Feast operator's before.
    pub taken_over: BTreeSet<Key>,
    /// What was written or deleted.
    pub changed: BTreeSet<Key>,
    /// Claims that are no longer wanted and were kept for their data.
    pub kept: Vec<Key>,
    /// The fields in which the API server's answers differ from what was applied, by object: a field that is wanted
    /// and has another value, and one that is no longer wanted (`wanted` is `None`) and that another manager keeps.
    pub unsettled: BTreeMap<Key, Vec<Change>>,
    /// What failed. Empty: the store is as wanted.
    pub errors: Vec<Error>,
}

/// Names only: among the objects is a Secret.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("exists", &self.exists.keys())
            .field("taken_over", &self.taken_over)
            .field("changed", &self.changed)
            .field("kept", &self.kept)
            .field("unsettled", &self.unsettled.keys())
            .field("errors", &self.errors)
            .finish()
    }
}

impl Cluster {
    /// Brings the store's objects to what is wanted, from what [`Cluster::read_before_apply`] has found. `Err` means
    /// that nothing was written.
    pub async fn apply(
        &self,
        live: BTreeMap<Key, Json>,
        plan: &Plan<'_>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Vec<Error>> {
        let foreign = self.foreign(plan, &live);
        if !foreign.is_empty() {
            return Err(foreign);
        }
        let absent = self.absent_apis(plan, &live, cancel).await;
        if !absent.is_empty() {
            return Err(absent);
        }
        let mut run = Run {
            cluster: self,
            plan,
            cancel,
            outcome: Outcome {
                exists: live
                    .into_iter()
                    .filter(|(key, live)| self.may_change(plan, key, live))
                    .collect(),
                ..Outcome::default()
            },
        };
        run.take_over().await;
        if plan.known.is_empty() {
            // Of two creates at once, the one that makes the Secret goes on.
            run.all(|key| key.kind == Kind::Secret).await;
        }
        run.tier(Tier::Prerequisites).await;
        run.prepare().await;
        if run.sets_replicas() {
            run.prune(moves_replicas).await;
        }
        let took_over = run.outcome.changed.iter().any(moves_replicas);
        run.tier(Tier::Workload).await;
        if took_over {
            run.settle_replicas().await;
        }
        run.prune(moves_replicas).await;
        run.tier(Tier::Autoscaler).await;
        run.prune(|_| true).await;
        Ok(run.outcome)
    }

    /// Whether the object is ours, or the Feast operator's and known to the state: a create never takes
    /// one over.
    fn may_change(&self, plan: &Plan<'_>, key: &Key, live: &Json) -> bool {
        let known = plan.known.contains_key(key);
        self.is_ours(plan.store, live, known) || (known && operator::is_operated(live, plan.store))
    }

    /// Objects in the place of wanted ones that are not ours to change.
    fn foreign(&self, plan: &Plan<'_>, live: &BTreeMap<Key, Json>) -> Vec<Error> {
        let wanted = plan.wanted.keys();
        let occupied = wanted.filter_map(|key| Some((key, live.get(key)?)));
        occupied
            .filter(|(key, live)| !self.may_change(plan, key, live))
            .map(|(key, live)| {
                let reason = match is_terminating(live) {
                    true => Reason::Terminating(Box::new(StalledDeletion::new(
                        key,
                        &plan.store.namespace,
                        live,
                        None,
                        None,
                    ))),
                    false => Reason::Foreign { owner: owner(live) },
                };
                self.object_error(Verb::Apply, plan.store, key, reason)
            })
            .collect()
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

/// The owner of the object, as far as its labels name one.
fn owner(live: &Json) -> LabelledOwner {
    let labels = &live["metadata"]["labels"];
    let store = labels[NAME_LABEL].as_str().map(|store| {
        let namespace = labels[NAMESPACE_LABEL].as_str();
        namespace.map_or(store.to_owned(), |namespace| format!("{namespace}/{store}"))
    });
    LabelledOwner {
        store,
        manager: labels[MANAGED_BY_LABEL].as_str().map(str::to_owned),
    }
}

fn moves_replicas(key: &Key) -> bool {
    key.kind.tier() == Tier::Autoscaler
}

pub(super) fn is_terminating(live: &Json) -> bool {
    !live["metadata"]["deletionTimestamp"].is_null()
}

/// One apply on its way.
struct Run<'a> {
    cluster: &'a Cluster,
    plan: &'a Plan<'a>,
    cancel: &'a CancellationToken,
    outcome: Outcome,
}

impl Run<'_> {
    /// Whether the next step may be begun.
    fn goes_on(&self) -> bool {
        self.outcome.errors.is_empty()
    }

    /// Of the servers' pods, which alone an autoscaler moves.
    fn sets_replicas(&self) -> bool {
        let key = Key::new(Kind::Deployment, names::main(&self.plan.store.name));
        let wanted = self.plan.wanted.get(&key);
        wanted.is_some_and(|manifest| manifest["spec"].get("replicas").is_some())
    }

    async fn tier(&mut self, tier: Tier) {
        self.all(|key| key.kind.tier() == tier).await;
    }

    /// Applies the selected wanted objects in parallel. All of them are tried, whatever fails.
    async fn all(&mut self, selected: impl Fn(&Key) -> bool) {
        if !self.goes_on() {
            return;
        }
        let wanted = self.plan.wanted.iter().filter(|(key, _)| selected(key));
        let run = &*self;
        let applied = join_all(wanted.map(|(key, manifest)| async move {
            let live = run.outcome.exists.get(key);
            (key, run.one(key, manifest, live).await)
        }))
        .await;
        for (key, result) in applied {
            match result {
                Ok(None) => self.compare(key),
                Ok(Some(live)) => {
                    self.outcome.exists.insert(key.clone(), live);
                    self.outcome.changed.insert(key.clone());
                    self.compare(key);
                }
                Err(error) => self.not_written(key, error),
            }
        }
    }

    /// Notes in what the object differs from what was wanted, now that it has been applied.
    fn compare(&mut self, key: &Key) {
        let (Some(wanted), Some(live)) = (self.plan.wanted.get(key), self.outcome.exists.get(key))
        else {
            return;
        };
        let differences = self.differences(key, &object::to_apply_body(key, wanted), live);
        if differences.is_empty() {
            self.outcome.unsettled.remove(key);
        } else {
            self.outcome.unsettled.insert(key.clone(), differences);
        }
    }

    /// Notes that an object could not be written, as far as that is known: what may exist all the same must
    /// not be forgotten. The next refresh tells.
    fn not_written(&mut self, key: &Key, error: Error) {
        if error.maybe_done {
            let wanted = &self.plan.wanted[key];
            let exists = self.outcome.exists.entry(key.clone());
            exists.or_insert_with(|| wanted.clone());
        }
        // What is true of the server or of the namespace is said once.
        let known = self.outcome.errors.iter();
        let mut same =
            known.filter(|other| discriminant(&other.reason) == discriminant(&error.reason));
        if error.is_about_one_object() || same.next().is_none() {
            self.outcome.errors.push(error);
        }
    }

    /// Answers the new live object, or `None` when there was nothing to do.
    async fn one(
        &self,
        key: &Key,
        manifest: &Json,
        live: Option<&Json>,
    ) -> Result<Option<Json>, Error> {
        let wire = object::to_apply_body(key, manifest);
        let mut live = live.map(Cow::Borrowed);
        loop {
            if let Some(old) = &live
                && self.make_way(key, &wire, old).await?
            {
                live = None;
            }
            match live {
                Some(live) => return self.change(key, wire, live).await,
                None => match self.create(key, &wire).await? {
                    Created::Now(object) => return Ok(Some(object)),
                    Created::Before(object) => live = Some(Cow::Owned(object)),
                },
            }
        }
    }

    /// Whether the live object was, or had to be, deleted before the wanted one can be.
    async fn make_way(&self, key: &Key, wire: &Json, live: &Json) -> Result<bool, Error> {
        if !is_terminating(live) {
            if object::can_become(wire, live) {
                return Ok(false);
            }
            let (cluster, store) = (self.cluster, self.plan.store);
            cluster.delete_one(store, key, live, self.cancel).await?;
        }
        self.until_deleted(key, live).await?;
        Ok(true)
    }

    /// Changes what exists. What was only met on creating is new to the outcome, changed or not.
    async fn change(
        &self,
        key: &Key,
        wire: Json,
        live: Cow<'_, Json>,
    ) -> Result<Option<Json>, Error> {
        let live = self.reclaim(key, &wire, live).await?;
        if object::is_as_wanted(&wire, &live, &self.cluster.options().field_manager) {
            return Ok(match live {
                Cow::Borrowed(_) => None,
                Cow::Owned(met) => Some(met),
            });
        }
        if key.kind == Kind::Secret && self.plan.known.is_empty() {
            let written = (self.cluster).write_owner(self.plan.store, &live, &wire, self.cancel);
            return written.await.map(Some);
        }
        if key.kind == Kind::Deployment {
            self.release_replicas(key, &wire, &live).await?;
        }
        self.send_apply(key, wire, live).await.map(Some)
    }

    async fn until_deleted(&self, key: &Key, live: &Json) -> Result<(), Error> {
        tracing::info!("{key} is still being deleted, waiting for that");
        let deadline = Instant::now() + DELETION_TIMEOUT;
        let (cluster, store) = (self.cluster, self.plan.store);
        let gone = cluster.wait_deleted(store, key, live, deadline, self.cancel);
        match gone.await {
            Ok(()) => Ok(()),
            Err(Unfinished::Failed(error)) => Err(error),
            Err(Unfinished::TimedOut) => {
                let stalled = cluster.stalled_deletion(store, key, live, DELETION_TIMEOUT);
                match stalled.await {
                    Some(reason) => Err(self.refused(key, reason)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Why an object cannot be applied.
    fn refused(&self, key: &Key, reason: Reason) -> Error {
        (self.cluster).object_error(Verb::Apply, self.plan.store, key, reason)
    }
}

#[cfg(test)]
mod tests;
