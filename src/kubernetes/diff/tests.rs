use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::kubernetes::managed_fields::Operation;

fn check(desired: Json, live: Json, expected: Json) {
    assert_eq!(project(&desired, &live), expected);
}

#[test]
fn foreign_fields_do_not_show() {
    let desired = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "labels": {"a": "b"}},
        "spec": {"template": {"spec": {"containers": [
            {"name": "online", "image": "i", "env": [{"name": "A", "value": "1"}]}]}}}});
    check(
        desired.clone(),
        json!({"metadata": {"name": "d", "uid": "u", "labels": {"a": "b", "c": "d"}, "annotations": {"x": "y"}},
            "spec": {"replicas": 4, "template": {"spec": {"restartPolicy": "Always", "containers": [
                {"name": "sidecar", "image": "s"},
                {"name": "online", "image": "i", "imagePullPolicy": "Always",
                 "env": [{"name": "INJECTED", "value": "2"}, {"name": "A", "value": "1"}]}]}}},
            "status": {"replicas": 4}}),
        desired,
    );
}

#[test]
fn changed_and_removed_fields_show() {
    check(
        json!({"spec": {"replicas": 3, "containers": [
            {"name": "a", "image": "1", "resources": {"limits": {"cpu": "1"}}}, {"name": "b", "image": "1"}]}}),
        json!({"spec": {"replicas": 5, "containers": [{"name": "a", "image": "2"}]}}),
        json!({"spec": {"replicas": 5, "containers": [{"name": "a", "image": "2"}]}}),
    );
}

#[test]
fn quantities_are_compared_by_value() {
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
fn a_volume_that_has_grown_is_unchanged() {
    let sized = |storage: &str| json!({"spec": {"resources": {"requests": {"storage": storage}}}});
    check(sized("5Gi"), sized("10Gi"), sized("5Gi"));
    check(sized("5Gi"), sized("1Gi"), sized("1Gi"));
    let memory = |memory: &str| json!({"spec": {"resources": {"requests": {"memory": memory}}}});
    check(memory("5Gi"), memory("10Gi"), memory("10Gi"));
}

#[test]
fn ports_are_identified_by_number_and_protocol() {
    let desired = json!({"ports": [
        {"containerPort": 53, "name": "udp", "protocol": "UDP"}, {"containerPort": 53, "name": "tcp"}]});
    check(
        desired.clone(),
        json!({"ports": [
            {"containerPort": 53, "name": "tcp", "protocol": "TCP"},
            {"containerPort": 53, "name": "udp", "protocol": "UDP"}]}),
        desired,
    );
    let desired = json!({"ports": [{"port": 80, "targetPort": 6566, "name": "http"}]});
    check(
        desired.clone(),
        json!({"ports": [{"port": 80, "targetPort": 6566, "name": "http", "protocol": "TCP", "nodePort": 30000}]}),
        desired,
    );
}

#[test]
fn metrics_are_compared_in_any_order_and_all_show() {
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}});
    let qps = json!({"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "1k"}}});
    let qps_live = json!({"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "1000"}}});
    let cpu_90 = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}}});
    let desired = json!({"metrics": [cpu, qps]});
    check(
        desired.clone(),
        json!({"metrics": [qps_live, cpu]}),
        desired.clone(),
    );
    check(
        desired.clone(),
        json!({"metrics": [qps_live, cpu_90]}),
        json!({"metrics": [cpu_90, qps]}),
    );
    check(
        json!({"metrics": [cpu]}),
        json!({"metrics": [qps_live, cpu]}),
        json!({"metrics": [cpu, qps_live]}),
    );
    check(
        desired,
        json!({"metrics": [cpu]}),
        json!({"metrics": [cpu]}),
    );
}

#[test]
fn elements_of_atomic_lists_all_show() {
    check(
        json!({"tolerations": [{"key": "a"}], "args": ["1"]}),
        json!({"tolerations": [{"key": "a"}, {"key": "b"}], "args": ["1", "2"]}),
        json!({"tolerations": [{"key": "a"}, {"key": "b"}], "args": ["1", "2"]}),
    );
}

