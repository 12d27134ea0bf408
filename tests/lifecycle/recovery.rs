//! Applies that fail or are interrupted: the state has the existing objects, and the next apply converges.

use std::process::Stdio;

use crate::lifecycle::store::{DATABASES, StoreUnderTest, until};

const NO_PODS: &str = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: no-pods, namespace: @}\n\
                       spec: {hard: {pods: '@limit@'}}\n";

/// Limits the number of pods in the namespace from now on.
pub fn limit_pods(test: &StoreUnderTest, limit: usize) {
    let limit = limit.to_string();
    let quota = NO_PODS
        .replace("@limit@", &limit)
        .replace('@', test.namespace.name());
    test.namespace.cluster().apply(&quota).unwrap();
    until("the quota to be counted", 120, || {
        let quota = test
            .namespace
            .json(&["get", "resourcequota", "no-pods"])
            .unwrap();
        (quota["status"]["hard"]["pods"].as_str() == Some(limit.as_str())).then_some(())
    });
}

pub fn lift_limit(test: &StoreUnderTest) {
    test.namespace
        .kubectl(&["delete", "resourcequota", "no-pods"])
        .unwrap();
}

/// Returns services without a Job, so that the rollout is the step that does not finish.
fn services(replicas: u32, image: &str) -> String {
    let stores = DATABASES.replace(
        "server      = {",
        &format!("server = {{ image = {image:?},"),
    );
    format!("scaling = {{ replicas = {replicas} }}\nfeast_apply = \"init_container\"\n{stores}")
}

/// Short timeouts for applies that cannot succeed.
pub const IMPATIENT: &str = "timeouts = { create = \"20s\", update = \"20s\" }";

pub fn timed_out_create_converges() {
    let test = StoreUnderTest::new("create-times-out");
    limit_pods(&test, 0);
    test.configure_all(&services(2, "feast:1"), IMPATIENT);
    let apply = test.terraform.apply().unwrap();
    assert_eq!(apply.status, Some(1), "{apply}");
    assert!(
        apply.stderr.contains("The rollout did not finish"),
        "{apply}"
    );
    assert!(apply.stderr.contains("exceeded quota"), "{apply}");
    let keep = "run `terraform untaint <address>` and apply again";
    assert!(apply.messages().contains(keep), "{apply}");
    assert_eq!(test.state()["deployment_name"], "feast-demo");

    lift_limit(&test);
    test.configure(&services(2, "feast:1"));
    test.apply();
    assert_eq!(test.deployment()["status"]["readyReplicas"], 2);
    test.destroy();
}

pub fn plan_is_not_empty_after_a_failed_rollout() {
    let test = StoreUnderTest::new("update-times-out");
    test.configure(&services(2, "feast:1"));
    test.apply();
    limit_pods(&test, 2);
    test.configure_all(&services(2, "feast:2"), IMPATIENT);
    let apply = test.terraform.apply().unwrap();
    assert_eq!(apply.status, Some(1), "{apply}");
    assert!(apply.stderr.contains("exceeded quota"), "{apply}");
    let next = "The next plan is not empty; applying it resumes the update.";
    assert!(apply.messages().contains(next), "{apply}");
    // The old pods still run, and the plan is not empty.
    assert_eq!(test.deployment()["status"]["availableReplicas"], 2);
    test.plan_with_changes();

    lift_limit(&test);
    test.configure(&services(2, "feast:2"));
    test.apply();
    assert_eq!(test.deployment()["status"]["updatedReplicas"], 2);
    test.destroy();
}

/// Starts an apply, and interrupts it as soon as `begun` returns a value.
pub fn interrupt_apply<T>(test: &StoreUnderTest, what: &str, begun: impl FnMut() -> Option<T>) {
    let mut terraform = test
        .terraform
        .command(&["apply", "-no-color", "-auto-approve"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until(what, 60, begun);
    let pid = i32::try_from(terraform.id()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(!terraform.wait().unwrap().success());
}

pub fn resumes_an_interrupted_apply() {
    let test = StoreUnderTest::new("interrupted");
    limit_pods(&test, 0);
    test.configure(&services(2, "feast:1"));
    interrupt_apply(&test, "the Deployment", || {
        test.namespace
            .kubectl(&["get", "deployment", "feast-demo"])
            .ok()
    });
    assert_eq!(test.state()["deployment_name"], "feast-demo");

    lift_limit(&test);
    test.apply();
    assert_eq!(test.deployment()["status"]["readyReplicas"], 2);
    test.destroy();
}
