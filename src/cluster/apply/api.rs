//! APIs that not every cluster has.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, Reason, Verb};
use super::super::{Cluster, StoreName};
use crate::kubernetes::kind::Key;

impl Cluster {
    /// Returns an error for each of these objects whose API the cluster lacks. An object that exists has its API.
    pub(super) async fn missing_apis<'k>(
        &self,
        store: &StoreName,
        keys: impl Iterator<Item = &'k Key>,
        live: &BTreeMap<Key, Json>,
        cancel: &CancellationToken,
    ) -> Vec<Error> {
        let keys = keys.filter(|key| key.kind.is_custom() && !live.contains_key(*key));
        let checks = keys.map(|key| self.missing_api(store, key, cancel));
        join_all(checks).await.into_iter().flatten().collect()
    }

    /// Ignores other errors, such as a missing permission: the apply itself reports them.
    async fn missing_api(
        &self,
        store: &StoreName,
        key: &Key,
        cancel: &CancellationToken,
    ) -> Option<Error> {
        let error = self.list_at_server(store, key.kind, cancel).await.err()?;
        let reason @ Reason::NotInstalled { .. } = error.reason else {
            return None;
        };
        Some(self.object_error(Verb::Apply, store, key, reason))
    }
}
