//! The function `from_manifest`: a custom resource of the Feast operator as a configuration of the resource.

use std::collections::BTreeMap;

use crate::feast::custom_resource::CustomResourceError;
use crate::provider::custom_resource::{feature_stores, unreadable_manifest};
use crate::schema::provider::{FunctionDefinition, FunctionResult};
use crate::schema::{Block, Type, Value};

pub const SUMMARY: &str = "Reads a FeatureStore custom resource of the Feast operator";

pub const DESCRIPTION: &str = "\
Converts a `FeatureStore` custom resource of the Feast operator (`feast.dev/v1` or `feast.dev/v1alpha1`) to an object with \
the attributes of `feast_feature_store`. Where this provider's defaults differ from the operator's, the result contains \
the operator's, so the feature store behaves as before.";

pub fn definition() -> FunctionDefinition {
    super::definition(
        SUMMARY,
        DESCRIPTION,
        (
            "manifest",
            Type::String,
            "The custom resource as YAML. It must contain exactly one FeatureStore. Documents of other kinds are ignored.",
        ),
        Type::Dynamic,
    )
}

pub fn call(block: &Block, argument: &Value) -> FunctionResult {
    let text = argument.as_str().unwrap_or_default();
    let mut stores = feature_stores(block, text).map_err(super::argument_error)?;
    match (stores.pop(), stores.len()) {
        (Some(store), 0) => Ok(with_nulls(block, store.attributes)),
        (_, others) => Err(super::argument_error(unreadable_manifest(
            &CustomResourceError::Several(others + 1).to_string(),
        ))),
    }
}

/// Adds null for each attribute of the resource that is not set, so that an expression such as `local.store.labels` is
/// always valid.
fn with_nulls(block: &Block, mut attributes: BTreeMap<String, Value>) -> Value {
    for (name, attribute) in &block.attributes {
        if attribute.required || attribute.optional {
            attributes.entry(name.clone()).or_default();
        }
    }
    Value::Object(attributes)
}
