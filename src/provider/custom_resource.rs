//! Custom resources of the Feast operator as configurations of the resource.

use std::collections::BTreeMap;

use crate::feast::custom_resource::{self, CustomResource};
use crate::schema::{Block, MismatchError, MismatchReason, Value, decode_strict};

/// A configuration by attribute, and notes for the user about its conversion.
pub struct Converted {
    pub attributes: BTreeMap<String, Value>,
    pub notes: Vec<String>,
}

/// Converts every FeatureStore in a text.
///
/// # Errors
///
/// The fields of the custom resources that cannot be converted.
pub fn feature_stores(block: &Block, text: &str) -> Result<Vec<Converted>, String> {
    let resources =
        custom_resource::read(text).map_err(|error| unreadable_manifest(&error.to_string()))?;
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
pub fn to_value(block: &Block, resource: &CustomResource) -> Result<Value, String> {
    decode_strict(&block.attributes, &resource.configuration).map_err(|mismatches| {
        let lines: Vec<String> = mismatches.iter().map(describe).collect();
        lines.join("\n")
    })
}

fn attributes(block: &Block, resource: CustomResource) -> Result<Converted, String> {
    let value = to_value(block, &resource)?;
    let CustomResource { notes, .. } = resource;
    match without_nulls(value) {
        Value::Object(attributes) => Ok(Converted { attributes, notes }),
        _ => Ok(Converted {
            attributes: BTreeMap::new(),
            notes,
        }),
    }
}

fn describe(mismatch: &MismatchError) -> String {
    let place = custom_resource::custom_resource_field(&mismatch.place);
    match &mismatch.reason {
        MismatchReason::Unknown => format!(
            "`{place}` is not a field of a FeatureStore that this provider knows. Correct its name, or remove it."
        ),
        reason => format!("`{place}` {reason}"),
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

/// Returns the error of a manifest that cannot be read.
pub fn unreadable_manifest(reason: &str) -> String {
    format!("The manifest cannot be read: {reason}.")
}
