//! Restarts the pods of a Deployment, as `kubectl rollout restart` does: an annotation of the pod template changes.
//!
//! The annotation is written by an update under the provider's field manager, and no manifest has it. So an apply keeps
//! it, and it is neither drift nor a field of others.

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::cluster::apply::owner;
use crate::cluster::error::{Error, Reason, Verb};
use crate::cluster::request::Request;
use crate::cluster::{Cluster, StoreName};
use crate::feast::names::RESTARTED_ANNOTATION;
use crate::kubernetes::kind::{Key, Kind};

impl Cluster {
    /// Starts to replace the pods of a Deployment. Returns the Deployment.
    ///
    /// # Errors
    ///
    /// The Deployment does not exist, belongs to somebody else or is paused, or the API server rejects the change.
    /// Nothing was changed.
    pub async fn restart(
        &self,
        store: &StoreName,
        deployment: &str,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let key = Key::new(Kind::Deployment, deployment);
        let refused = |reason| self.object_error(Verb::Patch, store, &key, reason);
        let live = self.get(&store.namespace, &key, cancel).await?;
        let live = live.ok_or_else(|| refused(Reason::NotFound))?;
        if !self.is_ours(store, &live, true) {
            let owner = owner(&live);
            return Err(refused(Reason::Foreign { owner }));
        }
        if live["spec"]["paused"] == true {
            return Err(refused(Reason::Paused));
        }
        let patch = json!({
            // A precondition: a Deployment that was replaced since has new pods.
            "metadata": {"uid": live["metadata"]["uid"]},
            "spec": {"template": {"metadata": {"annotations": {
                RESTARTED_ANNOTATION: self.now_rfc3339(),
            }}}},
        });
        let manager = &self.options().field_manager;
        let request = Request::merge(Verb::Patch, &store.namespace, &key, manager, patch);
        self.send(request, cancel).await
    }
}
