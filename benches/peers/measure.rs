//! Runs Terraform on a number of stores, and measures each command from outside.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::idle;
use crate::providers::{self, Kind, OTHER_TAG, Provider};
use crate::terraform::Terraform;
use crate::testbed::{ControlPlane, Namespace};
use crate::usage::Watched;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Validate,
    FirstPlan,
    Apply,
    NoOpPlan,
    PlanWithoutRefresh,
    OneChange,
    Destroy,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Validate => "validate",
            Self::FirstPlan => "first plan",
            Self::Apply => "apply, no wait",
            Self::NoOpPlan => "no-op plan",
            Self::PlanWithoutRefresh => "plan -refresh=false",
            Self::OneChange => "change of one store",
            Self::Destroy => "destroy",
        })
    }
}

/// The measurement of one command.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub wall: Duration,
    /// The CPU time of all processes of the provider.
    pub cpu: Duration,
    /// The peak memory of the provider's largest process, in KiB; 0 if the system does not report it.
    pub memory: u64,
    /// The peak memory of Terraform's process, in KiB.
    pub terraform_memory: u64,
    /// The requests to the API server, by verb.
    pub requests: BTreeMap<String, usize>,
    /// The size of the state file afterwards, in bytes.
    pub state: u64,
}

impl Sample {
    pub fn all_requests(&self) -> usize {
        self.requests.values().sum()
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:7.2} s  provider {:6.2} s CPU {:4} MB  state {:5} kB  {} requests {:?}",
            self.wall.as_secs_f64(),
            self.cpu.as_secs_f64(),
            self.memory / 1024,
            self.state / 1024,
            self.all_requests(),
            self.requests
        )
    }
}

/// One provider with a number of stores, in its own namespace.
pub struct Bench<'a> {
    control_plane: &'a ControlPlane,
    terraform: Terraform,
    namespace: Namespace,
    kind: Kind,
    stores: usize,
    /// The flag `-parallelism` of plan, apply and destroy.
    parallelism: usize,
}

/// Terraform's default of `-parallelism`.
pub const DEFAULT_PARALLELISM: usize = 10;

impl<'a> Bench<'a> {
    pub fn new(
        control_plane: &'a ControlPlane,
        tool: &Path,
        provider: &Provider,
        stores: usize,
        parallelism: usize,
    ) -> Self {
        let namespace = control_plane.namespace("bench").unwrap();
        make_store_secret(control_plane, namespace.name());
        let mut terraform = prepare(tool, provider, control_plane.kubeconfig(), namespace.name());
        let recorded = recorded_state(stores).display().to_string();
        terraform.environment(idle::RECORDED_STATE, &recorded);
        provider.configure(&terraform, stores, &manifests(tool, namespace.name()));
        Self {
            control_plane,
            terraform,
            namespace,
            kind: provider.kind,
            stores,
            parallelism,
        }
    }

    /// Runs all operations in order.
    pub fn run(&self) -> Vec<(Operation, Sample)> {
        let change = format!("-var=tag={OTHER_TAG}");
        let parallelism = format!("-parallelism={}", self.parallelism);
        let parallelism = parallelism.as_str();
        let auto = ["-no-color", "-input=false", "-auto-approve", parallelism];
        let plan = ["plan", "-no-color", "-input=false", parallelism];
        let apply = ["apply", "-no-color", "-input=false", parallelism];
        fn with<'a>(first: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
            [first, more].concat()
        }
        let mut samples = Vec::new();
        let mut take =
            |operation, arguments: &[&str]| samples.push((operation, self.sample(arguments)));
        take(Operation::Validate, &["validate", "-no-color"]);
        take(Operation::FirstPlan, &with(&plan, &["-out=bench.tfplan"]));
        take(Operation::Apply, &with(&apply, &["bench.tfplan"]));
        if self.kind == Kind::Feast {
            let state = self.terraform.folder().join("terraform.tfstate");
            fs::copy(state, recorded_state(self.stores)).unwrap();
        }
        self.wait_for_controllers();
        take(Operation::NoOpPlan, &with(&plan, &["-detailed-exitcode"]));
        take(
            Operation::PlanWithoutRefresh,
            &with(&plan, &["-refresh=false"]),
        );
        take(
            Operation::OneChange,
            &[&["apply"], &auto[..], &[change.as_str()]].concat(),
        );
        self.wait_for_controllers();
        take(
            Operation::Destroy,
            &[&["destroy"], &auto[..], &[change.as_str()]].concat(),
        );
        samples
    }

    /// Waits for the controllers, so that their work does not affect the next command.
    fn wait_for_controllers(&self) {
        if !self.kind.is_limit() {
            let arguments = [
                "wait",
                "deployments",
                "--all",
                "--for=condition=Available",
                "--timeout=900s",
            ];
            self.namespace.kubectl(&arguments).unwrap();
        }
    }

    fn sample(&self, arguments: &[&str]) -> Sample {
        let log = self.control_plane.folder().join("audit.log");
        let before = fs::metadata(&log).unwrap().len();
        let output = self.terraform.folder().join("output.txt");
        let file = File::create(&output).unwrap();
        let mut command = self.terraform.command(arguments);
        command
            .stdout(file.try_clone().unwrap())
            .stderr(Stdio::from(file));
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let watched = Watched::wait(&mut child);
        let wall = started.elapsed();
        let said = fs::read_to_string(&output).unwrap();
        // With `-detailed-exitcode`, 2 means that the plan is not empty.
        assert_eq!(
            watched.exit.code(),
            Some(0),
            "terraform {arguments:?} ({}):\n{said}",
            self.kind
        );
        let providers = || watched.providers.iter();
        Sample {
            wall,
            cpu: providers().map(|usage| usage.cpu).sum(),
            memory: providers().map(|usage| usage.peak).max().unwrap_or(0),
            terraform_memory: watched.terraform.peak,
            requests: requests(&log, before),
            state: fs::metadata(self.terraform.folder().join("terraform.tfstate"))
                .map_or(0, |state| state.len()),
        }
    }
}

