//! Every schema that the provider serves, lowered from the Rust types.

use std::collections::BTreeMap;

use crate::feast::config::{ComputedAttributes, DataSourceConfig, DataSourceState, FeatureStore};
use crate::schema::provider::{IdentityAttribute, IdentitySchema, ResourceSchema, Schemas};
use crate::schema::{Block, LowerError, Schema, Type, lower};

use super::config::ProviderConfig;

/// The one resource, and the one data source.
pub const FEATURE_STORE: &str = "feast_feature_store";

/// Lowers all schemas.
///
/// # Errors
///
/// A type that cannot be lowered, which the golden test of the schemas would have met.
pub fn schemas() -> Result<Schemas, LowerError> {
    let resource = ResourceSchema {
        schema: Schema {
            version: 0,
            block: feature_store()?,
        },
        identity: identity(),
    };
    Ok(Schemas {
        provider: Schema {
            version: 0,
            block: lower::<ProviderConfig>()?,
        },
        resources: BTreeMap::from([(FEATURE_STORE.to_owned(), resource)]),
        data_sources: BTreeMap::from([(FEATURE_STORE.to_owned(), data_source()?)]),
        functions: super::functions::signatures(),
    })
}

/// What the user writes, and what the provider finds out.
fn feature_store() -> Result<Block, LowerError> {
    let mut block = lower::<FeatureStore>()?;
    let observed = lower::<ComputedAttributes>()?.computed();
    block.attributes.extend(observed.attributes);
    Ok(block)
}

/// What names a feature store, and what is there.
fn data_source() -> Result<Schema, LowerError> {
    let mut block = lower::<DataSourceConfig>()?;
    block
        .attributes
        .extend(lower::<DataSourceState>()?.computed().attributes);
    Ok(Schema { version: 0, block })
}

fn identity() -> IdentitySchema {
    let attribute = |name: &str, required: bool, description: &str| IdentityAttribute {
        name: name.to_owned(),
        r#type: Type::String,
        description: description.to_owned(),
        required_for_import: required,
    };
    IdentitySchema {
        version: 0,
        attributes: vec![
            attribute(
                "namespace",
                false,
                "Kubernetes namespace; the provider's default when left out.",
            ),
            attribute("name", true, "Name of the feature store."),
        ],
    }
}
