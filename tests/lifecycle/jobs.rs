//! The Job that runs once before the rollout, and the CronJob.

use serde_json::{Value as Json, json};

use crate::lifecycle::quota;
use crate::lifecycle::store::{self, DATABASES, StoreUnderTest};
use crate::support::terraform::Exit;

/// Returns the store's Jobs as (name, whether it has succeeded).
fn jobs(test: &StoreUnderTest) -> Vec<(String, bool)> {
    let selector = "--selector=feast.dev/name=demo";
    let jobs = test.namespace.json(&["get", "jobs", selector]).unwrap();
    let jobs = jobs["items"].as_array().unwrap().iter();
    // A Job that is being deleted still waits for its pods.
    jobs.filter(|job| job["metadata"]["deletionTimestamp"].is_null())
        .map(|job| {
            let name = job["metadata"]["name"].as_str().unwrap().to_owned();
            (name, job["status"]["succeeded"] == 1)
        })
        .collect()
}

#[track_caller]
fn one_job(test: &StoreUnderTest) -> String {
    let jobs = jobs(test);
    assert!(matches!(jobs.as_slice(), [(_, true)]), "{jobs:?}");
    jobs[0].0.clone()
}

pub fn applies_definitions_once_per_configuration() {
    let test = StoreUnderTest::new("apply-once");
    test.configure(DATABASES);
    test.apply();
    let first = one_job(&test);
    assert!(first.starts_with("feast-demo-apply-"), "{first}");
    let serving = test
        .namespace
        .json(&["get", "pods", "--selector=feast.dev/name=demo"])
        .unwrap();
    assert_eq!(serving["items"].as_array().unwrap().len(), 1);

    // A deleted Job that had succeeded is not created again, neither by a plan nor by another apply.
    test.namespace.kubectl(&["delete", "job", &first]).unwrap();
    test.expect_empty_plan();
    test.configure_all(DATABASES, r#"labels = { team = "a" }"#);
    test.apply();
    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    assert_eq!(jobs(&test), []);

    store::make_store_secret(&test.namespace, "another-password");
    test.plan_with_changes();
    test.apply();
    let second = one_job(&test);
    assert_ne!(first, second);

    let image = r#"init_image = "quay.io/feastdev/feature-server:0.65.0""#;
    test.configure(&format!("{image}\n{DATABASES}"));
    test.apply();
    assert_ne!(one_job(&test), second);

    test.configure(&format!("feast_apply = \"init_container\"\n{DATABASES}"));
    test.apply();
    assert_eq!(jobs(&test), []);
    test.destroy();
}

pub fn failing_job_is_explained_and_keeps_the_pods() {
    let test = StoreUnderTest::new("apply-fails");
    test.configure(DATABASES);
    test.apply();
    let before = test.deployment()["spec"].clone();

    let failing = format!("init_image = \"testbed.invalid/fails:1\"\n{DATABASES}");
    test.configure(&failing);
    let run = test.terraform.apply().unwrap();
    assert!(!run.succeeded(), "{run}");
    let messages = run.to_string().replace(['\n', '│', '╷', '╵'], " ");
    let messages = messages.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "Job/feast-demo-apply-",
        "`feast apply` failed: BackoffLimitExceeded",
        "container feast-apply: Error, exit code 1 Last lines of the log: | the registry is on fire",
    ] {
        assert!(messages.contains(part), "{part:?} is not in {messages}");
    }
    assert_eq!(test.deployment()["spec"], before);
    let plan = test.terraform.plan().unwrap();
    assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);

    test.configure(DATABASES);
    test.apply();
    assert_eq!(test.deployment()["spec"], before);
    test.destroy();
}

pub fn job_without_pods_is_explained_and_retried() {
    let test = StoreUnderTest::new("apply-waits");
    test.configure(DATABASES);
    test.apply();
    let first = one_job(&test);
    quota::limit_pods(&test, 1);
    let image = r#"init_image = "quay.io/feastdev/feature-server:0.65.0""#;
    let timeouts = r#"timeouts = { update = "30s" }"#;
    test.configure_all(&format!("{image}\n{DATABASES}"), timeouts);
    let run = test.terraform.apply().unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.error_messages().contains("exceeded quota"), "{run}");
    let waiting = jobs(&test);
    assert!(matches!(waiting.as_slice(), [(_, false)]), "{waiting:?}");
    test.plan_with_changes();

    quota::lift_limit(&test);
    test.configure(&format!("{image}\n{DATABASES}"));
    test.apply();
    let second = one_job(&test);
    assert_eq!(waiting[0].0, second);
    assert_ne!(first, second);
    test.destroy();
}

pub fn creates_changes_and_deletes_a_schedule() {
    let test = StoreUnderTest::new("schedule");
    let cron_job = |body: &str| format!("cron_job = {{ {body} }}");
    let live = || -> Option<Json> {
        let found = test.namespace.json(&["get", "cronjobs"]).unwrap();
        found["items"].as_array().unwrap().first().cloned()
    };
    let access_objects = || {
        let kinds = "roles,rolebindings,serviceaccounts";
        let selector = "--selector=feast.dev/service-type=cronjob";
        let names = test
            .namespace
            .kubectl(&["get", kinds, selector, "--output=name"])
            .unwrap();
        names.lines().count()
    };
    test.configure_all(
        "",
        &cron_job(r#"schedule = "0 3 * * *", annotations = { team = "ml", note = "a" }"#),
    );
    test.apply();
    let made = live().unwrap();
    assert_eq!(
        (&made["spec"]["schedule"], &made["metadata"]["annotations"]),
        (&json!("0 3 * * *"), &json!({"team": "ml", "note": "a"}))
    );
    assert_eq!(access_objects(), 3);

    test.configure_all(
        "",
        &cron_job(r#"schedule = "@hourly", suspend = true, annotations = { note = "a" }"#),
    );
    test.apply();
    let changed = live().unwrap();
    assert_eq!(
        (
            &changed["spec"]["schedule"],
            &changed["spec"]["suspend"],
            &changed["metadata"]["annotations"],
        ),
        (&json!("@hourly"), &json!(true), &json!({"note": "a"}))
    );

    // The Jobs that the CronJob starts belong to Kubernetes and are not in the plan.
    test.namespace
        .kubectl(&["create", "job", "--from=cronjob/feast-demo", "by-hand"])
        .unwrap();
    test.expect_empty_plan();

    test.configure_all("", &cron_job("suspend = true"));
    test.apply();
    assert_eq!((live(), access_objects()), (None, 0));
    test.destroy();
}
