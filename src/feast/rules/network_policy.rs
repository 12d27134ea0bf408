//! The NetworkPolicies of the pods.

use super::Violation;
use super::accessors::services;
use crate::feast::config::{FeatureStore, NetworkPolicy, NetworkPolicyIngress};
use crate::kubernetes::validation::{each, network_policy as kubernetes};
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(NetworkPolicy { ingress, egress }) =
        services(store).and_then(|it| it.network_policy.as_ref())
    else {
        return Vec::new();
    };
    let path = Path::of("services.network_policy");
    let clients = |rule: &NetworkPolicyIngress| {
        let NetworkPolicyIngress { from, endpoints: _ } = rule;
        each(&Path::of("from"), from, kubernetes::peer)
    };
    let ingress = ingress.as_deref().unwrap_or_default();
    let egress = egress.as_deref().unwrap_or_default();
    [
        each(&path.attribute("ingress"), ingress, clients),
        each(&path.attribute("egress"), egress, kubernetes::egress_rule),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::{accepts, rejects};

    #[test]
    fn violations_are_at_their_attributes() {
        accepts(json!({"networkPolicy": {
            "ingress": [{"from": [{"namespaceSelector": {}}], "endpoints": ["online_store"]}],
            "egress": [{}, {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 5432}]}],
        }}));
        rejects(
            "network-policy",
            json!({"networkPolicy": {
                "ingress": [{"from": [{"namespaceSelector": {}}, {}]}],
                "egress": [{"ports": [{"port": 0}]}],
            }}),
            &[
                (
                    "services.network_policy.ingress[0].from[1]",
                    "The peer is empty",
                ),
                (
                    "services.network_policy.egress[0].ports[0].port",
                    "Not a port",
                ),
            ],
        );
    }
}
