//! JSON as the value of a schema: every attribute is present, null where the JSON has nothing; what the
//! JSON has beyond the schema is left out.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Attribute, Kind, Nesting, Number, Type, Value};

/// Writes a serde form, whose properties have the serde names.
pub fn encode(attributes: &BTreeMap<String, Attribute>, json: &Json) -> Value {
    Value::Object(
        attributes
            .iter()
            .map(|(name, attribute)| {
                let inner = json.get(&attribute.key).unwrap_or(&Json::Null);
                (name.clone(), of_kind(&attribute.kind, inner))
            })
            .collect(),
    )
}

/// The same for what an attribute holds.
pub fn of_kind(kind: &Kind, json: &Json) -> Value {
    match (kind, json) {
        (_, Json::Null) => Value::Null,
        (Kind::Plain(plain), json) => of_type(plain, json),
        (Kind::Nested(Nesting::Single, inner), json) => encode(inner, json),
        (Kind::Nested(Nesting::List | Nesting::Set, inner), json) => Value::List(
            (json.as_array().into_iter().flatten())
                .map(|item| encode(inner, item))
                .collect(),
        ),
        (Kind::Nested(Nesting::Map, inner), json) => Value::Map(
            (json.as_object().into_iter().flatten())
                .map(|(key, item)| (key.clone(), encode(inner, item)))
                .collect(),
        ),
    }
}

/// The same for a value of a plain type.
pub fn of_type(plain: &Type, json: &Json) -> Value {
    match (plain, json) {
        (Type::String, Json::Number(number)) => Value::string(number.to_string()),
        (_, Json::Bool(value)) => Value::Bool(*value),
        (_, Json::String(text)) => Value::string(text),
        (_, Json::Number(number)) => Value::Number(match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Number::Integer(integer),
            (None, Some(float)) if !number.is_u64() => Number::Float(float),
            _ => Number::Decimal(number.to_string()),
        }),
        (Type::List(inner) | Type::Set(inner), Json::Array(items)) => {
            Value::List(items.iter().map(|item| of_type(inner, item)).collect())
        }
        (Type::Map(inner), Json::Object(items)) => Value::Map(
            (items.iter())
                .map(|(key, item)| (key.clone(), of_type(inner, item)))
                .collect(),
        ),
        _ => Value::Null,
    }
}
