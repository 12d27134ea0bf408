//! APIs that not every cluster has.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, Reason, Verb};
use super::super::request::Request;
use super::super::resource::SECURITY_CONTEXT_CONSTRAINTS;
use super::super::{Cluster, StoreName};
use crate::kubernetes::kind::Key;

impl Cluster {
    /// Returns whether the cluster is an OpenShift cluster, which assigns users and groups to pods. False if the
    /// cluster does not say.
    pub async fn is_openshift(&self, cancel: &CancellationToken) -> bool {
        let request = Request::discovery(SECURITY_CONTEXT_CONSTRAINTS);
        self.send(request, cancel).await.is_ok()
    }

    /// Returns whether the cluster is certainly no OpenShift cluster.
    pub async fn is_not_openshift(&self, cancel: &CancellationToken) -> bool {
        !self.may_serve(SECURITY_CONTEXT_CONSTRAINTS, cancel).await
    }

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};

    #[tokio::test]
    async fn a_cluster_with_security_context_constraints_is_openshift() {
        let not_found =
            json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"});
        for (code, answer, expected) in [
            (200, json!({"kind": "APIResourceList"}), true),
            (404, not_found, false),
            (
                403,
                json!({"kind": "Status", "status": "Failure", "code": 403}),
                false,
            ),
        ] {
            let cluster = fake_api::cluster(move |request| {
                assert_eq!(request.line, "GET /apis/security.openshift.io/v1");
                Reply::Answer(code, answer.clone())
            });
            let cluster = cluster.await;
            assert_eq!(
                cluster.is_openshift(&CancellationToken::new()).await,
                expected,
                "{code}"
            );
        }
    }
}
