mod meaning;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(mask: Json, live: Json, expected: Json) {
    assert_eq!(project(&mask, &live), expected);
}

#[test]
fn what_others_added_does_not_show() {
    let mask = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "labels": {"a": "b"}},
        "spec": {"template": {"spec": {"containers": [
            {"name": "online", "image": "i", "env": [{"name": "A", "value": "1"}]}]}}}});
    check(
        mask.clone(),
        json!({"metadata": {"name": "d", "uid": "u", "labels": {"a": "b", "c": "d"}, "annotations": {"x": "y"}},
            "spec": {"replicas": 4, "template": {"spec": {"restartPolicy": "Always", "containers": [
                {"name": "sidecar", "image": "s"},
                {"name": "online", "image": "i", "imagePullPolicy": "Always",
                 "env": [{"name": "INJECTED", "value": "2"}, {"name": "A", "value": "1"}]}]}}},
            "status": {"replicas": 4}}),
        mask,
    );
}

#[test]
fn what_others_changed_or_removed_shows() {
    check(
        json!({"spec": {"replicas": 3, "containers": [
            {"name": "a", "image": "1", "resources": {"limits": {"cpu": "1"}}}, {"name": "b", "image": "1"}]}}),
        json!({"spec": {"replicas": 5, "containers": [{"name": "a", "image": "2"}]}}),
        json!({"spec": {"replicas": 5, "containers": [{"name": "a", "image": "2"}]}}),
    );
}

#[test]
fn quantities_by_meaning_where_they_are_quantities() {
    check(
        json!({"resources": {"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": 2}},
            "env": [{"name": "A", "value": "1000m"}]}),
        json!({"resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "2"}},
            "env": [{"name": "A", "value": "1"}]}),
        json!({"resources": {"requests": {"cpu": "1000m", "memory": "2Gi"}, "limits": {"cpu": 2}},
            "env": [{"name": "A", "value": "1"}]}),
    );
}

#[test]
fn a_claim_that_has_grown_is_as_wanted() {
    let sized = |storage: &str| json!({"spec": {"resources": {"requests": {"storage": storage}}}});
    check(sized("5Gi"), sized("10Gi"), sized("5Gi"));
    check(sized("5Gi"), sized("1Gi"), sized("1Gi"));
    let memory = |memory: &str| json!({"spec": {"resources": {"requests": {"memory": memory}}}});
    check(memory("5Gi"), memory("10Gi"), memory("10Gi"));
}

#[test]
fn ports_by_number_and_protocol() {
    let mask = json!({"ports": [
        {"containerPort": 53, "name": "udp", "protocol": "UDP"}, {"containerPort": 53, "name": "tcp"}]});
    check(
        mask.clone(),
        json!({"ports": [
            {"containerPort": 53, "name": "tcp", "protocol": "TCP"},
            {"containerPort": 53, "name": "udp", "protocol": "UDP"}]}),
        mask,
    );
    let mask = json!({"ports": [{"port": 80, "targetPort": 6566, "name": "http"}]});
    check(
        mask.clone(),
        json!({"ports": [{"port": 80, "targetPort": 6566, "name": "http", "protocol": "TCP", "nodePort": 30000}]}),
        mask,
    );
}

#[test]
fn metrics_in_any_order_and_none_hidden() {
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}});
    let qps = json!({"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "1k"}}});
    let qps_live = json!({"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "1000"}}});
    let cpu_90 = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}}});
    let mask = json!({"metrics": [cpu, qps]});
    check(
        mask.clone(),
        json!({"metrics": [qps_live, cpu]}),
        mask.clone(),
    );
    check(
        mask.clone(),
        json!({"metrics": [qps_live, cpu_90]}),
        json!({"metrics": [cpu_90, qps]}),
    );
    check(
        json!({"metrics": [cpu]}),
        json!({"metrics": [qps_live, cpu]}),
        json!({"metrics": [cpu, qps_live]}),
    );
    check(mask, json!({"metrics": [cpu]}), json!({"metrics": [cpu]}));
}

#[test]
fn lists_that_are_ours_as_a_whole() {
    check(
        json!({"tolerations": [{"key": "a"}], "args": ["1"]}),
        json!({"tolerations": [{"key": "a"}, {"key": "b"}], "args": ["1", "2"]}),
        json!({"tolerations": [{"key": "a"}, {"key": "b"}], "args": ["1", "2"]}),
    );
}

#[test]
fn empty_means_absent_where_the_server_drops_it() {
    let mask = json!({"annotations": {}, "args": [], "readOnly": false, "clusterIP": "", "rollingUpdate": null});
    check(mask.clone(), json!({}), mask);
    check(
        json!({"automountServiceAccountToken": false, "emptyDir": {}}),
        json!({}),
        json!({}),
    );
}

#[test]
fn percent_and_number() {
    let mask = json!({"rollingUpdate": {"maxSurge": "1", "maxUnavailable": "25%"}});
    check(
        mask.clone(),
        json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}),
        mask,
    );
}

/// Any JSON, with the field names that are treated specially among others.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        "[a-c1-3]{0,3}(m|Gi)?".prop_map(Json::from),
    ];
    let name = prop::sample::select(vec![
        "spec",
        "metrics",
        "containers",
        "env",
        "ports",
        "port",
        "containerPort",
        "protocol",
        "name",
        "volumeMounts",
        "mountPath",
        "limits",
        "cpu",
        "target",
        "value",
        "tolerations",
        "metadata",
        "emptyDir",
        "kind",
    ]);
    leaf.prop_recursive(5, 64, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_untouched_object_projects_to_the_manifest(mask in any_json()) {
        prop_assert_eq!(project(&mask, &mask), mask);
    }

    #[test]
    fn projecting_twice_is_projecting_once(mask in any_json(), live in any_json()) {
        let once = project(&mask, &live);
        prop_assert_eq!(project(&mask, &once), once);
    }
}
