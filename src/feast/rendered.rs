//! The objects as far as the configuration alone tells.

mod yaml;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value as Json;

use super::feature_store_yaml::{FeatureStoreYaml, Placeholder, Problem};
use super::objects::Objects;
use super::secrets::source::{Mounted, Source};
use crate::schema::Path;

pub use yaml::YamlError;

/// Rendered from the configuration alone: the store's Secret shows where the user's Secrets will be
/// merged in, and holds nothing of them. Safe to show.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    pub(super) servers: Workload,
    pub(super) lineage: Option<Workload>,
    /// The Job that applies the definitions, without its name.
    pub(super) apply: Option<Json>,
}

/// What the pods of a Deployment read that stands in the user's Secrets and ConfigMaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The Deployment's name.
    pub(super) deployment: String,
    /// Key of its `feature_store.yaml` in the feature store's Secret.
    pub(super) file: &'static str,
    pub(super) document: FeatureStoreYaml,
    /// What the pods mount of the user's certificates.
    pub(super) mounted: Vec<Mounted>,
    /// Where a file will not do, because not only one pod needs it, and what is wrong with one.
    pub(super) databases: Vec<(Placeholder, Problem)>,
}

impl Objects<Rendered> {
    /// What of the user's Secrets and ConfigMaps has to be read.
    pub fn sources(&self) -> BTreeSet<Source> {
        let placeholders = self.placeholders().map(|placeholder| &placeholder.source);
        let mounted = self.mounted().map(|it| &it.source);
        placeholders.chain(mounted).cloned().collect()
    }

    /// Where the user's Secrets and ConfigMaps go.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.workloads().flat_map(|it| it.document.placeholders())
    }

    fn mounted(&self) -> impl Iterator<Item = &Mounted> {
        self.workloads().flat_map(|it| &it.mounted)
    }

    pub(super) fn workloads(&self) -> impl Iterator<Item = &Workload> {
        [&self.phase.servers].into_iter().chain(&self.phase.lineage)
    }

    /// The attribute that names a Secret or ConfigMap of the user's; of several, one.
    pub fn attribute(&self, kind: &str, name: &str) -> Option<Path> {
        let placeholders = self
            .placeholders()
            .map(|placeholder| (&placeholder.source, placeholder.path()));
        let mounted = self.mounted().map(|it| (&it.source, it.path.clone()));
        placeholders
            .chain(mounted)
            .find(|(source, _)| source.kind.as_str() == kind && source.name == name)
            .map(|(_, path)| path)
    }

    /// The Job that applies the feature definitions, where there is one. Its name gets a hash when it is
    /// filled.
    pub fn apply_job(&self) -> Option<&Json> {
        self.phase.apply.as_ref()
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
