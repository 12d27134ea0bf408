//! Feature stores with PersistentVolumeClaims on OpenShift, which assigns the group of volumes itself.

use super::test_provider::{TestProvider, errors};
use super::*;

fn store(security_context: &Json) -> Json {
    let pvc = json!({"ref": {"name": "c"}, "mountPath": "/data"});
    let online = json!({"persistence": {"file": {"path": "o.db", "pvc": pvc}}});
    json!({
        "name": "demo", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        "services": {"onlineStore": online, "securityContext": security_context},
    })
}

/// Returns the errors of a create with this security context, and whether anything was written.
fn create(is_openshift: bool, security_context: &Json) -> (Vec<String>, bool) {
    let provider = TestProvider::new();
    if is_openshift {
        let group = "/apis/security.openshift.io/v1";
        provider
            .server
            .put(group, json!({"kind": "APIResourceList"}));
    }
    let config = provider.config(&store(security_context));
    let planned = provider.plan(&Value::Null, &[], &config);
    assert_eq!(errors(&planned.diagnostics), Vec::<String>::new());
    let applied = provider.apply(&Value::Null, &planned, &config);
    let mut requests = provider.server.requests().into_iter();
    let is_written = requests.any(|request| request.starts_with("PATCH "));
    (errors(&applied.diagnostics), is_written)
}

#[test]
fn rejects_the_default_group_on_openshift() {
    let error = "services.security_context: OpenShift assigns the group of volumes: This is an OpenShift cluster (it \
                 serves security.openshift.io/v1). It assigns a group from the range of \
                 the namespace to each pod and refuses pods with another group. Without a security context, this \
                 provider sets `fs_group = 1001` for pods with PersistentVolumeClaims, as other clusters need it. \
                 Nothing was written.\n\nSet `openshift = {}` in `services`, so that OpenShift assigns the \
                 group. If the pods have a SecurityContextConstraints object that permits a fixed group, set \
                 `security_context = { fs_group = <group> }`.";
    for (is_openshift, security_context, expected) in [
        (true, Json::Null, vec![error.to_owned()]),
        (true, json!({}), Vec::new()),
        (true, json!({"fsGroup": 1001}), Vec::new()),
        (false, Json::Null, Vec::new()),
    ] {
        let is_written = expected.is_empty();
        assert_eq!(
            create(is_openshift, &security_context),
            (expected, is_written),
            "{is_openshift}, {security_context}"
        );
    }
}
