//! The function `from_manifest`: a custom resource of the Feast operator as a configuration of the resource.

use std::collections::BTreeMap;

use crate::feast::custom_resource::{self, CustomResource, CustomResourceError};
use crate::schema::provider::{FunctionDefinition, FunctionResult};
use crate::schema::{Block, MismatchError, Problem, Type, Value, decode_strict};

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

/// A configuration by attribute, and notes for the user about its conversion.
pub struct Converted {
    pub attributes: BTreeMap<String, Value>,
    pub notes: Vec<String>,
}

pub fn call(block: &Block, argument: &Value) -> FunctionResult {
    let text = argument.as_str().unwrap_or_default();
    let mut stores = feature_stores(block, text).map_err(super::argument_error)?;
    match (stores.pop(), stores.len()) {
        (Some(store), 0) => Ok(with_nulls(block, store.attributes)),
        (_, others) => Err(super::argument_error(sentence(
            &CustomResourceError::Several(others + 1).to_string(),
        ))),
    }
}

/// Converts every FeatureStore in a text.
///
/// # Errors
///
/// The fields of the custom resources that cannot be converted.
pub fn feature_stores(block: &Block, text: &str) -> Result<Vec<Converted>, String> {
    let resources = custom_resource::read(text).map_err(|error| sentence(&error.to_string()))?;
    resources
        .into_iter()
        .map(|resource| attributes(block, resource))
        .collect()
}

/// Returns a custom resource as a value of the Terraform resource, with null for each attribute that it does not set.
///
/// # Errors
///
/// A line for each field that has no attribute.
pub fn value(block: &Block, resource: &CustomResource) -> Result<Value, String> {
    decode_strict(&block.attributes, &resource.configuration).map_err(|mismatches| {
        let lines: Vec<String> = mismatches.iter().map(describe).collect();
        lines.join("\n")
    })
}

fn attributes(block: &Block, resource: CustomResource) -> Result<Converted, String> {
    let value = value(block, &resource)?;
    let CustomResource { notes, .. } = resource;
    match without_nulls(value) {
        Value::Object(attributes) => Ok(Converted { attributes, notes }),
        _ => Ok(Converted {
            attributes: BTreeMap::new(),
            notes,
        }),
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

fn describe(mismatch: &MismatchError) -> String {
    let place = custom_resource::origin(&mismatch.place);
    match &mismatch.problem {
        Problem::Unknown => format!(
            "`{place}` is not a field of a FeatureStore that this provider knows. Correct its name, or remove it."
        ),
        problem => format!("`{place}` {problem}"),
    }
}

/// Removes nulls at every level.
fn without_nulls(value: Value) -> Value {
    let kept = |items: BTreeMap<String, Value>| {
        items
            .into_iter()
            .filter(|(_, item)| !item.is_null())
            .map(|(name, item)| (name, without_nulls(item)))
            .collect()
    };
    match value {
        Value::Object(items) => Value::Object(kept(items)),
        Value::Map(items) => Value::Map(kept(items)),
        Value::List(items) => Value::List(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn sentence(text: &str) -> String {
    format!("The manifest cannot be read: {text}.")
}
