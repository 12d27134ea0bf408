//! Objects that are rendered from the configuration alone.

mod yaml;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value as Json;

use super::feature_store_yaml::{FeatureStoreYaml, Placeholder, SecretProblem};
use super::objects::Objects;
use super::secrets::source::{Mounted, Source};
use crate::schema::Path;

pub use yaml::YamlWriteError;

/// The phase of objects that are rendered from the configuration alone. The Secret of the feature store has
/// placeholders for the content of the user's Secrets, so the objects can be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    pub(super) inputs: StoreInputs,
}

/// The parts of the objects that the content of the user's Secrets and ConfigMaps completes. The hashes of the content
/// depend on nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreInputs {
    pub(super) servers: WorkloadInputs,
    pub(super) lineage: Option<WorkloadInputs>,
    /// The `feast apply` Job, without the hash in its name.
    pub(super) feast_apply_job: Option<Json>,
}

/// The content of the user's Secrets and ConfigMaps that the pods of a Deployment need.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadInputs {
    /// The name of the Deployment.
    pub(super) deployment: String,
    /// The key of its `feature_store.yaml` in the Secret of the feature store.
    pub(super) file: &'static str,
    pub(super) document: FeatureStoreYaml,
    /// The user's certificates and keys that the pods mount.
    pub(super) mounted_files: Vec<Mounted>,
    /// The stores that must not be files because several pods use them, with the problem to report.
    pub(super) databases: Vec<(Placeholder, SecretProblem)>,
}

impl StoreInputs {
    /// Returns the Secrets and ConfigMaps to read.
    pub fn sources(&self) -> BTreeSet<Source> {
        let placeholders = self.placeholders().map(|placeholder| &placeholder.source);
        let mounted = self.mounted_files().map(|it| &it.source);
        placeholders.chain(mounted).cloned().collect()
    }

    /// Returns the placeholders for the content of the user's Secrets and ConfigMaps.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.workloads().flat_map(|it| it.document.placeholders())
    }

    fn mounted_files(&self) -> impl Iterator<Item = &Mounted> {
        self.workloads().flat_map(|it| &it.mounted_files)
    }

    pub(super) fn workloads(&self) -> impl Iterator<Item = &WorkloadInputs> {
        [&self.servers].into_iter().chain(&self.lineage)
    }
}

impl Objects<Rendered> {
    /// Returns the parts that the content of the user's Secrets and ConfigMaps completes.
    pub fn inputs(&self) -> &StoreInputs {
        &self.phase.inputs
    }

    /// Returns the Secrets and ConfigMaps to read.
    pub fn sources(&self) -> BTreeSet<Source> {
        self.inputs().sources()
    }

    /// Returns the placeholders for the content of the user's Secrets and ConfigMaps.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.inputs().placeholders()
    }

    /// Returns the first attribute that names a Secret or ConfigMap of the user.
    pub fn attribute(&self, kind: &str, name: &str) -> Option<Path> {
        let placeholders = self.placeholders();
        let placeholders = placeholders.map(|it| (&it.source, it.path()));
        let mounted = self.inputs().mounted_files();
        let mounted = mounted.map(|it| (&it.source, it.path.clone()));
        placeholders
            .chain(mounted)
            .find(|(source, _)| source.kind.as_str() == kind && source.name == name)
            .map(|(_, path)| path)
    }

    /// Returns the `feast apply` Job, if there is one. Its name gets a hash when Secrets are resolved.
    pub fn feast_apply_job(&self) -> Option<&Json> {
        self.inputs().feast_apply_job.as_ref()
    }
}

impl fmt::Debug for Objects<Rendered> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects<Rendered>")
            .field("namespace", &self.namespace)
            .field("manifests", &self.manifests)
            .finish_non_exhaustive()
    }
}
