//! The quick start: plans, applies, scales and destroys `examples/quickstart/main.tf` on a local Kubernetes cluster,
//! and prints each step. For the options, run `cargo run --example quickstart -- --help`.
#![allow(clippy::print_stdout, reason = "the output is for the user")]

#[path = "../../tests/support"]
mod support {
    pub mod feast;
    pub mod node;
    pub mod terraform;
    pub mod testbed;
}

mod cluster;
mod features;
mod load;
mod show;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use cluster::{Cluster, Nodes};
use support::node::postgres;
use support::terraform::Terraform;
use support::testbed::cluster::WITHOUT_KUBERC;
use support::testbed::error::{Doing, Error, Result};
use support::testbed::{self, Namespace, Tool, Tools};

const HELP: &str = "\
Builds the provider and a local Kubernetes control plane, then plans and applies examples/quickstart/main.tf,
generates load until the autoscaler adds pods, shows that the plan is still empty, destroys the feature store and
stops the control plane. The first run takes 15 to 25 minutes on 2 cores, later runs 3 minutes.

Usage: cargo run --example quickstart -- [OPTIONS]

  --real-node          run the pods on a real node instead of simulated ones, with Feast and PostgreSQL, and request
                       features with curl (needs Linux, root and cgroups v1, and 5 more minutes for the first run)
  --keep               keep the cluster and the feature store running, and print how to use them
  --stop               stop and remove the clusters that --keep has kept
  --help               print this text
";

/// The options of the command line.
#[derive(Default)]
struct Arguments {
    nodes: Nodes,
    keep: bool,
    stop: bool,
}

fn main() -> ExitCode {
    let arguments = match parse_arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            return ExitCode::FAILURE;
        }
    };
    let result = if arguments.stop {
        cluster::stop_kept()
    } else {
        run(&arguments)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

/// Parses the command line; `None` is a request for help.
fn parse_arguments() -> std::result::Result<Option<Arguments>, String> {
    let mut arguments = Arguments::default();
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "--keep" => arguments.keep = true,
            "--stop" => arguments.stop = true,
            "--real-node" => arguments.nodes = Nodes::Real,
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(Some(arguments))
}

fn run(arguments: &Arguments) -> Result<()> {
    let nodes = &arguments.nodes;
    nodes.check()?;
    testbed::stop_on_signal()?;

    say("Build the provider, and the programs of the cluster if they are missing");
    let provider = build_provider()?;
    let tools = nodes.tools()?;

    say(match nodes {
        Nodes::Simulated => "Start a Kubernetes control plane with simulated nodes",
        Nodes::Real => "Start a Kubernetes control plane with a real node, and PostgreSQL on it",
    });
    let cluster = Cluster::start(nodes, &tools, arguments.keep)?;
    if let Cluster::Node(node) = &cluster {
        node.start_postgres()?;
    }
    let namespace = cluster.namespace("feast-quickstart")?;
    println!(
        "Created the namespace {} at {}.",
        namespace.name(),
        cluster.server()
    );

    say("Create the Secret with the connection parameters, which Terraform does not manage");
    make_store_secret(&namespace)?;

    say("terraform init, plan and apply");
    let terraform = prepare(nodes, &tools, &provider, &namespace)?;
    show::terraform(&terraform, &["init", "-input=false"])?;
    show::terraform(
        &terraform,
        &["plan", "-input=false", "-out=quickstart.tfplan"],
    )?;
    show::terraform(&terraform, &["apply", "-input=false", "quickstart.tfplan"])?;
    show::kubectl(&namespace, &["get", "deployments,hpa,pods"])?;

    match nodes {
        Nodes::Simulated => {
            say(
                "Simulate load: twice the CPU request of one pod, until the autoscaler adds pods (1 to 2 minutes)",
            );
            load::simulate(&namespace)?;
        }
        Nodes::Real => {
            say("Materialize the sample data of `feast init`, and request features");
            features::materialize(&namespace)?;
            features::request(&namespace)?;
            say("Request features all the time, until the autoscaler adds pods (1 to 3 minutes)");
            load::generate(&namespace)?;
        }
    }
    show::kubectl(&namespace, &["get", "hpa,pods"])?;
    say("terraform plan: it is empty, because the autoscaler owns the replica count");
    show::terraform(&terraform, &["plan", "-input=false", "-detailed-exitcode"])?;
    if arguments.keep {
        return keep(nodes, &tools, cluster, namespace, terraform);
    }
    say("terraform destroy");
    show::terraform(&terraform, &["destroy", "-input=false", "-auto-approve"])?;
    println!("\nDone. To keep the cluster running, add the option `--keep`.");
    Ok(())
}

fn say(heading: &str) {
    println!("\n=== {heading}\n");
}

/// Builds the provider, because Cargo does not build a package's program for its examples. It is built together with
/// this program, and thus from the same build of the library.
fn build_provider() -> Result<PathBuf> {
    let doing = || "building the provider".to_owned();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--bin", "terraform-provider-feast"])
        .args(["--example", "quickstart"])
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

fn make_store_secret(namespace: &Namespace) -> Result<()> {
    let (host, password) = (postgres::HOST, postgres::PASSWORD);
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "feast-data-stores", "namespace": namespace.name()},
        "stringData": {
            "postgres": format!(
                "host: {host}\nport: 5432\ndatabase: feast\nuser: feast\npassword: {password}\nsslmode: disable\n"
            ),
            "sql": format!("path: postgresql+psycopg://feast:{password}@{host}:5432/feast\n"),
        },
    });
    namespace.cluster().apply(&secret.to_string())?;
    println!("Secret feast-data-stores has the keys `postgres` and `sql`.");
    Ok(())
}

