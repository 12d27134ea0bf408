//! Deletion of objects that are no longer desired.

use futures::future::join_all;

use super::Applier;
use crate::kubernetes::kind::Key;

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
        let deletions = pruned.iter().filter_map(|key| {
            let live = self.outcome.exists.get(key)?;
            let (cluster, store) = (self.cluster, self.desired.store);
            Some(cluster.delete_one(store, key, live, self.cancel))
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
}
