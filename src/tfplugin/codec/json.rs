//! Values in the JSON form of go-cty: the form of stored states, and the second form of a `DynamicValue`. It cannot
//! represent unknown values.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::place::Place;
use super::{Error, MAX_DEPTH, types};
use crate::schema::{Number, Type, Value};

/// The treatment of objects that do not have exactly the attributes of their type.
#[derive(Clone, Copy, PartialEq)]
enum Attributes {
    /// A missing or an extra attribute is an error.
    Exact,
    /// A missing attribute is null, an extra one is dropped.
    Lenient,
}

/// Reads a value of the type `ty`.
///
/// # Errors
/// The text is malformed or does not fit the type.
pub fn read(bytes: &[u8], ty: &Type) -> Result<Value, Error> {
    value(raw(bytes)?, ty, &Place::ROOT, Attributes::Exact)
}

/// Reads a value that an earlier version of the schema may have stored. A missing attribute is null, an extra one is
/// dropped.
///
/// # Errors
/// The text is malformed or does not fit the type.
pub fn read_stored(bytes: &[u8], ty: &Type) -> Result<Value, Error> {
    value(raw(bytes)?, ty, &Place::ROOT, Attributes::Lenient)
}

fn raw(bytes: &[u8]) -> Result<&RawValue, Error> {
    // The parser's message has line and column, and no part of the value.
    serde_json::from_slice(bytes)
        .map_err(|error| Error::new(&Place::ROOT, format!("malformed JSON ({error})")))
}

/// Parses one level at a time, to keep each number as it is written: `serde_json::Value` would round it.
fn value(
    json: &RawValue,
    ty: &Type,
    at: &Place<'_>,
    attributes: Attributes,
) -> Result<Value, Error> {
    // Parsing a `RawValue` does not limit the depth.
    if at.depth() > MAX_DEPTH {
        return Err(Error::new(&Place::ROOT, "nested too deeply"));
    }
    let text = json.get();
    if text == "null" {
        return Ok(Value::Null);
    }
    let mismatch = || Error::mismatch(at, ty, kind(text));
    match ty {
        Type::Bool => parse(text).map(Value::Bool).ok_or_else(mismatch),
        Type::String => parse(text).map(Value::String).ok_or_else(mismatch),
        Type::Number => {
            // A number that JSON cannot represent exactly is written as a string.
            let quoted: Option<String> = parse(text);
            Number::parse(quoted.as_deref().unwrap_or(text))
                .map(Value::Number)
                .ok_or_else(mismatch)
        }
        Type::List(element) | Type::Set(element) => {
            let items: Vec<&RawValue> = parse(text).ok_or_else(mismatch)?;
            (items.iter().enumerate())
                .map(|(index, item)| value(item, element, &at.index(index), attributes))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        Type::Tuple(elements) => {
            let items: Vec<&RawValue> = parse(text).ok_or_else(mismatch)?;
            if items.len() != elements.len() {
                return Err(Error::new(at, "a tuple of another length than its type"));
            }
            (items.iter().zip(elements).enumerate())
                .map(|(index, (item, ty))| value(item, ty, &at.index(index), attributes))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        Type::Map(element) => {
            let items: BTreeMap<String, &RawValue> = parse(text).ok_or_else(mismatch)?;
            (items.into_iter())
                .map(|(key, item)| {
                    let item = value(item, element, &at.key(&key), attributes)?;
                    Ok((key, item))
                })
                .collect::<Result<_, _>>()
                .map(Value::Map)
        }
        Type::Object(types) => {
            let items: BTreeMap<String, &RawValue> = parse(text).ok_or_else(mismatch)?;
            let extra = items.keys().find(|name| !types.contains_key(*name));
            if let (Some(name), Attributes::Exact) = (extra, attributes) {
                return Err(Error::new(at, format!("there is no attribute {name:?}")));
            }
            (types.iter())
                .map(|(name, ty)| match items.get(name) {
                    Some(item) => {
                        let at = at.attribute(name);
                        Ok((name.clone(), value(item, ty, &at, attributes)?))
                    }
                    None if attributes == Attributes::Lenient => Ok((name.clone(), Value::Null)),
                    None => Err(Error::new(at, format!("the attribute {name:?} is missing"))),
                })
                .collect::<Result<_, _>>()
                .map(Value::Object)
        }
        Type::Dynamic => {
            #[derive(Deserialize)]
            struct Typed<'a> {
                #[serde(borrow)]
                r#type: &'a RawValue,
                #[serde(borrow)]
                value: &'a RawValue,
            }
            let malformed = || Error::new(at, "expected a type and a value of that type");
            let typed: Typed<'_> = parse(text).ok_or_else(malformed)?;
            let ty = types::from_json(typed.r#type.get().as_bytes())
                // A dynamic type inside a dynamic value would have no limit of depth.
                .filter(|ty| *ty != Type::Dynamic)
                .ok_or_else(malformed)?;
            value(typed.value, &ty, at, attributes)
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a bool",
        _ => "a number",
    }
}
