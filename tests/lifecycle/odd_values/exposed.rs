//! A valid configuration that sets every attribute of Services, of Routes and of the ServiceMonitor, in its serde form.

use serde_json::{Value as Json, json};

/// Returns a server with TLS and its Service.
fn exposed() -> Json {
    let tls = json!({"secretRef": {"name": "tls"}});
    json!({"tls": tls, "service": service()})
}

fn service() -> Json {
    json!({
        "type": "LoadBalancer",
        "labels": {"example.com/team": "a"},
        "annotations": {"example.com/team": "a"},
        "trafficDistribution": "PreferSameZone",
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
        "ipFamilies": ["IPv4", "IPv6"],
        "ipFamilyPolicy": "PreferDualStack",
        "internalTrafficPolicy": "Local",
        "externalTrafficPolicy": "Local",
        "allocateLoadBalancerNodePorts": true,
        "loadBalancerClass": "example.com/a",
        "loadBalancerIP": "192.0.2.1",
        "loadBalancerSourceRanges": ["10.0.0.0/8", "2001:db8::/32"],
    })
}

fn route() -> Json {
    json!({
        "host": "features.example.com",
        "termination": "reencrypt",
        "insecureEdgeTerminationPolicy": "None",
        "destinationCaCertificate": "PEM",
        "externalCertificate": {"name": "tls"},
        "labels": {"example.com/team": "a"},
        "annotations": {"example.com/team": "a"},
    })
}

fn service_monitor() -> Json {
    let key = |name: &str| json!({"name": name, "key": "k", "optional": true});
    let relabeling = json!({
        "action": "hashmod", "sourceLabels": ["a", "b"], "separator": "-", "regex": "(.*)", "targetLabel": "c",
        "replacement": "$1", "modulus": 8,
    });
    json!({
        "labels": {"release": "monitoring"},
        "annotations": {"example.com/team": "a"},
        "interval": "1m",
        "scrapeTimeout": "10s",
        "targetLabels": ["team"],
        "scheme": "https",
        "tlsConfig": {
            "serverName": "feast", "insecureSkipVerify": false, "caConfigMap": key("ca"), "certSecret": key("cert"),
            "keySecret": key("cert"),
        },
        "relabelings": [relabeling],
        "metricRelabelings": [relabeling],
    })
}

/// Returns services with every server, and the other attributes.
pub fn services() -> (Json, Json) {
    let mut registry = exposed();
    registry["restAPI"] = json!(true);
    registry["restService"] = service();
    let mut online = exposed();
    online["metrics"] = json!(true);
    let services = json!({
        "openshift": {"servingCertificates": true, "routes": {"ui": route()}},
        "serviceMonitor": service_monitor(),
        "onlineStore": {"server": online},
        "offlineStore": {"server": exposed()},
        "registry": {"local": {"server": registry}},
        "ui": exposed(),
    });
    let more = json!({"openlineage": {"enabled": true, "consumer": {
        "enabled": true, "connectionStringSecretRef": {"name": "lineage"},
        "lineageServer": {"server": exposed()},
    }}});
    (services, more)
}
