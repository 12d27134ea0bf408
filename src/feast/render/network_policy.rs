//! The NetworkPolicies of the pods. A policy permits what it lists, in addition to what other policies of the namespace
//! permit, and everything else is denied.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::config::PolicyEndpoint;
use crate::feast::names::{self, ServerKind};
use crate::feast::spec::{self, FeastApplyMode, Store};
use crate::kubernetes::{Key, Kind};

/// Pods, and the ports that they serve.
struct Selected {
    name: String,
    service_type: Option<&'static str>,
    labels: BTreeMap<String, String>,
    /// `None` for pods that serve nothing. The policy has no rules for their clients.
    ports: Option<Vec<(PolicyEndpoint, i32)>>,
}

pub(super) fn render(store: &Store) -> Vec<(Key, Json)> {
    let Some(policy) = &store.network_policy else {
        return Vec::new();
    };
    let selected = selected(store);
    let peers: Vec<_> = (selected.iter())
        .map(|pods| NetworkPolicyPeer {
            pod_selector: Some(metadata::label_selector(pods.labels.clone())),
            ..NetworkPolicyPeer::default()
        })
        .collect();
    (selected.into_iter())
        .filter(|pods| pods.ports.is_some() || policy.egress.is_some())
        .map(|pods| render_one(store, policy, pods, &peers))
        .collect()
}

/// Returns all pods of the feature store.
fn selected(store: &Store) -> Vec<Selected> {
    let (lineage, servers) = (store.served_ports().into_iter())
        .partition(|(endpoint, _)| *endpoint == PolicyEndpoint::Lineage);
    let servers = Selected {
        name: names::servers_policy(&store.name),
        service_type: None,
        labels: metadata::selector(store),
        ports: Some(servers),
    };
    let lineage = store.lineage.as_ref().map(|_| Selected {
        name: names::lineage(&store.name),
        service_type: Some(ServerKind::Lineage.as_str()),
        labels: metadata::lineage_selector(store),
        ports: Some(lineage),
    });
    let has_jobs = store.project.feast_apply == FeastApplyMode::Job
        || store.cron_job.is_some()
        || store.jobs_reach_data();
    let jobs = has_jobs.then(|| Selected {
        name: names::jobs_policy(&store.name),
        service_type: Some(names::JOBS_SERVICE_TYPE),
        labels: metadata::job_selector(store),
        ports: None,
    });
    [Some(servers), lineage, jobs]
        .into_iter()
        .flatten()
        .collect()
}

fn render_one(
    store: &Store,
    policy: &spec::NetworkPolicy,
    pods: Selected,
    own: &[NetworkPolicyPeer],
) -> (Key, Json) {
    let Selected {
        name,
        service_type,
        labels,
        ports,
    } = pods;
    let ingress = ports.map(|ports| ingress(policy, &ports, own));
    let egress = (policy.egress.as_ref()).map(|rules| egress(rules, own));
    let types = [
        ingress.as_ref().map(|_| "Ingress"),
        egress.as_ref().map(|_| "Egress"),
    ];
    object(
        Kind::NetworkPolicy,
        &NetworkPolicy {
            metadata: metadata::object(store, name, service_type),
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(metadata::label_selector(labels)),
                policy_types: Some(types.into_iter().flatten().map(str::to_owned).collect()),
                ingress,
                egress,
            }),
        },
    )
}

/// Returns the rules for clients: first the pods of the feature store, then those of the user.
fn ingress(
    policy: &spec::NetworkPolicy,
    served: &[(PolicyEndpoint, i32)],
    own: &[NetworkPolicyPeer],
) -> Vec<NetworkPolicyIngressRule> {
    let all = NetworkPolicyIngressRule {
        from: Some(own.to_vec()),
        ports: Some(
            served
                .iter()
                .map(|(_, number)| port("TCP", *number))
                .collect(),
        ),
    };
    let rules = policy.ingress.iter().filter_map(|rule| {
        let permitted = (served.iter()).filter(|(endpoint, _)| rule.permits(*endpoint));
        let ports: Vec<_> = permitted.map(|(_, number)| port("TCP", *number)).collect();
        // A rule without ports would permit all of them.
        (!ports.is_empty()).then(|| NetworkPolicyIngressRule {
            from: Some(rule.from.clone()),
            ports: Some(ports),
        })
    });
    [all].into_iter().chain(rules).collect()
}

