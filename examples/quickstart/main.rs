//! The quick start: plans, applies, loads and destroys `examples/quickstart/main.tf` on a local Kubernetes
//! control plane, and says what it does on the way. `cargo run --example quickstart -- --help`.
#![allow(clippy::print_stdout, reason = "it talks to the person who runs it")]

#[path = "../../tests/support/terraform.rs"]
mod terraform;
#[path = "../../tests/support/testbed.rs"]
mod testbed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use terraform::Terraform;
use testbed::error::{Doing, Error, Result};
use testbed::{ControlPlane, Namespace, Options, Progress, Tool, Tools, tools};

const HELP: &str = "\
Builds the provider and a local Kubernetes control plane, then plans and applies examples/quickstart/main.tf,
drives load until the autoscaler adds pods, shows that the plan is still empty, destroys everything and stops
what it started: about 15 minutes the first time on 2 cores, and 3 later.

Usage: cargo run --example quickstart -- [OPTIONS]

  --keep               leave the cluster and the feature store, and say how to use them
  --stop               stop and remove what --keep has left
  --kubeconfig FILE    use this cluster instead of a local one (the load is left out: pods there are real)
  --help               this text
";

/// What the command line asks for.
#[derive(Default)]
struct Wishes {
    keep: bool,
    stop: bool,
    kubeconfig: Option<PathBuf>,
}

fn main() -> ExitCode {
    let wishes = match wishes() {
        Ok(Some(wishes)) => wishes,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(unknown) => {
            eprintln!("unknown argument {unknown:?}\n\n{HELP}");
            return ExitCode::FAILURE;
        }
    };
    match run(&wishes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

fn wishes() -> std::result::Result<Option<Wishes>, String> {
    let mut wishes = Wishes::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--keep" => wishes.keep = true,
            "--stop" => wishes.stop = true,
            "--kubeconfig" => {
                let file = arguments.next().ok_or("--kubeconfig without a file")?;
                wishes.kubeconfig = Some(PathBuf::from(file));
            }
            "--help" | "-h" => return Ok(None),
            other => return Err(other.to_owned()),
        }
    }
    Ok(Some(wishes))
}

/// What `--keep` leaves lies below this folder.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/quickstart")
}

fn run(wishes: &Wishes) -> Result<()> {
    let control_plane_folder = folder().join("control-plane");
    if wishes.stop {
        ControlPlane::stop_kept(&control_plane_folder)?;
        fs::remove_dir_all(folder()).doing(|| format!("removing {}", folder().display()))?;
        println!("Stopped, and removed {}.", folder().display());
        return Ok(());
    }
    testbed::stop_on_signal()?;

    say(
        "1. What is needed: the provider, and the programs of a control plane, built where they are missing",
    );
    let provider = build_provider()?;
    let tools = find_tools(wishes)?;

    say("2. A Kubernetes control plane");
    let control_plane = match &wishes.kubeconfig {
        Some(kubeconfig) => ControlPlane::existing(kubeconfig, &tools)?,
        None => {
            let options = Options {
                folder: wishes.keep.then_some(control_plane_folder),
                ..Options::default()
            };
            ControlPlane::start(&tools, &options, Progress::stderr())?
        }
    };
    let namespace = control_plane.namespace("feast-quickstart")?;
    println!(
        "{} has a new namespace {}.",
        control_plane.server(),
        namespace.name()
    );

    say(
        "3. The Secret with the connection parameters, which the user keeps beside the feature store",
    );
    make_store_secret(&namespace)?;

    say("4. init, plan, apply");
    let terraform = prepare(&tools, &provider, &namespace)?;
    show(&terraform, &["init", "-input=false"])?;
    show(
        &terraform,
        &["plan", "-input=false", "-out=quickstart.tfplan"],
    )?;
    show(&terraform, &["apply", "-input=false", "quickstart.tfplan"])?;
    kubectl(&namespace, &["get", "deployments,hpa,pods"])?;

    if wishes.kubeconfig.is_none() {
        say(
            "5. Load: twice the CPU that one pod requests, until the autoscaler adds pods (1 to 2 minutes)",
        );
        drive_load(&namespace)?;
        kubectl(&namespace, &["get", "hpa,pods"])?;

        say("6. The autoscaler owns the replica count, so the plan is still empty");
        show(&terraform, &["plan", "-input=false", "-detailed-exitcode"])?;
    }
    if wishes.keep {
        keep(control_plane, namespace, terraform);
        return Ok(());
    }
    say("7. destroy");
    show(&terraform, &["destroy", "-input=false", "-auto-approve"])?;
    println!(
        "\nDone. `cargo run --example quickstart -- --keep` leaves the cluster for exploring."
    );
    Ok(())
}

fn say(heading: &str) {
    println!("\n=== {heading}\n");
}

