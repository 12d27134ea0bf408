//! The version of Kubernetes that the control plane runs: the newest one, unless `FEAST_TESTBED_KUBERNETES` names
//! another one that is pinned.

use super::cluster::Cluster;
use super::error::{Error, Result};
use super::go_build::Module;

const VARIABLE: &str = "FEAST_TESTBED_KUBERNETES";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubernetesVersion {
    /// The oldest version that the provider supports.
    V1_30,
    V1_37,
}

impl KubernetesVersion {
    const ALL: [Self; 2] = [Self::V1_30, Self::V1_37];

    /// # Errors
    ///
    /// The variable has the name of no pinned version.
    pub fn chosen() -> Result<Self> {
        let Ok(name) = std::env::var(VARIABLE) else {
            return Ok(Self::V1_37);
        };
        let mut all = Self::ALL.iter();
        let version = all.find(|version| version.name() == name);
        version.copied().ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(" and ");
            let why = format!("the programs of {name:?} are not pinned, only those of {names}");
            Error::new(format!("reading {VARIABLE}"), why)
        })
    }

    /// Checks that the API server has the chosen version.
    ///
    /// # Errors
    ///
    /// A program of `FEAST_TESTBED_BIN` has another version, for which the tests are not written.
    pub fn check(cluster: &Cluster) -> Result<()> {
        let (expected, version) = (Self::chosen()?.name(), cluster.version()?);
        if version == expected {
            return Ok(());
        }
        let why = format!("it is {version}, and that of the tests is {expected}");
        let help = "Remove kube-apiserver from the folder named by FEAST_TESTBED_BIN.";
        Err(Error::new("checking the version of the API server", why).help(help))
    }

    /// Returns the minor version.
    pub fn minor(self) -> u32 {
        match self {
            Self::V1_30 => 30,
            Self::V1_37 => 37,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::V1_30 => "1.30",
            Self::V1_37 => "1.37",
        }
    }

    /// Returns the Go module with the programs of Kubernetes.
    pub(super) fn module(self) -> Module {
        match self {
            Self::V1_30 => Module::Kubernetes130,
            Self::V1_37 => Module::Kubernetes,
        }
    }
}
