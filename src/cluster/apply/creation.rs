//! The end of a create: the Secret says that what is there is no leftover.

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, Reason, Verb};
use super::super::{Cluster, Options, StoreName};
use super::object::apply_request;
use crate::feast::kept;
use crate::feast::names;
use crate::feast::objects::{Key, Kind};

/// Nobody has a reason to change the Secret often.
const ATTEMPTS: usize = 5;

impl Cluster {
    /// Writes the store's Secret, `signed` as complete, over the `live` one, which this create has written. `false`
    /// where it is another create's by now, or gone: then nothing is written.
    ///
    /// # Errors
    ///
    /// The Secret cannot be read or written.
    pub async fn complete_creation(
        &self,
        store: &StoreName,
        live: &Json,
        signed: &Json,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        let key = Key::new(Kind::Secret, names::main(&store.name));
        let Options {
            field_manager,
            force_conflicts,
        } = self.options();
        let wanted = kept::creation(signed);
        let mut live = live.clone();
        for _ in 0..ATTEMPTS {
            match (kept::creation(&live), &wanted) {
                // The answer to the attempt before this was lost.
                (Some(found), Some(wanted)) if found == *wanted => return Ok(true),
                (Some(found), Some(wanted)) if found.id == wanted.id => {}
                _ => return Ok(false),
            }
            // With the version as a precondition, no other create can have written it meanwhile.
            let mut body = signed.clone();
            body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            let namespace = &store.namespace;
            let request = apply_request(namespace, &key, field_manager, *force_conflicts, body);
            match self.send(request, cancel).await {
                Ok(_) => return Ok(true),
                Err(Error {
                    reason: Reason::Stale { .. },
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
            match self.get(&store.namespace, &key, cancel).await? {
                Some(now) => live = now,
                None => return Ok(false),
            }
        }
        let message = "others keep on changing it".to_owned();
        Err(self.object_error(Verb::Apply, store, &key, Reason::Stale { message }))
    }
}
