//! Deletion of objects that are no longer desired.

use futures::future::join_all;
use serde_json::Value as Json;

use super::super::error::Error;
use super::Applier;
use crate::kubernetes::kind::{Key, Kind};

impl Applier<'_> {
    /// Deletes the selected objects that are no longer desired. PersistentVolumeClaims are deleted only if the policy
    /// allows it. Nothing is deleted if anything has failed.
    pub(super) async fn prune(&mut self, selected: impl Fn(&Key) -> bool) {
        if !self.ok_so_far() {
            return;
        }
        let policy = self.desired.pvc_policy;
        let keys = self.outcome.exists.keys();
        let (kept, pruned): (Vec<Key>, Vec<Key>) = keys
            .filter(|key| !self.manifests().contains_key(*key) && selected(key))
            .filter(|key| !policy.is_external(key))
            .cloned()
            .partition(|key| policy.retains(key));
        let applier = &*self;
        let deletions = pruned.iter().filter_map(|key| {
            let live = applier.outcome.exists.get(key)?;
            Some(applier.delete_pruned(key, live))
        });
        let results = join_all(deletions).await;
        for (key, result) in pruned.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    self.outcome.exists.remove(&key);
                    self.outcome.changed.insert(key);
                }
                Err(error) => self.outcome.errors.push(error),
            }
        }
        self.outcome.kept.extend(kept);
    }

    /// Deletes the object. Waits for the deletion of a ScaledObject: until then, KEDA can change the replica count, and its
    /// HorizontalPodAutoscaler does.
    async fn delete_pruned(&self, key: &Key, live: &Json) -> Result<(), Error> {
        let (cluster, store) = (self.cluster, self.desired.store);
        cluster.delete_one(store, key, live, self.cancel).await?;
        match key.kind {
            Kind::ScaledObject => self.until_deleted(key, live).await,
            _ => Ok(()),
        }
    }
}
