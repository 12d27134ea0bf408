//! Runs the real `terraform` or `tofu` in a separate working folder, with the provider that was just built, and
//! without the user's configuration.
#![allow(
    dead_code,
    reason = "each program that includes the runner uses a part of it"
)]

#[path = "user_variables.rs"]
mod user_variables;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::testbed::error::{Doing, Error, Result};
use user_variables::user_variables;

/// The address of the provider in its registry.
pub const PROVIDER: &str = "feast-dev/feast";
/// The default registries of Terraform and OpenTofu.
pub const REGISTRIES: [&str; 2] = ["registry.terraform.io", "registry.opentofu.org"];
const PROVIDER_VERSION: &str = env!("CARGO_PKG_VERSION");
const PLAN_FILE: &str = "testbed.tfplan";

pub struct Terraform {
    tool: PathBuf,
    work: PathBuf,
    /// The CLI configuration, outside the working folder.
    config: TempDir,
    /// Keeps a temporary working folder as long as this value exists.
    _work: Option<TempDir>,
    environment: Vec<(String, String)>,
}

/// The result of a command.
#[derive(Clone, Debug)]
pub struct Run {
    pub command: String,
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    NoChanges,
    Changes,
    Failed,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub exit: Exit,
    pub run: Run,
    /// The plan in Terraform's JSON format; `null` if planning failed.
    pub json: Value,
}

impl Terraform {
    /// Uses the provider as a development override: no `init` is needed or possible.
    pub fn new(tool: &Path, provider: &Path) -> Result<Self> {
        let folder = provider.parent().unwrap_or(Path::new("."));
        let method = format!(
            "dev_overrides {{\n    {PROVIDER:?} = {:?}\n  }}\n  direct {{}}",
            folder.display().to_string()
        );
        Self::with_installation(tool, &method)
    }

