//! A guard against requests to the wrong cluster. The UID of the namespace `kube-system` identifies a cluster: it never
//! changes, and no other cluster has it.

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::error::{Error, Reason, Verb};
use super::request::Request;
use super::resource::NAMESPACES;

/// The namespace whose UID identifies the cluster.
pub const NAMESPACE: &str = "kube-system";

impl Cluster {
    /// Checks the cluster before the first request of this handle and its clones, if a UID is expected.
    pub(super) async fn verify_cluster(&self, cancel: &CancellationToken) -> Result<(), Error> {
        let Some(expected) = &self.inner.expected_uid else {
            return Ok(());
        };
        let error = |reason| self.error(Verb::Get, NAMESPACES, "", Some(NAMESPACE), reason);
        let verified = self.inner.verified.get_or_create(|| async {
            let request = Request::get(NAMESPACES, "", NAMESPACE);
            // The result is for all callers, so that the cancellation of one does not end it.
            let namespace: Json =
                (self.send_unverified(request, &CancellationToken::new())).await?;
            let found = namespace["metadata"]["uid"].as_str().unwrap_or_default();
            if found.eq_ignore_ascii_case(expected) {
                return Ok(());
            }
            let reason = Reason::WrongCluster {
                expected: expected.clone(),
                found: found.to_owned(),
            };
            Err(error(reason))
        });
        tokio::select! {
            biased;
            verified = verified => verified.copied(),
            () = cancel.cancelled() => Err(error(Reason::Cancelled)),
        }
    }
}
