//! Drift: the plan shows changes by other managers, and the apply reverts them.

use serde_json::{Value as Json, json};

use crate::lifecycle::admission_policy::AdmissionPolicy;
use crate::lifecycle::store::{DATABASES, StoreUnderTest, databases_with};
use crate::support::terraform::{Exit, Plan, Run};

/// Returns the planned change of one object of the store, as JSON text before and after.
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

/// Returns the attributes after the refresh of the plan.
fn refreshed(plan: &Plan) -> Json {
    let state = &plan.json["prior_state"]["values"]["root_module"]["resources"];
    let mut resources = state.as_array().unwrap().iter();
    let store = resources.find(|resource| resource["type"] == "feast_feature_store");
    store.unwrap()["values"].clone()
}

/// Returns the attribute `drift` without the times of the writes. Every entry with a manager must have a time, except
/// for a write to the subresource `scale`, for which the API server records none.
fn drift(plan: &Plan) -> Vec<Json> {
    let refreshed = refreshed(plan);
    let mut listed = refreshed["drift"].as_array().unwrap().clone();
    for change in &mut listed {
        let time = change.as_object_mut().unwrap().remove("time");
        let is_known = time.is_some_and(|time| time.is_string());
        let has_author = change["manager"].is_string() && change["field"] != ".spec.replicas";
        assert_eq!(is_known, has_author, "{change}");
    }
    listed
}

fn patch(test: &StoreUnderTest, object: &str, patch: &Json) {
    let patch = patch.to_string();
    test.namespace
        .kubectl(&["patch", object, "--patch", &patch])
        .unwrap();
}

