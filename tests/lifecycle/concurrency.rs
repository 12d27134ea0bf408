//! What others do at the same moment: each apply ends well or in one clear error, and the next one goes on.

use std::process::{Child, Output, Stdio};
use std::sync::Barrier;

use serde_json::Value as Json;

use crate::lifecycle::lab;
use crate::lifecycle::recovery::{lift_limit, limit_pods};
use crate::lifecycle::store::{DATABASES, StoreUnderTest, configuration, until};
use crate::support::terraform::{Exit, Run, Terraform};
use crate::support::testbed::{Namespace, Tool};

fn services(replicas: u32, image: &str) -> String {
    let stores = DATABASES.replace(
        "server      = {",
        &format!("server = {{ image = {image:?},"),
    );
    format!("scaling = {{ replicas = {replicas} }}\n{stores}")
}

/// Another working folder, with a state of its own, for a store of the same name.
pub fn another_folder(test: &StoreUnderTest, services: &str) -> Terraform {
    let mut terraform = Terraform::new(&lab::tool_path(Tool::Terraform), lab::provider()).unwrap();
    let kubeconfig = test.namespace.cluster().kubeconfig().display().to_string();
    terraform
        .environment("TF_VAR_kubeconfig", &kubeconfig)
        .environment("TF_VAR_namespace", test.namespace.name());
    terraform
        .write("main.tf", &configuration(services, ""))
        .unwrap();
    terraform
}

