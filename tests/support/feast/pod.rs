//! A pod: the containers of a Deployment's template, started as rendered, without Kubernetes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};

use super::container::{Finished, Secrets, command_line, environment, set_environment};
use super::postgres::Postgres;
use super::python::Python;
use super::volumes::{self, Volumes};
use crate::support::testbed::TestRun;
use crate::support::testbed::cluster::eventually;
use crate::support::testbed::error::{Doing, Error, Result};
use crate::support::testbed::process::Service;

/// The options of `unshare` for the namespaces of a pod.
pub const NAMESPACES: [&str; 6] = [
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "--pid",
    "--ipc",
];

/// The shared environment of the pods of a feature store.
pub struct PodEnvironment<'a> {
    pub run: &'a TestRun,
    pub python: &'a Python,
    /// All Secrets of the namespace, including the feature store's own.
    pub secrets: Secrets,
    /// The database whose socket the containers mount.
    pub postgres: Option<&'a Postgres>,
    pvc_folder: PathBuf,
}

pub struct Pod<'a> {
    environment: &'a PodEnvironment<'a>,
    spec: PodSpec,
    folder: PathBuf,
    volumes: Volumes,
    /// The id of the pod's first process, outside its namespaces.
    holder: String,
    /// The processes of the pod, starting with its first process.
    services: Vec<Service>,
}

/// A server starts in about 6 s, and in minutes on a busy machine.
const UP: Duration = Duration::from_secs(300);
const STEP: Duration = Duration::from_millis(100);

impl<'a> PodEnvironment<'a> {
    pub fn new(
        run: &'a TestRun,
        python: &'a Python,
        postgres: Option<&'a Postgres>,
    ) -> Result<Self> {
        Ok(Self {
            run,
            python,
            secrets: Secrets::new(),
            postgres,
            pvc_folder: run.folder("pvcs")?,
        })
    }

    /// Creates a pod from a template, without starting a container.
    pub fn pod(&'a self, template: &PodTemplateSpec) -> Result<Pod<'a>> {
        let spec = template.spec.clone();
        let spec = spec.unwrap_or_else(|| panic!("no pod in {template:?}"));
        let folder = self.run.folder("pod")?;
        let volumes = volumes::make(&spec, &self.secrets, &folder, &self.pvc_folder)?;
        let (root, pid, hosts) = (
            folder.join("root"),
            folder.join("pid"),
            folder.join("hosts"),
        );
        fs::write(&hosts, "127.0.0.1 localhost\n::1 localhost\n")
            .doing(|| format!("writing {}", hosts.display()))?;
        fs::create_dir(&root).doing(|| format!("creating {}", root.display()))?;

        let mut unshare = Command::new("unshare");
        unshare
            .args(NAMESPACES)
            .args(["--fork", "--kill-child", "bash"])
            .arg(script("pod.sh"))
            .arg(self.python.programs().join("python"))
            .arg(&pid);
        let mut holder = self.run.spawn("pod", unshare, &folder).map_err(|error| {
            error.help("util-linux is needed (Debian: apt-get install util-linux).")
        })?;
        let mut ended = Ok(());
        eventually("the pod's network", UP, STEP, || {
            ended = holder.check();
            (ended.is_err() || pid.is_file()).then_some(())
        })?;
        ended.map_err(|error| {
            error.help(
                "Pods need user namespaces. Run the tests as root, or allow them to users: sysctl \
                 kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), kernel.unprivileged_userns_clone=1 \
                 (older Debian).",
            )
        })?;
        let holder_pid = fs::read_to_string(&pid).doing(|| format!("reading {}", pid.display()))?;
        Ok(Pod {
            environment: self,
            spec,
            volumes,
            holder: holder_pid.trim().to_owned(),
            services: vec![holder],
            folder,
        })
    }
}

impl Pod<'_> {
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn python(&self) -> &Python {
        self.environment.python
    }

    /// Returns the path of a container's file outside the container.
    pub fn path(&self, container: &str, path: &str) -> PathBuf {
        let container = self.container(container);
        let mounts = container.volume_mounts.iter().flatten();
        let mount = mounts
            .filter_map(|mount| Some((path.strip_prefix(&mount.mount_path)?, &mount.name)))
            .min_by_key(|(rest, _)| rest.len());
        let (rest, volume) = mount.unwrap_or_else(|| panic!("{path} is on no volume"));
        self.volumes[volume].join(rest.trim_start_matches('/'))
    }

    pub fn init_containers(&self) -> Vec<String> {
        names(&self.spec.init_containers.clone().unwrap_or_default())
    }

    pub fn servers(&self) -> Vec<String> {
        names(&self.spec.containers)
    }

    pub fn container(&self, name: &str) -> &Container {
        let all = self.spec.init_containers.iter().flatten();
        all.chain(&self.spec.containers)
            .find(|container| container.name == name)
            .unwrap_or_else(|| panic!("no container {name:?}"))
    }

    /// Runs a container to completion.
    pub fn run(&self, name: &str) -> Result<Finished> {
        let container = self.container(name);
        let own = environment(container, &self.environment.secrets);
        self.finish(self.command(container, &own, &command_line(container, &own))?)
    }

