//! JSON from elsewhere as the value of a schema: strictly, with a word about all that does not fit.
//!
//! [`encode`](super::encode()) writes what this provider has made itself and leaves out what the schema
//! does not have; here nothing may get lost.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Attribute, Kind, Nesting, Type, Value, encode};

/// Something in the JSON that the schema has no place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MismatchError {
    /// Where, in the JSON's own names: `services.onlineStore.server.env[0].name`.
    pub place: String,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// No such property.
    Unknown,
    /// A value of another type than this.
    Type(&'static str),
}

/// Reads JSON in the serde form. Only what can be set is known; a null is as good as nothing.
///
/// # Errors
///
/// Every mismatch, in the order of the JSON's properties.
pub fn decode_strict(
    attributes: &BTreeMap<String, Attribute>,
    json: &Json,
) -> Result<Value, Vec<MismatchError>> {
    let mut found = Vec::new();
    object(attributes, "", json, &mut found);
    if found.is_empty() {
        Ok(encode(attributes, json))
    } else {
        Err(found)
    }
}

fn object(
    attributes: &BTreeMap<String, Attribute>,
    place: &str,
    json: &Json,
    found: &mut Vec<MismatchError>,
) {
    let Some(properties) = json.as_object() else {
        return mismatch(place, Problem::Type("an object"), found);
    };
    for (key, inner) in properties {
        let place = match place {
            "" => key.clone(),
            outer => format!("{outer}.{key}"),
        };
        let attribute = attributes
            .values()
            .find(|attribute| attribute.key == *key && (attribute.required || attribute.optional));
        match attribute {
            None => mismatch(&place, Problem::Unknown, found),
            Some(_) if inner.is_null() => {}
            Some(attribute) => of_kind(&attribute.kind, &place, inner, found),
        }
    }
}

fn of_kind(kind: &Kind, place: &str, json: &Json, found: &mut Vec<MismatchError>) {
    match kind {
        Kind::Plain(plain) => of_type(plain, place, json, found),
        Kind::Nested(Nesting::Single, inner) => object(inner, place, json, found),
        Kind::Nested(Nesting::List | Nesting::Set, inner) => match json.as_array() {
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    object(inner, &format!("{place}[{index}]"), item, found);
                }
            }
            None => mismatch(place, Problem::Type("a list"), found),
        },
        Kind::Nested(Nesting::Map, inner) => match json.as_object() {
            Some(items) => {
                for (key, item) in items {
                    object(inner, &format!("{place}[{key:?}]"), item, found);
                }
            }
            None => mismatch(place, Problem::Type("an object"), found),
        },
    }
}

fn of_type(plain: &Type, place: &str, json: &Json, found: &mut Vec<MismatchError>) {
    let wanted = match plain {
        Type::Bool if json.is_boolean() => return,
        Type::Bool => "true or false",
        Type::Number if json.is_number() => return,
        Type::Number => "a number",
        // Kubernetes' quantities and "number or percentage" may be written as numbers.
        Type::String if json.is_string() || json.is_number() => return,
        Type::String => "a string",
        Type::List(inner) | Type::Set(inner) => match json.as_array() {
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    of_type(inner, &format!("{place}[{index}]"), item, found);
                }
                return;
            }
            None => "a list",
        },
        Type::Map(inner) => match json.as_object() {
            Some(items) => {
                for (key, item) in items {
                    of_type(inner, &format!("{place}[{key:?}]"), item, found);
                }
                return;
            }
            None => "an object",
        },
        Type::Dynamic | Type::Object(_) | Type::Tuple(_) => return,
    };
    mismatch(place, Problem::Type(wanted), found);
}

fn mismatch(place: &str, problem: Problem, found: &mut Vec<MismatchError>) {
    found.push(MismatchError {
        place: place.to_owned(),
        problem,
    });
}
