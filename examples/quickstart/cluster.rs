//! The cluster of the quick start: a control plane with simulated nodes or with a real one.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::support::node::{self, Node};
use crate::support::testbed::error::{Doing, Error, Result};
use crate::support::testbed::{self, ControlPlane, Options, Progress, Tool, Tools, tools};

/// The nodes on which the pods run.
#[derive(Default)]
pub enum Nodes {
    #[default]
    Simulated,
    Real,
}

impl Nodes {
    /// Returns an error if such nodes cannot run on this machine.
    pub fn check(&self) -> Result<()> {
        let Self::Real = self else {
            return Ok(());
        };
        let mut missing = node::missing();
        if tools::on_path("curl").is_none() {
            missing.push("curl is not on the PATH".to_owned());
        }
        if missing.is_empty() {
            return Ok(());
        }
        let help = "Simulated nodes need none of this: cargo run --example quickstart";
        Err(Error::new("starting a real node", missing.join("; ")).help(help))
    }

    /// Finds or builds the programs that the cluster and the quick start need.
    pub fn tools(&self) -> Result<Tools> {
        let mut wanted: Vec<Tool> = match self {
            Self::Simulated => Tool::CONTROL_PLANE.to_vec(),
            Self::Real => Tool::NODE.to_vec(),
        };
        // Building OpenTofu needs only Go, as the rest does.
        wanted.push(match tools::unavailable(Tool::Terraform)? {
            None => Tool::Terraform,
            Some(_) => Tool::Tofu,
        });
        tools::ensure(&wanted, Progress::stderr())
    }

    /// Returns the folder of everything that the quick start keeps for such nodes.
    pub fn folder(&self) -> PathBuf {
        folder().join(match self {
            Self::Simulated => "simulated",
            Self::Real => "real-node",
        })
    }

    fn cluster_folder(&self) -> PathBuf {
        self.folder().join("cluster")
    }
}

/// The running cluster. It stops when this value is dropped.
pub enum Cluster {
    ControlPlane(ControlPlane),
    Node(Node),
}

impl Cluster {
    /// Starts the cluster, or uses the one that an earlier run has kept. With `keep`, it can be kept.
    pub fn start(nodes: &Nodes, tools: &Tools, keep: bool) -> Result<Self> {
        match nodes {
            Nodes::Simulated => {
                let options = Options {
                    folder: keep.then(|| nodes.cluster_folder()),
                    ..Options::default()
                };
                ControlPlane::start(tools, &options, Progress::stderr()).map(Self::ControlPlane)
            }
            Nodes::Real => {
                let options = node::Options {
                    folder: keep.then(|| nodes.cluster_folder()),
                    ..node::Options::default()
                };
                Node::start(&options, Progress::stderr()).map(Self::Node)
            }
        }
    }

    /// Keeps the cluster running when this process ends. [`stop_kept`] stops it.
    pub fn keep(self) -> Result<()> {
        match self {
            Self::ControlPlane(control_plane) => {
                control_plane.keep();
                Ok(())
            }
            Self::Node(node) => node.keep(),
        }
    }
}

impl Deref for Cluster {
    type Target = testbed::Cluster;

    fn deref(&self) -> &testbed::Cluster {
        match self {
            Self::ControlPlane(control_plane) => control_plane,
            Self::Node(node) => node,
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/quickstart")
}

/// Stops the clusters that earlier runs have kept, and removes everything that they have kept.
pub fn stop_kept() -> Result<()> {
    let control_plane = Nodes::Simulated.cluster_folder();
    let node = Nodes::Real.cluster_folder();
    if !control_plane.exists() && !node.exists() {
        let doing = format!("stopping the clusters in {}", folder().display());
        return Err(Error::new(doing, "no cluster was kept there"));
    }
    if control_plane.exists() {
        ControlPlane::stop_kept(&control_plane)?;
    }
    if node.exists() {
        Node::stop_kept(&node)?;
    }
    fs::remove_dir_all(folder()).doing(|| format!("removing {}", folder().display()))?;
    println!("Stopped, and removed {}.", folder().display());
    Ok(())
}
