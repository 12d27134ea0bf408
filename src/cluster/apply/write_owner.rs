//! The conditional write of the store's Secret that changes the owner of the feature store. The decision about the
//! owner is in [`ownership`](crate::feast::ownership).

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, Reason, Verb};
use super::super::{Cluster, Options, StoreName};
use super::object::apply_request;
use crate::feast::ownership::Ownership;
use crate::feast::secrets::store_secret;

/// The number of times that the write is repeated when the Secret has another version but the same owner.
const OWNER_ATTEMPTS: usize = 5;

impl Cluster {
    /// Applies the `secret` of the feature store over the `live` one, and returns the Secret as it is then.
    ///
    /// The write is repeated while only other parts of the Secret change. It succeeds if the live Secret has the new
    /// owner already, because the response to an earlier attempt can be lost.
    ///
    /// # Errors
    ///
    /// [`Reason::OwnerChanged`] if the owner is no longer the one in `live`, or the Secret is gone. Otherwise, the
    /// Secret cannot be read or written.
    pub async fn write_owner(
        &self,
        store: &StoreName,
        live: &Json,
        secret: &Json,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let key = store_secret::key(&store.name);
        let Options {
            field_manager,
            force_conflicts,
        } = self.options();
        let [before, after] = [live, secret].map(|secret| Ownership::of(Some(secret)));
        let mut force = *force_conflicts;
        let mut live = live.clone();
        for _ in 0..OWNER_ATTEMPTS {
            // The version excludes a write by another create since the read, the UID a Secret that was created since.
            let mut body = secret.clone();
            for precondition in ["resourceVersion", "uid"] {
                body["metadata"][precondition] = live["metadata"][precondition].clone();
            }
            let namespace = &store.namespace;
            let request = apply_request(namespace, &key, field_manager, force, body);
            match self.send(request, cancel).await {
                Ok(written) => return Ok(written),
                Err(Error {
                    reason: Reason::Stale { .. },
                    ..
                }) => {}
                // A plan never shows the content of this Secret, so a change by plain update is always undone. The
                // precondition limits this to the version that was read.
                Err(Error {
                    reason: Reason::Conflict(conflicts),
                    ..
                }) if !force && conflicts.iter().all(|conflict| conflict.by_update) => {
                    force = true;
                    continue;
                }
                Err(error) => return Err(error),
            }
            match self.get(namespace, &key, cancel).await? {
                Some(current) if Ownership::of(Some(&current)) == after => return Ok(current),
                Some(current) if Ownership::of(Some(&current)) == before => live = current,
                _ => {
                    let reason = Reason::OwnerChanged;
                    return Err(self.object_error(Verb::Apply, store, &key, reason));
                }
            }
        }
        Err(self.object_error(Verb::Apply, store, &key, Reason::changes_too_often()))
    }
}
