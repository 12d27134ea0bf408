//! Diagnostics of `moved` blocks from other resource types.

use crate::cluster::StoreName;
use crate::feast::custom_resource::manifest::ManifestError;
use crate::schema::Diagnostic;

const INSTEAD: &str = "To bring a feature store under this resource by other means, remove the old resource from the state with a \
     `removed` block and `destroy = false`, and import the feature store by `<namespace>/<name>`.";

/// A move from a resource that is not a manifest.
pub fn unmovable_type(source: &str) -> Diagnostic {
    Diagnostic::error(
        "Move not supported",
        format!(
            "A `{source}` cannot be moved to `feast_feature_store`. A `kubernetes_manifest` (hashicorp/kubernetes) or a \
             `kubectl_manifest` (gavinbunney/kubectl, alekc/kubectl) with a FeatureStore custom resource can. {INSTEAD}"
        ),
    )
}

/// A move from the manifest of something else.
pub fn unmovable_manifest(source: &str, error: &ManifestError) -> Diagnostic {
    Diagnostic::error(
        "Move not supported",
        format!(
            "The `{source}` in the `moved` block cannot be moved to `feast_feature_store`: {error}. Only a manifest with one \
             FeatureStore of feast.dev/v1 or feast.dev/v1alpha1 can be moved. Remove the `moved` block of any other \
             resource. {INSTEAD}"
        ),
    )
}

/// A moved state that has only the name of the feature store.
pub fn moved_and_unread(store: &StoreName) -> Diagnostic {
    Diagnostic::error(
        "The moved feature store was not refreshed",
        format!(
            "A `moved` block moved {store} from a manifest, which does not contain the objects of the feature \
             store. A refresh reads them, and nothing can be applied without it. Plan without `-refresh=false`."
        ),
    )
}
