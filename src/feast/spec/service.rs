//! The settings of a Service, in Kubernetes' form.

use k8s_openapi::api::core::v1::ServiceSpec;

use crate::feast::config::{
    IpFamily, IpFamilyPolicy, ServiceSettings, ServiceType, SessionAffinity, TrafficDistribution,
    TrafficPolicy,
};

/// Returns the specification of a Service, without its selector and its ports.
pub(in crate::feast) fn kubernetes_service(settings: &ServiceSettings) -> ServiceSpec {
    let ServiceSettings {
        r#type,
        // The metadata has these.
        labels: _,
        annotations: _,
        traffic_distribution,
        session_affinity,
        session_affinity_config,
        ip_families,
        ip_family_policy,
        internal_traffic_policy,
        external_traffic_policy,
        // A port has this.
        node_port: _,
        health_check_node_port,
        allocate_load_balancer_node_ports,
        load_balancer_class,
        load_balancer_ip,
        load_balancer_source_ranges,
    } = settings.clone();
    let r#type = r#type.unwrap_or(ServiceType::ClusterIp);
    let policy = |policy: TrafficPolicy| policy.as_str().to_owned();
    ServiceSpec {
        type_: Some(r#type.as_str().to_owned()),
        traffic_distribution: traffic_distribution
            .map(TrafficDistribution::as_str)
            .map(str::to_owned),
        session_affinity: session_affinity
            .map(SessionAffinity::as_str)
            .map(str::to_owned),
        session_affinity_config,
        ip_families: ip_families.map(|families| {
            let families = families.into_iter().map(IpFamily::as_str);
            families.map(str::to_owned).collect()
        }),
        ip_family_policy: ip_family_policy
            .map(IpFamilyPolicy::as_str)
            .map(str::to_owned),
        internal_traffic_policy: internal_traffic_policy.map(policy),
        external_traffic_policy: external_traffic_policy.map(policy),
        health_check_node_port,
        allocate_load_balancer_node_ports,
        load_balancer_class,
        load_balancer_ip,
        load_balancer_source_ranges,
        ..ServiceSpec::default()
    }
}