#[test]
fn omitted_values_count_as_present() {
    let desired = json!({"annotations": {}, "args": [], "readOnly": false, "chapAuthSession": false, "clusterIP": "",
        "rollingUpdate": null});
    check(desired.clone(), json!({}), desired);
    check(
        json!({"automountServiceAccountToken": false, "emptyDir": {}, "namespaceSelector": {}}),
        json!({}),
        json!({}),
    );
}

#[test]
fn numbers_equal_their_text_where_both_are_allowed() {
    let desired = json!({"rollingUpdate": {"maxSurge": "1", "maxUnavailable": "25%"}});
    check(
        desired.clone(),
        json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}),
        desired,
    );
}

#[test]
fn a_change_names_field_values_and_author() {
    let desired = json!({"spec": {"replicas": 3, "template": {"spec": {"containers": [
        {"name": "online", "image": "feast:1", "command": ["feast", "serve"]},
        {"name": "offline", "image": "feast:1"},
    ]}}}});
    let mut live = desired.clone();
    live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("hotfix:1");
    live["spec"]["template"]["spec"]["containers"][0]["command"] = json!(["sh"]);
    live["spec"]["template"]["spec"]["containers"][1] = json!({"name": "sidecar"});
    live["metadata"] = json!({"managedFields": [
        {"manager": "ours", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "kubectl-set", "operation": "Update", "time": "2026-11-24T04:00:00Z", "fieldsV1":
            {"f:spec": {"f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"online\"}": {"f:image": {}}}}}}}},
    ]});
    let field = |text: &str| {
        FieldPath::resolve(&desired, &format!(".spec.template.spec.containers{text}")).unwrap()
    };
    assert_eq!(
        changes(&desired, &live, "ours"),
        [
            FieldChange {
                field: field("[name=\"online\"].command"),
                wanted: Some(json!(["feast", "serve"])),
                live: Some(json!(["sh"])),
                author: None,
            },
            FieldChange {
                field: field("[name=\"online\"].image"),
                wanted: Some(json!("feast:1")),
                live: Some(json!("hotfix:1")),
                author: Some(Author {
                    manager: "kubectl-set".to_owned(),
                    operation: Operation::Update,
                    time: Some("2026-11-24T04:00:00Z".to_owned()),
                }),
            },
            FieldChange {
                field: field("[name=\"offline\"]"),
                wanted: Some(json!({"name": "offline", "image": "feast:1"})),
                live: None,
                author: None,
            },
        ]
    );
}

#[test]
fn objects_in_atomic_lists_are_compared_field_by_field() {
    let metric = |name: &str, target: i32| json!({"type": "Resource", "resource": {"name": name, "target": {"averageUtilization": target}}});
    let live = |metrics: &[Json]| {
        json!({"spec": {"metrics": metrics}, "metadata": {"managedFields": [
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-24T04:00:00Z",
             "fieldsV1": {"f:spec": {"f:metrics": {}}}}]}})
    };
    let lines = |desired: &[Json], metrics: &[Json]| {
        let desired = json!({"spec": {"metrics": desired}});
        let live = live(metrics);
        let changes = changes(&desired, &live, "ours");
        let lines: Vec<String> = (changes.iter())
            .map(|change| {
                let author = change.author.as_ref().unwrap();
                format!("{} by {}", change.field, author.manager)
            })
            .collect();
        lines
    };
    let desired = [metric("cpu", 70), metric("memory", 70)];
    assert_eq!(
        lines(&desired, &[metric("memory", 90), metric("cpu", 70)]),
        [".spec.metrics[1].resource.target.averageUtilization by kubectl-edit"]
    );
    assert_eq!(
        lines(&desired, &[metric("memory", 90)]),
        [".spec.metrics by kubectl-edit"]
    );
    assert_eq!(
        lines(&desired, &[metric("memory", 70), metric("disk", 70)]),
        [".spec.metrics by kubectl-edit"]
    );
}

