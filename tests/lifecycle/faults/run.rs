//! One run: the operation of a scenario with a fault in one request, and the checks after it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use super::fault::{Effect, Fault};
use super::proxy::{Injection, Proxy};
use super::request::RequestName;
use super::scenario::{Configuration, Operation, Scenario};
use crate::lifecycle::scaling::Watch;
use crate::lifecycle::store::StoreUnderTest;
use crate::support::terraform::{Exit, Run};

/// The time limit of an operation, with any fault.
const LIMIT: Duration = Duration::from_secs(150);

/// The result of a scenario without a fault.
pub struct Expected {
    pub requests: Vec<RequestName>,
    objects: BTreeMap<String, Json>,
}

/// The successful outcomes of a run with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Converged,
    /// The provider did not send the request, because the wait that it belongs to was already over.
    NotSent,
}

/// A feature store whose provider connects to the API server through a proxy.
struct ProxiedStore<'a> {
    scenario: &'a Scenario,
    test: StoreUnderTest,
    proxy: Proxy,
}

/// Runs the scenario without a fault.
pub fn without_fault(scenario: &Scenario) -> Result<Expected, String> {
    let store = ProxiedStore::new(scenario)?;
    store.proxy.reset(None);
    let run = store.run_operation(&Arc::default())?;
    check(run.succeeded(), || format!("without a fault: {run}"))?;
    let mut requests = store.proxy.requests();
    requests.sort();
    check(!requests.is_empty(), || {
        "the operation made no request".to_owned()
    })?;
    store.converge()?;
    let objects = store.objects()?;
    store.destroy()?;
    Ok(Expected { requests, objects })
}

/// Runs the scenario with a fault in one request.
pub fn with_fault(
    scenario: &Scenario,
    expected: &Expected,
    request: &RequestName,
    fault: Fault,
) -> Result<Outcome, String> {
    let store = ProxiedStore::new(scenario)?;
    let test = &store.test;
    let watch = scenario
        .before
        .map(|_| (Watch::on(test), test.deployment()));
    let state = store.state()?;

    let terraform: Arc<OnceLock<u32>> = Arc::default();
    let signalled = terraform.clone();
    store.proxy.reset(Some(Injection {
        signal: Arc::new(move |effect| signal(*signalled.wait(), effect)),
        ..Injection::of(request.clone(), fault)
    }));
    let run = store.run_operation(&terraform)?;
    if !store.proxy.was_injected() {
        let requests = store.proxy.requests();
        let requests: Vec<String> = requests.iter().map(RequestName::to_string).collect();
        let why = format!("the request is not among {}: {run}", requests.join(", "));
        return check(request.is_part_of_wait(), || why).map(|()| Outcome::NotSent);
    }
    store.proxy.reset(None);
    store.check_outcome(&run, fault, &state)?;

    if completes_without_state(scenario, request, fault) {
        store.import()?;
    }
    store.converge()?;
    let objects = store.objects()?;
    let must_match = scenario.operation != Operation::Destroy;
    check(!must_match || objects == expected.objects, || {
        let difference = difference(&expected.objects, &objects);
        format!(
            "the objects differ from those of a run without a fault:\n{difference}\nafter {run}"
        )
    })?;
    if let (Some((watch, before)), Operation::Apply) = (&watch, scenario.operation) {
        let counts = watch.values(before, &test.deployment());
        let least = (scenario.before).map_or(0, |it| it.replicas.min(scenario.after.replicas));
        check(counts.iter().all(|count| *count >= least), || {
            format!("the replica count dropped below {least}: {counts:?}")
        })?;
    }
    store.destroy()?;
    Ok(Outcome::Converged)
}

impl<'a> ProxiedStore<'a> {
    /// Creates the feature store in its state before the operation.
    fn new(scenario: &'a Scenario) -> Result<Self, String> {
        let mut test = StoreUnderTest::new("faults");
        let proxy = Proxy::in_front_of(&mut test);
        let store = Self {
            scenario,
            test,
            proxy,
        };
        if let Some(before) = &scenario.before {
            store.configure(before);
            let run = store.terraform(APPLY, &Arc::default())?;
            check(run.succeeded(), || format!("setting up: {run}"))?;
        }
        match scenario.operation {
            Operation::Import => store.remove_from_state()?,
            Operation::DataSource => store.read_data_source()?,
            _ => {}
        }
        Ok(store)
    }

