//! Deletion of objects that are no longer desired.

use futures::future::join_all;
use serde_json::Value as Json;

use super::super::error::{Error, Verb};
use super::replace::DELETION_TIMEOUT;
use super::{Applier, is_autoscaler};
use crate::kubernetes::kind::{Key, Propagation};

impl Applier<'_> {
    /// Deletes the selected objects that are no longer desired. PersistentVolumeClaims are deleted only if the policy
    /// allows it. Nothing is deleted if anything has failed.
    pub(super) async fn prune(&mut self, selected: impl Fn(&Key) -> bool) {
        if !self.ok_so_far() {
            return;
        }
        let policy = self.desired.pvc_policy;
        let keys = self.outcome.objects.keys();
        let (kept, pruned): (Vec<Key>, Vec<Key>) = keys
            .filter(|key| !self.manifests().contains_key(*key) && selected(key))
            .filter(|key| !policy.is_external(key))
            .cloned()
            .partition(|key| policy.retains(key));
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
        self.outcome.retained_pvcs.extend(kept);
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
