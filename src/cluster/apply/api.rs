//! APIs that not every cluster has.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, Reason, Verb};
use super::super::{Cluster, StoreName};
use super::Plan;
use crate::kubernetes::Key;

impl Cluster {
    /// Wanted objects of kinds that this cluster does not know.
    pub(super) async fn absent_apis(
        &self,
        plan: &Plan<'_>,
        live: &BTreeMap<Key, Json>,
        cancel: &CancellationToken,
    ) -> Vec<Error> {
        let unsure =
            (plan.wanted.keys()).filter(|key| key.kind.is_custom() && !live.contains_key(*key));
        let asked = unsure.map(|key| self.absent_api(plan.store, key, cancel));
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Whoever may not look is told so by the apply itself.
    async fn absent_api(
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
