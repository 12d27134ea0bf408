//! Feature stores with PersistentVolumeClaims on OpenShift, which assigns the group of volumes itself, and other values
//! that do not fit the cluster.

use super::test_provider::{TestProvider, errors, text};
use super::*;

fn store(security_context: &Json) -> Json {
    let pvc = json!({"ref": {"name": "c"}, "mountPath": "/data"});
    let online = json!({"persistence": {"file": {"path": "o.db", "pvc": pvc}}});
    json!({
        "name": "demo", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        "services": {"onlineStore": online, "securityContext": security_context},
    })
}

/// Returns the errors of a create, and whether anything was written.
fn create(is_openshift: bool, store: &Json) -> (Vec<String>, bool) {
    let (diagnostics, is_written) = diagnostics(is_openshift, store);
    (errors(&diagnostics), is_written)
}

/// Returns the diagnostics of a create, and whether anything was written.
fn diagnostics(is_openshift: bool, store: &Json) -> (Vec<Diagnostic>, bool) {
    let provider = TestProvider::new();
    if is_openshift {
        let group = "/apis/security.openshift.io/v1";
        provider
            .server
            .put(group, json!({"kind": "APIResourceList"}));
    }
    let config = provider.config(store);
    let planned = provider.plan(&Value::Null, &[], &config);
    assert_eq!(errors(&planned.diagnostics), Vec::<String>::new());
    let applied = provider.apply(&Value::Null, &planned, &config);
    let mut requests = provider.server.requests().into_iter();
    let is_written = requests.any(|request| request.starts_with("PATCH "));
    (applied.diagnostics, is_written)
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
            create(is_openshift, &store(&security_context)),
            (expected, is_written),
            "{is_openshift}, {security_context}"
        );
    }
}

#[test]
fn warns_of_the_default_user_of_the_cron_job_on_openshift() {
    let warning = "cron_job: OpenShift assigns the user of the CronJob's pods: This is an OpenShift cluster (it serves \
                   security.openshift.io/v1). It assigns a user from the range of the namespace to each pod and \
                   refuses pods with another user, unless a SecurityContextConstraints object permits it to their \
                   ServiceAccount \"feast-demo-cronjob\". Without `openshift`, this provider sets `run_as_user = \
                   1001` for the pods of the CronJob, as other clusters need it. If OpenShift refuses them, every run \
                   fails.\n\nSet `openshift = {}` in `services`, so that OpenShift assigns the user.";
    let user = json!({"containerSecurityContext": {"runAsUser": 1001}});
    let schedule = json!({"schedule": "@daily"});
    for (is_openshift, services, cron_job, expected) in [
        (true, json!({}), &schedule, vec![warning.to_owned()]),
        (true, json!({"openshift": {}}), &schedule, Vec::new()),
        (true, user, &schedule, Vec::new()),
        (true, json!({}), &Json::Null, Vec::new()),
        (false, json!({}), &schedule, Vec::new()),
    ] {
        let store = json!({
            "name": "demo", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
            "services": services, "cronJob": cron_job,
        });
        let (diagnostics, is_written) = diagnostics(is_openshift, &store);
        assert!(is_written, "{store}");
        assert_eq!(
            diagnostics.iter().map(text).collect::<Vec<_>>(),
            expected,
            "{is_openshift}, {store}"
        );
        assert!(
            diagnostics
                .iter()
                .all(|it| it.severity == Severity::Warning)
        );
    }
}

#[test]
fn an_apply_reports_every_value_that_does_not_fit_the_cluster() {
    let mut config = store(&Json::Null);
    let remote = json!({"feastRef": {"name": "hub", "namespace": "shop"}});
    config["services"]["registry"] = json!({"remote": remote});
    let (errors, is_written) = create(true, &config);
    let expected = [
        "services.registry.remote.feast_ref: The remote registry cannot be used: ",
        "services.security_context: OpenShift assigns the group of volumes: ",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(!is_written);
}
