//! `from_manifest`: the Feast operator's custom resource as a configuration of the resource.

use std::collections::BTreeMap;

use crate::feast::custom_resource::{self, CustomResource, CustomResourceError};
use crate::schema::provider::{FunctionDefinition, FunctionResult};
use crate::schema::{Block, MismatchError, Problem, Type, Value, decode_strict};

pub const SUMMARY: &str = "Reads a FeatureStore custom resource of the Feast operator";

pub const DESCRIPTION: &str = "\
Turns a `FeatureStore` resource of the Feast operator (`feast.dev/v1` or `feast.dev/v1alpha1`) into an object with \
the attributes of `feast_feature_store`. Where this provider's defaults differ from the operator's, the operator's are \
written out, so that a feature store that moves behaves as before.";

pub fn definition() -> FunctionDefinition {
    super::definition(
        SUMMARY,
        DESCRIPTION,
        (
            "manifest",
            Type::String,
            "The custom resource as YAML. Documents of other kinds are passed over; there must be exactly one \
             FeatureStore.",
        ),
        Type::Dynamic,
    )
}

/// A configuration, by attribute, and what is to be known about it.
pub struct Read {
    pub attributes: BTreeMap<String, Value>,
    pub notes: Vec<String>,
}

pub fn call(block: &Block, argument: &Value) -> FunctionResult {
    let text = argument.as_str().unwrap_or_default();
    let mut stores = feature_stores(block, text).map_err(super::wrong)?;
    match (stores.pop(), stores.len()) {
        (Some(store), 0) => Ok(whole(block, store.attributes)),
        (_, others) => Err(super::wrong(sentence(
            &CustomResourceError::Several(others + 1).to_string(),
        ))),
    }
}

/// Every FeatureStore of a text.
///
/// # Errors
///
/// What cannot be read, with the field's place in the custom resource.
pub fn feature_stores(block: &Block, text: &str) -> Result<Vec<Read>, String> {
    let resources = custom_resource::read(text).map_err(|error| sentence(&error.to_string()))?;
    resources
        .into_iter()
        .map(|resource| attributes(block, resource))
        .collect()
}

/// A custom resource as a value of the Terraform resource, with a null for each attribute that is not in it.
///
/// # Errors
///
/// Every field that has no place, a line for each.
pub fn value(block: &Block, resource: &CustomResource) -> Result<Value, String> {
    decode_strict(&block.attributes, &resource.configuration).map_err(|mismatches| {
        let lines: Vec<String> = mismatches.iter().map(describe).collect();
        lines.join("\n")
    })
}

fn attributes(block: &Block, resource: CustomResource) -> Result<Read, String> {
    let value = value(block, &resource)?;
    let CustomResource { notes, .. } = resource;
    match without_nulls(value) {
        Value::Object(attributes) => Ok(Read { attributes, notes }),
        _ => Ok(Read {
            attributes: BTreeMap::new(),
            notes,
        }),
    }
}

/// With a null for each attribute of the resource that is not in it, so that `local.store.labels` can be
/// written without knowing whether there are any.
fn whole(block: &Block, mut attributes: BTreeMap<String, Value>) -> Value {
    for (name, attribute) in &block.attributes {
        if attribute.required || attribute.optional {
            attributes.entry(name.clone()).or_default();
        }
    }
    Value::Object(attributes)
}

fn describe(mismatch: &MismatchError) -> String {
    let place = custom_resource::origin(&mismatch.place);
    match mismatch.problem {
        Problem::Unknown => format!(
            "`{place}` is not a field of a FeatureStore that this provider knows. Mend its name, or take it out."
        ),
        Problem::Type(wanted) => format!("`{place}` must be {wanted}."),
    }
}

/// Only what is written: nothing in the result is null.
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
