//! Taking away what is no longer wanted.

use futures::future::join_all;

use super::Run;
use crate::kubernetes::Key;

impl Run<'_> {
    /// Deletes the store's objects that are no longer wanted and that the filter selects; claims only
    /// when their data may go. Nothing is deleted while anything has failed.
    pub(super) async fn prune(&mut self, selected: impl Fn(&Key) -> bool) {
        if !self.goes_on() {
            return;
        }
        let unwanted: Vec<Key> = self
            .outcome
            .exists
            .keys()
            .filter(|key| !self.plan.wanted.contains_key(*key) && selected(key))
            .filter(|key| !self.plan.claims.is_external(key))
            .cloned()
            .collect();
        let (kept, doomed): (Vec<Key>, Vec<Key>) = unwanted
            .into_iter()
            .partition(|key| self.plan.claims.retains(key));
        let deletions = doomed.iter().filter_map(|key| {
            let live = self.outcome.exists.get(key)?;
            Some(
                self.cluster
                    .delete_one(self.plan.store, key, live, self.cancel),
            )
        });
        let results = join_all(deletions).await;
        for (key, result) in doomed.into_iter().zip(results) {
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