/// `terraform apply` in all of the folders, begun together.
fn apply_at_once(folders: &[&Terraform]) -> Vec<Run> {
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

/// Whether the only error that the run shows is this.
#[track_caller]
pub fn says_only(run: &Run, error: &str) {
    assert_eq!(run.status, Some(1), "{run}");
    assert_eq!(run.said().matches("Error: ").count(), 1, "{run}");
    assert!(run.said().contains(error), "{error}\n{run}");
}

fn begin(terraform: &Terraform, command: &str) -> Child {
    terraform
        .command(&[command, "-no-color", "-input=false", "-auto-approve"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn ends_well(begun: Child) {
    let output: Output = begun.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// Returns whether the object is being deleted or does not exist.
fn is_leaving(test: &StoreUnderTest, object: &str) -> bool {
    let get = ["get", object, "--ignore-not-found", "--output=json"];
    let text = test.namespace.kubectl(&get).unwrap();
    if text.trim().is_empty() {
        return true;
    }
    let found: Json = serde_json::from_str(&text).unwrap();
    found["metadata"]["deletionTimestamp"].is_string()
}

/// Keeps an object from vanishing when it is deleted, until [`let_go`].
pub fn hold(namespace: &Namespace, object: &str) {
    finalizers(namespace, object, r#"["test.feast.dev/held"]"#);
}

pub fn let_go(namespace: &Namespace, object: &str) {
    finalizers(namespace, object, "null");
}

fn finalizers(namespace: &Namespace, object: &str, list: &str) {
    let patch = format!("{{\"metadata\": {{\"finalizers\": {list}}}}}");
    let patch = ["patch", object, "--type=merge", "--patch", &patch];
    namespace.kubectl(&patch).unwrap();
}

pub fn of_creates_at_once_one_has_the_store() {
    let test = StoreUnderTest::new("at-once");
    let services = services(2, "feast:1");
    test.configure(&services);
    let others = [(); 2].map(|()| another_folder(&test, &services));
    let folders = [&test.terraform, &others[0], &others[1]];
    let runs = apply_at_once(&folders);
    let (owners, losers): (Vec<usize>, Vec<usize>) =
        (0..folders.len()).partition(|number| runs[*number].succeeded());
    assert_eq!(owners.len(), 1, "{}{}{}", runs[0], runs[1], runs[2]);
    for loser in losers {
        says_only(&runs[loser], "The feature store already exists");
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

pub fn two_different_creates_at_once_leave_one_owner() {
    let test = StoreUnderTest::new("rivals");
    test.configure(&services(2, "feast:1"));
    let other = another_folder(&test, &services(3, "feast:2"));
    let runs = apply_at_once(&[&test.terraform, &other]);
    let folders = [&test.terraform, &other];
    let (owner, loser) = if runs[0].succeeded() { (0, 1) } else { (1, 0) };
    assert_eq!(runs[owner].status, Some(0), "{}{}", runs[0], runs[1]);
    says_only(&runs[loser], "The feature store already exists");
    let state = folders[loser].state_json().unwrap();
    assert_eq!(state["values"], Json::Null);
    let plan = folders[owner].plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    folders[owner].destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

pub fn a_plan_that_is_stale_undoes_nothing_unseen() {
    let test = StoreUnderTest::new("stale");
    test.configure(&services(2, "feast:1"));
    test.apply();
    let image = || {
        let deployment = test.deployment();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        container["image"].as_str().unwrap().to_owned()
    };
    let fix = |image: &str| {
        let container = format!("online={image}");
        test.namespace
            .kubectl(&["set", "image", "deployment/feast-demo", &container])
            .unwrap();
    };

    // What the plan has shown is undone.
    fix("feast:seen");
    test.configure(&services(2, "feast:2"));
    test.plan_with_changes();
    test.terraform.apply_plan().unwrap().expect_success();
    assert_eq!(image(), "feast:2");

    // What it has not is not, wherever the plan changes something.
    for next in [services(2, "feast:3"), services(3, "feast:2")] {
        test.configure(&next);
        test.plan_with_changes();
        fix("feast:unseen");
        let run = test.terraform.apply_plan().unwrap();
        says_only(
            &run,
            "Because: Others have changed fields of it since the plan was made: \
             .spec.template.spec.containers[name=\"online\"].image: set by \"kubectl-set\" at ",
        );
        says_only(
            &run,
            "Plan again: the plan shows them, and its apply sets them back.",
        );
        assert_eq!(image(), "feast:unseen");
        test.plan_with_changes();
        test.apply();
    }
    assert_eq!((image().as_str(), test.replicas()), ("feast:2", 3));

    // Nor is it an error when there is nothing to undo.
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

pub fn a_namespace_that_is_terminating_is_one_clear_error() {
    let test = StoreUnderTest::new("terminating");
    hold(&test.namespace, "secret/feast-data-stores");
    let namespace = test.namespace.name();
    let delete = ["delete", "namespace", namespace, "--wait=false"];
    test.namespace.cluster().kubectl(&delete).unwrap();
    until("the namespace to be terminating", 30, || {
        let found = test
            .namespace
            .cluster()
            .json(&["get", "namespace", namespace]);
        (found.unwrap()["status"]["phase"] == "Terminating").then_some(())
    });
    test.configure(&services(2, "feast:1"));
    says_only(
        &test.terraform.apply().unwrap(),
        &format!(
            "Because: The namespace {namespace:?} is being deleted. Wait until the deletion has finished, then apply \
             again."
        ),
    );
    assert_eq!(test.state(), Json::Null);
    let_go(&test.namespace, "secret/feast-data-stores");
}

pub fn a_name_that_is_still_being_deleted_is_waited_for() {
    let test = StoreUnderTest::new("leaving");
    test.configure(&services(2, "feast:1"));
    test.apply();
    // One object of a store that stays.
    hold(&test.namespace, "service/feast-demo-online");
    let delete = ["delete", "service/feast-demo-online", "--wait=false"];
    test.namespace.kubectl(&delete).unwrap();
    test.configure(&services(2, "feast:2"));
    let secret = |test: &StoreUnderTest| {
        let secret = test.namespace.json(&["get", "secret/feast-demo"]).ok()?;
        Some(secret["metadata"]["resourceVersion"].clone())
    };
    let before = secret(&test);
    let update = begin(&test.terraform, "apply");
    until("the rest to be written", 60, || {
        (secret(&test) != before).then_some(())
    });
    let_go(&test.namespace, "service/feast-demo-online");
    ends_well(update);
    test.expect_empty_plan();

    // A whole store that is destroyed from one folder and made anew, otherwise, from another.
    hold(&test.namespace, "serviceaccount/feast-demo");
    let destroy = begin(&test.terraform, "destroy");
    until("the rest of it to be gone", 120, || {
        (is_leaving(&test, "serviceaccount/feast-demo") && secret(&test).is_none()).then_some(())
    });
    let other = another_folder(&test, &services(3, "feast:3"));
    let create = begin(&other, "apply");
    until("the new Secret", 60, || secret(&test));
    let_go(&test.namespace, "serviceaccount/feast-demo");
    ends_well(destroy);
    ends_well(create);
    let plan = other.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    assert_eq!(test.replicas(), 3);
    other.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

pub fn an_api_server_that_restarts_is_waited_for() {
    const SERVER: &str = "kube-apiserver";
    let control_plane = lab::own_control_plane();
    let terraform = Terraform::new(&lab::tool_path(Tool::Terraform), lab::provider()).unwrap();
    let mut test = StoreUnderTest::on(terraform, control_plane.namespace("restart").unwrap());
    let restart = || {
        control_plane.crash(SERVER).unwrap();
        control_plane.start_again(SERVER).unwrap();
    };

    // While objects are written.
    test.configure(&services(2, "feast:1"));
    let create = begin(&test.terraform, "apply");
    until("the first object", 60, || {
        test.namespace.kubectl(&["get", "secret/feast-demo"]).ok()
    });
    restart();
    ends_well(create);
    test.expect_empty_plan();

    // While the rollout is waited for.
    limit_pods(&test, 2);
    test.configure(&services(4, "feast:1"));
    let update = begin(&test.terraform, "apply");
    until("the number of pods", 60, || {
        (test.replicas() == 4).then_some(())
    });
    restart();
    lift_limit(&test);
    ends_well(update);
    assert_eq!(test.deployment()["status"]["readyReplicas"], 4);
    test.expect_empty_plan();

    // While pods go.
    let destroy = begin(&test.terraform, "destroy");
    until("the end of the Deployment", 60, || {
        is_leaving(&test, "deployment/feast-demo").then_some(())
    });
    restart();
    ends_well(destroy);
    assert_eq!(test.objects(), Vec::<String>::new());

    // It stays away for longer than anybody waits: what has been written is known.
    limit_pods(&test, 0);
    test.configure_all(&services(2, "feast:1"), "timeouts = { create = \"10s\" }");
    let log = test.terraform.folder().join("info.log");
    test.terraform
        .environment("TF_LOG_PROVIDER", "INFO")
        .environment("TF_LOG_PATH", &log.display().to_string());
    let create = begin(&test.terraform, "apply");
    // The answer to the last write has come then.
    until("the wait for the Job", 60, || {
        let said = std::fs::read_to_string(&log).ok()?;
        said.contains("waiting for Job/").then_some(())
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
    let seen = "The Job has not ended yet (as last seen; the API server does not answer the watch:";
    says_only(&run, seen);
    says_only(&run, "after 10 s.");
    assert_eq!(test.state()["deployment_name"], "feast-demo");
    lift_limit(&test);
    test.configure(&services(2, "feast:1"));
    test.apply();
    test.destroy();
}
