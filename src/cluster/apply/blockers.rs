//! What prevents an apply from its first write: objects of others, and APIs that the cluster lacks.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::{is_terminating, owner};
use crate::cluster::delete::StalledDeletion;
use crate::cluster::error::{Error, Reason, Verb};
use crate::cluster::{Cluster, StoreName};
use crate::kubernetes::kind::Key;

impl Cluster {
    /// Returns what prevents an apply from its first write: objects of others that have desired names, or else APIs
    /// that the cluster lacks.
    pub async fn blockers(
        &self,
        store: &StoreName,
        manifests: &BTreeMap<Key, Json>,
        prior: &BTreeMap<Key, Json>,
        live: &BTreeMap<Key, Json>,
        cancel: &CancellationToken,
    ) -> Vec<Error> {
        let foreign = self.foreign_objects(store, manifests.keys(), prior, live);
        match foreign.is_empty() {
            true => {
                self.missing_apis(store, manifests.keys(), live, cancel)
                    .await
            }
            false => foreign,
        }
    }

    /// Returns an error for each live object that has a desired name and belongs to somebody else.
    pub(super) fn foreign_objects<'k>(
        &self,
        store: &StoreName,
        keys: impl Iterator<Item = &'k Key>,
        prior: &BTreeMap<Key, Json>,
        live: &BTreeMap<Key, Json>,
    ) -> Vec<Error> {
        keys.filter_map(|key| Some((key, live.get(key)?)))
            .filter(|(key, live)| !self.may_change(store, prior, key, live))
            .map(|(key, live)| {
                let reason = match is_terminating(live) {
                    true => Reason::Terminating(Box::new(StalledDeletion::new(
                        key,
                        &store.namespace,
                        live,
                        None,
                        None,
                    ))),
                    false => Reason::Foreign { owner: owner(live) },
                };
                self.object_error(Verb::Apply, store, key, reason)
            })
            .collect()
    }
}