    /// Runs a command in a container as `kubectl exec` would. The container does not have to run.
    pub fn exec(&self, name: &str, words: &[&str]) -> Result<Finished> {
        let container = self.container(name);
        let own = environment(container, &self.environment.secrets);
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        self.finish(self.command(container, &own, &words)?)
    }

    fn finish(&self, mut command: Command) -> Result<Finished> {
        let started = Instant::now();
        let output = command
            .stdin(Stdio::null())
            .output()
            .doing(|| "running a container".to_owned())?;
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Ok(Finished {
            status: output.status,
            output: text.concat(),
            took: started.elapsed(),
        })
    }

    /// Starts a server.
    pub fn start(&mut self, name: &str) -> Result<()> {
        let container = self.container(name);
        let own = environment(container, &self.environment.secrets);
        let command = self.command(container, &own, &command_line(container, &own))?;
        let service = self.environment.run.spawn(name, command, &self.folder)?;
        self.services.push(service);
        Ok(())
    }

    /// Starts a command in a container, which runs until the pod stops. Its log is that of a server with this name.
    pub fn start_command(&mut self, name: &str, container: &str, words: &[&str]) -> Result<()> {
        let container = self.container(container);
        let own = environment(container, &self.environment.secrets);
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        let command = self.command(container, &own, &words)?;
        self.start_beside(name, command)
    }

    /// Returns the log of a server so far.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default()
    }

    /// Waits until each of the container's probes succeeds.
    pub fn wait_until_ready(&mut self, name: &str) -> Result<()> {
        let container = self.container(name).clone();
        let probes = [
            container.startup_probe,
            container.readiness_probe,
            container.liveness_probe,
        ];
        for probe in probes.into_iter().flatten() {
            let probe = serde_json::to_value(&probe).doing(|| format!("reading {probe:?}"))?;
            self.wait(&format!("{name} to answer {probe}"), |pod| {
                pod.probe(&probe)
            })?;
        }
        Ok(())
    }

    pub fn wait_for_port(&mut self, host: &str, port: i32) -> Result<()> {
        let probe = serde_json::json!({"tcpSocket": {"host": host, "port": port}});
        self.wait(&format!("{host}:{port}"), |pod| pod.probe(&probe))
    }

    fn wait(&mut self, what: &str, attempt: impl Fn(&Self) -> Result<()>) -> Result<()> {
        let (mut ended, mut last) = (Ok(()), Ok(()));
        let found = eventually(what, UP, STEP, || {
            ended = self.services.iter_mut().try_for_each(Service::check);
            last = attempt(self);
            (ended.is_err() || last.is_ok()).then_some(())
        });
        ended.and(found.map_err(|error| match &last {
            Err(last) => Error::new(error.to_string(), last),
            Ok(()) => error,
        }))
    }

    /// Starts a program in the pod that is not one of its containers.
    pub(super) fn start_beside(&mut self, name: &str, command: Command) -> Result<()> {
        let service = self.environment.run.spawn(name, command, &self.folder)?;
        self.services.push(service);
        Ok(())
    }

    /// Starts a Python program in the pod's network, outside the containers. Its output is the log of this name.
    pub fn start_program(&mut self, name: &str, program: &str, arguments: &[&str]) -> Result<()> {
        let mut command = self.enter();
        command
            .arg(self.python().programs().join("python"))
            .args(["-I", "-c", program])
            .args(arguments);
        self.start_beside(name, command)
    }

    /// Returns a program that [`Self::start_beside`] has started.
    pub(super) fn beside(&mut self, name: &str) -> &mut Service {
        let mut services = self.services.iter_mut();
        services
            .find(|service| service.name == name)
            .unwrap_or_else(|| panic!("{name} was not started"))
    }

    /// Returns the prefix of a command that runs in the pod's network and process namespaces.
    pub(super) fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &self.holder,
                "--user",
                "--net",
                "--pid",
                "--ipc",
            ])
            .args(["--preserve-credentials", "--"]);
        command
    }

    fn command(
        &self,
        container: &Container,
        own: &BTreeMap<String, String>,
        words: &[String],
    ) -> Result<Command> {
        let root = self.folder.join("root");
        let mut command = self.enter();
        command
            .args(["unshare", "--mount", "--propagation", "private", "bash"])
            .arg(script("container.sh"))
            .arg(root)
            .arg(self.folder.join("hosts"))
            .arg(container.working_dir.as_deref().unwrap_or("/"))
            .args(self.python().folders())
            .arg("--");
        for mount in container.volume_mounts.iter().flatten() {
            command.arg(volumes::mount(mount, &self.volumes));
        }
        if let Some(postgres) = self.environment.postgres {
            let target = Postgres::SOCKET_IN_CONTAINERS;
            command.arg(format!("{}:{target}:rw", postgres.socket().display()));
        }
        command.arg("--").args(words);
        let programs = self.python().programs();
        let image = BTreeMap::from([
            (
                "PATH",
                format!(
                    "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    programs.display()
                ),
            ),
            ("HOME", "/home".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
        ]);
        set_environment(&mut command, &image, own);
        Ok(command)
    }

    pub fn stop(&mut self) {
        self.services.iter_mut().for_each(Service::stop);
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn names(containers: &[Container]) -> Vec<String> {
    containers.iter().map(|it| it.name.clone()).collect()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/support/feast")
        .join(name)
}
