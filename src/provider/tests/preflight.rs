//! Plans with a preflight.

use super::api_server::ApiServer;
use super::test_provider::{TestProvider, texts};
use super::*;
use crate::feast::ownership::Ownership;

const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";
const SECRET: &str = "/api/v1/namespaces/ns/secrets/feast-x";

/// A provider process whose plans have a preflight. Feature stores without a namespace are in `ns`.
fn process(server: &ApiServer) -> TestProvider {
    TestProvider::on(server, json!({"preflight": true, "namespace": "ns"}))
}

/// A feature store with two replicas.
fn store(project: &str) -> Json {
    let database = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
    json!({
        "name": "x", "feastProject": project, "waitForRollout": false,
        "services": {
            "feastApply": "none",
            "scaling": {"replicas": 2},
            "onlineStore": {"persistence": database("postgres")},
            "registry": {"local": {"persistence": database("sql")}},
        },
    })
}

/// Severity and text of each diagnostic of the plan of a create.
fn findings(provider: &TestProvider, config: &Value) -> Vec<(Severity, String)> {
    let diagnostics = provider.plan(&Value::Null, &[], config).diagnostics;
    let severities = diagnostics.iter().map(|it| it.severity);
    severities.zip(texts(&diagnostics)).collect()
}

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

/// Terraform plans both feature stores before it creates one of them.
#[test]
fn warns_of_a_registry_that_the_same_run_can_create() {
    let provider = process(&TestProvider::new().server);
    let config = provider.config(&json!({
        "name": "x", "feastProject": "p", "waitForRollout": false,
        "services": {
            "feastApply": "none",
            "registry": {"remote": {"feastRef": {"name": "shared"}}},
        },
    }));
    let warning = |problem: &str, change: &str| {
        let text = format!(
            "services.registry.remote.feast_ref: The remote registry cannot be used: The registry of feature store \
             \"shared\" in namespace \"ns\" cannot be used: {problem}\n\nThis is a warning, because the same run can \
             {change} it before the feature store."
        );
        [(Severity::Warning, text)]
    };
    let missing = "there is no Service \"feast-shared-registry\". Apply that feature store first, with \
                   `services.registry.local.server`, and refer to it by the attributes of its resource, so that Terraform \
                   applies it first.";
    assert_eq!(findings(&provider, &config), warning(missing, "create"));

    let service = |port: i32| {
        let path = "/api/v1/namespaces/ns/services/feast-shared-registry";
        let ports = json!([{"port": port}]);
        provider.server.put(path, json!({"spec": {"ports": ports}}));
    };
    service(443);
    let encrypted = "its server uses TLS. Set `tls` with the CA certificate.";
    assert_eq!(
        findings(&process(&provider.server), &config),
        warning(encrypted, "create or change")
    );
    service(80);
    assert_eq!(findings(&process(&provider.server), &config), []);
}

/// Terraform plans a tainted feature store with the same request as a new one.
#[test]
fn warns_of_a_feature_store_that_is_in_the_state() {
    let provider = process(&TestProvider::new().server);
    let config = provider.config(&store("p"));
    let (state, private) = provider.create(&config);

    let provider = process(&provider.server);
    let found = findings(&provider, &config);
    let [(Severity::Error, error)] = found.as_slice() else {
        panic!("{found:?}");
    };
    let start = "name: The feature store already exists: Namespace \"ns\" already contains the feature store \"x\", \
                 created by this provider. It was not changed.\n\n";
    assert!(error.starts_with(start), "{error}");

    assert_eq!(provider.read(&state, &private).diagnostics, []);
    let warning = format!(
        "{error}\n\nThis is a warning, because that feature store is in the state: if it is tainted, Terraform destroys it \
         before the create."
    );
    assert_eq!(findings(&provider, &config), [(Severity::Warning, warning)]);

    // Another state has created it again.
    let owner_id = "another".to_owned();
    provider
        .server
        .set_ownership(SECRET, &Ownership::Complete { owner_id });
    provider.read(&state, &private);
    assert_eq!(
        findings(&provider, &config),
        [(Severity::Error, error.clone())]
    );
}

#[test]
fn a_create_resumes_with_the_namespace_of_the_provider_block() {
    let provider = process(&TestProvider::new().server);
    let config = provider.config(&store("p"));
    provider.create(&config);
    let interrupted = Ownership::Creating {
        owner_id: "a".to_owned(),
        deadline: Some(i64::from(u32::MAX)),
    };
    provider.server.set_ownership(SECRET, &interrupted);

    let provider = process(&provider.server);
    assert_eq!(findings(&provider, &config), []);
    let other = findings(&provider, &provider.config(&store("q")));
    let [(Severity::Error, error)] = other.as_slice() else {
        panic!("{other:?}");
    };
    assert!(error.contains("with another configuration"), "{error}");
}

/// Terraform plans each change again during an apply, also between the destroy and the create of a replacement. The
/// status of a ResourceQuota then still counts the pods of the old feature store.
#[test]
fn no_preflight_after_the_first_write() {
    let provider = process(&TestProvider::new().server);
    let config = provider.config(&store("p"));
    let (state, private) = provider.create(&config);
    let pods = json!({"pods": "2"});
    provider.server.put(
        "/api/v1/namespaces/ns/resourcequotas/small",
        json!({
            "metadata": {"name": "small", "namespace": "ns"},
            "spec": {"hard": pods}, "status": {"hard": pods, "used": pods},
        }),
    );
    assert_eq!(provider.destroy(&state, &private).diagnostics, []);
    provider.server.requests();
    assert_eq!(findings(&provider, &config), []);
    assert_eq!(provider.server.requests(), [""; 0]);

    // The next run.
    let expected = "services.scaling.replicas: The ResourceQuota is too small: The feature store \"x\" needs 2 more of \
                    pods in namespace \"ns\". The ResourceQuota \"small\" allows 2, of which 2 are used. Reduce the \
                    replicas or the resources, or ask for more quota.\n\nIn the configuration: \
                    `services.scaling.replicas`.";
    assert_eq!(provider.read(&state, &private).state, Value::Null);
    assert_eq!(
        findings(&provider, &config),
        [(Severity::Error, expected.to_owned())]
    );
}