    /// Removes the store from the state.
    fn remove_from_state(&self) -> Result<(), String> {
        let run = self.test.terraform.run(&["state", "rm", ADDRESS]);
        let run = run.map_err(|error| error.to_string())?;
        check(run.succeeded(), || format!("setting up: {run}"))
    }

    /// Adds the data source to the configuration.
    fn read_data_source(&self) -> Result<(), String> {
        let namespace = self.test.namespace.name();
        let source = format!(
            "data \"feast_feature_store\" \"demo\" {{\n  name      = \"demo\"\n  namespace = {namespace:?}\n}}\n"
        );
        let written = self.test.terraform.write("data.tf", &source);
        written.map_err(|error| error.to_string())
    }

    fn configure(&self, configuration: &Configuration) {
        let (services, attributes) = configuration.arguments();
        self.test.configure_all(&services, &attributes);
    }

    fn run_operation(&self, pid: &Arc<OnceLock<u32>>) -> Result<Run, String> {
        self.configure(&self.scenario.after);
        let id = self.import_id();
        let import = ["import", ADDRESS, &id];
        self.terraform(
            match self.scenario.operation {
                Operation::Apply | Operation::ApplyAndRevert => {
                    &["apply", "-auto-approve", "-refresh=false"]
                }
                Operation::Import => &import,
                Operation::DataSource => &["plan", "-detailed-exitcode", "-refresh=false"],
                Operation::Plan => &["plan", "-detailed-exitcode"],
                Operation::Refresh => &["apply", "-auto-approve", "-refresh-only"],
                Operation::Destroy | Operation::DestroyAndRestore => {
                    &["destroy", "-auto-approve", "-refresh=false"]
                }
            },
            pid,
        )
    }

