//! One run: the operation of a scenario with one broken request, and what must be true after it.

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
use crate::lifecycle::store::{KINDS, StoreUnderTest};
use crate::support::terraform::{Exit, Run};

/// No operation takes longer, whatever goes wrong.
const LIMIT: Duration = Duration::from_secs(150);

/// What a scenario leads to when nothing goes wrong.
pub struct Expected {
    pub requests: Vec<RequestName>,
    objects: BTreeMap<String, Json>,
}

/// How a run with a fault has ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Converged,
    /// The wait that the request belongs to was over before it.
    NotMade,
}

/// A feature store whose provider talks to the API server through a proxy.
struct Laboratory<'a> {
    scenario: &'a Scenario,
    test: StoreUnderTest,
    proxy: Proxy,
}

/// Runs the scenario without a fault.
pub fn without_fault(scenario: &Scenario) -> Result<Expected, String> {
    let laboratory = Laboratory::new(scenario)?;
    laboratory.proxy.begin(None);
    let run = laboratory.operate(&Arc::default())?;
    check(run.succeeded(), || format!("without a fault: {run}"))?;
    let mut requests = laboratory.proxy.requests();
    requests.sort();
    check(!requests.is_empty(), || "it made no request".to_owned())?;
    laboratory.converge()?;
    let objects = laboratory.objects()?;
    laboratory.end()?;
    Ok(Expected { requests, objects })
}

/// Runs the scenario with a fault.
pub fn with_fault(
    scenario: &Scenario,
    expected: &Expected,
    request: &RequestName,
    fault: Fault,
) -> Result<Outcome, String> {
    let laboratory = Laboratory::new(scenario)?;
    let test = &laboratory.test;
    let watch = scenario
        .before
        .map(|_| (Watch::on(test), test.deployment()));
    let state = laboratory.state()?;

    let terraform: Arc<OnceLock<u32>> = Arc::default();
    let signalled = terraform.clone();
    laboratory.proxy.begin(Some(Injection {
        signal: Arc::new(move |effect| signal(*signalled.wait(), effect)),
        ..Injection::of(request.clone(), fault)
    }));
    let run = laboratory.operate(&terraform)?;
    if !laboratory.proxy.was_hit() {
        let requests = laboratory.proxy.requests();
        let requests: Vec<String> = requests.iter().map(RequestName::to_string).collect();
        let why = format!("it was not among {}: {run}", requests.join(", "));
        return check(request.is_of_a_wait(), || why).map(|()| Outcome::NotMade);
    }
    laboratory.proxy.begin(None);
    laboratory.check_outcome(&run, fault, &state)?;

    if is_complete_and_unknown(scenario, request, fault) {
        laboratory.import()?;
    }
    laboratory.converge()?;
    let objects = laboratory.objects()?;
    let is_to_match = scenario.operation != Operation::Destroy;
    check(!is_to_match || objects == expected.objects, || {
        let difference = difference(&expected.objects, &objects);
        format!("the objects are not those of a run without a fault:\n{difference}\nafter {run}")
    })?;
    if let (Some((watch, before)), Operation::Apply) = (&watch, scenario.operation) {
        let seen = watch.values(before, &test.deployment());
        let least = (scenario.before).map_or(0, |it| it.replicas.min(scenario.after.replicas));
        check(seen.iter().all(|count| *count >= least), || {
            format!("the replica count fell below {least}: {seen:?}")
        })?;
    }
    laboratory.end()?;
    Ok(Outcome::Converged)
}

impl<'a> Laboratory<'a> {
    /// Brings the feature store to where the operation begins.
    fn new(scenario: &'a Scenario) -> Result<Self, String> {
        let mut test = StoreUnderTest::new("faults");
        let proxy = Proxy::between(&mut test);
        let laboratory = Self {
            scenario,
            test,
            proxy,
        };
        if let Some(before) = &scenario.before {
            laboratory.configure(before);
            let run = laboratory.terraform(APPLY, &Arc::default())?;
            check(run.succeeded(), || format!("setting up: {run}"))?;
        }
        match scenario.operation {
            Operation::Import => laboratory.forget()?,
            Operation::DataSource => laboratory.read_data_source()?,
            _ => {}
        }
        Ok(laboratory)
    }

