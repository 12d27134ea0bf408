//! `ignore_changes`: live values are kept, even if they differ from the configuration or violate a rule, and cause no
//! plan.

use serde_json::json;

use crate::lifecycle::store::{DATABASES, StoreUnderTest, databases_with};

fn ignoring(test: &StoreUnderTest, services: &str, attributes: &str, ignored: &str) {
    let lifecycle = format!("{attributes}\n  lifecycle {{ ignore_changes = [{ignored}] }}");
    test.configure_all(services, &lifecycle);
}

/// Terraform plans with the live value, which the rules then check.
pub fn keeps_live_values_that_violate_a_rule() {
    let test = StoreUnderTest::new("ignored-rules");
    let scaling = "services.scaling.replicas, services.scaling.autoscaling";
    let fixed = |image: &str| {
        let databases = databases_with(&format!("image = {image:?}"));
        format!("scaling = {{ replicas = 3 }}\n{databases}")
    };
    ignoring(&test, &fixed("feast:1"), "", scaling);
    test.apply();
    test.namespace
        .kubectl(&["scale", "deployment/feast-demo", "--replicas=0"])
        .unwrap();
    let plan = test.terraform.plan().unwrap();
    let messages = plan.run.messages();
    assert_eq!(plan.run.status, Some(0), "{}", plan.run);
    assert!(
        messages.contains("Warning: Invalid value")
            && messages
                .contains("must be at least 1, but is 0. This value is the one in the state"),
        "{messages}"
    );
    // Another change is applied without changing the count, and the next plan is empty.
    ignoring(&test, &fixed("feast:2"), "", scaling);
    test.apply();
    assert_eq!((test.replicas(), test.image().as_str()), (0, "feast:2"));
    assert_eq!(test.strategy(), "RollingUpdate");
    // The user's own values are validated as usual.
    ignoring(&test, &fixed("feast:2").replace("= 3", "= 0"), "", scaling);
    let plan = test.terraform.plan().unwrap();
    assert!(
        plan.run.messages().contains("Error: Invalid value"),
        "{}",
        plan.run
    );

    // The bounds of an autoscaler contradict each other.
    let autoscaled =
        |bounds: &str| format!("scaling = {{ autoscaling = {{ {bounds} }} }}\n{DATABASES}");
    ignoring(
        &test,
        &autoscaled("min_replicas = 2, max_replicas = 3"),
        "",
        "cron_job",
    );
    test.apply();
    test.patch(
        "hpa/feast-demo",
        r#"{"spec": {"minReplicas": 4, "maxReplicas": 5}}"#,
    );
    let ignored = "services.scaling.autoscaling.min_replicas";
    ignoring(
        &test,
        &autoscaled("min_replicas = 2, max_replicas = 5"),
        "",
        ignored,
    );
    test.apply();
    assert_eq!(test.autoscaler(), Some((4, 5)));
    test.destroy();
}

pub fn ignored_live_values_cause_no_plan() {
    let test = StoreUnderTest::new("ignored");
    let services = |init: &str| {
        let databases = databases_with(
            r#"image = "feast:1", env = [{ name = "A", value = "1" }, { name = "B", value = "1" }]"#,
        );
        format!(
            "init_image = \"init:1\"\nscaling = {{ autoscaling = {{ min_replicas = 2, max_replicas = 4 }} }}\n{init}\n\
             {databases}"
        )
    };
    let labels = r#"labels = { "example.com/team" = "a", "example.com/tier" = "1" }
  cron_job = { schedule = "@daily", container_configs = { image = "cli:1" } }"#;
    let server = "services.online_store.server";
    let ignored = format!(
        "{server}.image, {server}.env, services.init_image, services.scaling.autoscaling.max_replicas, labels, \
         cron_job.container_configs.image"
    );
    ignoring(&test, &services(""), labels, &ignored);
    test.apply();
    for command in [
        &[
            "set",
            "image",
            "deployment/feast-demo",
            "online=feast:2",
            "feast-init=init:2",
        ][..],
        &["set", "image", "cronjob/feast-demo", "*=cli:2"],
        &[
            "set",
            "env",
            "deployment/feast-demo",
            "--containers=online",
            "B=2",
        ],
        &[
            "label",
            "--overwrite",
            "deployment/feast-demo",
            "example.com/team=b",
        ],
        &["label", "service/feast-demo-online", "example.com/tier-"],
    ] {
        test.namespace.kubectl(command).unwrap();
    }
    test.patch("hpa/feast-demo", r#"{"spec": {"maxReplicas": 6}}"#);
    let is_kept = |what: &str| {
        let metadata =
            |object: &str| test.namespace.json(&["get", object]).unwrap()["metadata"].clone();
        let pod = test.deployment()["spec"]["template"]["spec"].clone();
        let cron_job = test.namespace.json(&["get", "cronjob/feast-demo"]);
        let job = cron_job.unwrap()["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone();
        assert_eq!(
            json!([
                test.image(),
                pod["initContainers"][0]["image"],
                job["initContainers"][0]["image"],
                job["containers"][0]["image"],
                pod["containers"][0]["env"][1]["value"],
                test.autoscaler(),
                metadata("deployment/feast-demo")["labels"]["example.com/team"],
                metadata("configmap/feast-demo-client")["labels"]["example.com/team"],
                metadata("service/feast-demo-online")["labels"].get("example.com/tier"),
                metadata("deployment/feast-demo")["labels"]["example.com/tier"],
            ]),
            json!([
                "feast:2",
                "init:2",
                "cli:2",
                "cli:2",
                "2",
                [2, 6],
                "b",
                "a",
                null,
                "1"
            ]),
            "{what}"
        );
    };
    test.expect_empty_plan();
    // A saved refresh, and a plan without a refresh.
    let refresh = [
        "apply",
        "-refresh-only",
        "-auto-approve",
        "-input=false",
        "-no-color",
    ];
    test.terraform.run(&refresh).unwrap().expect_success();
    test.expect_empty_plan();
    let plan = test.terraform.plan_with(&["-refresh=false"]).unwrap();
    assert_eq!(plan.run.status, Some(0), "{}", plan.run);
    is_kept("no apply");

    // Another change keeps the ignored values, in this and the next apply.
    ignoring(
        &test,
        &services(r#"pod_annotations = { "example.com/a" = "1" }"#),
        labels,
        &ignored,
    );
    test.apply();
    is_kept("an apply");
    test.expect_no_resource_drift();

    // If the configuration has the live values, an apply takes ownership of them in all objects.
    let adopted = services(r#"pod_annotations = { "example.com/a" = "1" }"#)
        .replace("feast:1", "feast:2")
        .replace(r#"name = "B", value = "1""#, r#"name = "B", value = "2""#)
        .replace("max_replicas = 4", "max_replicas = 6");
    test.configure_all(&adopted, r#"labels = { "example.com/team" = "b" }"#);
    test.apply();
    let labels = |object: &str| {
        let labels = test.namespace.json(&["get", object]).unwrap()["metadata"]["labels"].clone();
        json!([
            labels.get("example.com/team"),
            labels.get("example.com/tier")
        ])
    };
    for object in [
        "deployment/feast-demo",
        "configmap/feast-demo-client",
        "service/feast-demo-online",
    ] {
        assert_eq!(labels(object), json!(["b", null]), "{object}");
    }
    assert_eq!(
        (test.image().as_str(), test.autoscaler()),
        ("feast:2", Some((2, 6)))
    );
    test.destroy();
}