    /// Runs Terraform, and sets `pid` as soon as the process has started. A command that exceeds the time limit is an
    /// error.
    fn terraform(&self, arguments: &[&str], pid: &Arc<OnceLock<u32>>) -> Result<Run, String> {
        let fixed = ["-no-color", "-input=false"];
        let (command, flags) = arguments.split_first().ok_or("no command")?;
        let arguments = [&[*command], fixed.as_slice(), flags].concat();
        let child = (self.test.terraform.command(&arguments))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let id = child.id();
        pid.get_or_init(|| id);
        let output = wait_for(child, LIMIT)?;
        Ok(Run {
            command: format!("terraform {}", arguments.join(" ")),
            status: output.status.code(),
            stdout: output_from_plan_summary(&String::from_utf8_lossy(&output.stdout)).to_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Checks the result of the operation: its messages, and that every existing object is in the state.
    fn check_outcome(&self, run: &Run, fault: Fault, before: &Json) -> Result<(), String> {
        let messages = run.messages();
        for never in ["panicked", "inconsistent result", "is a bug", "is a defect"] {
            check(!messages.contains(never), || format!("{never:?} in {run}"))?;
        }
        check(run.succeeded() || !fault.is_retried(), || {
            format!("the provider must recover from this fault: {run}")
        })?;
        if !run.succeeded() {
            let mut expected = fault.expected_messages().iter();
            let is_clear =
                messages.contains("Error:") && expected.any(|message| messages.contains(message));
            // The message of an interruption is Terraform's own, on standard output.
            check(is_clear, || {
                format!("none of {:?} in {run}", fault.expected_messages())
            })?;
        }
        let now = self.state()?;
        match self.scenario.operation {
            // An import does not change the cluster.
            Operation::Import => Ok(()),
            Operation::Plan | Operation::Refresh | Operation::DataSource => {
                check(run.status != Some(2), || {
                    format!("a change was planned: {run}")
                })?;
                check(now == *before, || {
                    format!(
                        "the state has changed:\n{}\nafter {run}",
                        difference_of(before, &now)
                    )
                })
            }
            _ if fault.kills_provider() => Ok(()),
            _ => {
                let recorded = now["objects"].as_object();
                let recorded = recorded.into_iter().flat_map(|it| it.keys());
                let recorded: BTreeSet<String> = recorded.cloned().collect();
                let live = self.live()?;
                // The state of a finished apply does not contain the Job, which is found by its label.
                let live = live.iter().filter(|object| object["kind"] != "Job");
                let live = live.filter(|object| !is_terminating(object));
                let live: BTreeSet<String> = live.map(key).collect();
                let lost: Vec<_> = live.difference(&recorded).collect();
                check(lost.is_empty(), || {
                    format!("{lost:?} exist, but are not in the state: {run}")
                })
            }
        }
    }

    /// Checks that an apply does not create an existing store, and imports the store as the error suggests.
    fn import(&self) -> Result<(), String> {
        let apply = self.terraform(APPLY, &Arc::default())?;
        let id = self.import_id();
        let advice = format!("terraform import <address> {id}");
        check(apply.messages().contains(&advice), || {
            format!("the error does not suggest an import: {apply}")
        })?;
        self.import_again(&id)
    }

    fn import_again(&self, id: &str) -> Result<(), String> {
        let import = self.terraform(&["import", ADDRESS, id], &Arc::default())?;
        check(import.succeeded(), || format!("the import: {import}"))
    }

    fn import_id(&self) -> String {
        format!("{}/demo", self.test.namespace.name())
    }

    /// Completes the operation without a fault, and checks that the plan is empty.
    fn converge(&self) -> Result<(), String> {
        match self.scenario.operation {
            Operation::Destroy => return Ok(()),
            Operation::ApplyAndRevert => self.configure(
                &self
                    .scenario
                    .before
                    .ok_or("the scenario has no configuration before")?,
            ),
            Operation::Import if self.state()?.is_null() => self.import_again(&self.import_id())?,
            _ => {}
        }
        let run = self.terraform(APPLY, &Arc::default())?;
        check(run.succeeded(), || format!("the next apply: {run}"))?;
        let plan = self
            .test
            .terraform
            .plan()
            .map_err(|error| error.to_string())?;
        check(plan.exit == Exit::NoChanges, || {
            format!("the plan is not empty: {}", plan.run)
        })
    }

    /// Destroys the store, and checks that no object is left.
    fn destroy(&self) -> Result<(), String> {
        let run = self.terraform(&["destroy", "-auto-approve"], &Arc::default())?;
        check(run.succeeded(), || format!("the destroy: {run}"))?;
        let left: Vec<_> = self.live()?.iter().map(key).collect();
        check(left.is_empty(), || {
            format!("{left:?} still exist after {run}")
        })?;
        let state = self.state()?;
        check(state.is_null(), || format!("the state still has {state}"))
    }

    /// Returns the attributes of the feature store in the state, or null if the state does not have it.
    fn state(&self) -> Result<Json, String> {
        let state = self.test.terraform.state_json();
        let state = state.map_err(|error| error.to_string())?;
        let values = state.pointer("/values/root_module/resources/0/values");
        Ok(values.cloned().unwrap_or_default())
    }

    /// Returns the objects of the feature store without its pods.
    fn live(&self) -> Result<Vec<Json>, String> {
        let objects = self.test.live_objects();
        let mut objects = objects.map_err(|error| error.to_string())?;
        objects.retain(|object| object["kind"] != "Pod");
        Ok(objects)
    }

    /// Returns the parts of the objects that are the same in every run: names, and the specification that the user
    /// configures. A Job that has succeeded can be gone: the Deployment records its success.
    fn objects(&self) -> Result<BTreeMap<String, Json>, String> {
        let live = self.live()?.into_iter();
        let live = live.filter(|object| object["kind"] != "Job" && !is_terminating(object));
        let comparable = live.map(|object| {
            let name = key(&object);
            let content = match object["kind"].as_str() {
                Some("Deployment") => json!({
                    "strategy": object["spec"]["strategy"],
                    "pod": object["spec"]["template"]["spec"],
                    "labels": object["metadata"]["labels"],
                    "is_prepared": object["metadata"]["annotations"].get("feast.dev/applied").is_some(),
                }),
                Some("HorizontalPodAutoscaler" | "PodDisruptionBudget" | "CronJob") => {
                    object["spec"].clone()
                }
                _ => Json::Null,
            };
            let namespace = self.test.namespace.name();
            let same = |text: String| text.replace(namespace, "@");
            let content = serde_json::from_str(&same(content.to_string()));
            (same(name), content.unwrap_or_default())
        });
        Ok(comparable.collect())
    }
}

/// Returns whether the provider is killed after the last write of a create, which marks the create as complete in the
/// cluster. The feature store is then complete and not in the state, and no other create can adopt it.
fn completes_without_state(scenario: &Scenario, request: &RequestName, fault: Fault) -> bool {
    let last = request.target == "PATCH secrets/feast-demo" && request.nth == 2;
    let create = scenario.before.is_none() && scenario.operation == Operation::Apply;
    create && last && fault == Fault::ProviderKilledAfter
}

const APPLY: &[&str] = &["apply", "-auto-approve"];
const ADDRESS: &str = "feast_feature_store.demo";

/// Returns whether the object is being deleted. An update does not wait for the deletion of a previous Job.
fn is_terminating(object: &Json) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

fn key(object: &Json) -> String {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}",
        text(&object["kind"]),
        text(&object["metadata"]["name"])
    )
}

fn difference(expected: &BTreeMap<String, Json>, found: &BTreeMap<String, Json>) -> String {
    let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| expected.get(*key) != found.get(*key));
    let lines = differing.map(|key| {
        let text = |side: Option<&Json>| side.map_or("nothing".to_owned(), Json::to_string);
        let (expected, found) = (text(expected.get(key)), text(found.get(key)));
        format!("  {key}: expected {expected}\n    found {found}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn difference_of(expected: &Json, found: &Json) -> String {
    let map = |value: &Json| {
        let members = value.as_object().into_iter().flatten();
        members
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    difference(&map(expected), &map(found))
}

/// Returns the output from the line `Plan:` on. The plan above it is long and independent of the fault.
fn output_from_plan_summary(stdout: &str) -> &str {
    stdout
        .find("\nPlan: ")
        .map_or(stdout, |start| &stdout[start..])
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Waits for the end of a process, and kills it at the time limit.
fn wait_for(child: Child, limit: Duration) -> Result<std::process::Output, String> {
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(limit) {
        Ok(output) => output.map_err(|error| error.to_string()),
        Err(RecvTimeoutError::Disconnected) => Err("the waiting thread ended".to_owned()),
        Err(RecvTimeoutError::Timeout) => {
            for provider in providers(id) {
                kill(provider, Signal::KILL);
            }
            kill(id, Signal::KILL);
            Err(format!(
                "terraform did not end within {} s",
                limit.as_secs()
            ))
        }
    }
}

fn signal(terraform: u32, effect: Effect) {
    match effect {
        Effect::KillProvider => {
            for provider in providers(terraform) {
                kill(provider, Signal::KILL);
            }
        }
        Effect::InterruptTerraform { .. } => kill(terraform, Signal::INT),
        _ => {}
    }
}

/// Returns the provider processes of this Terraform process.
fn providers(terraform: u32) -> Vec<u32> {
    let output = std::process::Command::new("ps")
        .args(["-A", "-ww", "-o", "pid=,ppid=,args="])
        .output()
        .expect("ps");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (pid, parent) = (
            words.next()?.parse().ok()?,
            words.next()?.parse::<u32>().ok()?,
        );
        let program = words.next()?;
        (parent == terraform && program.contains("terraform-provider-feast")).then_some(pid)
    });
    lines.collect()
}

fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // An error means that the process has already ended.
    pid.map(|pid| kill_process(pid, signal).ok());
}
