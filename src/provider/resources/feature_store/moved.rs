//! `moved` blocks from resources that hold a FeatureStore custom resource of the Feast operator as a manifest:
//! `kubernetes_manifest` of hashicorp/kubernetes, and `kubectl_manifest` of gavinbunney/kubectl and its forks.
//!
//! Terraform moves states before it configures the provider, so there is no cluster yet. The moved state has only the
//! name of the feature store; the refresh that follows reads the rest as an import does.

use serde_json::Value as Json;

use crate::cluster::StoreName;
use crate::feast::custom_resource::manifest::{self, ManifestError};
use crate::feast::names;
use crate::provider::diagnostics;
use crate::schema::provider::{MoveResourceStateRequest, MoveResourceStateResponse};
use crate::schema::{Block, Diagnostic, Value, encode};

use super::identity;
use super::private_state::PrivateState;

/// Returns the state of the feature store that the manifest of another resource names.
pub fn move_state(block: &Block, request: &MoveResourceStateRequest) -> MoveResourceStateResponse {
    match source(request) {
        Ok(store) => {
            let id = store.to_string();
            let StoreName { namespace, name } = store;
            let json = serde_json::json!({"id": id, "namespace": namespace, "name": name});
            let state = encode(&block.attributes, &json);
            let private = PrivateState {
                is_moved: true,
                ..PrivateState::default()
            };
            MoveResourceStateResponse {
                identity: identity::of(&state),
                state,
                private: private.encode(),
                diagnostics: Vec::new(),
            }
        }
        Err(diagnostic) => MoveResourceStateResponse {
            diagnostics: vec![diagnostic],
            ..MoveResourceStateResponse::default()
        },
    }
}

/// Returns whether a moved state has not been refreshed yet, so that it has only the name of the feature store.
pub fn is_unread(block: &Block, state: &Value, private: &[u8]) -> bool {
    // The check of one attribute avoids decoding the private state of every other resource.
    !state.is_null()
        && state.attribute("objects").is_null()
        && PrivateState::decode(block, state, private).is_moved
}

/// Returns the feature store of the manifest.
fn source(request: &MoveResourceStateRequest) -> Result<StoreName, Diagnostic> {
    let state = &request.source_state;
    let kind = request.source_type_name.as_str();
    let failed = |error: ManifestError| diagnostics::unmovable_manifest(kind, &error);
    let (manifest, namespace) = match kind {
        // The live object has the namespace even if the manifest does not.
        "kubernetes_manifest" => match dynamic(&state["object"]) {
            Json::Null => (dynamic(&state["manifest"]).clone(), &Json::Null),
            object => (object.clone(), &Json::Null),
        },
        "kubectl_manifest" => {
            let text = state["yaml_body"].as_str().unwrap_or_default();
            // `override_namespace` is not part of the manifest.
            (
                manifest::only_document(text).map_err(failed)?,
                &state["namespace"],
            )
        }
        _ => return Err(diagnostics::unmovable_type(kind)),
    };
    let name = manifest::feature_store(&manifest).map_err(failed)?;
    let namespace = [namespace, &manifest["metadata"]["namespace"]];
    let mut namespace = (namespace.into_iter())
        .filter_map(Json::as_str)
        .filter(|namespace| !namespace.is_empty());
    Ok(StoreName {
        namespace: namespace
            .next()
            .unwrap_or(names::DEFAULT_NAMESPACE)
            .to_owned(),
        name: name.to_owned(),
    })
}

