//! Values in the msgpack form of go-cty: an unknown value is an extension, a number has the first form that represents
//! it exactly, and a dynamic value is a pair of its type and the value.

use std::collections::BTreeMap;

use rmpv::decode::{read_value_ref_with_max_depth, read_value_with_max_depth};
use rmpv::{Value as Wire, ValueRef, encode::write_value};

use super::place::Place;
use super::{Error, MAX_DEPTH, number, types};
use crate::schema::{Number, Type, Value};

/// The extension type of an unknown value.
const UNKNOWN: i8 = 0;

/// The extension type of an unknown value with refinements, such as "not null".
const REFINED_UNKNOWN: i8 = 12;

/// Reads a value of the type `ty`.
///
/// # Errors
/// The bytes are malformed or do not fit the type.
pub fn read(bytes: &[u8], ty: &Type) -> Result<Value, Error> {
    let mut rest = bytes;
    // The decoder's message can quote the value.
    let wire = read_value_ref_with_max_depth(&mut rest, MAX_DEPTH).map_err(|error| {
        Error::new(
            &Place::ROOT,
            format!("malformed msgpack ({:?})", error.kind()),
        )
    })?;
    if !rest.is_empty() {
        return Err(Error::new(
            &Place::ROOT,
            "malformed msgpack (bytes after the value)",
        ));
    }
    value(&wire, ty, &Place::ROOT)
}

fn value(wire: &ValueRef<'_>, ty: &Type, at: &Place<'_>) -> Result<Value, Error> {
    match wire {
        ValueRef::Nil => return Ok(Value::Null),
        ValueRef::Ext(UNKNOWN | REFINED_UNKNOWN, _) => return Ok(Value::Unknown),
        _ => {}
    }
    let mismatch = || Error::mismatch(at, ty, kind(wire));
    match ty {
        Type::Bool => wire_bool(wire).map(Value::Bool).ok_or_else(mismatch),
        Type::Number => wire_number(wire).map(Value::Number).ok_or_else(mismatch),
        Type::String => wire_str(wire).map(Value::string).ok_or_else(mismatch),
        Type::Dynamic => dynamic(wire, at),
        Type::List(element) | Type::Set(element) => {
            let items = wire_array(wire).ok_or_else(mismatch)?.iter().enumerate();
            items
                .map(|(index, item)| value(item, element, &at.index(index)))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        Type::Tuple(elements) => {
            let items = wire_array(wire).ok_or_else(mismatch)?;
            if items.len() != elements.len() {
                return Err(Error::new(at, "a tuple of another length than its type"));
            }
            let items = items.iter().zip(elements).enumerate();
            items
                .map(|(index, (item, ty))| value(item, ty, &at.index(index)))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        Type::Map(element) => {
            let mut items = BTreeMap::new();
            for (key, item) in entries(wire, ty, at)? {
                let item = value(item, element, &at.key(key))?;
                if items.insert(key.to_owned(), item).is_some() {
                    return Err(Error::new(&at.key(key), "the key occurs twice"));
                }
            }
            Ok(Value::Map(items))
        }
        Type::Object(attributes) => {
            let mut items = BTreeMap::new();
            for (name, item) in entries(wire, ty, at)? {
                let Some(ty) = attributes.get(name) else {
                    return Err(Error::new(at, format!("there is no attribute {name:?}")));
                };
                let at = at.attribute(name);
                let item = value(item, ty, &at)?;
                if items.insert(name.to_owned(), item).is_some() {
                    return Err(Error::new(&at, "the attribute occurs twice"));
                }
            }
            match attributes.keys().find(|name| !items.contains_key(*name)) {
                Some(name) => Err(Error::new(at, format!("the attribute {name:?} is missing"))),
                None => Ok(Value::Object(items)),
            }
        }
    }
}

/// Reads a dynamic value: its type as JSON, and the value.
fn dynamic(wire: &ValueRef<'_>, at: &Place<'_>) -> Result<Value, Error> {
    let malformed = || Error::new(at, "expected a type and a value of that type");
    let [ty, inner] = wire_array(wire).ok_or_else(malformed)? else {
        return Err(malformed());
    };
    let ty = match ty {
        ValueRef::Binary(bytes) => types::from_json(bytes),
        ValueRef::String(text) => types::from_json(text.as_bytes()),
        _ => None,
    };
    value(inner, &ty.ok_or_else(malformed)?, at)
}

type Entry<'a> = (&'a str, &'a ValueRef<'a>);

fn entries<'a>(
    wire: &'a ValueRef<'a>,
    ty: &Type,
    at: &Place<'_>,
) -> Result<impl Iterator<Item = Entry<'a>>, Error> {
    let ValueRef::Map(entries) = wire else {
        return Err(Error::mismatch(at, ty, kind(wire)));
    };
    let entries: Option<Vec<_>> = entries
        .iter()
        .map(|(key, item)| Some((wire_str(key)?, item)))
        .collect();
    let entries = entries.ok_or_else(|| Error::new(at, "a key that is not a string"))?;
    Ok(entries.into_iter())
}