pub fn shows_and_reverts_edits() {
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
    let plan = test.plan_with_changes();
    assert_eq!(
        drift(&plan),
        [json!({
            "object": "Deployment/feast-demo",
            "change": "changed",
            "field": ".spec.template.spec.containers[name=\"online\"].image",
            "wanted": "quay.io/feastdev/feature-server:0.67.0",
            "live": "example.invalid/hotfix:1",
            "manager": "kubectl-set",
            "operation": "Update",
        })]
    );
    let server = &refreshed(&plan)["services"]["online_store"]["server"];
    assert_eq!(server["image"], "example.invalid/hotfix:1");
    assert!(!after.contains("example.invalid/hotfix:1"), "{after}");
    test.apply();
    assert_eq!(test.image(), "quay.io/feastdev/feature-server:0.67.0");

    test.namespace
        .kubectl(&["delete", "service", "feast-demo-online"])
        .unwrap();
    let (before, after) = object_change(&test, "Service/feast-demo-online");
    assert_eq!(before, "");
    assert!(after.contains("feast-demo-online"), "{after}");
    assert_eq!(
        drift(&test.plan_with_changes()),
        [json!({
            "object": "Service/feast-demo-online", "change": "deleted", "field": "",
            "wanted": null, "live": null, "manager": null, "operation": null,
        })]
    );
    test.apply();
    let service = test
        .namespace
        .json(&["get", "service", "feast-demo-online"])
        .unwrap();
    assert_eq!(service["spec"]["ports"][0]["targetPort"], 6566);

    patch(
        &test,
        "hpa/feast-demo",
        &json!({"spec": {"maxReplicas": 9}}),
    );
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

/// For each change, the plan shows the value before and after at the attribute that set it.
pub fn drift_shows_at_its_attribute() {
    let test = StoreUnderTest::new("drift-attributes");
    let services = r#"
        scaling = { autoscaling = {
          max_replicas = 4
          metrics = [
            { type = "Resource", resource = { name = "cpu", target = { type = "Utilization", average_utilization = 70 } } },
            { type = "Pods", pods = { metric = { name = "qps" }, target = { type = "AverageValue", average_value = "1500m" } } },
          ]
          behavior = { scale_down = { stabilization_window_seconds = 120 } }
        } }
        deployment_strategy = { type = "RollingUpdate", rolling_update = { max_surge = "1" } }
    "#;
    let databases =
        databases_with(r#"env = [{ name = "A", value = "1" }, { name = "B", value = "2" }]"#);
    let labels = r#"labels = { "example.com/team" = "a" }"#;
    test.configure_all(&format!("{services}\n{databases}"), labels);
    test.apply();
    patch(
        &test,
        "deployment/feast-demo",
        &json!({
            "metadata": {"labels": {"example.com/team": "b"}},
            "spec": {
                "strategy": {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}},
                "template": {"spec": {"containers": [{
                    "name": "online", "env": [{"name": "B", "value": "3"}],
                    "resources": {"requests": {"cpu": "200m"}}}]}},
            },
        }),
    );
    // Metrics in another order and notation, with one other target.
    patch(
        &test,
        "hpa/feast-demo",
        &json!({"spec": {
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
            "metrics": [
                {"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "1.5"}}},
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
            ],
        }}),
    );
    let plan = test.plan_with_changes();
    let change = &plan.json["resource_changes"][0]["change"];
    let online = "/services/online_store/server";
    let autoscaling = "/services/scaling/autoscaling";
    let metrics = "metrics/0/resource/target/average_utilization";
    for (attribute, before, after) in [
        (
            "/labels/example.com~1team".to_owned(),
            json!("b"),
            json!("a"),
        ),
        (
            "/services/deployment_strategy/rolling_update/max_surge".to_owned(),
            json!("2"),
            json!("1"),
        ),
        (format!("{online}/env/0/value"), json!("1"), json!("1")),
        (format!("{online}/env/1/value"), json!("3"), json!("2")),
        (
            format!("{online}/resources/requests/cpu"),
            json!("200m"),
            json!("100m"),
        ),
        (
            format!("{autoscaling}/behavior/scale_down/stabilization_window_seconds"),
            json!(60),
            json!(120),
        ),
        (format!("{autoscaling}/{metrics}"), json!(50), json!(70)),
        (
            format!("{autoscaling}/metrics/1/pods/target/average_value"),
            json!("1500m"),
            json!("1500m"),
        ),
    ] {
        let sides = ["before", "after"].map(|side| change[side].pointer(&attribute));
        assert_eq!(sides, [Some(&before), Some(&after)], "{attribute}");
    }
    let mut fields: Vec<String> = (drift(&plan).iter())
        .map(|change| {
            let text = |name: &str| change[name].as_str().unwrap_or("not shown");
            format!("{} {} -> {}", text("field"), text("wanted"), text("live"))
        })
        .collect();
    fields.sort_unstable();
    let container = ".spec.template.spec.containers[name=\"online\"]";
    assert_eq!(
        fields,
        [
            ".metadata.labels.example.com/team a -> b".to_owned(),
            ".spec.behavior.scaleDown.stabilizationWindowSeconds 120 -> 60".to_owned(),
            ".spec.metrics[0].resource.target.averageUtilization 70 -> 50".to_owned(),
            ".spec.strategy.rollingUpdate.maxSurge 1 -> 2".to_owned(),
            // The configuration does not set this field, but the provider sends it and therefore owns it.
            ".spec.strategy.rollingUpdate.maxUnavailable 25% -> 0".to_owned(),
            format!("{container}.env[name=\"B\"].value not shown -> not shown"),
            format!("{container}.resources.requests.cpu 100m -> 200m"),
        ]
    );
    test.apply();

    // A removed value is missing at its attribute.
    test.namespace
        .kubectl(&["label", "service/feast-demo-online", "example.com/team-"])
        .unwrap();
    let plan = test.plan_with_changes();
    let change = &plan.json["resource_changes"][0]["change"];
    assert_eq!(
        json!([change["before"]["labels"], change["after"]["labels"]]),
        json!([{}, {"example.com/team": "a"}])
    );
    assert_eq!(
        drift(&plan),
        [json!({
            "object": "Service/feast-demo-online", "change": "removed",
            "field": ".metadata.labels.example.com/team", "wanted": "a", "live": null,
            "manager": null, "operation": null,
        })]
    );
    // A change of the Service does not affect the pod counts.
    let status = json!({"current_replicas": 1, "desired_replicas": 1});
    assert_eq!(change["after"]["scaling_status"], status);
    test.apply();
    test.destroy();
}

/// Saving a refresh does not accept the drift.
pub fn drift_remains_after_a_saved_refresh() {
    let test = StoreUnderTest::new("drift-kept");
    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    let scale = |replicas: u32| {
        let replicas = format!("--replicas={replicas}");
        test.namespace
            .kubectl(&["scale", "deployment/feast-demo", &replicas])
            .unwrap();
    };
    let refresh = [
        "apply",
        "-refresh-only",
        "-auto-approve",
        "-input=false",
        "-no-color",
    ];
    scale(3);
    test.namespace
        .kubectl(&["delete", "service", "feast-demo-online"])
        .unwrap();
    let listed = drift(&test.plan_with_changes());
    assert_eq!(listed.len(), 2);
    test.terraform.run(&refresh).unwrap().expect_success();
    assert_eq!(test.state()["services"]["scaling"]["replicas"], 3);
    let plan = test.plan_with_changes();
    assert_eq!(drift(&plan), listed);
    let change = &plan.json["resource_changes"][0]["change"]["after"];
    assert_eq!(change["services"]["scaling"]["replicas"], 2);

    // One of the changes is reverted by hand, and is no longer in the plan.
    scale(2);
    let listed = drift(&test.plan_with_changes());
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["change"], "deleted");
    test.terraform.run(&refresh).unwrap().expect_success();
    assert_eq!(test.state()["services"]["scaling"]["replicas"], 2);
    test.apply();
    test.destroy();
}

/// Terraform marks a sensitive value only at the attribute that sets it.
pub fn variable_values_show_only_at_their_attribute() {
    let test = StoreUnderTest::new("drift-variables");
    let server = |image: &str| {
        let env = "env = [{ name = \"TOKEN\", value = var.token }]";
        databases_with(&format!("image = {image:?}, {env}"))
    };
    let configure = |image: &str, token: &str| {
        let variable =
            format!("variable \"token\" {{\n  default = {token:?}\n  sensitive = true\n}}\n");
        test.terraform.write("token.tf", &variable).unwrap();
        test.configure(&format!("scaling = {{ replicas = 2 }}\n{}", server(image)));
    };
    let live = || {
        let spec = test.deployment()["spec"]["template"]["spec"].clone();
        spec["containers"][0]["env"][0]["value"].clone()
    };
    let shown = |run: &Run| {
        let messages = run.messages();
        ["hunter2", "hunter3", "hunter4"].map(|token| messages.contains(token))
    };
    configure("feast:1", "hunter2");
    let plan = test.plan_with_changes();
    let run = test.terraform.apply().unwrap().expect_success();
    assert_eq!([shown(&plan.run), shown(&run)], [[false; 3]; 2]);
    test.expect_empty_plan();
    let state = test.state();
    let objects = state["objects"].to_string();
    assert!(
        !objects.contains("hunter2") && objects.contains("(not shown)"),
        "{objects}"
    );
    let env = &state["services"]["online_store"]["server"]["env"];
    assert_eq!(env[0]["value"], "hunter2");

    // The value changes.
    configure("feast:1", "hunter3");
    let plan = test.plan_with_changes();
    let run = test.terraform.apply().unwrap().expect_success();
    assert_eq!([shown(&plan.run), shown(&run)], [[false; 3]; 2]);
    assert_eq!(live(), "hunter3");

    // Drift of the value, together with other drift, is found and reverted.
    let set = ["set", "env", "deployment/feast-demo", "TOKEN=hunter4"];
    test.namespace.kubectl(&set).unwrap();
    let plan = test.plan_with_changes();
    assert_eq!(shown(&plan.run), [false; 3]);
    let fields: Vec<Json> = (drift(&plan).iter())
        .map(|change| {
            json!([
                change["change"],
                change["field"],
                change["wanted"],
                change["live"]
            ])
        })
        .collect();
    let field = ".spec.template.spec.containers[name=\"online\"].env[name=\"TOKEN\"].value";
    assert!(
        fields.contains(&json!(["changed", field, null, null])),
        "{fields:?}"
    );
    let run = test.apply();
    assert_eq!((shown(&run), live()), ([false; 3], json!("hunter3")));
    test.destroy();
}

/// The user's Secret is listed with its key and author, and the plan rolls the pods.
pub fn rotated_secret_is_listed_and_rolls_the_pods() {
    let test = StoreUnderTest::new("drift-secret");
    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    let hash = test.state()["configuration_hash"].clone();
    let data = json!({"stringData": {"postgres": "host: elsewhere\nuser: feast\npassword: new-and-secret\n"}});
    patch(&test, "secret/feast-data-stores", &data);
    let plan = test.plan_with_changes();
    assert_eq!(
        drift(&plan),
        [json!({
            "object": "Secret/feast-data-stores", "change": "rotated", "field": ".data.postgres",
            "wanted": null, "live": null, "manager": "kubectl-patch", "operation": "Update",
        })]
    );
    let change = &plan.json["resource_changes"][0]["change"];
    assert_eq!(change["before"]["configuration_hash"], hash);
    assert_eq!(change["after_unknown"]["configuration_hash"], true);
    assert!(!plan.json.to_string().contains("new-and-secret"));
    test.apply();
    assert_ne!(test.state()["configuration_hash"], hash);

    // The provider's own Secret is edited.
    patch(
        &test,
        "secret/feast-demo",
        &json!({"stringData": {"feature_store.yaml": "project: theirs\n"}}),
    );
    let plan = test.plan_with_changes();
    assert_eq!(
        drift(&plan),
        [json!({
            "object": "Secret/feast-demo", "change": "changed", "field": ".data.feature_store.yaml",
            "wanted": null, "live": null, "manager": "kubectl-patch", "operation": "Update",
        })]
    );
    assert!(!plan.json.to_string().contains("theirs"));
    test.apply();
    test.destroy();
}

/// Fields of other managers are never drift: their labels and annotations, sidecars, the API server's defaults.
pub fn foreign_fields_are_not_drift() {
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

/// Acts as a service mesh: adds a sidecar to every Deployment of the namespace, a variable, and an annotation.
const INJECTOR: &str = r#"
Object{
  metadata: Object.metadata{annotations: {"injector.example.com/status": "injected"}},
  spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
    initContainers: [Object.spec.template.spec.initContainers{name: "early", image: "example.invalid/early:1"}],
    containers: [
      Object.spec.template.spec.containers{name: "sidecar", image: "example.invalid/sidecar:1"},
      Object.spec.template.spec.containers{name: "online",
        env: [Object.spec.template.spec.containers.env{name: "INJECTED", value: "1"}]}]}}}}