    /// Uses the provider in a filesystem mirror, as a user without the registry installs it: `init` is needed. `work`
    /// is the folder of the configuration.
    pub fn with_mirror(tool: &Path, provider: &Path, work: &Path) -> Result<Self> {
        let mut terraform = Self::in_folder(tool, work)?;
        // Next to the configuration, so that everything that is kept is in one folder.
        let beside = work.parent().unwrap_or(work);
        terraform.config = TempDir::new_in(beside)
            .doing(|| "creating a folder for the CLI configuration".to_owned())?;
        let mirror = terraform.config.path().join("mirror");
        for registry in REGISTRIES {
            let folder = mirror
                .join(registry)
                .join(PROVIDER)
                .join(PROVIDER_VERSION)
                .join(platform());
            fs::create_dir_all(&folder).doing(|| format!("creating {}", folder.display()))?;
            let file = folder.join(format!("terraform-provider-feast_v{PROVIDER_VERSION}"));
            fs::hard_link(provider, &file)
                .or_else(|_| fs::copy(provider, &file).map(drop))
                .doing(|| format!("copying {} to {}", provider.display(), file.display()))?;
        }
        let ours = REGISTRIES.map(|registry| format!("{registry}/{PROVIDER}"));
        terraform.configure(&format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path    = {:?}\n    \
             include = {ours:?}\n  }}\n  direct {{\n    exclude = {ours:?}\n  }}\n}}\n",
            mirror.display().to_string()
        ))?;
        Ok(terraform)
    }

    /// Installs providers by `methods`, the content of `provider_installation` in the CLI configuration.
    pub fn with_installation(tool: &Path, methods: &str) -> Result<Self> {
        let work = TempDir::new().doing(|| "creating a working folder".to_owned())?;
        let mut terraform = Self::in_folder(tool, work.path())?;
        terraform._work = Some(work);
        terraform.configure(&format!("provider_installation {{\n  {methods}\n}}\n"))?;
        Ok(terraform)
    }

    fn in_folder(tool: &Path, work: &Path) -> Result<Self> {
        let config =
            TempDir::new().doing(|| "creating a folder for the CLI configuration".to_owned())?;
        Ok(Self {
            tool: tool.to_owned(),
            work: work.to_owned(),
            config,
            _work: None,
            environment: Vec::new(),
        })
    }

    fn configure(&self, text: &str) -> Result<()> {
        let path = self.config_file();
        fs::write(&path, text).doing(|| format!("writing {}", path.display()))
    }

    fn config_file(&self) -> PathBuf {
        self.config.path().join("terraform.tfrc")
    }

    /// Sets an environment variable for all following commands, such as `KUBE_CONFIG_PATH`.
    pub fn environment(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Keeps the working folder and the CLI configuration, and returns the path of the latter.
    pub fn keep(mut self) -> PathBuf {
        self.config.disable_cleanup(true);
        if let Some(work) = &mut self._work {
            work.disable_cleanup(true);
        }
        self.config_file()
    }

    pub fn folder(&self) -> &Path {
        &self.work
    }

    /// Writes a file of the configuration, and replaces an existing one.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.work.join(file);
        fs::write(&path, text).doing(|| format!("writing {}", path.display()))
    }

    pub fn init(&self) -> Result<Run> {
        self.run(&["init", "-no-color", "-input=false"])
    }

    pub fn validate(&self) -> Result<Run> {
        self.run(&["validate", "-no-color"])
    }

    pub fn plan(&self) -> Result<Plan> {
        self.plan_with(&[])
    }

    /// Plans with additional flags: `-refresh-only`, `-destroy`, `-replace=…`.
    pub fn plan_with(&self, flags: &[&str]) -> Result<Plan> {
        let out = format!("-out={PLAN_FILE}");
        let fixed = [
            "plan",
            "-no-color",
            "-input=false",
            "-detailed-exitcode",
            &out,
        ];
        let run = self.run(&[&fixed, flags].concat())?;
        let exit = match run.status {
            Some(0) => Exit::NoChanges,
            Some(2) => Exit::Changes,
            _ => Exit::Failed,
        };
        let json = match exit {
            Exit::Failed => Value::Null,
            _ => self.json(&["show", "-json", "-no-color", PLAN_FILE])?,
        };
        Ok(Plan { exit, run, json })
    }

    /// Plans and applies.
    pub fn apply(&self) -> Result<Run> {
        self.run(&["apply", "-no-color", "-input=false", "-auto-approve"])
    }

    /// Applies the plan of the last [`Terraform::plan`].
    pub fn apply_plan(&self) -> Result<Run> {
        self.run(&["apply", "-no-color", "-input=false", PLAN_FILE])
    }

    pub fn destroy(&self) -> Result<Run> {
        self.run(&["destroy", "-no-color", "-input=false", "-auto-approve"])
    }

    /// Returns the state in Terraform's JSON format.
    pub fn state_json(&self) -> Result<Value> {
        self.json(&["show", "-json", "-no-color"])
    }

    /// Returns the value of an output.
    pub fn output(&self, name: &str) -> Result<Value> {
        self.json(&["output", "-json", "-no-color", name])
    }

    /// Runs a command that prints JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let run = self.run(arguments)?;
        if !run.succeeded() {
            return Err(Error::new(run.command.clone(), &run));
        }
        serde_json::from_str(&run.stdout).doing(|| format!("{}: reading the JSON", run.command))
    }

    /// Runs any command. A failed command is not an error: see [`Run::status`].
    pub fn run(&self, arguments: &[&str]) -> Result<Run> {
        let name = self.tool.file_name().unwrap_or_default().display();
        let line = format!("{name} {}", arguments.join(" "));
        let output = self.command(arguments).output().doing(|| line.clone())?;
        Ok(Run {
            command: line,
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Returns the command without running it, for tests that interrupt it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tool);
        for name in user_variables() {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .env("TF_CLI_CONFIG_FILE", self.config_file())
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Run {
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }

    /// Returns the complete output, without the line breaks and frames of diagnostics.
    pub fn messages(&self) -> String {
        without_frames(&format!("{} {}", self.stdout, self.stderr))
    }

    /// Returns the standard error, without the line breaks and frames of diagnostics.
    pub fn error_messages(&self) -> String {
        without_frames(&self.stderr)
    }

    /// Panics with the output of the command unless it has succeeded.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(self.succeeded(), "{self}");
        self
    }
}

fn without_frames(text: &str) -> String {
    let words = text.split_whitespace();
    let words = words.filter(|word| !["│", "╷", "╵"].contains(word));
    words.collect::<Vec<_>>().join(" ")
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            status,
            stdout,
            stderr,
        } = self;
        let status = status.map_or("a signal".to_owned(), |status| format!("status {status}"));
        write!(f, "{command} ended with {status}\n{stdout}{stderr}")
    }
}

/// Returns the operating system and processor in Terraform's notation.
fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}_{processor}")
}