fn wire_array<'a>(wire: &'a ValueRef<'a>) -> Option<&'a [ValueRef<'a>]> {
    match wire {
        ValueRef::Array(items) => Some(items),
        _ => None,
    }
}

fn wire_str<'a>(wire: &'a ValueRef<'a>) -> Option<&'a str> {
    match wire {
        ValueRef::String(text) => text.as_str(),
        _ => None,
    }
}

fn wire_bool(wire: &ValueRef<'_>) -> Option<bool> {
    match wire {
        ValueRef::Boolean(value) => Some(*value),
        _ => None,
    }
}

fn wire_number(wire: &ValueRef<'_>) -> Option<Number> {
    match wire {
        ValueRef::Integer(integer) => Number::parse(&integer.to_string()),
        ValueRef::F32(float) => number::read_float(f64::from(*float)),
        ValueRef::F64(float) => number::read_float(*float),
        ValueRef::String(text) => Number::parse(text.as_str()?),
        _ => None,
    }
}

fn kind(wire: &ValueRef<'_>) -> &'static str {
    match wire {
        ValueRef::Nil => "null",
        ValueRef::Boolean(_) => "a bool",
        ValueRef::Integer(_) | ValueRef::F32(_) | ValueRef::F64(_) => "a number",
        ValueRef::String(_) => "a string",
        ValueRef::Binary(_) => "bytes",
        ValueRef::Array(_) => "an array",
        ValueRef::Map(_) => "a map",
        ValueRef::Ext(..) => "an extension that is not Terraform's",
    }
}

/// Writes a value of the type `ty`.
///
/// # Errors
/// The value does not fit the type.
pub fn write(value: &Value, ty: &Type) -> Result<Vec<u8>, Error> {
    let wire = wire(value, ty, &Place::ROOT)?;
    let mut bytes = Vec::new();
    write_value(&mut bytes, &wire)
        .map_err(|error| Error::new(&Place::ROOT, format!("not writable: {error}")))?;
    Ok(bytes)
}

fn wire(value: &Value, ty: &Type, at: &Place<'_>) -> Result<Wire, Error> {
    if at.depth() > MAX_DEPTH {
        return Err(Error::new(&Place::ROOT, "nested too deeply"));
    }
    let mismatch = || Error::mismatch(at, ty, name(value));
    Ok(match (ty, value) {
        (_, Value::Null) => Wire::Nil,
        (_, Value::Unknown) => Wire::Ext(UNKNOWN, vec![0]),
        (Type::Bool, Value::Bool(value)) => Wire::Boolean(*value),
        (Type::String, Value::String(text)) => Wire::from(text.as_str()),
        (Type::Number, Value::Number(number)) => match number::to_wire(number) {
            Some(number::Wire::Integer(integer)) => Wire::from(integer),
            Some(number::Wire::Float(float)) => Wire::from(float),
            Some(number::Wire::Text(text)) => Wire::from(text),
            None => return Err(Error::new(at, "not a finite number")),
        },
        (Type::Dynamic, value) => {
            let own = own_type(value);
            Wire::Array(vec![
                Wire::Binary(types::to_json(&own)),
                wire(value, &own, at)?,
            ])
        }
        (Type::List(element) | Type::Set(element), Value::List(items)) => Wire::Array(
            (items.iter().enumerate())
                .map(|(index, item)| wire(item, element, &at.index(index)))
                .collect::<Result<_, _>>()?,
        ),
        (Type::Tuple(elements), Value::List(items)) if elements.len() == items.len() => {
            Wire::Array(
                (items.iter().zip(elements).enumerate())
                    .map(|(index, (item, ty))| wire(item, ty, &at.index(index)))
                    .collect::<Result<_, _>>()?,
            )
        }
        (Type::Map(element), Value::Map(items)) => Wire::Map(
            (items.iter())
                .map(|(key, item)| {
                    Ok((Wire::from(key.as_str()), wire(item, element, &at.key(key))?))
                })
                .collect::<Result<_, _>>()?,
        ),
        (Type::Object(attributes), Value::Object(items) | Value::Map(items)) => {
            if let Some(name) = items.keys().find(|name| !attributes.contains_key(*name)) {
                return Err(Error::new(at, format!("there is no attribute {name:?}")));
            }
            let attribute = |(name, ty): (&String, &Type)| {
                let Some(item) = items.get(name) else {
                    return Err(Error::new(at, format!("the attribute {name:?} is missing")));
                };
                let at = at.attribute(name);
                Ok((Wire::from(name.as_str()), wire(item, ty, &at)?))
            };
            Wire::Map(attributes.iter().map(attribute).collect::<Result<_, _>>()?)
        }
        _ => return Err(mismatch()),
    })
}

/// Returns the type of a dynamic value. A [`Value`] does not distinguish lists, sets and tuples, so a list becomes a
/// tuple, which is the type of `[…]` in a configuration.
fn own_type(value: &Value) -> Type {
    match value {
        Value::Null | Value::Unknown => Type::Dynamic,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        Value::String(_) => Type::String,
        Value::List(items) => Type::Tuple(items.iter().map(own_type).collect()),
        Value::Object(items) => object_type(items),
        // The entries of a map have one type. Null and unknown values have any type. A map with entries of several
        // types becomes an object, which is the type of `{…}` in a configuration.
        Value::Map(items) => {
            let mut types = items
                .values()
                .map(own_type)
                .filter(|ty| *ty != Type::Dynamic);
            let first = types.next().unwrap_or(Type::Dynamic);
            if types.all(|ty| ty == first) {
                Type::Map(Box::new(first))
            } else {
                object_type(items)
            }
        }
    }
}

fn object_type(items: &BTreeMap<String, Value>) -> Type {
    let types = items
        .iter()
        .map(|(name, item)| (name.clone(), own_type(item)));
    Type::Object(types.collect())
}

/// Returns the msgpack with nil for each unknown value; `None` if it is malformed.
pub(super) fn without_unknowns(bytes: &[u8]) -> Option<Vec<u8>> {
    fn known(wire: Wire) -> Wire {
        match wire {
            Wire::Ext(UNKNOWN | REFINED_UNKNOWN, _) => Wire::Nil,
            Wire::Array(items) => Wire::Array(items.into_iter().map(known).collect()),
            Wire::Map(items) => Wire::Map(
                items
                    .into_iter()
                    .map(|(key, item)| (key, known(item)))
                    .collect(),
            ),
            other => other,
        }
    }
    let wire = read_value_with_max_depth(&mut &bytes[..], MAX_DEPTH).ok()?;
    let mut bytes = Vec::new();
    write_value(&mut bytes, &known(wire)).ok()?;
    Some(bytes)
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Unknown => "an unknown value",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Object(_) => "an object",
    }
}
