//! Generated configuration: what a user would have to write to get a state.

use crate::schema::{Block, Value, decode, encode};

/// Returns the configuration of an imported state. Terraform writes it to a file.
///
/// The state of an import has the configuration as the user wrote it, without defaults, because the Secret of the
/// feature store contains it, or because it was converted from a custom resource. Only the computed attributes have to
/// go. `namespace` stays: the block must not move to another namespace when the provider's default changes.
pub fn generate(block: &Block, state: &Value) -> Value {
    encode(&block.attributes, &decode(block, state).json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::provider::resources::feature_store::FeatureStoreResource;
    use crate::provider::tests::test_provider::TestProvider;
    use crate::schema::provider::Resource as _;

    #[test]
    fn returns_the_configuration_of_an_imported_store() {
        let provider = TestProvider::new();
        let config = provider.config(&json!({
            "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
            "labels": {"team": "a"},
            "authz": {"kubernetes": {}},
            "services": {"onlineStore": {"server": {
                "resources": {"requests": {"cpu": "1000m"}}, "env": [{"name": "A", "value": "b"}],
            }}},
        }));
        provider.create(&config);
        let imported = provider.import("ns/x").resources.remove(0);
        let refreshed = provider.read(&imported.state, &imported.private);
        let resource = FeatureStoreResource::new(&Default::default());
        let generator = resource.config_generator().unwrap();
        assert_eq!(generator.generate_config(refreshed.state), Ok(config));
    }
}
