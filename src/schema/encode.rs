//! JSON as the value of a schema. Every attribute is present, and null if the JSON does not have it.

use serde_json::Value as Json;

use super::walk::{Attributes, Expected, Part, Role, Visitor, walk, walk_object};
use super::{Kind, MismatchError, MismatchReason, Number, Path, Type, Value};

/// Encodes the serde form of an object. Properties that the schema does not have are dropped.
pub fn encode(attributes: &Attributes, json: &Json) -> Value {
    walk_object(&mut Encoder::default(), Path::root(), attributes, json)
}

/// Encodes the serde form of an object like [`encode`].
///
/// # Errors
///
/// Every value that does not have the type of its attribute.
pub fn encode_typed(attributes: &Attributes, json: &Json) -> Result<Value, Vec<MismatchError>> {
    let mut encoder = Encoder::default();
    let value = walk_object(&mut encoder, Path::root(), attributes, json);
    encoder.checked(value)
}

/// Encodes the serde form of an attribute's value.
pub fn of_kind(kind: &Kind, json: &Json) -> Value {
    of_part(Part::Kind(kind), json)
}

/// Encodes the serde form of a value of a plain type.
pub fn of_type(ty: &Type, json: &Json) -> Value {
    of_part(Part::Type(ty), json)
}

fn of_part(part: Part<'_>, json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        json => walk(&mut Encoder::default(), Path::root(), part, json),
    }
}

/// The visitor of JSON. Paths have the names of the JSON's properties.
#[derive(Default)]
pub(super) struct Encoder {
    /// The values that the schema does not allow. They are null in the result.
    pub mismatches: Vec<(Path, MismatchReason)>,
    /// True to report properties that a configuration cannot set.
    pub report_unknown: bool,
}

impl Encoder {
    fn wrong_type(&mut self, path: &Path, expected: &'static str) -> Value {
        self.mismatches
            .push((path.clone(), MismatchReason::Type(expected)));
        Value::Null
    }

    /// Returns the result of the walk.
    ///
    /// # Errors
    ///
    /// Every mismatch, in the order of the JSON's properties.
    pub fn checked(mut self, value: Value) -> Result<Value, Vec<MismatchError>> {
        if self.mismatches.is_empty() {
            return Ok(value);
        }
        self.mismatches
            .sort_by(|(left, _), (right, _)| left.cmp(right));
        let errors = self
            .mismatches
            .into_iter()
            .map(|(path, reason)| MismatchError {
                place: path.to_string(),
                reason,
            });
        Err(errors.collect())
    }
}

impl<'s> Visitor<'s, Json> for Encoder {
    type Output = Value;

    fn enter(&mut self, _: &Path, _: Role<'s>, json: &Json) -> Option<Value> {
        json.is_null().then_some(Value::Null)
    }

    fn enter_object(&mut self, path: &Path, attributes: &'s Attributes, json: &Json) {
        if !self.report_unknown {
            return;
        }
        let is_settable = |key: &str| {
            let mut settable =
                (attributes.values()).filter(|attribute| attribute.required || attribute.optional);
            settable.any(|attribute| attribute.key == key)
        };
        let keys = json
            .as_object()
            .into_iter()
            .flat_map(|object| object.keys());
        for key in keys.filter(|key| !is_settable(key)) {
            self.mismatches
                .push((path.attribute(key), MismatchReason::Unknown));
        }
    }

    fn scalar(&mut self, path: &Path, ty: &Type, json: &Json) -> Value {
        match (ty, json) {
            // Quantities of Kubernetes can be written as numbers, and so can a number or percentage.
            (Type::String, Json::Number(number)) => Value::string(number.to_string()),
            (Type::String | Type::Dynamic, Json::String(text)) => Value::string(text),
            (Type::Bool | Type::Dynamic, Json::Bool(value)) => Value::Bool(*value),
            (Type::Number | Type::Dynamic, Json::Number(number)) => {
                Value::Number(from_json(number))
            }
            (Type::Bool, _) => self.wrong_type(path, "true or false"),
            (Type::Number, _) => self.wrong_type(path, "a number"),
            (Type::String, _) => self.wrong_type(path, "a string"),
            _ => Value::Null,
        }
    }

    fn mismatch(&mut self, path: &Path, expected: Expected, _: &Json) -> Value {
        let expected = match expected {
            Expected::List => "a list",
            Expected::Object | Expected::Map => "an object",
        };
        self.wrong_type(path, expected)
    }
}

fn from_json(number: &serde_json::Number) -> Number {
    match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => Number::Integer(integer),
        (None, Some(float)) if !number.is_u64() => Number::Float(float),
        _ => Number::Decimal(number.to_string()),
    }
}
