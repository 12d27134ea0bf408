//! The metadata of a custom resource.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::CustomResourceError;
use crate::feast::names::{MANAGED_BY_LABEL, RESERVED_PREFIX};

/// `"true"` protects the Feast project from deletion.
pub(super) const PROTECTED_PROJECT: &str = "feast.dev/protected-project";

/// The label with which Argo CD can track the objects of an application. Helm charts set it, too.
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";

/// Prefixes of annotations and labels with which other tools track the custom resource.
const TOOLS: [&str; 11] = [
    "kubectl.kubernetes.io/",
    "argocd.argoproj.io/",
    "meta.helm.sh/",
    "helm.sh/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "config.k8s.io/",
    "applyset.kubernetes.io/",
    "kapp.k14s.io/",
    "objectset.rio.cattle.io/",
    "fleet.cattle.io/",
];

pub(super) struct Metadata {
    name: String,
    namespace: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    protected: bool,
}

impl Metadata {
    pub(super) fn read(
        metadata: &Json,
        notes: &mut Vec<String>,
    ) -> Result<Self, CustomResourceError> {
        let Some(name) = word(metadata, "name")? else {
            return Err(CustomResourceError::field("metadata.name", "is required"));
        };
        let annotations = words(metadata, "annotations")?;
        let protected = annotations.get(PROTECTED_PROJECT).map(String::as_str) == Some("true");
        let mut labels = words(metadata, "labels")?;
        if labels.remove(INSTANCE_LABEL).is_some() {
            notes.push(format!(
                "The label `{INSTANCE_LABEL}` of the custom resource is removed. Argo CD can track objects by it, and \
                 then deletes those that are not in git. If no such tool uses it, add it to `labels`."
            ));
        }
        Ok(Self {
            name,
            namespace: word(metadata, "namespace")?,
            labels: kept(labels, "label", notes),
            annotations: kept(annotations, "annotation", notes),
            protected,
        })
    }

    /// Adds the metadata to the configuration.
    pub(super) fn write(self, configuration: &mut Map<String, Json>) {
        let Self {
            name,
            namespace,
            labels,
            annotations,
            protected,
        } = self;
        let mut put = |key: &str, value: Json| configuration.insert(key.to_owned(), value);
        put("name", json!(name));
        if let Some(namespace) = namespace {
            put("namespace", json!(namespace));
        }
        if !labels.is_empty() {
            put("labels", json!(labels));
        }
        if !annotations.is_empty() {
            put("annotations", json!(annotations));
        }
        if protected {
            put("protectedProject", json!(true));
        }
    }
}

fn word(metadata: &Json, key: &str) -> Result<Option<String>, CustomResourceError> {
    match &metadata[key] {
        Json::Null => Ok(None),
        Json::String(word) => Ok(Some(word.clone())),
        _ => Err(CustomResourceError::field(
            &format!("metadata.{key}"),
            "must be a string",
        )),
    }
}

fn words(metadata: &Json, key: &str) -> Result<BTreeMap<String, String>, CustomResourceError> {
    match &metadata[key] {
        Json::Null => Ok(BTreeMap::new()),
        words => serde_json::from_value(words.clone()).map_err(|_| {
            CustomResourceError::field(&format!("metadata.{key}"), "must map strings to strings")
        }),
    }
}

/// Returns the entries of the user, without those of Feast and of other tools.
fn kept(
    words: BTreeMap<String, String>,
    what: &str,
    notes: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let (left_out, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
        words.into_iter().partition(|(key, _)| {
            key.starts_with(RESERVED_PREFIX)
                || key == MANAGED_BY_LABEL
                || TOOLS.iter().any(|tool| key.starts_with(tool))
        });
    for key in left_out.keys().filter(|key| *key != PROTECTED_PROJECT) {
        notes.push(format!(
            "The {what} `{key}` of the custom resource is removed, because it belongs to the tool that set it."
        ));
    }
    kept
}
