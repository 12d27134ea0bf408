//! Plans with a preflight.

use super::test_provider::{TestProvider, texts};
use super::*;

const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";

/// Plans the creation of a feature store with this scaling. Returns the diagnostics about metrics.
fn plan(provider: &TestProvider, name: &str, scaling: &Json) -> Vec<String> {
    let database = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
    let resources = json!({"requests": {"cpu": "1", "memory": "1Gi"}});
    let config = provider.config(&json!({
        "name": name, "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        "services": {
            "feastApply": "none",
            "scaling": scaling,
            "onlineStore": {"persistence": database("postgres"), "server": {"resources": resources}},
            "registry": {"local": {"persistence": database("sql")}},
        },
    }));
    let mut found = texts(&provider.plan(&Value::Null, &[], &config).diagnostics);
    let is_incomplete = |it: &String| it.starts_with("The preflight is incomplete");
    assert!(!found.iter().any(is_incomplete), "{found:?}");
    found.retain(|it| it.contains("metrics.k8s.io"));
    found
}

#[test]
fn warns_of_an_autoscaler_without_metrics() {
    let provider = || {
        let server = TestProvider::new().server;
        TestProvider::on(&server, json!({"preflight": true}))
    };
    let warning = "services.scaling.autoscaling: The HorizontalPodAutoscaler cannot read metrics: The cluster serves no \
                   metrics.k8s.io API (metrics-server is not installed), so the HorizontalPodAutoscaler cannot read CPU \
                   or memory usage. Until the cluster serves it, the HorizontalPodAutoscaler keeps the number of pods, \
                   and only raises it to `min_replicas`.\n\nThis is a warning, because the same run can create it before \
                   the feature store.\n\nIn the configuration: `services.scaling.autoscaling`.";
    let cpu = json!({"autoscaling": {"maxReplicas": 3}});
    let external = json!({"autoscaling": {"maxReplicas": 3, "metrics": [{"type": "External", "external": {
        "metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "5"},
    }}]}});
    let asked = |provider: &TestProvider| {
        let requests = provider.server.requests().into_iter();
        requests
            .filter(|request| request.ends_with(METRICS))
            .count()
    };
    let without = provider();
    for scaling in [&external, &json!({"replicas": 2})] {
        assert_eq!(plan(&without, "x", scaling), [""; 0], "{scaling}");
    }
    assert_eq!(asked(&without), 0);
    assert_eq!(plan(&without, "x", &cpu), [warning]);
    assert_eq!(plan(&without, "y", &cpu), [warning]);
    assert_eq!(asked(&without), 1);

    let with = provider();
    let discovered = json!({"kind": "APIResourceList"});
    with.server.put(METRICS, discovered);
    assert_eq!(plan(&with, "x", &cpu), [""; 0]);
}
