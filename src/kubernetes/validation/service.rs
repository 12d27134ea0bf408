//! The settings of a Service (`ServiceSpec`).

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ClientIPConfig, ServicePort, ServiceSpec, SessionAffinityConfig};

use super::metadata::qualified_name;
use super::network_policy::{Cidr, not_a_cidr};
use super::{Violation, seconds_in_range};
use crate::schema::Path;

/// The largest duration of the affinity of a client, in seconds.
const LONGEST_AFFINITY: i64 = 86_400;

/// Validates the fields of a Service of type `ClusterIP`, `NodePort` or `LoadBalancer` that have supported
/// values. The range of the ports of nodes is a setting of the cluster.
pub fn service_spec(spec: &ServiceSpec) -> Vec<Violation> {
    [
        affinity(spec),
        families(spec),
        of_other_types(spec),
        ports(spec),
        load_balancer(spec),
    ]
    .concat()
}

fn affinity(spec: &ServiceSpec) -> Vec<Violation> {
    let path = Path::of("session_affinity_config");
    let Some(SessionAffinityConfig { client_ip }) = &spec.session_affinity_config else {
        return Vec::new();
    };
    let affinity = Path::of("session_affinity");
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return vec![Violation::new(
            path.clone(),
            [path, affinity],
            "`session_affinity_config` requires the `session_affinity` `ClientIP`",
            "Set `session_affinity = \"ClientIP\"`, or remove `session_affinity_config`.",
        )];
    }
    let client_path = path.attribute("client_ip");
    let timeout = client_path.attribute("timeout_seconds");
    let Some(ClientIPConfig { timeout_seconds }) = client_ip else {
        return vec![Violation::new(
            client_path.clone(),
            [client_path],
            "`client_ip` is required",
            "Set `client_ip = { timeout_seconds = <seconds> }`, or remove `session_affinity_config`.",
        )];
    };
    let seconds = timeout_seconds.map(i64::from);
    (seconds.into_iter())
        .filter_map(|seconds| seconds_in_range(timeout.clone(), seconds, 1, LONGEST_AFFINITY))
        .collect()
}

fn families(spec: &ServiceSpec) -> Vec<Violation> {
    let families = spec.ip_families.as_deref().unwrap_or_default();
    let path = Path::of("ip_families");
    let mut violations = super::unique(
        &path,
        "",
        "address family",
        families.iter().map(|it| Some(it.as_str())),
    );
    let policy = Path::of("ip_family_policy");
    let is_single = !matches!(
        spec.ip_family_policy.as_deref(),
        Some("PreferDualStack" | "RequireDualStack")
    );
    if violations.is_empty() && families.len() > 1 && is_single {
        violations.push(Violation::new(
            path.clone(),
            [path, policy],
            "Two address families require an `ip_family_policy` for two",
            "Set `ip_family_policy` to `PreferDualStack` or `RequireDualStack`, or list one family.",
        ));
    }
    violations
}

/// Fields that only Services of other types have.
fn of_other_types(spec: &ServiceSpec) -> Vec<Violation> {
    let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
    let is_local = spec.external_traffic_policy.as_deref() == Some("Local");
    let is_balanced = kind == "LoadBalancer";
    let is_external = kind != "ClusterIP";
    let node_port = spec.ports.iter().flatten().any(|it| it.node_port.is_some());
    let balancer = "the `type` `LoadBalancer`";
    let external = "the `type` `NodePort` or `LoadBalancer`";
    let class = spec.load_balancer_class.is_some();
    let ranges = spec.load_balancer_source_ranges.as_ref();
    let has_ranges = ranges.is_some_and(|it| !it.is_empty());
    [
        ("node_port", node_port, is_external, external),
        (
            "external_traffic_policy",
            spec.external_traffic_policy.is_some(),
            is_external,
            external,
        ),
        (
            "health_check_node_port",
            spec.health_check_node_port.is_some(),
            is_balanced && is_local,
            "the `type` `LoadBalancer` and the `external_traffic_policy` `Local`",
        ),
        (
            "allocate_load_balancer_node_ports",
            spec.allocate_load_balancer_node_ports.is_some(),
            is_balanced,
            balancer,
        ),
        ("load_balancer_class", class, is_balanced, balancer),
        (
            "load_balancer_ip",
            spec.load_balancer_ip.is_some(),
            is_balanced,
            balancer,
        ),
        (
            "load_balancer_source_ranges",
            has_ranges,
            is_balanced,
            balancer,
        ),
    ]
    .into_iter()
    .filter(|(_, is_set, is_allowed, _)| *is_set && !is_allowed)
    .map(|(name, _, _, required)| {
        let path = Path::of(name);
        Violation::new(
            path.clone(),
            [path, Path::of("type"), Path::of("external_traffic_policy")],
            format!("`{name}` requires {required}"),
            format!("Set {required}, or remove `{name}`."),
        )
    })
    .collect()
}

