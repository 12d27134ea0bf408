//! Deletion of objects that are no longer desired.

use futures::future::join_all;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::Cluster;
use super::super::error::{Error, Verb};
use super::replace::DELETION_TIMEOUT;
use super::{Applier, DesiredState, Outcome, is_autoscaler, is_used_by_pods};
use crate::kubernetes::kind::{Key, Propagation};

impl Cluster {
    /// Deletes and changes the deferred objects of an apply, for which the rollout must be complete. Nothing is deleted
    /// if anything has failed.
    pub async fn prune_after_rollout<'a>(
        &'a self,
        outcome: &mut Outcome,
        desired: &DesiredState<'a>,
        cancel: &'a CancellationToken,
    ) {
        if outcome.deferred.is_empty() {
            return;
        }
        let mut applier = Applier {
            cluster: self,
            desired: *desired,
            certificates: None,
            writer: desired.writer(self, cancel),
            cancel,
            outcome: std::mem::take(outcome),
        };
        // On the heap, as in an apply.
        Box::pin(applier.remove_deferred()).await;
        *outcome = applier.outcome;
    }
}

impl Applier<'_> {
    async fn remove_deferred(&mut self) {
        let deferred = std::mem::take(&mut self.outcome.deferred);
        self.apply_matching(|key| deferred.contains(key)).await;
        self.prune(|key| deferred.contains(key)).await;
    }

    /// Notes the objects to delete after the rollout, and the PersistentVolumeClaims that are kept.
    pub(super) fn defer_removals(&mut self) {
        if !self.ok_so_far() {
            return;
        }
        let (kept, removed) = self.obsolete(is_used_by_pods);
        self.outcome.deferred.extend(removed);
        self.outcome.retained_pvcs = kept;
    }

    /// Returns the selected objects that are no longer desired: the PersistentVolumeClaims that the policy keeps, and
    /// the objects to delete.
    fn obsolete(&self, selected: impl Fn(&Key) -> bool) -> (Vec<Key>, Vec<Key>) {
        let policy = self.desired.pvc_policy;
        let keys = self.outcome.objects.keys();
        keys.filter(|key| !self.manifests().contains_key(*key) && selected(key))
            .filter(|key| !policy.is_external(key))
            .cloned()
            .partition(|key| policy.retains(key))
    }

    /// Deletes the selected objects that are no longer desired. PersistentVolumeClaims are deleted only if the policy
    /// allows it. Nothing is deleted if anything has failed.
    pub(super) async fn prune(&mut self, selected: impl Fn(&Key) -> bool) {
        if !self.ok_so_far() {
            return;
        }
        let (_, pruned) = self.obsolete(selected);
        let applier = &*self;
        let deletions = pruned.iter().filter_map(|key| {
            let live = applier.outcome.objects.get(key)?;
            Some(applier.delete_pruned(key, live))
        });
        let results = join_all(deletions).await;
        for (key, result) in pruned.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    self.outcome.objects.remove(&key);
                    self.outcome.changed.insert(key);
                }
                Err(error) => self.outcome.errors.push(error),
            }
        }
    }

    /// Deletes the object. Waits until an autoscaler is gone that has another one as a dependent: until then, both can
    /// change the replica count.
    async fn delete_pruned(&self, key: &Key, live: &Json) -> Result<(), Error> {
        let (cluster, store) = (self.cluster, self.desired.store);
        cluster.delete_one(store, key, live, self.cancel).await?;
        if is_autoscaler(key) && key.kind.propagation() == Propagation::Foreground {
            let deleted = self.wait_until_deleted(Verb::Delete, key, live, DELETION_TIMEOUT);
            return deleted.await;
        }
        Ok(())
    }
}
