//! Whether the quota of the namespace suffices for all pods and objects together. A dry run checks one object at a
//! time.

use std::collections::BTreeMap;

use kube::api::ListParams;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::cluster::error::Error;
use crate::cluster::request::{List, Request};
use crate::cluster::resource::RESOURCE_QUOTAS;
use crate::kubernetes::kind::Key;
use crate::kubernetes::quota::{Shortage, shortages, usage};

impl Cluster {
    /// Returns the quota that would not suffice after a change from the `live` objects to the wanted ones. Empty if the
    /// account may not read ResourceQuotas.
    ///
    /// # Errors
    ///
    /// The API server does not answer.
    pub async fn missing_quota(
        &self,
        namespace: &str,
        manifests: &BTreeMap<Key, Json>,
        live: &BTreeMap<Key, Json>,
        cancel: &CancellationToken,
    ) -> Result<Vec<Shortage>, Error> {
        let request = Request::list(RESOURCE_QUOTAS, namespace, ListParams::default());
        let quotas = match self.send_for::<List<Json>>(request, cancel).await {
            Ok(list) => list.items.unwrap_or_default(),
            Err(error) if error.is_forbidden() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let (before, after) = (usage(live, live), usage(manifests, live));
        Ok(shortages(&quotas, &before, &after))
    }
}