fn ports(spec: &ServiceSpec) -> Vec<Violation> {
    let mut ports = spec.ports.iter().flatten();
    let node_port = ports.find_map(|ServicePort { node_port, .. }| *node_port);
    let check = spec.health_check_node_port;
    if node_port.is_none() || node_port != check {
        return Vec::new();
    }
    let path = Path::of("health_check_node_port");
    vec![Violation::new(
        path.clone(),
        [path, Path::of("node_port")],
        "`node_port` and `health_check_node_port` must differ",
        "Set another port, or remove one of them: Kubernetes chooses a free port.",
    )]
}

fn load_balancer(spec: &ServiceSpec) -> Vec<Violation> {
    let class = spec.load_balancer_class.iter();
    let class = class.filter_map(|class| {
        qualified_name(
            Path::of("load_balancer_class"),
            class,
            "class of a load balancer",
        )
    });
    let ip = spec.load_balancer_ip.iter();
    let ip = ip.filter(|ip| ip.parse::<IpAddr>().is_err()).map(|ip| {
        Violation::at(
            Path::of("load_balancer_ip"),
            format!("{ip:?} is not an address"),
            "Set an IPv4 or IPv6 address.",
        )
    });
    let ranges = spec.load_balancer_source_ranges.iter().flatten();
    let ranges = ranges.enumerate().filter_map(|(index, range)| {
        let path = Path::of("load_balancer_source_ranges").index(index);
        (Cidr::parse(range).is_none()).then(|| not_a_cidr(path, range))
    });
    class.chain(ip).chain(ranges).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::kubernetes::validation::testing;

    #[track_caller]
    fn check(spec: Json, expected: &[(&str, &str)]) {
        testing::check(&spec, service_spec, expected);
    }

    #[test]
    fn accepts_the_settings_of_each_type() {
        check(json!({}), &[]);
        check(
            json!({
                "type": "ClusterIP", "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
                "ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack",
            }),
            &[],
        );
        check(
            json!({"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [{"port": 80, "nodePort": 30080}]}),
            &[],
        );
        check(
            json!({
                "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30081,
                "allocateLoadBalancerNodePorts": false, "loadBalancerClass": "service.k8s.aws/nlb",
                "loadBalancerIP": "192.0.2.1", "loadBalancerSourceRanges": ["10.0.0.0/8", "2001:db8::/32"],
            }),
            &[],
        );
    }

    #[test]
    fn rejects_settings_of_other_types() {
        check(
            json!({
                "externalTrafficPolicy": "Local", "healthCheckNodePort": 30081, "loadBalancerIP": "192.0.2.1",
                "ports": [{"port": 80, "nodePort": 30080}],
            }),
            &[
                (
                    "node_port",
                    "`node_port` requires the `type` `NodePort` or `LoadBalancer`",
                ),
                (
                    "external_traffic_policy",
                    "`external_traffic_policy` requires the `type` `NodePort` or `LoadBalancer`",
                ),
                (
                    "health_check_node_port",
                    "`health_check_node_port` requires the `type` `LoadBalancer` and the `external_traffic_policy` `Local`",
                ),
                (
                    "load_balancer_ip",
                    "`load_balancer_ip` requires the `type` `LoadBalancer`",
                ),
            ],
        );
        check(
            json!({"type": "NodePort", "allocateLoadBalancerNodePorts": true, "loadBalancerClass": "a",
                "loadBalancerSourceRanges": ["10.0.0.0/8"]}),
            &[
                (
                    "allocate_load_balancer_node_ports",
                    "`allocate_load_balancer_node_ports` requires the `type` `LoadBalancer`",
                ),
                (
                    "load_balancer_class",
                    "`load_balancer_class` requires the `type` `LoadBalancer`",
                ),
                (
                    "load_balancer_source_ranges",
                    "`load_balancer_source_ranges` requires the `type` `LoadBalancer`",
                ),
            ],
        );
    }

    #[test]
    fn rejects_invalid_values() {
        check(
            json!({"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}),
            &[(
                "session_affinity_config",
                "`session_affinity_config` requires the `session_affinity` `ClientIP`",
            )],
        );
        check(
            json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86_401}}}),
            &[(
                "session_affinity_config.client_ip.timeout_seconds",
                "86401 seconds is out of range",
            )],
        );
        check(
            json!({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "SingleStack"}),
            &[(
                "ip_families",
                "Two address families require an `ip_family_policy` for two",
            )],
        );
        check(
            json!({"ipFamilies": ["IPv4", "IPv4"]}),
            &[("ip_families[1]", "Duplicate address family \"IPv4\"")],
        );
        check(
            json!({
                "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30080,
                "loadBalancerClass": "a b", "loadBalancerIP": "fe80", "loadBalancerSourceRanges": ["10.0.0.1/8"],
                "ports": [{"port": 80, "nodePort": 30080}],
            }),
            &[
                (
                    "health_check_node_port",
                    "`node_port` and `health_check_node_port` must differ",
                ),
                (
                    "load_balancer_class",
                    "\"a b\" is not a valid class of a load balancer",
                ),
                ("load_balancer_ip", "\"fe80\" is not an address"),
                (
                    "load_balancer_source_ranges[0]",
                    "\"10.0.0.1/8\" is not a valid CIDR block",
                ),
            ],
        );
    }
}