    /// Removes the store from the state.
    fn forget(&self) -> Result<(), String> {
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

    fn operate(&self, pid: &Arc<OnceLock<u32>>) -> Result<Run, String> {
        self.configure(&self.scenario.after);
        let id = self.import_id();
        let import = ["import", ADDRESS, &id];
        self.terraform(
            match self.scenario.operation {
                Operation::Apply | Operation::ApplyAndTakeBack => {
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

    /// Runs Terraform, and tells its process id as soon as that is known. A command that does not end is an error.
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
            stdout: after_the_plan(&String::from_utf8_lossy(&output.stdout)).to_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Checks what must be true at once: what was said, and that nothing which exists is unknown to the state.
    fn check_outcome(&self, run: &Run, fault: Fault, before: &Json) -> Result<(), String> {
        let said = run.said();
        for never in ["panicked", "inconsistent result", "is a bug", "is a defect"] {
            check(!said.contains(never), || format!("{never:?} in {run}"))?;
        }
        check(run.succeeded() || !fault.is_retried(), || {
            format!("the next attempt would have succeeded: {run}")
        })?;
        if !run.succeeded() {
            let mut words = fault.words().iter();
            let clear = said.contains("Error:") && words.any(|words| said.contains(words));
            // Terraform says that it was interrupted in its own words, on the standard output.
            check(clear, || format!("none of {:?} in {run}", fault.words()))?;
        }
        let now = self.state()?;
        match self.scenario.operation {
            // An import changes nothing in the cluster.
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
                let known = now["objects"].as_object();
                let known = known.into_iter().flat_map(|it| it.keys());
                let known: BTreeSet<String> = known.cloned().collect();
                let there = self.live()?;
                // A Job runs once: it is found by its label, and a state of a finished apply does not have it.
                let there = there.iter().filter(|object| object["kind"] != "Job");
                let there = there.filter(|object| !is_terminating(object));
                let there: BTreeSet<String> = there.map(key).collect();
                let lost: Vec<_> = there.difference(&known).collect();
                check(lost.is_empty(), || {
                    format!("{lost:?} exist, and the state does not have them: {run}")
                })
            }
        }
    }

    /// Sees that an apply refuses to create what is there, and imports it as its error says.
    fn import(&self) -> Result<(), String> {
        let apply = self.terraform(APPLY, &Arc::default())?;
        let id = self.import_id();
        let advice = format!("terraform import <address> {id}");
        check(apply.said().contains(&advice), || {
            format!("no advice to import: {apply}")
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

    /// Finishes the operation without a fault, and checks that nothing is left to do.
    fn converge(&self) -> Result<(), String> {
        match self.scenario.operation {
            Operation::Destroy => return Ok(()),
            Operation::ApplyAndTakeBack => {
                self.configure(&self.scenario.before.ok_or("nothing before")?)
            }
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
            format!("something is left to do: {}", plan.run)
        })
    }

    /// Destroys, and checks that nothing is left.
    fn end(&self) -> Result<(), String> {
        let run = self.terraform(&["destroy", "-auto-approve"], &Arc::default())?;
        check(run.succeeded(), || format!("the destroy: {run}"))?;
        let left: Vec<_> = self.live()?.iter().map(key).collect();
        check(left.is_empty(), || format!("{left:?} are left after {run}"))?;
        let state = self.state()?;
        check(state.is_null(), || format!("the state still has {state}"))
    }

    /// The attributes of the feature store in the state; null: it has none.
    fn state(&self) -> Result<Json, String> {
        let state = self.test.terraform.state_json();
        let state = state.map_err(|error| error.to_string())?;
        let values = state.pointer("/values/root_module/resources/0/values");
        Ok(values.cloned().unwrap_or_default())
    }

    /// Everything that carries the provider's label, in the namespace and, for it, outside.
    fn live(&self) -> Result<Vec<Json>, String> {
        let namespace = &self.test.namespace;
        let near = "--selector=app.kubernetes.io/managed-by=feast";
        let far = format!("--selector=feast.dev/namespace={}", namespace.name());
        let near = namespace.json(&["get", KINDS, near]);
        let far = namespace.json(&["get", "clusterroles,clusterrolebindings", &far]);
        let lists = [near, far].map(|list| list.map_err(|error| error.to_string()));
        let mut all = Vec::new();
        for list in lists {
            all.extend(list?["items"].as_array().into_iter().flatten().cloned());
        }
        Ok(all)
    }

    /// What was made, as far as it is the same in every run: names, and the specification of what the user configures.
    fn objects(&self) -> Result<BTreeMap<String, Json>, String> {
        let live = self.live()?.into_iter();
        let live = live.filter(|object| !is_terminating(object));
        let comparable = live.map(|object| {
            let name = key(&object);
            let content = match object["kind"].as_str() {
                Some("Deployment") => json!({
                    "strategy": object["spec"]["strategy"],
                    "pod": object["spec"]["template"]["spec"],
                    "labels": object["metadata"]["labels"],
                }),
                Some("HorizontalPodAutoscaler" | "PodDisruptionBudget" | "CronJob") => {
                    object["spec"].clone()
                }
                _ => Json::Null,
            };
            let namespace = self.test.namespace.name();
            let same = |text: String| text.replace(namespace, "@");
            let content = serde_json::from_str(&same(content.to_string()));
            (stable(&same(name)), content.unwrap_or_default())
        });
        Ok(comparable.collect())
    }
}

/// Returns whether the provider is killed after the last write of a create, which notes in the cluster that the create
/// has ended well: then the feature store is complete, and Terraform does not know it. No other create may take it.
fn is_complete_and_unknown(scenario: &Scenario, request: &RequestName, fault: Fault) -> bool {
    let last = request.target == "PATCH secrets/feast-demo" && request.nth == 2;
    let create = scenario.before.is_none() && scenario.operation == Operation::Apply;
    create && last && fault == Fault::ProviderKilledAfter
}

const APPLY: &[&str] = &["apply", "-auto-approve"];
const ADDRESS: &str = "feast_feature_store.demo";

/// An update does not wait until a Job of before is gone.
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

/// A Job's name ends with a hash that is keyed by a random key.
fn stable(key: &str) -> String {
    let start = key.find("-apply").filter(|_| key.starts_with("Job/"));
    start.map_or(key, |start| &key[..start]).to_owned()
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

/// What Terraform prints before it acts is long, and tells nothing about the fault.
fn after_the_plan(stdout: &str) -> &str {
    stdout
        .find("\nPlan: ")
        .map_or(stdout, |start| &stdout[start..])
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Waits for the end of a process, and kills it when that takes too long.
fn wait_for(child: Child, limit: Duration) -> Result<std::process::Output, String> {
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(limit) {
        Ok(output) => output.map_err(|error| error.to_string()),
        Err(RecvTimeoutError::Disconnected) => Err("the waiting thread has ended".to_owned()),
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

/// The provider processes that this Terraform has started.
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
    // It may have ended by itself.
    pid.map(|pid| kill_process(pid, signal).ok());
}
