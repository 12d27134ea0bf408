//! Reads the FeatureStores of a YAML text.

use serde_json::Value as Json;

use super::{CustomResource, CustomResourceError, convert};
use crate::feast::not_yaml::NotYaml;

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
    let scaled: Vec<&str> = resources.filter_map(scaled_deployment).collect();
    (stores.into_iter())
        .map(|store| convert(store, &scaled))
        .collect()
}

/// Parses the documents of a YAML text.
pub(super) fn parse(text: &str) -> Result<Vec<Json>, NotYaml> {
    // `kubectl` reads `0400` as an octal number, as in YAML 1.1.
    let options = serde_saphyr::options! { with_snippet: false, legacy_octal_numbers: true };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| NotYaml::from(&error))
}

/// Returns the name of the Deployment that a ScaledObject or a HorizontalPodAutoscaler scales.
fn scaled_deployment(resource: &Json) -> Option<&str> {
    let is_scaler =
        ["ScaledObject", "HorizontalPodAutoscaler"].contains(&resource["kind"].as_str()?);
    let target = &resource["spec"]["scaleTargetRef"];
    // The default kind of KEDA is Deployment.
    let is_deployment = target["kind"]
        .as_str()
        .is_none_or(|kind| kind == "Deployment");
    target["name"]
        .as_str()
        .filter(|_| is_scaler && is_deployment)
}

fn resources(document: &Json) -> Vec<&Json> {
    match &document["items"] {
        Json::Array(items) => items.iter().collect(),
        _ => vec![document],
    }
}
