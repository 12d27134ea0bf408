//! Reads the FeatureStores of a YAML text.

use serde_json::Value as Json;

use super::{CustomResource, CustomResourceError, convert};
use crate::feast::yaml_syntax_error::YamlSyntaxError;

/// Reads every FeatureStore in `text`: in several documents, and in a list as `kubectl get -o yaml` prints it. Objects
/// of other kinds are ignored.
///
/// # Errors
///
/// Returns the first problem of the text or of a FeatureStore.
pub fn read(text: &str) -> Result<Vec<CustomResource>, CustomResourceError> {
    let documents = parse(text).map_err(CustomResourceError::Syntax)?;
    let stores: Vec<&Json> = documents
        .iter()
        .flat_map(resources)
        .filter(|resource| resource["kind"] == "FeatureStore")
        .collect();
    if stores.is_empty() {
        return Err(CustomResourceError::None);
    }
    let resources = documents.iter().flat_map(resources);
    let targets: Vec<ScaleTarget<'_>> = resources.filter_map(ScaleTarget::of).collect();
    (stores.into_iter())
        .map(|store| convert(store, &targets))
        .collect()
}

/// Parses the documents of a YAML text.
pub(super) fn parse(text: &str) -> Result<Vec<Json>, YamlSyntaxError> {
    // `kubectl` reads `0400` as an octal number, as in YAML 1.1.
    let options = serde_saphyr::options! { with_snippet: false, legacy_octal_numbers: true };
    serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| YamlSyntaxError::from(&error))
}

/// The object that a ScaledObject or a HorizontalPodAutoscaler scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScaleTarget<'a> {
    kind: &'a str,
    name: &'a str,
    /// `None` if the manifest of the autoscaler does not name it.
    namespace: Option<&'a str>,
}

impl<'a> ScaleTarget<'a> {
    /// Returns `None` for an object of another kind.
    fn of(resource: &'a Json) -> Option<Self> {
        if !["ScaledObject", "HorizontalPodAutoscaler"].contains(&resource["kind"].as_str()?) {
            return None;
        }
        let target = &resource["spec"]["scaleTargetRef"];
        Some(Self {
            // The default kind of KEDA is Deployment.
            kind: target["kind"].as_str().unwrap_or("Deployment"),
            name: target["name"].as_str()?,
            namespace: namespace(resource),
        })
    }

    /// Returns whether it is the object of this kind and name that belongs to the custom resource. A manifest without a
    /// namespace can be for any.
    pub(super) fn is_of(&self, resource: &Json, kind: &str, name: &str) -> bool {
        let namespaces = self.namespace.zip(namespace(resource));
        let is_same_namespace = namespaces.is_none_or(|(one, other)| one == other);
        self.kind == kind && self.name == name && is_same_namespace
    }
}

fn namespace(resource: &Json) -> Option<&str> {
    resource["metadata"]["namespace"].as_str()
}

fn resources(document: &Json) -> Vec<&Json> {
    match &document["items"] {
        Json::Array(items) => items.iter().collect(),
        _ => vec![document],
    }
}
