//! Warnings of the API server are warnings of the operation that meets them first.

use serde_json::json;

use super::test_provider::{TestProvider, texts};
use crate::schema::{Severity, Value};

#[test]
fn a_warning_is_shown_once_in_a_run() {
    let provider = TestProvider::new();
    let create = |name: &str| {
        let config =
            json!({"name": name, "namespace": "ns", "feastProject": "p", "waitForRollout": false});
        let config = provider.config(&config);
        let planned = provider.plan(&Value::Null, &[], &config);
        let applied = provider.apply(&Value::Null, &planned, &config);
        let severity = |severity| applied.diagnostics.iter().all(|it| it.severity == severity);
        assert!(severity(Severity::Warning), "{:?}", applied.diagnostics);
        texts(&applied.diagnostics)
    };
    for name in ["x", "y"] {
        let path = |resource: &str| format!("{resource}/feast-{name}");
        let deployment = path("/apis/apps/v1/namespaces/ns/deployments");
        provider
            .server
            .warn(&deployment, "would violate PodSecurity");
        let account = path("/api/v1/namespaces/ns/serviceaccounts");
        provider.server.warn(&account, &format!("account {name}"));
    }
    let warning = |object: &str, text: &str| format!("The API server warns about {object}: {text}");
    assert_eq!(
        create("x"),
        [
            warning("Deployment/feast-x", "would violate PodSecurity"),
            warning("ServiceAccount/feast-x", "account x"),
        ]
    );
    assert_eq!(
        create("y"),
        [warning("ServiceAccount/feast-y", "account y")]
    );
}
