//! The Job that runs once before the rollout, and the CronJob.

use serde_json::{Value as Json, json};

use crate::lifecycle::quota;
use crate::lifecycle::store::{self, DATABASES, StoreUnderTest};
use crate::support::terraform::Exit;

/// Returns the store's Jobs, without one that is being deleted, which still waits for its pods.
fn live_jobs(test: &StoreUnderTest) -> Vec<Json> {
    let selector = "--selector=feast.dev/name=demo";
    let jobs = test.namespace.json(&["get", "jobs", selector]).unwrap();
    let jobs = jobs["items"].as_array().unwrap().iter();
    jobs.filter(|job| job["metadata"]["deletionTimestamp"].is_null())
        .cloned()
        .collect()
}

/// Returns the store's Jobs as (name, whether it has succeeded).
fn jobs(test: &StoreUnderTest) -> Vec<(String, bool)> {
    let jobs = live_jobs(test).into_iter();
    jobs.map(|job| {
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
    // What the pods read, and what clients use to reach them.
    let used = || {
        let get = |object: &str, field: &str| {
            test.namespace.json(&["get", object]).unwrap()[field].clone()
        };
        (
            get("secret/feast-demo", "data")["feature_store.yaml"].clone(),
            get("service/feast-demo-online", "spec"),
            get("configmap/feast-demo-client", "data"),
        )
    };
    let before = test.deployment()["spec"].clone();
    let used_before = used();

    test.namespace
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "certificate",
            "--from-literal=tls.crt=C",
            "--from-literal=tls.key=K",
        ])
        .unwrap();
    let stores = store::databases_with("tls = { secret_ref = { name = \"certificate\" } }");
    let failing = format!("init_image = \"testbed.invalid/fails:1\"\n{stores}");
    store::make_store_secret(&test.namespace, "another-password");
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
    assert_eq!(used(), used_before);
    let plan = test.terraform.plan().unwrap();
    assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);

    store::make_store_secret(&test.namespace, store::PASSWORD);
    test.configure(DATABASES);
    test.apply();
    assert_eq!(test.deployment()["spec"], before);
    assert_eq!(used(), used_before);
    test.destroy();
}

/// The apply ends before the Job does, so only a later plan can find that the Job has failed.
pub fn failed_job_of_an_apply_that_did_not_wait_runs_again() {
    let test = StoreUnderTest::new("apply-unawaited");
    let without_waiting = |services: &str| {
        test.configure_all(services, "wait_for_rollout = false");
        test.terraform.apply().unwrap().expect_success();
    };
    let ended = |condition: &str| {
        store::until(condition, 120, || {
            let job = live_jobs(&test).into_iter().next()?;
            let conditions = job["status"]["conditions"].as_array()?;
            let is = |it: &Json| it["type"] == condition && it["status"] == "True";
            conditions.iter().any(is).then(|| job.clone())
        })
    };
    let failing = format!("init_image = \"testbed.invalid/fails:1\"\n{DATABASES}");
    without_waiting(&failing);
    let first = ended("Failed");
    assert_eq!(first["spec"].get("ttlSecondsAfterFinished"), None);
    let plan = test.plan_with_changes();
    assert_eq!(plan.json["resource_drift"], Json::Null, "{}", plan.run);

    without_waiting(&failing);
    let second = ended("Failed");
    let name_and_uid = |job: &Json| {
        let metadata = &job["metadata"];
        (metadata["name"].clone(), metadata["uid"].clone())
    };
    let ((name, uid), (same_name, other_uid)) = (name_and_uid(&first), name_and_uid(&second));
    assert_eq!(name, same_name);
    assert_ne!(uid, other_uid);

    without_waiting(DATABASES);
    let succeeded = ended("Complete");
    test.expect_empty_plan();

    // An apply that waits runs no other Job for the same configuration.
    test.configure(DATABASES);
    test.apply();
    assert_eq!(name_and_uid(&ended("Complete")), name_and_uid(&succeeded));
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
