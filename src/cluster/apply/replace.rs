//! The deletion of objects that must be gone before an apply continues, such as one that is created again.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::super::delete::Deadline;
use super::super::error::{Error, Verb};
use super::{Applier, immutable_change, is_terminating};
use crate::kubernetes::kind::Key;

/// The time for the deletion of an object that must be gone before the apply continues.
pub(super) const DELETION_TIMEOUT: Duration = Duration::from_secs(60);

impl Applier<'_> {
    /// Deletes a live object that cannot become the desired one, and waits for a deletion in progress. Returns whether
    /// the object is gone. A load balancer or a graceful termination can delay the deletion for minutes, and without the
    /// new object, the feature store does not serve.
    pub(super) async fn delete_for_replacement(
        &self,
        key: &Key,
        body: &Json,
        live: &Json,
    ) -> Result<bool, Error> {
        if !is_terminating(live) {
            if immutable_change(body, self.desired.prior.get(key), live).is_none() {
                return Ok(false);
            }
            let (cluster, store) = (self.cluster, self.desired.store);
            cluster.delete_one(store, key, live, self.cancel).await?;
        }
        let left = (self.desired.deadline).saturating_duration_since(Instant::now());
        let timeout = left.max(DELETION_TIMEOUT);
        self.wait_until_deleted(Verb::Apply, key, live, timeout)
            .await?;
        Ok(true)
    }

    /// Waits until the object is gone. `verb` is the operation that needs this.
    pub(super) async fn wait_until_deleted(
        &self,
        verb: Verb,
        key: &Key,
        live: &Json,
        timeout: Duration,
    ) -> Result<(), Error> {
        tracing::info!("waiting for the deletion of {key}");
        let (cluster, store) = (self.cluster, self.desired.store);
        let deadline = Deadline::after(timeout);
        let deleted = cluster.wait_until_deleted(verb, store, key, live, deadline, self.cancel);
        deleted.await
    }
}
