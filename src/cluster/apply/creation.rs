//! The Secret as a create writes it: over what it has seen there, and over nothing else.

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, Reason, Verb};
use super::super::{Cluster, Options, StoreName};
use super::Applier;
use super::object::apply_request;
use crate::feast::names;
use crate::feast::secrets::store_secret;
use crate::kubernetes::kind::{Key, Kind};

/// Nobody has a reason to change the Secret often.
const ATTEMPTS: usize = 5;

impl Cluster {
    /// Writes the store's Secret, `signed` by a create, over the `live` one. `None` where that is another create's by
    /// now, or gone: then nothing is written.
    ///
    /// # Errors
    ///
    /// The Secret cannot be read or written.
    pub async fn write_owner(
        &self,
        store: &StoreName,
        live: &Json,
        signed: &Json,
        cancel: &CancellationToken,
    ) -> Result<Option<Json>, Error> {
        let key = Key::new(Kind::Secret, names::main(&store.name));
        let Options {
            field_manager,
            force_conflicts,
        } = self.options();
        let (before, after) = (
            store_secret::ownership(live),
            store_secret::ownership(signed),
        );
        let mut force = *force_conflicts;
        let mut seen = live.clone();
        for _ in 0..ATTEMPTS {
            // With the version as a precondition, no other create can have written it meanwhile; with the UID, it
            // is not made anew.
            let mut body = signed.clone();
            for precondition in ["resourceVersion", "uid"] {
                body["metadata"][precondition] = seen["metadata"][precondition].clone();
            }
            let namespace = &store.namespace;
            let request = apply_request(namespace, &key, field_manager, force, body);
            match self.send(request, cancel).await {
                Ok(written) => return Ok(Some(written)),
                Err(Error {
                    reason: Reason::Stale { .. },
                    ..
                }) => {}
                // No plan shows the content of this Secret, so that a change by plain update is always undone. The
                // version says what is taken.
                Err(Error {
                    reason: Reason::Conflict(conflicts),
                    ..
                }) if !force && conflicts.iter().all(|conflict| conflict.by_update) => {
                    force = true;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let Some(now) = self.get(namespace, &key, cancel).await? else {
                return Ok(None);
            };
            let found = store_secret::ownership(&now);
            if found == after {
                // The answer to the first attempt was lost.
                return Ok(Some(now));
            }
            if found != before {
                return Ok(None);
            }
            seen = now;
        }
        let message = "it changes too often to be written".to_owned();
        Err(self.object_error(Verb::Apply, store, &key, Reason::Stale { message }))
    }
}

impl Applier<'_> {
    /// Takes up what an interrupted create has left.
    pub(super) async fn adopt_leftover(
        &self,
        key: &Key,
        secret: &Json,
        live: &Json,
    ) -> Result<Json, Error> {
        let signed = (self.cluster).write_owner(self.desired.store, live, secret, self.cancel);
        signed.await?.ok_or_else(|| {
            let message = "another create has just written it".to_owned();
            self.refused(key, Reason::Stale { message })
        })
    }
}