"#;

fn containers(test: &StoreUnderTest) -> Vec<String> {
    let spec = test.deployment()["spec"]["template"]["spec"].clone();
    let both = ["initContainers", "containers"].map(|list| spec[list].as_array().unwrap().clone());
    let names = both.iter().flatten();
    names
        .map(|container| container["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Injected fields are not drift, whether the injector or the feature store existed first. `strict` reports them, and
/// no apply removes them.
pub fn strict_policy_reports_injected_fields() {
    let test = StoreUnderTest::new("injected");
    let policy = AdmissionPolicy::mutating(&test.namespace, INJECTOR, "example.invalid/sidecar");
    let services = |image: &str| {
        let databases = databases_with(&format!("image = {image:?}"));
        format!("scaling = {{ replicas = 2 }}\n{databases}")
    };
    test.configure(&services("feast:1"));
    test.apply();
    let all = ["early", "feast-init", "online", "sidecar"];
    let mut names = containers(&test);
    names.sort_unstable();
    assert_eq!(names, all);
    test.namespace
        .kubectl(&[
            "annotate",
            "deployment/feast-demo",
            "example.com/note=hello",
        ])
        .unwrap();
    test.expect_empty_plan();

    let strict = r#"drift_policy = "strict""#;
    test.configure_all(&services("feast:1"), strict);
    test.terraform.apply().unwrap().expect_success();
    let plan = test.terraform.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    let listed = |plan: &Plan| {
        let mut listed: Vec<String> = (drift(plan).iter())
            .map(|drift| {
                assert_eq!(drift["object"], "Deployment/feast-demo");
                assert_eq!(
                    [&drift["change"], &drift["wanted"]],
                    [&json!("added"), &Json::Null]
                );
                let by = drift["manager"].as_str().unwrap_or("nobody");
                format!("{} by {by}", drift["field"].as_str().unwrap())
            })
            .collect();
        listed.sort_unstable();
        listed
    };
    let spec = ".spec.template.spec";
    let expected = [
        ".metadata.annotations.example.com/note by kubectl-annotate".to_owned(),
        ".metadata.annotations.injector.example.com/status by nobody".to_owned(),
        format!("{spec}.containers[name=\"online\"].env[name=\"INJECTED\"] by nobody"),
        format!("{spec}.containers[name=\"sidecar\"] by nobody"),
        format!("{spec}.initContainers[name=\"early\"] by nobody"),
    ];
    assert_eq!(listed(&plan), expected);
    let messages = format!("{}{}", plan.run.stdout, plan.run.stderr);
    let warning = "Warning: Others have added to the feature store's objects";
    assert!(messages.contains(warning), "{messages}");
    let line = "  Deployment/feast-demo .metadata.annotations.example.com/note: set by \"kubectl-annotate\" at ";
    assert!(messages.contains(line), "{messages}");

    // An apply with another change keeps the injected fields and reports them again.
    test.configure_all(&services("feast:2"), strict);
    test.terraform.apply().unwrap().expect_success();
    let plan = test.terraform.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    assert_eq!(listed(&plan), expected);

    test.configure(&services("feast:2"));
    test.apply();
    assert_eq!(test.state()["drift"], json!([]));
    test.destroy();
    policy.delete();
}
