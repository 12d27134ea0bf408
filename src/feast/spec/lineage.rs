//! The lineage server, with defaults.

use super::{Pods, Server, Termination};
use crate::feast::config;

/// The server for lineage events (`openlineage.consumer.lineage_server`), which has its own Deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct LineageServer {
    /// Its node selector includes that of the pods.
    pub common: Server,
    pub replicas: i32,
    pub termination: Termination,
}

/// Returns the configuration of the lineage server, if there is one.
pub(super) fn configured(
    openlineage: Option<&config::Openlineage>,
) -> Option<&config::LineageServer> {
    openlineage?.consumer.as_ref()?.lineage_server.as_ref()
}

impl LineageServer {
    /// `pods` must not have the node selectors of the other servers.
    pub(super) fn new(
        server: &config::LineageServer,
        default_image: &str,
        pods: &Pods,
        termination: Termination,
    ) -> Self {
        let config::LineageServer { replicas, server } = server;
        let server = server.clone().unwrap_or_default();
        let mut common = Server::new(server.settings(), default_image);
        let own = std::mem::replace(&mut common.node_selector, pods.node_selector.clone());
        common.node_selector.extend(own);
        Self {
            common,
            replicas: replicas.unwrap_or(1),
            termination,
        }
    }
}