/// Returns the path of the state file that [`Kind::Feast`] writes with this number of stores, for [`idle`].
fn recorded_state(stores: usize) -> PathBuf {
    let file = format!("feast-bench-{}-{stores}.tfstate", std::process::id());
    std::env::temp_dir().join(file)
}

/// Removes the recorded state for this number of stores.
pub fn remove_recorded_state(stores: usize) {
    fs::remove_file(recorded_state(stores)).ok();
}

/// Prepares Terraform with this provider.
pub fn prepare(tool: &Path, provider: &Provider, kubeconfig: &Path, namespace: &str) -> Terraform {
    let mut terraform = Terraform::new(tool, &providers::feast()).unwrap();
    let mut overrides = String::new();
    if let (Some(source), Some(binary)) = (provider.source(), &provider.binary) {
        // Terraform uses any file in the folder with a matching name, so the folder must contain no other file.
        let folder = terraform.folder().join("provider");
        fs::create_dir(&folder).unwrap();
        let name = source.rsplit('/').next().unwrap();
        fs::copy(binary, folder.join(format!("terraform-provider-{name}"))).unwrap();
        overrides = format!(
            "dev_overrides {{\n    {source:?} = {:?}\n  }}\n  ",
            folder.display().to_string()
        );
    }
    let config = terraform.folder().join("bench.tfrc");
    fs::write(
        &config,
        format!("provider_installation {{\n  {overrides}direct {{}}\n}}\n"),
    )
    .unwrap();
    terraform
        .environment("TF_CLI_CONFIG_FILE", &config.display().to_string())
        .environment("TF_VAR_kubeconfig", &kubeconfig.display().to_string())
        .environment("TF_VAR_namespace", namespace);
    terraform
}

/// Returns the objects of one store from a plan, without a cluster.
pub fn manifests(tool: &Path, namespace: &str) -> Vec<Json> {
    let feast = &providers::all()[0];
    let terraform = prepare(tool, feast, Path::new("none"), namespace);
    feast.configure(&terraform, 1, &[]);
    let plan = terraform.plan().unwrap();
    let objects = providers::objects(&plan.json);
    assert_eq!(objects.len(), 12, "{}", plan.run);
    objects
}

fn make_store_secret(control_plane: &ControlPlane, namespace: &str) {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "feast-data-stores", "namespace": namespace},
        "stringData": {
            "postgres": "host: db\nport: 5432\ndatabase: feast\nuser: feast\npassword: secret\n",
            "sql": "path: postgresql+psycopg://feast:secret@db:5432/feast\n",
        },
    });
    control_plane.apply(&secret.to_string()).unwrap();
}

/// The user agents of clients that are not Terraform providers.
const OTHER_CLIENTS: [&str; 5] = ["kube-", "kwok", "metrics-server", "kubectl/", "etcd"];

/// Returns the requests in the audit log from this position on.
pub fn requests(log: &Path, from: u64) -> BTreeMap<String, usize> {
    let mut file = File::open(log).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let mut counts = BTreeMap::new();
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok());
    for event in events.filter(|event| event["stage"] == "RequestReceived") {
        let agent = event["userAgent"].as_str().unwrap_or_default();
        if !OTHER_CLIENTS.iter().any(|other| agent.starts_with(other)) {
            let verb = event["verb"].as_str().unwrap_or_default().to_owned();
            *counts.entry(verb).or_insert(0) += 1;
        }
    }
    counts
}
