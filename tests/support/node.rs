//! A real Kubernetes node on this machine: kubelet, containerd, runc, CNI plugins, kube-proxy and CoreDNS, beside the
//! control plane of the testbed.
//!
//! 1. [`missing`] names what a machine lacks to run one. It needs Linux and root, but no container engine.
//! 2. [`Node::start`] finds or builds the programs, once, and starts them in namespaces and cgroups of their own, in
//!    which the node's network and firewall rules stay too.
//! 3. Dropping the [`Node`] removes everything, and so does the death of this process ([`keeper`]), unless it is kept
//!    with [`Node::keep`].
//!
//! Containers have no image of their own: the Feast image holds an empty root directory, and the container runtime
//! mounts this machine's programs and the [`Python`] environment with Feast, read-only, into each container.
#![allow(
    dead_code,
    unused_imports,
    reason = "each program that includes the node uses a part of it"
)]

#[path = "node/image.rs"]
mod image;
#[path = "node/keeper.rs"]
mod keeper;
#[path = "node/packages.rs"]
mod packages;
#[path = "node/postgres.rs"]
pub mod postgres;
#[path = "node/redis.rs"]
pub mod redis;
#[path = "node/requirements.rs"]
mod requirements;

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use super::feast::Python;
use super::testbed::cluster::{Cluster, eventually};
use super::testbed::components::{Ports, Setup};
use super::testbed::error::{Doing, Error, Result};
use super::testbed::process::{Service, output, wait_for};
use super::testbed::progress::{Progress, Step};
use super::testbed::run_dir::RunDir;
use super::testbed::{KubernetesVersion, Tool, Tools, pki, tools};

use image::Image;
use keeper::Keeper;
use packages::Packages;

pub use postgres::Postgres;
pub use requirements::{missing, missing_cgroups};

/// The node's address in its own network, which only this machine reaches.
pub const ADDRESS: &str = "10.213.0.2";
/// Where containers see the feature repository.
pub const REPOSITORY: &str = "/opt/feast-repo";
/// The name of the Node object.
pub const NAME: &str = "node";
const FEAST_IMAGES: [&str; 3] = [
    "quay.io/feastdev/feature-server:0.65.0",
    "quay.io/feastdev/feature-server:0.66.0",
    "quay.io/feastdev/feature-server:0.67.0",
];

#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// The folder of the node, or a temporary one if not set. If an earlier run kept a node running there with
    /// [`Node::keep`], that one is used.
    pub folder: Option<PathBuf>,
    /// The files of a feature repository, by name. Every container sees them at [`REPOSITORY`], as in an image that was
    /// built with them.
    pub repository: &'a [(&'a str, &'a str)],
}

/// A control plane with one real node, for as long as this value lives.
pub struct Node {
    cluster: Cluster,
    services: Mutex<Vec<Service>>,
    keeper: Option<Keeper>,
    run_dir: RunDir,
    python: Python,
}

impl Node {
    /// Starts the control plane and the node.
    ///
    /// # Errors
    ///
    /// The machine lacks what [`missing`] names, a program cannot be installed, or one ends early: then the error has
    /// the end of its log.
    pub fn start(options: &Options, progress: Progress) -> Result<Self> {
        let missing = missing();
        if !missing.is_empty() {
            return Err(Error::new("starting a Kubernetes node", missing.join("; ")));
        }
        let tools = tools::ensure(Tool::NODE, progress)?;
        let packages = Packages::ensure(progress)?;
        let python = Python::ensure(progress)?;
        if let Some(run_dir) = options.folder.as_deref().and_then(RunDir::kept) {
            let cluster = Cluster::new(run_dir.path(), &tools)?;
            if cluster.is_ready() {
                return Ok(Self {
                    cluster,
                    services: Mutex::default(),
                    keeper: None,
                    run_dir,
                    python,
                });
            }
        }
        let step = progress.step("Starting a Kubernetes node");
        let node = start(&tools, &packages, python, options, &step)?;
        step.done();
        Ok(node)
    }

    /// Keeps the node running when this process ends. [`Node::stop_kept`] stops it.
    pub fn keep(mut self) -> Result<()> {
        self.keeper.take().map_or(Ok(()), Keeper::keep)
    }

    /// Stops the node that an earlier run kept in `folder`, and removes the folder.
    pub fn stop_kept(folder: &Path) -> Result<()> {
        let doing = || format!("stopping the node in {}", folder.display());
        let mut kept =
            RunDir::kept(folder).ok_or_else(|| Error::new(doing(), "no node was kept there"))?;
        kept.end_processes();
        let pid = folder.join("init.pid");
        eventually(
            "the end of the node",
            Duration::from_secs(120),
            Duration::from_millis(100),
            || (!pid.exists()).then_some(()),
        )?;
        kept.remove();
        Ok(())
    }

