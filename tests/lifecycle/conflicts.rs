//! Conflicts: a field that another manager applied is a conflict, a field that was written by a plain update is drift.

use serde_json::{Value as Json, json};

use crate::lifecycle::store::{StoreUnderTest, configuration, databases_with, with_provider};

const ROLLING: &str = r#"deployment_strategy = { type = "RollingUpdate" }"#;
const IMAGE: &str = ".spec.template.spec.containers[name=\"online\"].image";

fn services(scaling: &str, image: &str) -> String {
    format!("{scaling}\n{ROLLING}\n{}", databases_with(image))
}

/// Applies a spec to the Deployment as another server-side applier, such as Argo CD.
pub fn apply_as(test: &StoreUnderTest, manager: &str, spec: &Json) {
    let manifest = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "feast-demo"},
        "spec": spec,
    });
    let file = format!("{manager}.json");
    test.terraform.write(&file, &manifest.to_string()).unwrap();
    let file = test.terraform.folder().join(file);
    test.namespace
        .kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            &format!("--field-manager={manager}"),
            &format!("--filename={}", file.display()),
        ])
        .unwrap();
}

/// Returns the time of the manager's last write to the Deployment.
fn time_of(test: &StoreUnderTest, manager: &str) -> String {
    let get = ["get", "deployment", "feast-demo", "--show-managed-fields"];
    let live = test.namespace.json(&get).unwrap();
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    let mut entries = entries.iter();
    let entry = entries.find(|entry| entry["manager"] == manager).unwrap();
    entry["time"].as_str().unwrap().to_owned()
}

/// Returns the errors of an apply as (summary, detail).
fn errors(test: &StoreUnderTest) -> Vec<(String, String)> {
    let run = test
        .terraform
        .run(&["apply", "-json", "-auto-approve", "-input=false"])
        .unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    let lines = run.stdout.lines();
    let lines = lines.filter_map(|line| serde_json::from_str::<Json>(line).ok());
    lines
        .filter(|line| line["diagnostic"]["severity"] == "error")
        .map(|line| {
            let text = |name: &str| line["diagnostic"][name].as_str().unwrap().to_owned();
            (text("summary"), text("detail"))
        })
        .collect()
}

fn conflict(test: &StoreUnderTest, field: &str, attribute: &str) -> (String, String) {
    let summary = "Cannot update the feature store".to_owned();
    let detail = format!(
        "Cannot apply Deployment/feast-demo in namespace \"{}\" of the cluster at {}/.\n\
         Caused by: Other field managers own these fields:\n  {field}.\n\n\
         To take these fields over with the next apply, set force_conflicts = true in the provider block. To leave \
         them to their owner, remove them from the configuration; if the provider always sets a field (such as an \
         image), set it to the live value, because equal values do not conflict.\n\n\
         In the configuration: `{attribute}`.\n\n\
         Nothing was written.",
        test.namespace.name(),
        test.namespace.cluster().server().trim_end_matches('/'),
    );
    (summary, detail)
}

pub fn applied_fields_conflict() {
    let test = StoreUnderTest::new("applier");
    let replicas = "scaling = { replicas = 2 }";
    let ours = r#"image = "example.invalid/ours:1""#;
    test.configure(&services(replicas, ours));
    test.apply();

    let theirs = json!({"template": {"spec": {"containers": [
        {"name": "online", "image": "example.invalid/theirs:1"}]}}});
    apply_as(&test, "argocd", &theirs);
    let expected = conflict(
        &test,
        &format!(
            "{IMAGE}: applied by \"argocd\" at {} to \"example.invalid/theirs:1\"; the configured value is \"example.invalid/ours:1\"",
            time_of(&test, "argocd")
        ),
        "services.online_store.server.image",
    );
    let planned = test.plan_with_changes().run.stdout;
    let warning = "Warning: An apply of this plan will stop at a conflict";
    assert!(planned.contains(warning), "{planned}");
    let time = time_of(&test, "argocd");
    let line = format!(
        "  Deployment/feast-demo {IMAGE}: applied by \"argocd\" at {time}, to example.invalid/theirs:1\n"
    );
    assert!(planned.contains(&line), "{planned}");
    assert_eq!(errors(&test), [expected]);
    assert_eq!(test.image(), "example.invalid/theirs:1");
    // The failed apply has not accepted the other manager's value.
    let again = test.plan_with_changes().run.stdout;
    assert!(again.contains(&line), "{again}");

    // Equal values do not conflict.
    test.configure(&services(replicas, r#"image = "example.invalid/theirs:1""#));
    test.apply();

    // First resolution: force the conflict.
    let forced = configuration(&services(replicas, ours), "");
    let forced = with_provider(&forced, "force_conflicts = true");
    test.terraform.write("main.tf", &forced).unwrap();
    test.apply();
    assert_eq!(test.image(), "example.invalid/ours:1");

    // Second resolution: remove the field from the configuration, for a field that the provider does not always set.
    test.configure(&services(replicas, ours));
    test.apply();
    apply_as(&test, "scaler", &json!({"replicas": 4}));
    let expected = conflict(
        &test,
        &format!(
            ".spec.replicas: applied by \"scaler\" at {} to 4; the configured value is 2",
            time_of(&test, "scaler")
        ),
        "services.scaling.replicas",
    );
    assert_eq!(errors(&test), [expected]);
    test.configure(&services("", ours));
    test.apply();
    assert_eq!(test.replicas(), 4);
    test.destroy();
}

/// Changes by hand are shown with their author, and one apply reverts all of them.
pub fn reverts_plain_updates() {
    let test = StoreUnderTest::new("updates");
    test.configure(&services(
        "scaling = { replicas = 2 }",
        r#"image = "example.invalid/ours:1", env = [{ name = "A", value = "1" }]"#,
    ));
    test.apply();
    let edit = test
        .namespace
        .kubectl_command(&["edit", "deployment/feast-demo"])
        .env(
            "KUBE_EDITOR",
            // The sed of macOS needs a suffix for the copy.
            "sed -i.bak s,example.invalid/ours:1,example.invalid/edited:1,",
        )
        .output()
        .unwrap();
    assert!(edit.status.success(), "{edit:?}");
    test.namespace
        .kubectl(&["scale", "deployment/feast-demo", "--replicas=3"])
        .unwrap();
    test.namespace
        .kubectl(&["set", "env", "deployment/feast-demo", "A=2"])
        .unwrap();
    let plan = test.plan_with_changes();
    let drift =
        &plan.json["prior_state"]["values"]["root_module"]["resources"][0]["values"]["drift"];
    let mut changes: Vec<[&str; 5]> = (drift.as_array().unwrap().iter())
        .map(|change| {
            ["field", "wanted", "live", "manager", "operation"]
                .map(|name| change[name].as_str().unwrap_or("not shown"))
        })
        .collect();
    changes.sort_unstable();
    let container = ".spec.template.spec.containers[name=\"online\"]";
    let env = format!("{container}.env[name=\"A\"].value");
    let image = format!("{container}.image");
    assert_eq!(
        changes,
        [
            [".spec.replicas", "2", "3", "kubectl", "Update"],
            [&env, "not shown", "not shown", "kubectl-set", "Update"],
            [
                &image,
                "example.invalid/ours:1",
                "example.invalid/edited:1",
                "kubectl-edit",
                "Update"
            ],
        ]
    );
    test.apply();
    let spec = test.deployment()["spec"].clone();
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(
        json!([spec["replicas"], container["image"], container["env"]]),
        json!([2, "example.invalid/ours:1", [{"name": "A", "value": "1"}]])
    );
    test.destroy();
}