/// Creates a working folder with the configuration, and installs the provider as from a registry.
fn prepare(
    nodes: &Nodes,
    tools: &Tools,
    provider: &Path,
    namespace: &Namespace,
) -> Result<Terraform> {
    let work = nodes.folder().join("configuration");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/main.tf");
    // The state of an earlier run describes another cluster.
    fs::remove_dir_all(&work).ok();
    fs::create_dir_all(&work)
        .and_then(|()| fs::copy(&source, work.join("main.tf")))
        .doing(|| format!("copying {} to {}", source.display(), work.display()))?;
    let mut terraform = Terraform::with_mirror(terraform_path(tools)?, provider, &work)?;
    let kubeconfig = namespace.cluster().kubeconfig().display().to_string();
    terraform
        .environment("TF_VAR_kubeconfig", &kubeconfig)
        .environment("TF_VAR_namespace", namespace.name());
    Ok(terraform)
}

/// Returns the path of Terraform if the machine has it, otherwise of OpenTofu.
fn terraform_path(tools: &Tools) -> Result<&Path> {
    tools
        .path(Tool::Terraform)
        .or_else(|_| tools.path(Tool::Tofu))
}

/// Keeps the cluster and the feature store, and prints commands that use them.
fn keep(
    nodes: &Nodes,
    tools: &Tools,
    cluster: Cluster,
    namespace: Namespace,
    terraform: Terraform,
) -> Result<()> {
    let mut commands = vec![
        format!("kubectl -n {} get all", namespace.name()),
        format!(
            "{} -chdir={} plan",
            terraform_path(tools)?
                .file_name()
                .unwrap_or_default()
                .display(),
            show::quoted(&terraform.folder().to_string_lossy()),
        ),
    ];
    if let Nodes::Real = nodes {
        commands.push(show::line(&features::request_command(&namespace)?));
        commands.push(show::line(&features::load_command(&namespace)?));
    }
    let environment = nodes.folder().join("environment");
    let text = environment_file(tools, &namespace, &terraform.keep())?;
    fs::write(&environment, text).doing(|| format!("writing {}", environment.display()))?;
    // Dropping it would delete the namespace.
    std::mem::forget(namespace);
    cluster.keep()?;
    println!(
        "\nThe cluster and the feature store are kept. To use them:\n\n  . {}\n  {}\n\n\
         To remove them: cargo run --example quickstart -- --stop",
        show::quoted(&environment.to_string_lossy()),
        commands.join("\n  ")
    );
    Ok(())
}

/// Returns a shell script that sets the variables of kubectl and Terraform.
fn environment_file(tools: &Tools, namespace: &Namespace, config: &Path) -> Result<String> {
    let kubeconfig = namespace.cluster().kubeconfig().display().to_string();
    let mut text = String::new();
    for (name, value) in [
        ("KUBECONFIG", kubeconfig.as_str()),
        WITHOUT_KUBERC,
        ("TF_CLI_CONFIG_FILE", &config.to_string_lossy()),
        ("TF_VAR_kubeconfig", &kubeconfig),
        ("TF_VAR_namespace", namespace.name()),
    ] {
        text.push_str(&format!("export {name}={}\n", show::quoted(value)));
    }
    for program in [tools.path(Tool::Kubectl)?, terraform_path(tools)?] {
        let folder = program.parent().unwrap_or(Path::new("/")).to_string_lossy();
        text.push_str(&format!("export PATH=$PATH:{}\n", show::quoted(&folder)));
    }
    Ok(text)
}
