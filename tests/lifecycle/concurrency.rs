//! Concurrent changes: each apply succeeds or fails with one clear error, and the next apply continues.

use std::process::{Child, Output, Stdio};
use std::sync::Barrier;

use serde_json::Value as Json;

use crate::lifecycle::lab;
use crate::lifecycle::quota::{lift_limit, limit_pods};
use crate::lifecycle::store::{StoreUnderTest, configuration, databases_with, until};
use crate::support::terraform::{Exit, Run, Terraform};
use crate::support::testbed::{Namespace, Tool};

fn services(replicas: u32, image: &str) -> String {
    let stores = databases_with(&format!("image = {image:?}"));
    format!("scaling = {{ replicas = {replicas} }}\n{stores}")
}

/// Creates another working folder, with its own state, for a store of the same name.
pub fn configured_folder(test: &StoreUnderTest, services: &str) -> Terraform {
    let terraform = test.another_folder(Tool::Terraform);
    terraform
        .write("main.tf", &configuration(services, ""))
        .unwrap();
    terraform
}

/// Runs `terraform apply` in all folders concurrently.
fn apply_concurrently(folders: &[&Terraform]) -> Vec<Run> {
    let start = Barrier::new(folders.len());
    let apply = |terraform: &Terraform| {
        start.wait();
        terraform.apply().unwrap()
    };
    std::thread::scope(|scope| {
        let runs: Vec<_> = (folders.iter())
            .map(|folder| scope.spawn(|| apply(folder)))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

/// Checks that the run reports this error and no other.
#[track_caller]
pub fn expect_single_error(run: &Run, error: &str) {
    assert_eq!(run.status, Some(1), "{run}");
    assert_eq!(run.messages().matches("Error: ").count(), 1, "{run}");
    assert!(run.messages().contains(error), "{error}\n{run}");
}

fn start(terraform: &Terraform, command: &str) -> Child {
    terraform
        .command(&[command, "-no-color", "-input=false", "-auto-approve"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn expect_success_of(child: Child) {
    let output: Output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// Returns whether the object is being deleted or does not exist.
fn is_deleted_or_terminating(test: &StoreUnderTest, object: &str) -> bool {
    let get = ["get", object, "--ignore-not-found", "--output=json"];
    let text = test.namespace.kubectl(&get).unwrap();
    if text.trim().is_empty() {
        return true;
    }
    let found: Json = serde_json::from_str(&text).unwrap();
    found["metadata"]["deletionTimestamp"].is_string()
}

/// Adds a finalizer that blocks the deletion of the object until [`release`].
pub fn block_deletion(namespace: &Namespace, object: &str) {
    finalizers(namespace, object, r#"["test.feast.dev/held"]"#);
}

/// Removes the finalizer of [`block_deletion`].
pub fn release(namespace: &Namespace, object: &str) {
    finalizers(namespace, object, "null");
}

fn finalizers(namespace: &Namespace, object: &str, list: &str) {
    let patch = format!("{{\"metadata\": {{\"finalizers\": {list}}}}}");
    let patch = ["patch", object, "--type=merge", "--patch", &patch];
    namespace.kubectl(&patch).unwrap();
}

pub fn concurrent_creates_have_one_owner() {
    let test = StoreUnderTest::new("at-once");
    let services = services(2, "feast:1");
    test.configure(&services);
    let others = [(); 2].map(|()| configured_folder(&test, &services));
    let folders = [&test.terraform, &others[0], &others[1]];
    let runs = apply_concurrently(&folders);
    let (owners, losers): (Vec<usize>, Vec<usize>) =
        (0..folders.len()).partition(|number| runs[*number].succeeded());
    assert_eq!(owners.len(), 1, "{}{}{}", runs[0], runs[1], runs[2]);
    for loser in losers {
        expect_single_error(&runs[loser], "The feature store already exists");
        assert_eq!(folders[loser].state_json().unwrap()["values"], Json::Null);
    }
    let owner = folders[owners[0]];
    let plan = owner.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    let jobs = test.objects().into_iter();
    assert_eq!(jobs.filter(|object| object.starts_with("job.")).count(), 1);
    owner.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

pub fn concurrent_different_creates_have_one_owner() {
    let test = StoreUnderTest::new("rivals");
    test.configure(&services(2, "feast:1"));
    let other = configured_folder(&test, &services(3, "feast:2"));
    let runs = apply_concurrently(&[&test.terraform, &other]);
    let folders = [&test.terraform, &other];
    let (owner, loser) = if runs[0].succeeded() { (0, 1) } else { (1, 0) };
    assert_eq!(runs[owner].status, Some(0), "{}{}", runs[0], runs[1]);
    expect_single_error(&runs[loser], "The feature store already exists");
    let state = folders[loser].state_json().unwrap();
    assert_eq!(state["values"], Json::Null);
    let plan = folders[owner].plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    folders[owner].destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

pub fn stale_plan_keeps_unseen_changes() {
    let test = StoreUnderTest::new("stale");
    test.configure(&services(2, "feast:1"));
    test.apply();
    let fix = |image: &str| {
        let container = format!("online={image}");
        test.namespace
            .kubectl(&["set", "image", "deployment/feast-demo", &container])
            .unwrap();
    };

    // The apply reverts a change that the plan has shown.
    fix("feast:seen");
    test.configure(&services(2, "feast:2"));
    test.plan_with_changes();
    test.terraform.apply_plan().unwrap().expect_success();
    assert_eq!(test.image(), "feast:2");

    // The apply does not revert a change that the plan has not shown, for any object that the plan changes.
    for next in [services(2, "feast:3"), services(3, "feast:2")] {
        test.configure(&next);
        test.plan_with_changes();
        fix("feast:unseen");
        let run = test.terraform.apply_plan().unwrap();
        expect_single_error(
            &run,
            "Caused by: These fields were changed after the plan was made: \
             .spec.template.spec.containers[name=\"online\"].image: set by \"kubectl-set\" at ",
        );
        expect_single_error(
            &run,
            "Plan again: the plan shows them, and its apply reverts them.",
        );
        assert_eq!(test.image(), "feast:unseen");
        test.plan_with_changes();
        test.apply();
    }
    assert_eq!((test.image().as_str(), test.replicas()), ("feast:2", 3));

    // An unseen change that already has the planned value is not an error.
    test.configure(&services(3, "feast:4"));
    test.plan_with_changes();
    test.namespace
        .kubectl(&["delete", "service/feast-demo-online"])
        .unwrap();
    fix("feast:4");
    test.terraform.apply_plan().unwrap().expect_success();
    test.expect_empty_plan();
    test.destroy();
}

pub fn terminating_namespace_is_reported_once() {
    let test = StoreUnderTest::new("terminating");
    block_deletion(&test.namespace, "secret/feast-data-stores");
    let namespace = test.namespace.name();
    let delete = ["delete", "namespace", namespace, "--wait=false"];
    test.namespace.cluster().kubectl(&delete).unwrap();
    until("the namespace to be terminating", 120, || {
        let found = test
            .namespace
            .cluster()
            .json(&["get", "namespace", namespace]);
        (found.unwrap()["status"]["phase"] == "Terminating").then_some(())
    });
    test.configure(&services(2, "feast:1"));
    expect_single_error(
        &test.terraform.apply().unwrap(),
        &format!(
            "Caused by: The namespace {namespace:?} is being deleted. Wait until the deletion has finished, then run \
             the command again."
        ),
    );
    assert_eq!(test.state(), Json::Null);
    release(&test.namespace, "secret/feast-data-stores");
}

pub fn waits_for_objects_being_deleted() {
    let test = StoreUnderTest::new("leaving");
    test.configure(&services(2, "feast:1"));
    test.apply();
    // One object is deleted while its store is kept.
    block_deletion(&test.namespace, "service/feast-demo-online");
    let delete = ["delete", "service/feast-demo-online", "--wait=false"];
    test.namespace.kubectl(&delete).unwrap();
    test.configure(&services(2, "feast:2"));
    let secret = |test: &StoreUnderTest| {
        let secret = test.namespace.json(&["get", "secret/feast-demo"]).ok()?;
        Some(secret["metadata"]["resourceVersion"].clone())
    };
    let before = secret(&test);
    let update = start(&test.terraform, "apply");
    until("the remaining objects to be written", 60, || {
        (secret(&test) != before).then_some(())
    });
    release(&test.namespace, "service/feast-demo-online");
    expect_success_of(update);
    test.expect_empty_plan();

    // A store is destroyed from one folder and created from another, with another configuration.
    block_deletion(&test.namespace, "serviceaccount/feast-demo");
    let destroy = start(&test.terraform, "destroy");
    until("the remaining objects to be deleted", 120, || {
        (is_deleted_or_terminating(&test, "serviceaccount/feast-demo") && secret(&test).is_none())
            .then_some(())
    });
    let other = configured_folder(&test, &services(3, "feast:3"));
    let create = start(&other, "apply");
    until("the new Secret", 60, || secret(&test));
    release(&test.namespace, "serviceaccount/feast-demo");
    expect_success_of(destroy);
    expect_success_of(create);
    let plan = other.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    assert_eq!(test.replicas(), 3);
    other.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

pub fn waits_for_an_api_server_restart() {
    const SERVER: &str = "kube-apiserver";
    let control_plane = lab::own_control_plane();
    let namespace = control_plane.namespace("restart").unwrap();
    let mut test = StoreUnderTest::on(lab::terraform(Tool::Terraform), namespace);
    let restart = || {
        control_plane.crash(SERVER).unwrap();
        control_plane.start_again(SERVER).unwrap();
    };

    // The API server restarts while objects are written.
    test.configure(&services(2, "feast:1"));
    let create = start(&test.terraform, "apply");
    until("the first object", 60, || {
        test.namespace.kubectl(&["get", "secret/feast-demo"]).ok()
    });
    restart();
    expect_success_of(create);
    test.expect_empty_plan();

    // The API server restarts while the apply waits for the rollout.
    limit_pods(&test, 2);
    test.configure(&services(4, "feast:1"));
    let update = start(&test.terraform, "apply");
    until("the number of pods", 60, || {
        (test.replicas() == 4).then_some(())
    });
    restart();
    lift_limit(&test);
    expect_success_of(update);
    assert_eq!(test.deployment()["status"]["readyReplicas"], 4);
    test.expect_empty_plan();

    // The API server restarts while pods are deleted.
    let destroy = start(&test.terraform, "destroy");
    until("the deletion of the Deployment", 60, || {
        is_deleted_or_terminating(&test, "deployment/feast-demo").then_some(())
    });
    restart();
    expect_success_of(destroy);
    assert_eq!(test.objects(), Vec::<String>::new());

    // The API server stays unavailable for longer than any retry: the state has what was written.
    limit_pods(&test, 0);
    // The timeout is shorter than the grace period of the rejected pod, which would also end the apply.
    test.configure_all(&services(2, "feast:1"), "timeouts = { create = \"35s\" }");
    let log = test.terraform.folder().join("info.log");
    test.terraform
        .environment("TF_LOG_PROVIDER", "INFO")
        .environment("TF_LOG_PATH", &log.display().to_string());
    let create = start(&test.terraform, "apply");
    // By then, the last write has its response.
    until("the wait for the Job", 60, || {
        let messages = std::fs::read_to_string(&log).ok()?;
        messages.contains("waiting for Job/").then_some(())
    });
    control_plane.crash(SERVER).unwrap();
    let output = create.wait_with_output().unwrap();
    control_plane.start_again(SERVER).unwrap();
    let run = Run {
        command: "terraform apply".to_owned(),
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    let seen =
        "The Job has not ended yet (last observation; the API server does not answer the watch:";
    expect_single_error(&run, seen);
    expect_single_error(&run, "after 35 s.");
    assert_eq!(test.state()["deployment_name"], "feast-demo");
    lift_limit(&test);
    test.configure(&services(2, "feast:1"));
    test.apply();
    test.destroy();
}
