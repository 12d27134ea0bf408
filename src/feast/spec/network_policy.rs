//! The restrictions of network traffic, with defaults.

use k8s_openapi::api::networking::v1::{
    NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort,
};

use super::{Metrics, Store};
use crate::feast::config::{self, PolicyEndpoint};
use crate::feast::names::{self, Endpoint};
use crate::kubernetes::int_or_percent::normalize;

/// The rules of the NetworkPolicies that select the pods of the feature store.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPolicy {
    pub ingress: Vec<IngressRule>,
    /// The rules of the user; `None` if the policy does not restrict where the pods connect to.
    pub egress: Option<Vec<NetworkPolicyEgressRule>>,
}

/// Clients that can connect to the servers.
#[derive(Debug, Clone, PartialEq)]
pub struct IngressRule {
    /// Not empty.
    pub from: Vec<NetworkPolicyPeer>,
    /// `None` for every endpoint.
    pub endpoints: Option<Vec<PolicyEndpoint>>,
}

impl NetworkPolicy {
    pub(super) fn new(policy: &config::NetworkPolicy) -> Self {
        let config::NetworkPolicy { ingress, egress } = policy.clone();
        let rules = ingress.into_iter().flatten();
        Self {
            ingress: rules
                .map(
                    |config::NetworkPolicyIngress { from, endpoints }| IngressRule {
                        from,
                        endpoints,
                    },
                )
                .collect(),
            egress: egress.map(|rules| rules.into_iter().map(with_numbers).collect()),
        }
    }
}

/// Converts ports that are numbers. Terraform has text for them, because a port can also have a name.
fn with_numbers(rule: NetworkPolicyEgressRule) -> NetworkPolicyEgressRule {
    let number = |port: NetworkPolicyPort| NetworkPolicyPort {
        port: port.port.map(normalize),
        ..port
    };
    let ports = rule.ports;
    NetworkPolicyEgressRule {
        ports: ports.map(|ports| ports.into_iter().map(number).collect()),
        ..rule
    }
}

impl IngressRule {
    /// Returns whether the clients can connect to an endpoint.
    pub fn permits(&self, endpoint: PolicyEndpoint) -> bool {
        (self.endpoints.as_ref()).is_none_or(|endpoints| endpoints.contains(&endpoint))
    }
}

impl Store {
    /// Returns the endpoints that are served, with the ports of the pods.
    pub fn served_ports(&self) -> Vec<(PolicyEndpoint, i32)> {
        let endpoints = self.endpoints().into_iter().map(|endpoint| {
            let tls = self.tls(endpoint.server()).is_some();
            (policy_endpoint(endpoint), endpoint.target_port(tls))
        });
        let online = self.online.server.as_ref();
        let metrics = online.filter(|server| server.metrics != Metrics::Off);
        let metrics = metrics.map(|_| (PolicyEndpoint::Metrics, names::METRICS_PORT));
        endpoints.chain(metrics).collect()
    }
}

fn policy_endpoint(endpoint: Endpoint) -> PolicyEndpoint {
    match endpoint {
        Endpoint::Online => PolicyEndpoint::OnlineStore,
        Endpoint::Offline => PolicyEndpoint::OfflineStore,
        Endpoint::RegistryGrpc => PolicyEndpoint::Registry,
        Endpoint::RegistryRest => PolicyEndpoint::RegistryRest,
        Endpoint::Ui => PolicyEndpoint::Ui,
        Endpoint::Lineage => PolicyEndpoint::Lineage,
    }
}
