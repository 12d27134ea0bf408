//! Whether objects can be created in the namespace.

use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::cluster::apply::is_terminating;
use crate::cluster::error::{Error, Reason, Verb};
use crate::cluster::request::Request;
use crate::cluster::resource::NAMESPACES;

impl Cluster {
    /// Checks that objects can be created in the namespace.
    ///
    /// # Errors
    ///
    /// The namespace does not exist or is being deleted, or the API server did not answer. An account that may not
    /// read namespaces gets no error.
    pub async fn check_namespace(
        &self,
        namespace: &str,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let fail = |reason| self.error(Verb::Get, NAMESPACES, namespace, Some(namespace), reason);
        let request = Request::get(NAMESPACES, namespace, namespace);
        match self.send(request, cancel).await {
            Ok(found) if is_terminating(&found) || found["status"]["phase"] == "Terminating" => {
                Err(fail(Reason::NamespaceTerminating(namespace.to_owned())))
            }
            Ok(_) => Ok(()),
            Err(error) => match error.reason {
                Reason::Forbidden { .. } => Ok(()),
                Reason::NotFound => Err(fail(Reason::NamespaceMissing(namespace.to_owned()))),
                _ => Err(error),
            },
        }
    }
}
