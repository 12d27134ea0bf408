//! The actions, invoked by a command and triggered by a change, with Terraform 1.15.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::lifecycle::lab;
use crate::lifecycle::quota;
use crate::lifecycle::store::{DATABASES, PROVIDER_BLOCK, StoreUnderTest, configuration, until};
use crate::support::terraform::Run;
use crate::support::testbed::Tool;

const APPLY: &str = include_str!("../../examples/actions/feast_apply/action.tf");
const MATERIALIZE: &str = include_str!("../../examples/actions/feast_materialize/action.tf");
const RESTART: &str = include_str!("../../examples/actions/feast_restart/action.tf");

fn new(name: &str) -> StoreUnderTest {
    StoreUnderTest::with(lab::terraform(Tool::Terraform115), name)
}

/// Returns an action of this type with the name `demo`.
fn action(r#type: &str, more: &str) -> String {
    format!(
        "action \"{type}\" \"demo\" {{\n  config {{\n    name = \"demo\"\n    {more}\n  }}\n}}\n"
    )
}

fn invoke(test: &StoreUnderTest, address: &str) -> Run {
    let flag = format!("-invoke=action.{address}");
    let arguments = ["apply", "-no-color", "-input=false", "-auto-approve", &flag];
    test.terraform.run(&arguments).unwrap()
}

/// Returns the commands of the Jobs that ran on request and have succeeded.
fn commands(test: &StoreUnderTest) -> Vec<String> {
    let selector = "--selector=feast.dev/command";
    let jobs = test.namespace.json(&["get", "jobs", selector]).unwrap();
    let jobs = jobs["items"].as_array().unwrap().iter();
    let mut commands: Vec<String> = jobs
        .filter(|job| job["status"]["succeeded"] == 1)
        .map(|job| {
            let words = &job["spec"]["template"]["spec"]["containers"][0]["command"];
            let words: Vec<&str> = words
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Json::as_str)
                .collect();
            words.join(" ")
        })
        .collect();
    commands.sort();
    commands
}

/// Destroys the store, and waits until Kubernetes has deleted the Jobs of its runs.
fn destroy(test: &StoreUnderTest) {
    test.terraform.destroy().unwrap().expect_success();
    until("no object", 60, || test.objects().is_empty().then_some(()));
}

pub fn examples_run_by_command_and_by_trigger() {
    let mut test = new("actions");
    let here = format!("\"{}\"", test.namespace.name());
    let text = [PROVIDER_BLOCK, MATERIALIZE, APPLY, RESTART].join("\n");
    let text = text.replace("\"shop\"", &here);
    test.terraform.write("main.tf", &text).unwrap();

    let run = test.terraform.apply().unwrap().expect_success();
    for message in [
        "runs `feast materialize-incremental`",
        "`feast materialize-incremental` has succeeded",
    ] {
        assert!(run.stdout.contains(message), "{run}");
    }
    let [incremental] = commands(&test).try_into().unwrap();
    let until = incremental.strip_prefix("feast materialize-incremental ");
    assert_eq!(
        until.map(str::len),
        Some("2026-01-01T00:00:00".len()),
        "{incremental}"
    );
    test.expect_empty_plan();

    invoke(&test, "feast_materialize.january").expect_success();
    let january =
        "feast materialize 2026-01-01T00:00:00 2026-02-01T00:00:00 --views=driver_hourly_stats";
    assert_eq!(commands(&test), [january, incremental.as_str()]);
    test.terraform.environment("TF_VAR_commit", "a1b2");
    test.apply();
    assert_eq!(
        commands(&test).first().map(String::as_str),
        Some("feast apply")
    );
    invoke(&test, "feast_restart.demo").expect_success();
    test.expect_empty_plan();
    destroy(&test);
}

/// A restart replaces all pods. Neither a plan nor an apply undoes it, also with the strictest policy.
pub fn a_restart_is_no_drift() {
    let test = new("restart");
    let strict = "drift_policy = \"strict\"";
    let configure = |replicas: u32, more: &str| {
        let services = format!("scaling = {{ replicas = {replicas} }}\n{DATABASES}");
        let text = configuration(&services, &format!("{strict}\n{more}"));
        let text = text + &action("feast_restart", "");
        test.terraform.write("main.tf", &text).unwrap();
    };
    let pods = || {
        let names = [
            "get",
            "pods",
            "--selector=feast.dev/name=demo",
            "--output=name",
        ];
        let names = test.namespace.kubectl(&names).unwrap();
        names.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let restarted = || {
        let template = &test.deployment()["spec"]["template"]["metadata"];
        template["annotations"]["kubectl.kubernetes.io/restartedAt"].clone()
    };
    configure(2, "");
    test.apply();
    let before = pods();
    let run = invoke(&test, "feast_restart.demo").expect_success();
    let message = format!(
        "Restarting Deployment/feast-demo in namespace {}: 2 pods are replaced",
        test.namespace.name()
    );
    assert!(run.stdout.contains(&message), "{run}");
    let after = pods();
    assert_eq!(after.len(), 2);
    assert!(
        before.iter().all(|pod| !after.contains(pod)),
        "{before:?} {after:?}"
    );
    test.expect_empty_plan();
    test.expect_no_resource_drift();

    let time = restarted();
    assert!(time.is_string());
    configure(3, "labels = { team = \"a\" }");
    test.apply();
    assert_eq!((restarted(), pods().len()), (time, 3));

    // Kubernetes' own command does the same, and another restart follows.
    let kubectl = ["rollout", "restart", "deployment/feast-demo"];
    test.namespace.kubectl(&kubectl).unwrap();
    invoke(&test, "feast_restart.demo").expect_success();
    test.expect_empty_plan();

    test.namespace
        .kubectl(&["rollout", "pause", "deployment/feast-demo"])
        .unwrap();
    let time = restarted();
    let run = invoke(&test, "feast_restart.demo");
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.messages();
    for part in [
        "It is paused, so that its pods would not be replaced",
        "Nothing was changed.",
    ] {
        assert!(messages.contains(part), "{part}: {run}");
    }
    assert_eq!(restarted(), time);
    test.terraform.destroy().unwrap().expect_success();
}

/// Creates the Job of another apply, which cannot have a pod.
fn create_other_job(test: &StoreUnderTest, more_labels: &[(&str, &str)]) {
    let mut job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "feast-demo-apply-0",
            "namespace": test.namespace.name(),
            "labels": {
                "app.kubernetes.io/managed-by": "feast",
                "feast.dev/name": "demo",
                "feast.dev/service-type": "apply",
            },
        },
        "spec": {"suspend": true, "template": {"spec": {
            "containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never",
        }}},
    });
    for (name, value) in more_labels {
        job["metadata"]["labels"][*name] = json!(value);
    }
    test.namespace.cluster().apply(&job.to_string()).unwrap();
}

