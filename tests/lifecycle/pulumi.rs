//! The example program of Pulumi, with Pulumi's CLI and its bridge to Terraform providers.
//!
//! `cargo test` ignores it, because the first build of the three programs takes long; `.ci/extended` runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::lifecycle::lab;
use crate::lifecycle::quota;
use crate::lifecycle::store::StoreUnderTest;
use crate::support::terraform::Run;
use crate::support::testbed::{Progress, Tool, tools};

const PROGRAM: &str = include_str!("../../examples/pulumi/Pulumi.yaml");
const TOOLS: &[Tool] = &[Tool::Pulumi, Tool::PulumiBridge, Tool::PulumiYaml];
const TYPE: &str = "feast:index/featureStore:FeatureStore";

pub fn example() {
    let tools = tools::ensure(TOOLS, Progress::stderr()).unwrap_or_else(|error| panic!("{error}"));
    let folders = TOOLS.iter().map(|tool| {
        let path = tools.path(*tool).unwrap();
        path.parent().unwrap().to_owned()
    });
    the_example_is_created_changed_imported_and_destroyed(folders.collect());
}

/// A folder with the program, and the CLI without the user's settings.
struct Pulumi {
    folder: TempDir,
    /// The folders of the programs.
    path: Vec<PathBuf>,
}

impl Pulumi {
    fn new(test: &StoreUnderTest, path: &[PathBuf], program: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        let pulumi = Self {
            folder,
            path: path.to_vec(),
        };
        pulumi.write(program);
        let bridge = path[1]
            .join(Tool::PulumiBridge.binary())
            .display()
            .to_string();
        let install = [
            "plugin",
            "install",
            "resource",
            "terraform-provider",
            "v1.0.0",
            "--file",
            &bridge,
        ];
        pulumi.run(&install).expect_success();
        let provider = lab::provider().display().to_string();
        let add = ["package", "add", "terraform-provider", &provider];
        // The host of YAML that is pinned here cannot link the package to the program, which a program in YAML does not
        // need.
        let added = pulumi.run(&add);
        assert!(
            added.stdout.contains("Successfully generated an SDK"),
            "{added}"
        );
        pulumi.run(&["stack", "init", "dev"]).expect_success();
        let kubeconfig = test.namespace.cluster().kubeconfig().display().to_string();
        let settings = [
            ("kubeconfig", kubeconfig.as_str()),
            ("namespace", test.namespace.name()),
        ];
        for (name, value) in settings {
            pulumi.run(&["config", "set", name, value]).expect_success();
        }
        pulumi
    }

    fn write(&self, program: &str) {
        fs::write(self.folder.path().join("Pulumi.yaml"), program).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let folder = self.folder.path();
        let binary = self.path[0].join(Tool::Pulumi.binary());
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let path = self
            .path
            .iter()
            .cloned()
            .chain(std::env::split_paths(&inherited));
        let output = Command::new(binary)
            .args(arguments)
            .arg("--non-interactive")
            .arg("--color=never")
            .current_dir(folder)
            .stdin(Stdio::null())
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", folder)
            .env("PULUMI_HOME", folder.join("home"))
            .env(
                "PULUMI_BACKEND_URL",
                format!("file://{}", folder.join("state").display()),
            )
            .env("PULUMI_CONFIG_PASSPHRASE", "test")
            .env("PULUMI_SKIP_UPDATE_CHECK", "true")
            .env_remove("KUBECONFIG")
            .output()
            .unwrap();
        Run {
            command: format!("pulumi {}", arguments.join(" ")),
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    fn up(&self) -> Run {
        self.run(&["up", "--yes", "--skip-preview"])
            .expect_success()
    }

    #[track_caller]
    fn expect_empty_preview(&self) {
        self.run(&["preview", "--expect-no-changes"])
            .expect_success();
    }
}

fn the_example_is_created_changed_imported_and_destroyed(path: Vec<PathBuf>) {
    let test = StoreUnderTest::new("pulumi");
    let pulumi = Pulumi::new(&test, &path, PROGRAM);
    let run = pulumi.up();
    let address = format!(
        "feast-demo-online.{}.svc.cluster.local:80",
        test.namespace.name()
    );
    assert!(run.stdout.contains(&address), "{run}");
    pulumi.expect_empty_preview();
    expect_no_secret(pulumi.folder.path());

    // Drift is found by a refresh, and reverted.
    test.patch("deployment/feast-demo", r#"{"spec": {"replicas": 3}}"#);
    pulumi
        .run(&["refresh", "--yes", "--skip-preview"])
        .expect_success();
    pulumi.up();
    assert_eq!(test.replicas(), 2);
    pulumi.expect_empty_preview();

    // After a failed update, the next one completes it.
    fail_to_update(&test, &pulumi, "a");
    pulumi.up();
    pulumi.expect_empty_preview();
    assert_eq!(team(&test), "a");

    // To go back after one, Pulumi needs a refresh: it has the state before the update.
    fail_to_update(&test, &pulumi, "b");
    pulumi.write(&with_team("a"));
    pulumi.expect_empty_preview();
    let refresh = ["refresh", "--yes", "--skip-preview"];
    pulumi.run(&refresh).expect_success();
    pulumi.up();
    pulumi.expect_empty_preview();
    assert_eq!(team(&test), "a");

    // Another stack imports the feature store.
    let other = Pulumi::new(&test, &path, PROGRAM);
    let kubeconfig = test.namespace.cluster().kubeconfig().display().to_string();
    let configure = ["config", "set", "feast:configPath", &kubeconfig];
    other.run(&configure).expect_success();
    let id = format!("{}/demo", test.namespace.name());
    let import = [
        "import",
        TYPE,
        "demo",
        &id,
        "--yes",
        "--skip-preview",
        "--protect=false",
        "--generate-code=false",
    ];
    other.run(&import).expect_success();

    pulumi
        .run(&["destroy", "--yes", "--skip-preview"])
        .expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

/// Returns the program with a label of the pods, and with a timeout that an update under [`fail_to_update`] does not
/// reach: it fails after the grace period of 40 s.
fn with_team(team: &str) -> String {
    let more = format!(
        "      timeouts:\n        update: 60s\n      services:\n        podLabels:\n          team: {team}\n"
    );
    PROGRAM.replace("      services:\n", &more)
}

fn team(test: &StoreUnderTest) -> String {
    let labels = &test.deployment()["spec"]["template"]["metadata"]["labels"];
    labels["team"].as_str().unwrap_or_default().to_owned()
}

/// Changes the label while a quota permits no further pod.
fn fail_to_update(test: &StoreUnderTest, pulumi: &Pulumi, team: &str) {
    quota::limit_pods(test, 2);
    pulumi.write(&with_team(team));
    let run = pulumi.run(&["up", "--yes", "--skip-preview"]);
    assert_ne!(run.status, Some(0), "{run}");
    assert!(run.messages().contains("exceeded quota"), "{run}");
    quota::lift_limit(test);
}

/// Checks that the state has no password.
fn expect_no_secret(folder: &Path) {
    let mut folders = vec![folder.join("state")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&text);
                assert!(
                    !text.contains(crate::lifecycle::store::PASSWORD),
                    "{}",
                    path.display()
                );
            }
        }
    }
}
