//! Values that other clients set in the cluster and that the plan keeps.

use super::*;

/// With `ignore_changes`, Terraform plans with live values that other clients set.
#[test]
fn invalid_values_of_the_prior_state_are_warnings() {
    let feast = Feast::new();
    let whole = json!({
        "name": "x", "namespace": "n", "feastProject": "p", "labels": {"example.com/a": "b"},
        "cronJob": {"schedule": "@daily"},
        "services": {
            "scaling": {"replicas": 3},
            "deploymentStrategy": {"type": "RollingUpdate"},
            "onlineStore": {
                "persistence": {"store": {"type": "postgres", "secretRef": {"name": "s"}}},
                "server": {"image": "i", "resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi"}}}},
            "registry": {"local": {"persistence": {"store": {"type": "sql", "secretRef": {"name": "s"}}}}},
        },
    });
    let config = |path: &str, value: Json| {
        let mut json = whole.clone();
        *json.pointer_mut(path).unwrap() = value;
        encode(&block(&feast).attributes, &json)
    };
    let errors = |diagnostics: Vec<Diagnostic>| {
        let errors = diagnostics.into_iter();
        let errors = errors.filter(|diagnostic| diagnostic.severity == Severity::Error);
        errors.count()
    };
    let scaling = "/services/scaling";
    let server = "/services/onlineStore/server";
    for (path, live) in [
        (scaling, json!({"replicas": 0})),
        (
            scaling,
            json!({"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}),
        ),
        (
            scaling,
            json!({"autoscaling": {"minReplicas": 0, "maxReplicas": 2}}),
        ),
        (&format!("{server}/image"), json!("")),
        (&format!("{server}/resources/limits/memory"), json!("1Mi")),
        (
            "/services/deploymentStrategy",
            json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
        ),
        ("/labels", json!({"example.com/a": "no label!"})),
        ("/cronJob/schedule", json!("never")),
        (
            "/services/onlineStore/persistence",
            json!({"file": {"path": "/a/b.db"}}),
        ),
    ] {
        let config = config(path, live);
        assert_ne!(errors(validate(&feast, &config)), 0, "{path} is valid");
        let mut prior = config.clone();
        prior.set("strategy", Value::string("RollingUpdate"));
        let planned = plan(&feast, &prior, &config);
        let said = planned.diagnostics.len();
        assert_eq!((errors(planned.diagnostics), said > 0), (0, true), "{path}");
        assert!(planned.state.attribute("objects").is_wholly_known());
        assert_eq!(
            planned.state.attribute("strategy").as_str(),
            Some(match path {
                "/services/deploymentStrategy" => "Recreate",
                _ => "RollingUpdate",
            })
        );
        // Without a prior state, they are errors.
        assert_ne!(
            errors(plan(&feast, &Value::Null, &config).diagnostics),
            0,
            "{path}"
        );
    }
}
