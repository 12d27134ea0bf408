//! Applies that fail or are interrupted: the state has the existing objects, and the next apply converges.

use std::process::Stdio;

use crate::lifecycle::quota::{lift_limit, limit_pods};
use crate::lifecycle::store::{StoreUnderTest, databases_with, until};

/// Returns services without a Job, so that the rollout is the step that does not finish.
fn services(replicas: u32, image: &str) -> String {
    let stores = databases_with(&format!("image = {image:?}"));
    format!("scaling = {{ replicas = {replicas} }}\nfeast_apply = \"init_container\"\n{stores}")
}

/// Timeouts for applies whose pods a quota rejects. Such an apply fails after the grace period of 40 s, before these
/// timeouts, so that a slow machine has time for the writes.
pub const SHORT_TIMEOUTS: &str = "timeouts = { create = \"60s\", update = \"60s\" }";

pub fn timed_out_create_converges() {
    let test = StoreUnderTest::new("create-times-out");
    limit_pods(&test, 0);
    // The timeout is shorter than the grace period of the rejected pods, which would also end the apply.
    let timeout = "timeouts = { create = \"35s\" }";
    test.configure_all(&services(2, "feast:1"), timeout);
    let apply = test.terraform.apply().unwrap();
    assert_eq!(apply.status, Some(1), "{apply}");
    for part in ["The rollout did not finish", "after 35 s"] {
        assert!(apply.messages().contains(part), "{part}\n{apply}");
    }
    assert!(apply.error_messages().contains("exceeded quota"), "{apply}");
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
    test.configure_all(&services(2, "feast:2"), SHORT_TIMEOUTS);
    let apply = test.terraform.apply().unwrap();
    assert_eq!(apply.status, Some(1), "{apply}");
    assert!(apply.error_messages().contains("exceeded quota"), "{apply}");
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