/// Returns the rules for destinations: DNS and the pods of the feature store, then those of the user.
fn egress(
    rules: &[NetworkPolicyEgressRule],
    own: &[NetworkPolicyPeer],
) -> Vec<NetworkPolicyEgressRule> {
    let ports = names::DNS_PORTS.iter();
    let ports = ports.flat_map(|number| ["UDP", "TCP"].map(|protocol| port(protocol, *number)));
    let dns = NetworkPolicyEgressRule {
        ports: Some(ports.collect()),
        to: None,
    };
    let own = NetworkPolicyEgressRule {
        ports: None,
        to: Some(own.to_vec()),
    };
    [dns, own]
        .into_iter()
        .chain(rules.iter().cloned())
        .collect()
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some(protocol.to_owned()),
        end_port: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feast::spec::Defaults;

    /// Returns the specifications by the names of the objects.
    fn policies(services: Json, attributes: Json) -> BTreeMap<String, Json> {
        let mut store = json!({"name": "x", "feastProject": "p", "services": services});
        if let (Json::Object(store), Json::Object(attributes)) = (&mut store, attributes) {
            store.extend(attributes);
        }
        let store = serde_json::from_value(store).expect("a feature store");
        let objects = render(&Store::new(&store, &Defaults::default()));
        (objects.into_iter())
            .map(|(key, mut manifest)| (key.name, manifest["spec"].take()))
            .collect()
    }

    fn client() -> Json {
        json!({"namespaceSelector": {}})
    }

    fn ports(numbers: &[i32]) -> Json {
        let ports = numbers.iter();
        ports
            .map(|number| json!({"port": number, "protocol": "TCP"}))
            .collect()
    }

    #[test]
    fn clients_can_connect_only_to_the_ports_that_are_served() {
        let services = |endpoints: Json| {
            json!({
                "onlineStore": {"server": {"metrics": true, "tls": {"secretRef": {"name": "s"}}}},
                "ui": {},
                "networkPolicy": {"ingress": [{"from": [client()], "endpoints": endpoints}]},
            })
        };
        let own = json!({
            "from": [{"podSelector": {"matchLabels": {"feast.dev/name": "x"}}}],
            "ports": ports(&[6567, 8888, 8000]),
        });
        for (endpoints, expected) in [
            (Json::Null, &[6567, 8888, 8000][..]),
            (json!(["online_store"]), &[6567]),
            (json!(["metrics", "lineage"]), &[8000]),
            (json!(["offline_store"]), &[]),
        ] {
            let mut rules = vec![own.clone()];
            if !expected.is_empty() {
                rules.push(json!({"from": [client()], "ports": ports(expected)}));
            }
            let policy = json!({
                "podSelector": {"matchLabels": {"feast.dev/name": "x"}},
                "policyTypes": ["Ingress"],
                "ingress": rules,
            });
            let found = policies(services(endpoints.clone()), json!({}));
            let expected = BTreeMap::from([("feast-x-servers".to_owned(), policy)]);
            assert_eq!(found, expected, "{endpoints}");
        }
    }

    #[test]
    fn egress_applies_to_the_pods_of_actions() {
        let of = |services: Json| {
            let policies = policies(services, json!({}));
            policies.into_keys().collect::<Vec<String>>()
        };
        let database = |name: &str| json!({"persistence": {"store": {"type": name, "secretRef": {"name": "s"}}}});
        // An action runs in the pods of the servers if its own pod would not reach the files.
        let mut services = json!({"networkPolicy": {"egress": []}, "feastApply": "init_container"});
        assert_eq!(of(services.clone()), ["feast-x-servers"]);
        services["onlineStore"] = database("postgres");
        services["registry"] = json!({"local": database("sql")});
        assert_eq!(of(services), ["feast-x-jobs", "feast-x-servers"]);
    }

    #[test]
    fn egress_applies_to_all_pods() {
        let database = |name: &str| json!({"persistence": {"store": {"type": name, "secretRef": {"name": "s"}}}});
        let services = json!({
            "onlineStore": database("postgres"),
            "registry": {"local": database("sql")},
            "networkPolicy": {"egress": [{"ports": [{"port": "5432", "protocol": "TCP"}]}]},
        });
        let consumer = json!({"enabled": true, "lineageServer": {}});
        let attributes = json!({"openlineage": {"enabled": true, "consumer": consumer}});
        let labels = [
            json!({"matchLabels": {"feast.dev/name": "x"}}),
            json!({"matchLabels": {
                "app.kubernetes.io/managed-by": "feast",
                "feast.dev/name": "x-lineage",
                "feast.dev/service-type": "lineage",
            }}),
            json!({"matchLabels": {"feast.dev/job-of": "x"}}),
        ];
        let own: Vec<Json> = (labels.iter())
            .map(|labels| json!({"podSelector": labels}))
            .collect();
        let dns = [
            json!({"port": 53, "protocol": "UDP"}),
            json!({"port": 53, "protocol": "TCP"}),
            json!({"port": 5353, "protocol": "UDP"}),
            json!({"port": 5353, "protocol": "TCP"}),
        ];
        let egress = json!([{"ports": dns}, {"to": own}, {"ports": ports(&[5432])}]);
        let server = |labels: &Json, number: i32| {
            json!({
                "podSelector": labels,
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": own, "ports": ports(&[number])}],
                "egress": egress,
            })
        };
        let expected = BTreeMap::from([
            ("feast-x-servers".to_owned(), server(&labels[0], 6566)),
            ("feast-x-lineage".to_owned(), server(&labels[1], 6580)),
            (
                "feast-x-jobs".to_owned(),
                json!({"podSelector": labels[2], "policyTypes": ["Egress"], "egress": egress}),
            ),
        ]);
        assert_eq!(policies(services, attributes), expected);
    }
}
