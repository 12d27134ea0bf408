//! What somebody else changes in the cluster: the plan shows it, the apply repairs it.

use crate::lifecycle::store::{DATABASES, StoreUnderTest};

/// The planned change of one object of the store: (as it is, as it will be), as JSON text.
fn object_change(test: &StoreUnderTest, object: &str) -> (String, String) {
    let plan = test.plan_with_changes();
    let changes = plan.json["resource_changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1);
    let change = &changes[0]["change"];
    assert_eq!(change["actions"][0], "update", "{}", plan.run);
    let text = |side: &str| {
        change[side]["objects"][object]
            .as_str()
            .unwrap_or("")
            .to_owned()
    };
    (text("before"), text("after"))
}

pub fn every_hand_edit_is_shown_and_repaired() {
    let test = StoreUnderTest::new("drift");
    let scaling = "scaling = { autoscaling = { min_replicas = 1, max_replicas = 4 } }";
    test.configure(&format!("{scaling}\n{DATABASES}"));
    test.apply();

    test.namespace
        .kubectl(&[
            "set",
            "image",
            "deployment/feast-demo",
            "online=example.invalid/hotfix:1",
        ])
        .unwrap();
    let (before, after) = object_change(&test, "Deployment/feast-demo");
    assert!(before.contains("example.invalid/hotfix:1"), "{before}");
    let prior = test.plan_with_changes().json["prior_state"].clone();
    let prior = &prior["values"]["root_module"]["resources"][0]["values"];
    let mut listed = prior["drift"].clone();
    listed[0]["time"].take();
    assert_eq!(
        listed,
        serde_json::json!([{
            "object": "Deployment/feast-demo",
            "field": ".spec.template.spec.containers[name=\"online\"].image",
            "wanted": "quay.io/feastdev/feature-server:0.66.0",
            "live": "example.invalid/hotfix:1",
            "manager": "kubectl-set",
            "operation": "Update",
            "time": null,
        }])
    );
    let server = &prior["services"]["online_store"]["server"];
    assert_eq!(server["image"], "example.invalid/hotfix:1");
    assert!(!after.contains("example.invalid/hotfix:1"), "{after}");
    test.apply();
    let image = &test.deployment()["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "quay.io/feastdev/feature-server:0.66.0");

    test.namespace
        .kubectl(&["delete", "service", "feast-demo-online"])
        .unwrap();
    let (before, after) = object_change(&test, "Service/feast-demo-online");
    assert_eq!(before, "");
    assert!(after.contains("feast-demo-online"), "{after}");
    test.apply();
    let service = test
        .namespace
        .json(&["get", "service", "feast-demo-online"])
        .unwrap();
    assert_eq!(service["spec"]["ports"][0]["targetPort"], 6566);

    test.namespace
        .kubectl(&[
            "patch",
            "hpa",
            "feast-demo",
            "--patch",
            r#"{"spec":{"maxReplicas":9}}"#,
        ])
        .unwrap();
    let (before, after) = object_change(&test, "HorizontalPodAutoscaler/feast-demo");
    assert!(before.contains(r#""maxReplicas":9"#), "{before}");
    let plan = test.plan_with_changes();
    let changes = &plan.json["resource_changes"][0]["change"];
    let bound = |side: &str| {
        let autoscaling = &changes[side]["services"]["scaling"]["autoscaling"];
        autoscaling["max_replicas"].as_u64()
    };
    assert_eq!((bound("before"), bound("after")), (Some(9), Some(4)));
    assert!(after.contains(r#""maxReplicas":4"#), "{after}");
    test.apply();
    assert_eq!(test.autoscaler(), Some((1, 4)));

    test.namespace
        .kubectl(&["delete", "secret", "feast-demo"])
        .unwrap();
    let (before, _) = object_change(&test, "Secret/feast-demo");
    assert_eq!(before, "");
    test.apply();
    test.destroy();
}

/// What is not ours never shows: labels and annotations of others, sidecars, the server's defaults.
pub fn foreign_fields_never_show() {
    let test = StoreUnderTest::new("foreign");
    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    for patch in [
        r#"{"metadata":{"annotations":{"example.com/note":"hello"},"labels":{"example.com/team":"a"}}}"#,
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"sidecar","image":"example.invalid/sidecar"}]}}}}"#,
    ] {
        test.namespace
            .kubectl(&["patch", "deployment", "feast-demo", "--patch", patch])
            .unwrap();
    }
    test.expect_empty_plan();
    test.destroy();
}