    /// The Python environment that every container of the Feast image has.
    pub fn python(&self) -> &Python {
        &self.python
    }

    /// Waits until a Deployment in the namespace `databases` is ready.
    fn wait_for_database(&self, name: &str) -> Result<()> {
        let deployment = format!("deployment/{name}");
        let namespace = "--namespace=databases";
        let status = [
            "rollout",
            "status",
            &deployment,
            namespace,
            "--timeout=180s",
        ];
        self.kubectl(&status).map(drop)
    }

    /// Stops it and removes its folder.
    pub fn stop(&mut self) {
        if self.keeper.take().is_some() && std::env::var_os("FEAST_TESTBED_KEEP_LOGS").is_none() {
            self.run_dir.remove();
        }
    }
}

impl Deref for Node {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The parts of a node that is being started.
struct Start<'a> {
    tools: &'a Tools,
    packages: &'a Packages,
    folder: PathBuf,
    services: Vec<Service>,
}

fn start(
    tools: &Tools,
    packages: &Packages,
    python: Python,
    options: &Options,
    step: &Step,
) -> Result<Node> {
    let run_dir = match &options.folder {
        Some(folder) => RunDir::named(folder)?,
        None => RunDir::temporary()?,
    };
    let folder = run_dir.path().to_owned();
    for name in [
        "logs",
        "repository",
        "root/etc/cni/net.d",
        "root/opt/cni/bin",
    ] {
        let path = folder.join(name);
        fs::create_dir_all(&path).doing(|| format!("creating {}", path.display()))?;
    }
    for (file, text) in options.repository {
        write(&folder.join("repository").join(file), text)?;
    }
    let mut start = Start {
        tools,
        packages,
        folder,
        services: Vec::new(),
    };
    let keeper = Keeper::start(&start.folder, step)?;
    run_dir.record([keeper.namespaces].into_iter())?;
    let cluster = start.control_plane()?;
    start.node(&cluster, &python)?;
    Ok(Node {
        cluster,
        services: Mutex::new(start.services),
        keeper: Some(keeper),
        run_dir,
        python,
    })
}

