//! The quick start: plans, applies, scales and destroys `examples/quickstart/main.tf` on a local Kubernetes control
//! plane, and prints each step. For the options, run `cargo run --example quickstart -- --help`.
#![allow(clippy::print_stdout, reason = "the output is for the user")]

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
generates load until the autoscaler adds pods, shows that the plan is still empty, destroys the feature store and
stops the control plane. The first run takes about 15 minutes on 2 cores, later runs 3 minutes.

Usage: cargo run --example quickstart -- [OPTIONS]

  --keep               keep the cluster and the feature store running, and print how to use them
  --stop               stop and remove the cluster that --keep has kept
  --kubeconfig FILE    use this cluster instead of a local one (without the load, which needs simulated pods)
  --help               print this text
";

/// The options of the command line.
#[derive(Default)]
struct Arguments {
    keep: bool,
    stop: bool,
    kubeconfig: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = match parse_arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(unknown) => {
            eprintln!("unknown argument {unknown:?}\n\n{HELP}");
            return ExitCode::FAILURE;
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

/// Parses the command line; `None` is a request for help, and an error has the unknown argument.
fn parse_arguments() -> std::result::Result<Option<Arguments>, String> {
    let mut arguments = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--keep" => arguments.keep = true,
            "--stop" => arguments.stop = true,
            "--kubeconfig" => {
                let file = words.next().ok_or("--kubeconfig without a file")?;
                arguments.kubeconfig = Some(PathBuf::from(file));
            }
            "--help" | "-h" => return Ok(None),
            other => return Err(other.to_owned()),
        }
    }
    Ok(Some(arguments))
}

/// The folder of the files that `--keep` keeps.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/quickstart")
}

fn run(arguments: &Arguments) -> Result<()> {
    let control_plane_folder = folder().join("control-plane");
    if arguments.stop {
        ControlPlane::stop_kept(&control_plane_folder)?;
        fs::remove_dir_all(folder()).doing(|| format!("removing {}", folder().display()))?;
        println!("Stopped, and removed {}.", folder().display());
        return Ok(());
    }
    testbed::stop_on_signal()?;

    say("1. Build the provider, and the programs of a control plane if they are missing");
    let provider = build_provider()?;
    let tools = find_tools(arguments)?;

    say("2. Start a Kubernetes control plane");
    let control_plane = match &arguments.kubeconfig {
        Some(kubeconfig) => ControlPlane::existing(kubeconfig, &tools)?,
        None => {
            let options = Options {
                folder: arguments.keep.then_some(control_plane_folder),
                ..Options::default()
            };
            ControlPlane::start(&tools, &options, Progress::stderr())?
        }
    };
    let namespace = control_plane.namespace("feast-quickstart")?;
    println!(
        "Created the namespace {} at {}.",
        namespace.name(),
        control_plane.server()
    );

    say("3. Create the Secret with the connection parameters, which Terraform does not manage");
    make_store_secret(&namespace)?;

    say("4. terraform init, plan and apply");
    let terraform = prepare(&tools, &provider, &namespace)?;
    show(&terraform, &["init", "-input=false"])?;
    show(
        &terraform,
        &["plan", "-input=false", "-out=quickstart.tfplan"],
    )?;
    show(&terraform, &["apply", "-input=false", "quickstart.tfplan"])?;
    kubectl(&namespace, &["get", "deployments,hpa,pods"])?;

    if arguments.kubeconfig.is_none() {
        say(
            "5. Generate load: twice the CPU request of one pod, until the autoscaler adds pods (1 to 2 minutes)",
        );
        drive_load(&namespace)?;
        kubectl(&namespace, &["get", "hpa,pods"])?;

        say("6. terraform plan: it is empty, because the autoscaler owns the replica count");
        show(&terraform, &["plan", "-input=false", "-detailed-exitcode"])?;
    }
    if arguments.keep {
        keep(control_plane, namespace, terraform);
        return Ok(());
    }
    say("7. terraform destroy");
    show(&terraform, &["destroy", "-input=false", "-auto-approve"])?;
    println!(
        "\nDone. To keep the cluster running, use `cargo run --example quickstart -- --keep`."
    );
    Ok(())
}

fn say(heading: &str) {
    println!("\n=== {heading}\n");
}

/// Builds the provider, because Cargo does not build a package's program for its examples.
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

/// Returns Terraform if it is installed, otherwise OpenTofu, and the control plane unless the user has a cluster.
fn find_tools(arguments: &Arguments) -> Result<Tools> {
    let mut wanted: Vec<Tool> = match arguments.kubeconfig {
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
            "postgres": "host: postgres.databases.svc\nport: 5432\ndatabase: feast\nuser: feast\npassword: secret\nsslmode: disable\n",
            "sql": "path: postgresql+psycopg://feast:secret@postgres.databases.svc:5432/feast\n",
        },
    });
    namespace.cluster().apply(&secret.to_string())?;
    println!("Secret feast-data-stores has the keys `postgres` and `sql`.");
    Ok(())
}

/// Creates a working folder with the configuration, and installs the provider as from a registry.
fn prepare(tools: &Tools, provider: &Path, namespace: &Namespace) -> Result<Terraform> {
    let work = folder().join("configuration");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/main.tf");
    // The state of an earlier run describes another cluster.
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

/// Runs a Terraform command and shows its output.
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

/// Simulates clients that use 400 millicores in total, shared by all pods, until the autoscaler adds pods.
fn drive_load(namespace: &Namespace) -> Result<()> {
    let started = Instant::now();
    let mut last_ready = 0;
    while started.elapsed() < Duration::from_secs(240) {
        namespace.share_cpu_load("feast.dev/name=quickstart", 400)?;
        let deployment = namespace.json(&["get", "deployment", "feast-quickstart"])?;
        let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or(0);
        if ready != last_ready {
            println!("{:>4} s: {ready} pods", started.elapsed().as_secs());
            last_ready = ready;
        }
        // 400 millicores with requests of 200 and a target of 80 %: three pods are sufficient.
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
    // Dropping it would delete the namespace.
    std::mem::forget(namespace);
    control_plane.keep();
    println!(
        "\nThe cluster and the feature store are kept. To use them:\n\n  \
         export KUBECONFIG={kubeconfig}\n  \
         export TF_CLI_CONFIG_FILE={} TF_VAR_kubeconfig=$KUBECONFIG TF_VAR_namespace={name}\n  \
         kubectl -n {name} get all\n  \
         cd {work} && terraform plan\n\n\
         To remove them: cargo run --example quickstart -- --stop",
        config.display()
    );
}