/// Cargo does not build a package's program for its examples.
fn build_provider() -> Result<PathBuf> {
    let doing = || "building the provider".to_owned();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--bin", "terraform-provider-feast"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .doing(doing)?;
    if !status.success() {
        return Err(Error::new(doing(), format!("cargo ended with {status}")));
    }
    // This program is target/debug/examples/quickstart.
    let this = std::env::current_exe().doing(doing)?;
    let program = format!("terraform-provider-feast{}", std::env::consts::EXE_SUFFIX);
    let provider = this
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("."))
        .join(program);
    println!("The provider is {}.", provider.display());
    Ok(provider)
}

/// Terraform where it is installed, else OpenTofu; and the control plane unless the user has one.
fn find_tools(wishes: &Wishes) -> Result<Tools> {
    let mut wanted: Vec<Tool> = match wishes.kubeconfig {
        Some(_) => vec![Tool::Kubectl],
        None => Tool::CONTROL_PLANE.to_vec(),
    };
    let with_terraform = tools::ensure(&[Tool::Terraform], Progress::quiet()).is_ok();
    wanted.push(if with_terraform {
        Tool::Terraform
    } else {
        Tool::Tofu
    });
    tools::ensure(&wanted, Progress::stderr())
}

fn make_store_secret(namespace: &Namespace) -> Result<()> {
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "feast-data-stores", "namespace": namespace.name()},
        "stringData": {
            "postgres": "host: postgres.databases.svc\nport: 5432\ndatabase: feast\nuser: feast\npassword: secret\n",
            "sql": "path: postgresql+psycopg://feast:secret@postgres.databases.svc:5432/feast\n",
        },
    });
    namespace.cluster().apply(&secret.to_string())?;
    println!("Secret feast-data-stores has the keys `postgres` and `sql`.");
    Ok(())
}

/// A working folder with the configuration, and the provider installed as if from a registry.
fn prepare(tools: &Tools, provider: &Path, namespace: &Namespace) -> Result<Terraform> {
    let work = folder().join("configuration");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/main.tf");
    // What an earlier run has left would be another cluster's state.
    fs::remove_dir_all(&work).ok();
    fs::create_dir_all(&work)
        .and_then(|()| fs::copy(&source, work.join("main.tf")))
        .doing(|| format!("copying {} to {}", source.display(), work.display()))?;
    let tool = tools
        .path(Tool::Terraform)
        .or_else(|_| tools.path(Tool::Tofu))?;
    let mut terraform = Terraform::with_mirror(tool, provider, &work)?;
    let kubeconfig = namespace.cluster().kubeconfig().display().to_string();
    terraform
        .environment("TF_VAR_kubeconfig", &kubeconfig)
        .environment("TF_VAR_namespace", namespace.name());
    Ok(terraform)
}

/// Runs a command before the user's eyes.
fn show(terraform: &Terraform, arguments: &[&str]) -> Result<()> {
    let mut command = terraform.command(arguments);
    let line = format!(
        "{} {}",
        Path::new(command.get_program())
            .file_name()
            .unwrap_or_default()
            .display(),
        arguments.join(" ")
    );
    println!("$ {line}");
    let status = command.status().doing(|| line.clone())?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(line, format!("it ended with {status}")))
}

fn kubectl(namespace: &Namespace, arguments: &[&str]) -> Result<()> {
    println!("$ kubectl {}", arguments.join(" "));
    println!("{}", namespace.kubectl(arguments)?);
    Ok(())
}

/// Clients that together use 400 millicores, shared by however many pods there are.
fn drive_load(namespace: &Namespace) -> Result<()> {
    let started = Instant::now();
    let mut seen = 0;
    while started.elapsed() < Duration::from_secs(240) {
        namespace.share_cpu_load("feast.dev/name=quickstart", 400)?;
        let deployment = namespace.json(&["get", "deployment", "feast-quickstart"])?;
        let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or(0);
        if ready != seen {
            println!("{:>4} s: {ready} pods", started.elapsed().as_secs());
            seen = ready;
        }
        // 400 millicores over 200 requested, at a target of 80 %: three pods are enough.
        if ready >= 3 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    Err(Error::new(
        "waiting for the autoscaler",
        "it has not added pods in 4 minutes",
    ))
}

fn keep(control_plane: ControlPlane, namespace: Namespace, terraform: Terraform) {
    let work = terraform.folder().display().to_string();
    let kubeconfig = namespace.cluster().kubeconfig().display().to_string();
    let name = namespace.name().to_owned();
    let config = terraform.keep();
    // Its end would delete it.
    std::mem::forget(namespace);
    control_plane.keep();
    println!(
        "\nThe cluster and the feature store stay. To use them:\n\n  \
         export KUBECONFIG={kubeconfig}\n  \
         export TF_CLI_CONFIG_FILE={} TF_VAR_kubeconfig=$KUBECONFIG TF_VAR_namespace={name}\n  \
         kubectl -n {name} get all\n  \
         cd {work} && terraform plan\n\n\
         and in the end: cargo run --example quickstart -- --stop",
        config.display()
    );
}