fn delete_other_job(test: &StoreUnderTest) {
    let delete = ["delete", "job", "feast-demo-apply-0"];
    test.namespace.kubectl(&delete).unwrap();
}

/// A run waits for the Job of another apply, but not if that cannot end. A cancelled run leaves no Job.
pub fn runs_wait_for_other_jobs_and_leave_none_when_cancelled() {
    let test = new("actions-turn");
    let text = configuration(DATABASES, "") + &action("feast_apply", "timeout = \"90s\"");
    test.terraform.write("main.tf", &text).unwrap();
    test.apply();
    create_other_job(&test, &[]);
    let run = invoke(&test, "feast_apply.demo");
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.messages();
    for part in [
        "Job/feast-demo-apply-0",
        "spec.suspend is true",
        "Nothing was changed.",
    ] {
        assert!(messages.contains(part), "{part}: {run}");
    }
    assert_eq!(commands(&test), [""; 0]);
    delete_other_job(&test);

    // A queue can resume this Job.
    create_other_job(&test, &[("kueue.x-k8s.io/queue-name", "q")]);
    let mut started = test
        .terraform
        .command(&[
            "apply",
            "-no-color",
            "-auto-approve",
            "-invoke=action.feast_apply.demo",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(started.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("Job/feast-demo-apply-0 is running `feast apply`") {
        assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "{text}");
    }
    // A run that did not wait would create its Job in this time.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(commands(&test), [""; 0]);
    delete_other_job(&test);
    stdout.read_to_string(&mut text).unwrap();
    let output = started.wait_with_output().unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(commands(&test), ["feast apply"]);

    quota::limit_pods(&test, 1);
    let mut interrupted = test
        .terraform
        .command(&[
            "apply",
            "-no-color",
            "-auto-approve",
            "-invoke=action.feast_apply.demo",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let unfinished = || {
        let selector = "--selector=feast.dev/command";
        let jobs = test.namespace.json(&["get", "jobs", selector]).unwrap();
        let jobs = jobs["items"].as_array().unwrap();
        jobs.iter()
            .filter(|job| job["status"]["succeeded"] != 1)
            .count()
    };
    until("the Job", 60, || (unfinished() == 1).then_some(()));
    let pid = i32::try_from(interrupted.id()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(!interrupted.wait().unwrap().success());
    until("no Job", 120, || (unfinished() == 0).then_some(()));

    // Without a pod in time, the error has the reason, and no Job stays.
    let text = configuration(DATABASES, "") + &action("feast_apply", "timeout = \"35s\"");
    test.terraform.write("main.tf", &text).unwrap();
    let run = invoke(&test, "feast_apply.demo");
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.messages();
    for part in ["exceeded quota", "The Job was deleted with its pods"] {
        assert!(messages.contains(part), "{part}: {run}");
    }
    until("no Job", 120, || (unfinished() == 0).then_some(()));
    quota::lift_limit(&test);
    destroy(&test);
}

/// A feature store with files in its pod runs the command in the pod, with the CronJob's image and permissions.
pub fn commands_of_file_based_stores_need_a_cron_job() {
    let test = new("actions-files");
    let write = |attributes: &str| {
        let text = configuration("", attributes) + &action("feast_apply", "");
        test.terraform.write("main.tf", &text).unwrap();
    };
    write("");
    test.apply();
    let run = invoke(&test, "feast_apply.demo");
    assert_eq!(run.status, Some(1), "{run}");
    assert!(
        run.messages()
            .contains("Configure `cron_job`, with `suspend = true`"),
        "{run}"
    );
    write("cron_job = { schedule = \"@daily\", suspend = true }");
    test.apply();
    invoke(&test, "feast_apply.demo").expect_success();
    assert_eq!(
        commands(&test),
        ["kubectl exec deploy/feast-demo -c online -i -- bash -c feast apply"]
    );
    destroy(&test);
}