#[test]
fn every_change_of_a_rule_of_a_network_policy_shows() {
    let desired = |ports: Json| {
        json!({"from": [{"podSelector": {"matchLabels": {"a": "b"}}}, {"namespaceSelector": {}}],
            "ports": ports})
    };
    let port = json!({"port": 6566, "protocol": "TCP"});
    let rule = desired(json!([port]));
    let mut other_namespaces = rule.clone();
    other_namespaces["from"][0]["namespaceSelector"] = json!({});
    let mut other_label = rule.clone();
    other_label["from"][0]["podSelector"]["matchLabels"]["c"] = json!("d");
    let mut no_selector = rule.clone();
    no_selector["from"][1] = json!({});
    for (live, expected) in [
        (rule.clone(), &[""; 0][..]),
        (
            desired(json!([port, {"port": 22, "protocol": "TCP"}])),
            &[".spec.ingress[0].ports by kubectl-edit"],
        ),
        (
            desired(json!([{"port": 6566, "endPort": 65535, "protocol": "TCP"}])),
            &[".spec.ingress by kubectl-edit"],
        ),
        (other_namespaces, &[".spec.ingress by kubectl-edit"]),
        (other_label, &[".spec.ingress by kubectl-edit"]),
        (
            no_selector,
            &[".spec.ingress[0].from[1].namespaceSelector by kubectl-edit"],
        ),
    ] {
        let rules = json!({"spec": {"ingress": [rule]}});
        let projected = json!({"spec": {"ingress": [live]}});
        let mut object = projected.clone();
        object["metadata"] = json!({"managedFields": [
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:ingress": {}}}}]});
        let changes = changes(&rules, &object, "ours");
        let lines: Vec<String> = (changes.iter())
            .map(|change| {
                let author = change.author.as_ref().unwrap();
                format!("{} by {}", change.field, author.manager)
            })
            .collect();
        assert_eq!(lines, expected);
        assert_eq!(project(&rules, &object), projected);
    }
    let without_protocol = json!({"spec": {"egress": [{"ports": [{"port": "https"}]}]}});
    check(
        without_protocol.clone(),
        json!({"spec": {"egress": [{"ports": [{"port": "https", "protocol": "TCP"}]}]}}),
        without_protocol,
    );
}

#[test]
fn an_untouched_object_has_no_changes() {
    let desired = json!({"spec": {"replicas": 3}});
    assert_eq!(changes(&desired, &desired, "ours"), []);
}

#[test]
fn list_keys_are_those_of_managed_fields() {
    let desired = json!({"rules": [{"key": "a", "value": 1}]});
    let live = json!({"rules": [{"key": "b", "value": 2}, {"key": "a", "value": 3}],
        "metadata": {"managedFields": [{"manager": "other", "operation": "Update",
            "fieldsV1": {"f:rules": {"k:{\"key\":\"b\"}": {".": {}, "f:key": {}, "f:value": {}}}}}]}});
    check(
        desired.clone(),
        live.clone(),
        json!({"rules": [{"key": "a", "value": 3}]}),
    );
    let changes = changes(&desired, &live, "ours");
    let fields: Vec<String> = (changes.iter())
        .map(|change| change.field.to_string())
        .collect();
    assert_eq!(fields, [".rules[key=\"a\"].value"]);
}

#[test]
fn the_write_only_content_of_a_secret_counts_as_present() {
    let desired = json!({"kind": "Secret", "stringData": {"a": "b"}});
    check(desired.clone(), json!({"data": {"a": "Yg=="}}), desired);
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
    fn an_untouched_object_projects_to_its_manifest(desired in any_json()) {
        prop_assert_eq!(project(&desired, &desired), desired);
    }

    #[test]
    fn projecting_twice_is_projecting_once(desired in any_json(), live in any_json()) {
        let once = project(&desired, &live);
        prop_assert_eq!(project(&desired, &once), once);
    }
}