impl Start<'_> {
    fn control_plane(&mut self) -> Result<Cluster> {
        let tools = self.tools;
        let folder = self.folder.clone();
        let names = [ADDRESS, "10.96.0.1", "kubernetes", "kubernetes.default"];
        let pki = pki::create(&folder, &names)?;
        let ports = Ports::free()?;
        let kubeconfig = folder.join("kubeconfig");
        let server = format!("https://{ADDRESS}:{}", ports.kube_apiserver);
        pki::write_kubeconfig(&kubeconfig, &server, &pki)?;
        let cluster = Cluster::new(&folder, tools)?;
        let setup = Setup {
            tools,
            folder: &folder,
            pki: &pki,
            kubeconfig: &kubeconfig,
            ports,
            audit: false,
        };

        self.spawn("etcd", setup.etcd()?)?;
        let mut apiserver = setup.kube_apiserver()?;
        // Of a flag that is given twice, the last one counts.
        apiserver
            .args([
                &format!("--bind-address={ADDRESS}"),
                &format!("--advertise-address={ADDRESS}"),
            ])
            .args([
                "--endpoint-reconciler-type=lease",
                "--enable-aggregator-routing=true",
            ])
            .arg(format!(
                "--kubelet-client-certificate={}",
                pki.certificate.display()
            ))
            .arg(format!("--kubelet-client-key={}", pki.key.display()))
            .arg("--kubelet-preferred-address-types=InternalIP");
        self.spawn("kube-apiserver", apiserver)?;
        self.wait("the API server to be ready", || cluster.is_ready())?;
        KubernetesVersion::check(&cluster)?;
        self.spawn("kube-controller-manager", setup.kube_controller_manager()?)?;
        self.spawn("kube-scheduler", setup.kube_scheduler()?)?;
        let mut metrics_server = setup.metrics_server()?;
        metrics_server.arg(format!("--bind-address={ADDRESS}"));
        self.spawn("metrics-server", metrics_server)?;
        let port = ports.metrics_server.to_string();
        let objects = include_str!("node/config/cluster.yaml");
        cluster.apply(&objects.replace("@metrics_server_port@", &port))?;
        Ok(cluster)
    }

    fn node(&mut self, cluster: &Cluster, python: &Python) -> Result<()> {
        self.write_configuration()?;
        self.copy_network_plugins()?;
        self.start_container_runtime(python)?;
        self.start_node_programs()?;
        self.wait("the node to be ready", || {
            let wait = [
                "wait",
                "node",
                NAME,
                "--for=condition=Ready",
                "--timeout=1s",
            ];
            cluster.kubectl(&wait).is_ok()
        })
    }

    /// Writes the configuration files of the node's programs.
    fn write_configuration(&self) -> Result<()> {
        let folder = &self.folder;
        for (file, text) in [
            (
                "containerd.toml",
                include_str!("node/config/containerd.toml"),
            ),
            ("kubelet.yaml", include_str!("node/config/kubelet.yaml")),
            (
                "kube-proxy.yaml",
                include_str!("node/config/kube-proxy.yaml"),
            ),
            ("Corefile", include_str!("node/config/Corefile")),
            (
                "root/etc/cni/net.d/node.conflist",
                include_str!("node/config/cni.conflist"),
            ),
            // No name server: what tests need has a name in the cluster.
            ("resolv.conf", ""),
        ] {
            let text = text
                .replace("@folder@", &folder.to_string_lossy())
                .replace("@runc@", &self.packages.runc().to_string_lossy());
            write(&folder.join(file), &text)?;
        }
        Ok(())
    }

    /// Copies the CNI plugins to the folder in which containerd expects them.
    fn copy_network_plugins(&self) -> Result<()> {
        let folder = self.folder.join("root/opt/cni/bin");
        for plugin in [
            Tool::CniBridge,
            Tool::CniLoopback,
            Tool::CniHostLocal,
            Tool::CniPortmap,
        ] {
            let from = self.tools.path(plugin)?;
            let to = folder.join(plugin.binary());
            fs::copy(from, &to).doing(|| format!("copying {}", from.display()))?;
        }
        Ok(())
    }

    /// Starts containerd, and imports the images.
    fn start_container_runtime(&mut self, python: &Python) -> Result<()> {
        let (tools, folder) = (self.tools, self.folder.clone());
        let specification = folder.join("runtime.json");
        let mounted = [(folder.join("repository"), PathBuf::from(REPOSITORY))];
        image::write_runtime_specification(
            tools.path(Tool::Ctr)?,
            python,
            &mounted,
            &specification,
        )?;

        let mut containerd = Command::new(tools.path(Tool::Containerd)?);
        containerd.args(["--config", &self.config("containerd.toml")]);
        self.spawn("containerd", containerd)?;
        let socket = folder.join("root/run/containerd/containerd.sock");
        self.wait("containerd to listen", || socket.exists())?;
        let pause = ["registry.k8s.io/pause:3.10"];
        let pause_program = tools.path(Tool::Pause)?;
        for image in [
            Image::pause(&pause, pause_program),
            Image::feast(&FEAST_IMAGES, python),
        ] {
            self.import(&image)?;
        }
        Ok(())
    }

    /// Starts kubelet, kube-proxy and CoreDNS.
    fn start_node_programs(&mut self) -> Result<()> {
        let tools = self.tools;
        let mut kubelet = Command::new(tools.path(Tool::Kubelet)?);
        kubelet
            .args([
                &format!("--config={}", self.config("kubelet.yaml")),
                &format!("--kubeconfig={}", self.config("kubeconfig")),
            ])
            .args([
                &format!("--hostname-override={NAME}"),
                &format!("--node-ip={ADDRESS}"),
            ]);
        self.spawn("kubelet", kubelet)?;
        let mut kube_proxy = Command::new(tools.path(Tool::KubeProxy)?);
        kube_proxy.arg(format!("--config={}", self.config("kube-proxy.yaml")));
        self.spawn("kube-proxy", kube_proxy)?;
        let mut coredns = Command::new(tools.path(Tool::CoreDns)?);
        coredns.args(["-conf", &self.config("Corefile")]);
        self.spawn("coredns", coredns)
    }

    /// Returns the path of a configuration file, as an argument of a program.
    fn config(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    fn import(&self, image: &Image) -> Result<()> {
        let archive = image.write(&self.folder)?;
        let mut ctr = Command::new(self.tools.path(Tool::Ctr)?);
        ctr.args(["--namespace", "k8s.io", "images", "import"])
            .arg(&archive);
        let doing = format!("importing {}", archive.display());
        output(&mut self.inside(&ctr), &doing).map(drop)
    }

    /// The same command in the node's namespaces.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = keeper::enter(&self.folder, &self.path());
        inside.arg(command.get_program()).args(command.get_args());
        inside
    }

    /// Where the programs of the node find others.
    fn path(&self) -> String {
        let own = self
            .tools
            .path(Tool::ContainerdShim)
            .ok()
            .and_then(Path::parent);
        let own = own.unwrap_or(Path::new("/bin")).display();
        let packages = self.packages.programs().display();
        format!("{own}:{packages}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    }

    fn spawn(&mut self, name: &str, command: Command) -> Result<()> {
        let service = Service::spawn(name, self.inside(&command), &self.folder.join("logs"))?;
        self.services.push(service);
        Ok(())
    }

    fn wait(&mut self, what: &str, ready: impl FnMut() -> bool) -> Result<()> {
        wait_for(&mut self.services, what, Duration::from_secs(300), ready)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing(|| format!("writing {}", path.display()))
}