/// Returns the value of an attribute of a dynamic type, which a state stores beside its type.
fn dynamic(stored: &Json) -> &Json {
    match stored.get("type") {
        Some(_) => &stored["value"],
        None => stored,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::resources::feature_store::testing::block;
    use crate::provider::tests::test_provider::{TestProvider, summaries, text};

    /// A state of hashicorp/kubernetes 2.38 for a FeatureStore, as its schema version 1 stores it.
    const KUBERNETES: &str = include_str!("../../../../tests/states/kubernetes_manifest.json");
    /// A state of gavinbunney/kubectl 1.19 for a FeatureStore, which alekc/kubectl 2.1 stores with the same attributes.
    const KUBECTL: &str = include_str!("../../../../tests/states/kubectl_manifest.json");

    fn request(type_name: &str, state: &Json) -> MoveResourceStateRequest {
        MoveResourceStateRequest {
            source_provider_address: "registry.terraform.io/hashicorp/kubernetes".to_owned(),
            source_type_name: type_name.to_owned(),
            source_schema_version: 1,
            source_state: state.clone(),
            source_private: Vec::new(),
            source_identity: Json::Null,
            source_identity_schema_version: 0,
        }
    }

    fn moved(type_name: &str, state: &Json) -> MoveResourceStateResponse {
        move_state(&block(), &request(type_name, state))
    }

    fn parse(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    fn kubectl(yaml: &str) -> Json {
        json!({"yaml_body": yaml, "namespace": null})
    }

    #[test]
    fn moves_the_manifests_of_both_providers() {
        let named = |namespace: &str| {
            let json =
                json!({"id": format!("{namespace}/demo"), "namespace": namespace, "name": "demo"});
            encode(&block().attributes, &json)
        };
        let mut planned_only = parse(KUBERNETES);
        planned_only["object"] = Json::Null;
        let mut in_default = parse(KUBERNETES);
        in_default["object"] = json!({
            "apiVersion": "feast.dev/v1alpha1", "kind": "FeatureStore", "metadata": {"name": "demo"},
        });
        let mut overridden = parse(KUBECTL);
        overridden["namespace"] = json!("other");
        for (type_name, state, namespace) in [
            ("kubernetes_manifest", parse(KUBERNETES), "shop"),
            ("kubernetes_manifest", planned_only, "shop"),
            ("kubernetes_manifest", in_default, "default"),
            ("kubectl_manifest", parse(KUBECTL), "shop"),
            ("kubectl_manifest", overridden, "other"),
        ] {
            let moved = moved(type_name, &state);
            assert_eq!(moved.diagnostics, []);
            assert_eq!(moved.state, named(namespace));
            assert_eq!(moved.identity, identity::of(&moved.state));
            assert!(is_unread(&block(), &moved.state, &moved.private));
        }
    }

    #[test]
    fn rejects_everything_else() {
        let store = "apiVersion: feast.dev/v1\nkind: FeatureStore\nmetadata: {name: demo}\n";
        let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: demo}\n";
        for (type_name, state, expected) in [
            (
                "helm_release",
                json!({}),
                "Move not supported: A `helm_release` cannot be moved",
            ),
            (
                "kubectl_manifest",
                kubectl(deployment),
                "it contains a Deployment of apps/v1",
            ),
            (
                "kubectl_manifest",
                kubectl(&store.replace("/v1", "/v2")),
                "it contains a FeatureStore of feast.dev/v2",
            ),
            (
                "kubectl_manifest",
                kubectl(&format!("{store}---\n{store}")),
                "it contains 2 documents",
            ),
            ("kubectl_manifest", kubectl(""), "it contains 0 documents"),
            (
                "kubectl_manifest",
                kubectl("a: [secret"),
                "it is not valid YAML",
            ),
            (
                "kubectl_manifest",
                kubectl("apiVersion: feast.dev/v1\nkind: FeatureStore\n"),
                "its `metadata.name` is missing",
            ),
            (
                "kubernetes_manifest",
                json!({}),
                "it has no `kind` and no `apiVersion`",
            ),
        ] {
            let moved = moved(type_name, &state);
            assert_eq!(moved.state, Value::Null);
            let found = text(&moved.diagnostics[0]);
            assert!(found.contains(expected), "{found}");
            assert!(!found.contains("secret"), "{found}");
        }
    }

    #[test]
    fn a_refresh_reads_what_a_moved_state_lacks() {
        let provider = TestProvider::new();
        let config = provider.config(&json!({
            "name": "demo", "namespace": "shop", "feastProject": "p", "waitForRollout": false,
        }));
        let moved = moved("kubectl_manifest", &parse(KUBECTL));

        let missing = provider.read(&moved.state, &moved.private);
        assert_eq!(missing.state, moved.state);
        assert_eq!(
            summaries(&missing.diagnostics),
            ["There is no such feature store"]
        );

        provider.create(&config);
        let imported = provider.import("shop/demo").resources.remove(0);
        let imported = provider.read(&imported.state, &imported.private);
        let refreshed = provider.read(&moved.state, &moved.private);
        assert_eq!(refreshed.diagnostics, []);
        assert_eq!(refreshed.state, imported.state);
        assert_eq!(refreshed.private, imported.private);
    }

    #[test]
    fn an_apply_needs_a_refresh_first() {
        let provider = TestProvider::new();
        let config =
            provider.config(&json!({"name": "demo", "namespace": "shop", "feastProject": "p"}));
        let moved = moved("kubectl_manifest", &parse(KUBECTL));
        let planned = provider.plan(&moved.state, &moved.private, &config);
        assert_eq!(
            summaries(&planned.diagnostics),
            ["The moved feature store was not refreshed"]
        );
        provider.server.requests();
        let applied = provider.apply(&moved.state, &planned, &config);
        assert_eq!(
            summaries(&applied.diagnostics),
            ["The moved feature store was not refreshed"]
        );
        assert_eq!(applied.state, moved.state);
        assert_eq!(provider.server.requests(), [""; 0]);
    }
}
