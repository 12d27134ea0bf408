//! The name of a FeatureStore in a manifest, without its conversion.

use serde_json::Value as Json;

use super::VERSIONS;
use super::documents::parse;
use crate::feast::yaml_syntax_error::YamlSyntaxError;

/// A manifest that is not that of a FeatureStore.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("it is not valid YAML: {0}")]
    Syntax(YamlSyntaxError),
    #[error("it contains {0} documents instead of one")]
    Documents(usize),
    #[error("it has no `kind` and no `apiVersion`")]
    NoKind,
    #[error("it contains a {kind} of {version}")]
    Kind { kind: String, version: String },
    #[error("its `metadata.name` is missing")]
    NoName,
}

/// Returns the only document of a YAML text.
///
/// # Errors
///
/// The text is not YAML, or has no document or several.
pub fn only_document(text: &str) -> Result<Json, ManifestError> {
    let mut documents = parse(text).map_err(ManifestError::Syntax)?;
    documents.retain(|document| !document.is_null());
    match (documents.pop(), documents.len()) {
        (Some(document), 0) => Ok(document),
        (None, _) => Err(ManifestError::Documents(0)),
        (_, others) => Err(ManifestError::Documents(others + 1)),
    }
}

/// Returns the name of a FeatureStore.
///
/// # Errors
///
/// The manifest is that of another kind or version, or has no name.
pub fn feature_store(manifest: &Json) -> Result<&str, ManifestError> {
    let text = |name: &str| manifest[name].as_str();
    let (Some(kind), Some(version)) = (text("kind"), text("apiVersion")) else {
        return Err(ManifestError::NoKind);
    };
    if kind != "FeatureStore" || !VERSIONS.contains(&version) {
        return Err(ManifestError::Kind {
            kind: kind.to_owned(),
            version: version.to_owned(),
        });
    }
    manifest["metadata"]["name"]
        .as_str()
        .ok_or(ManifestError::NoName)
}
