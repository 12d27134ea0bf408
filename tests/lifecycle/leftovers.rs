//! Leftovers: objects and fields that this provider has applied and that are no longer configured are removed or
//! reported.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::lifecycle::conflicts::apply_as;
use crate::lifecycle::store::{
    DATABASES, StoreUnderTest, configuration, databases_with, with_provider,
};
use crate::support::terraform::Plan;

const FIXED: &str = "scaling = { replicas = 2 }";

/// Services with every kind of field and of list.
const MORE: &str = r#"
    ui              = { image = "feast:1", env = [{ name = "UI", value = "1" }] }
    node_selector   = { "example.com/disk" = "ssd" }
    tolerations     = [{ key = "example.com/a", operator = "Exists" }]
    volumes         = [{ name = "extra", empty_dir = {} }]
    pod_annotations = { "example.com/pod" = "1" }
    feast_apply     = "init_container"
"#;

/// No node has the label of the node selector.
const ATTRIBUTES: &str = r#"
  wait_for_rollout = false
  labels           = { "example.com/team" = "a" }
  annotations      = { "example.com/note" = "a" }
  cron_job         = { schedule = "@daily" }
"#;

fn with_variable() -> String {
    databases_with(r#"env = [{ name = "TOKEN", value = "hunter2" }]"#)
}

fn configure_more(test: &StoreUnderTest) {
    test.configure_all(&format!("{FIXED}\n{MORE}\n{}", with_variable()), ATTRIBUTES);
}

fn configure_less(test: &StoreUnderTest) {
    let services = format!("{FIXED}\nfeast_apply = \"init_container\"\n{DATABASES}");
    test.configure_all(&services, "wait_for_rollout = false");
}

/// Returns the labels and annotations that [`configure_more`] added and the cluster still has.
fn remaining_metadata(test: &StoreUnderTest) -> Vec<String> {
    let mut remaining = Vec::new();
    for object in [
        "deployment/feast-demo",
        "service/feast-demo-online",
        "configmap/feast-demo-client",
        "secret/feast-demo",
        "serviceaccount/feast-demo",
    ] {
        let live = test.namespace.json(&["get", object]).unwrap();
        for (field, name) in [
            ("labels", "example.com/team"),
            ("annotations", "example.com/note"),
        ] {
            if !live["metadata"][field][name].is_null() {
                remaining.push(format!("{object} {field} {name}"));
            }
        }
    }
    remaining
}

/// Returns what [`configure_more`] added and the cluster still has.
fn remaining(test: &StoreUnderTest) -> Vec<String> {
    let mut remaining = remaining_metadata(test);
    let template = test.deployment()["spec"]["template"].clone();
    let names = |list: &str| -> Vec<String> {
        let elements = template["spec"][list]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names = elements
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    let env = template["spec"]["containers"][0]["env"].clone();
    for (what, is_left) in [
        (
            "container ui",
            names("containers").contains(&"ui".to_owned()),
        ),
        (
            "volume extra",
            names("volumes").contains(&"extra".to_owned()),
        ),
        ("variable TOKEN", env.to_string().contains("TOKEN")),
        ("nodeSelector", !template["spec"]["nodeSelector"].is_null()),
        ("tolerations", !template["spec"]["tolerations"].is_null()),
        (
            "pod annotation",
            template.to_string().contains("example.com/pod"),
        ),
    ] {
        if is_left {
            remaining.push(what.to_owned());
        }
    }
    let objects = test.objects().into_iter();
    remaining.extend(objects.filter(|name| {
        ["cronjob", "feast-demo-ui", "role"]
            .iter()
            .any(|it| name.contains(it))
    }));
    remaining
}

/// Returns the fields and objects that the plan lists as leftovers.
fn leftovers(plan: &Plan) -> Vec<String> {
    let state = &plan.json["prior_state"]["values"]["root_module"]["resources"];
    let store = state.as_array().unwrap().iter();
    let mut stores = store.filter(|it| it["type"] == "feast_feature_store");
    let drift = stores.next().unwrap()["values"]["drift"]
        .as_array()
        .unwrap()
        .clone();
    let mut found: Vec<String> = (drift.iter().filter(|it| it["change"] == "leftover"))
        .map(|it| {
            assert_eq!(
                json!([it["wanted"], it["manager"], it["operation"]]),
                json!([null, "terraform-provider-feast", "Apply"])
            );
            let text = |name: &str| it[name].as_str().unwrap().to_owned();
            format!("{}{}", text("object"), text("field"))
        })
        .collect();
    found.sort_unstable();
    found
}

/// A state that is older than the cluster, as after a killed provider or a restored state.
pub fn removes_leftovers_of_a_lost_state() {
    let test = StoreUnderTest::new("leftovers");
    configure_less(&test);
    test.apply();
    let state = test.terraform.folder().join("terraform.tfstate");
    let before = std::fs::read(&state).unwrap();
    let hpa = "scaling = { autoscaling = { min_replicas = 1, max_replicas = 3 } }";
    configure_more(&test);
    test.terraform.apply().unwrap().expect_success();
    test.configure_all(
        &format!("{hpa}\n{MORE}\n{}", with_variable()).replace(
            "env = [{ name = \"UI\"",
            "resources = { requests = { cpu = \"1m\" } }, env = [{ name = \"UI\"",
        ),
        ATTRIBUTES,
    );
    test.terraform.apply().unwrap().expect_success();

    std::fs::write(&state, before).unwrap();
    configure_less(&test);
    let plan = test.plan_with_changes();
    let pod = "Deployment/feast-demo.spec.template";
    let labelled = |object: &str| {
        ["annotations.example.com/note", "labels.example.com/team"]
            .map(|field| format!("{object}.metadata.{field}"))
    };
    let mut expected = vec![
        "CronJob/feast-demo".to_owned(),
        "HorizontalPodAutoscaler/feast-demo".to_owned(),
        "Role/feast-demo-cronjob".to_owned(),
        "RoleBinding/feast-demo-cronjob".to_owned(),
        "Service/feast-demo-ui".to_owned(),
        "ServiceAccount/feast-demo-cronjob".to_owned(),
        format!("{pod}.metadata.annotations.example.com/pod"),
        format!("{pod}.spec.containers[name=\"online\"].env[name=\"TOKEN\"]"),
        format!("{pod}.spec.containers[name=\"ui\"]"),
        format!("{pod}.spec.initContainers[name=\"feast-apply\"].env[name=\"TOKEN\"]"),
        format!("{pod}.spec.nodeSelector"),
        format!("{pod}.spec.tolerations"),
        format!("{pod}.spec.volumes[name=\"extra\"]"),
    ];
    for object in [
        "ConfigMap/feast-demo-client",
        "Deployment/feast-demo",
        "Secret/feast-demo",
        "Service/feast-demo-online",
        "ServiceAccount/feast-demo",
    ] {
        expected.extend(labelled(object));
    }
    expected.sort_unstable();
    assert_eq!(leftovers(&plan), expected);
    assert!(!plan.run.messages().contains("hunter2"), "{}", plan.run);
    test.apply();
    assert_eq!((remaining(&test), test.autoscaler()), (Vec::new(), None));
    test.expect_no_resource_drift();
    test.destroy();
}

/// Includes cluster-scoped kinds, and kinds that the state does not contain.
pub fn removes_leftover_objects_of_every_kind() {
    let test = StoreUnderTest::new("leftovers-kinds");
    configure_less(&test);
    test.apply();
    let state = test.terraform.folder().join("terraform.tfstate");
    let before = std::fs::read(&state).unwrap();
    let keys = || -> BTreeSet<String> {
        let objects = test.state()["objects"].clone();
        objects.as_object().unwrap().keys().cloned().collect()
    };
    let few = keys();
    let services = format!(
        "scaling = {{ autoscaling = {{ min_replicas = 1, max_replicas = 3 }} }}\n\
         pod_disruption_budgets = {{ max_unavailable = 1 }}\n\
         network_policy = {{}}\n\
         feast_apply = \"init_container\"\n{DATABASES}"
    );
    let attributes = "wait_for_rollout = false\n  cron_job = { schedule = \"@daily\" }\n  \
                      authz = { kubernetes = { roles = [\"reader\"] } }";
    test.configure_all(&services, attributes);
    test.apply();
    let many = keys();
    std::fs::write(&state, &before).unwrap();
    configure_less(&test);
    let plan = test.plan_with_changes();
    let objects: BTreeSet<String> = (leftovers(&plan).into_iter())
        .filter(|it| !it.contains('.'))
        .collect();
    assert_eq!(objects, many.difference(&few).cloned().collect());
    let kinds: BTreeSet<&str> = (objects.iter())
        .map(|key| key.split_once('/').unwrap().0)
        .collect();
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [
            "ClusterRole",
            "ClusterRoleBinding",
            "CronJob",
            "HorizontalPodAutoscaler",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "Role",
            "RoleBinding",
            "ServiceAccount",
        ]
    );
    test.apply();
    assert_eq!(keys(), few);

    // A destroy removes them, too.
    test.configure_all(&services, attributes);
    test.apply();
    std::fs::write(&state, before).unwrap();
    test.destroy();
}

pub fn removes_fields_after_a_managed_fields_reset() {
    let test = StoreUnderTest::new("leftovers-reset");
    configure_more(&test);
    test.apply();
    for object in test.objects() {
        if !object.starts_with("pod/") {
            test.patch(&object, r#"{"metadata": {"managedFields": [{}]}}"#);
        }
    }
    configure_less(&test);
    let run = test.apply();
    assert!(!run.messages().contains("not removed"), "{run}");
    assert_eq!(remaining(&test), [""; 0]);
    test.destroy();
}

/// Restores the objects as Velero does, followed by `kubectl apply`.
pub fn removes_fields_after_a_restore() {
    let test = StoreUnderTest::new("leftovers-restore");
    configure_more(&test);
    test.apply();
    for object in [
        "deployment/feast-demo",
        "service/feast-demo-online",
        "service/feast-demo-ui",
        "configmap/feast-demo-client",
        "secret/feast-demo",
        "serviceaccount/feast-demo",
        "cronjob/feast-demo",
    ] {
        let mut backup = test.namespace.json(&["get", object]).unwrap();
        let metadata = backup["metadata"].as_object_mut().unwrap();
        for field in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
            metadata.remove(field);
        }
        let backup = backup.as_object_mut().unwrap();
        backup.remove("status");
        if let Some(spec) = backup.get_mut("spec").and_then(Json::as_object_mut) {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        let text = Json::Object(backup.clone()).to_string();
        test.terraform.write("backup.json", &text).unwrap();
        let file = format!(
            "--filename={}",
            test.terraform.folder().join("backup.json").display()
        );
        for command in [
            &["delete", object][..],
            &["create", "--field-manager=velero-server", &file],
            &["apply", &file],
        ] {
            test.namespace.kubectl(command).unwrap();
        }
    }
    test.expect_empty_plan();
    configure_less(&test);
    let run = test.apply();
    assert!(!run.messages().contains("not removed"), "{run}");
    assert_eq!(remaining(&test), [""; 0]);
    test.destroy();
}

/// The provider block gets another `field_manager`.
pub fn removes_fields_of_a_former_field_manager() {
    let test = StoreUnderTest::new("leftovers-manager");
    let managed_by = |manager: &str, services: &str, attributes: &str| {
        let text = with_provider(
            &configuration(services, attributes),
            &format!("field_manager = {manager:?}"),
        );
        test.terraform.write("main.tf", &text).unwrap();
    };
    let all = format!("{FIXED}\n{MORE}\n{}", with_variable());
    for (former, current) in [("terraform-provider-feast", "mine"), ("mine", "another")] {
        managed_by(former, &all, ATTRIBUTES);
        test.apply();
        let some =
            format!("scaling = {{ replicas = 3 }}\nfeast_apply = \"init_container\"\n{DATABASES}");
        managed_by(current, &some, "wait_for_rollout = false");
        let run = test.apply();
        assert!(!run.messages().contains("not removed"), "{run}");
        assert_eq!(remaining(&test), [""; 0], "{former} → {current}");
        // The count becomes external, and then configured again.
        managed_by(current, DATABASES, "");
        test.apply();
        managed_by(former, &all, ATTRIBUTES);
        test.apply();
        assert_eq!(test.replicas(), 2);
        managed_by(current, &all, ATTRIBUTES);
        test.apply();
    }
    let get = ["get", "deployment", "feast-demo", "--show-managed-fields"];
    let live = test.namespace.json(&get).unwrap();
    let mut managers: Vec<&str> = (live["metadata"]["managedFields"].as_array().unwrap().iter())
        .map(|entry| entry["manager"].as_str().unwrap())
        .filter(|manager| *manager != "kube-controller-manager")
        .collect();
    managers.dedup();
    assert_eq!(managers, ["mine"]);
    test.destroy();
}

/// Another manager that applies a field, or has changed it, keeps it and is named.
pub fn reports_dropped_fields_with_other_owners() {
    let test = StoreUnderTest::new("leftovers-others");
    configure_more(&test);
    test.apply();
    let other = json!({"template": {"metadata": {"annotations": {"example.com/pod": "1"}}}});
    apply_as(&test, "argocd", &other);
    let commands = [
        &[
            "label",
            "--overwrite",
            "service/feast-demo-online",
            "example.com/team=b",
        ][..],
        // A changed part of an element that only the provider applies is removed with the element.
        &["set", "image", "deployment/feast-demo", "ui=hotfix:1"],
        &[
            "set",
            "env",
            "deployment/feast-demo",
            "--containers=online",
            "TOKEN=other",
        ],
    ];
    for command in commands {
        test.namespace.kubectl(command).unwrap();
    }
    configure_less(&test);
    let run = test.terraform.apply().unwrap().expect_success();
    let messages = run.messages();
    let get = [
        "get",
        "service",
        "feast-demo-online",
        "--show-managed-fields",
    ];
    let live = test.namespace.json(&get).unwrap();
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    let mut entries = entries.iter();
    let label = entries
        .find(|entry| entry["manager"] == "kubectl-label")
        .unwrap();
    // The API server records no time for an apply that changes no value.
    let expected = format!(
        "Warning: Fields were not removed: other managers own them with feast_feature_store.demo, on main.tf line 16, \
         in resource \"feast_feature_store\" \"demo\": 16: resource \"feast_feature_store\" \"demo\" {{ The configuration no \
         longer has these fields, but other managers own them, so they stay in the cluster: \
         Service/feast-demo-online .metadata.labels.example.com/team: set by \"kubectl-label\" at {} \
         Deployment/feast-demo .spec.template.metadata.annotations.example.com/pod: applied by \"argocd\" \
         The next plan does not show them. Remove them with the tool that owns them, if nothing else needs them.",
        label["time"].as_str().unwrap(),
    );
    assert!(messages.contains(&expected), "{messages}\n\n{expected}");
    test.expect_empty_plan();
    assert_eq!(
        remaining(&test),
        [
            "service/feast-demo-online labels example.com/team",
            "pod annotation"
        ]
    );
    test.destroy();
}
