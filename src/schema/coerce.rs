//! Conversion of a value that has its own type to the type of a schema.
//!
//! Terraform converts the arguments of a resource in this way, but not those of a function parameter of any type.
//! Tuples become lists, objects become maps, and missing attributes are null. Numbers, strings and booleans are
//! converted to each other if nothing is lost.

use super::walk::{Attributes, Expected, Part, Role, Visitor, walk};
use super::{Diagnostic, Diagnostics, Number, Path, Type, Value};

/// Converts `value` to an object with these attributes. Computed attributes can be set, so that a whole resource can be
/// passed; they are converted like the others.
///
/// # Errors
///
/// One diagnostic with its path for each attribute that the schema does not have, and for each value that cannot be
/// converted.
pub fn coerce(attributes: &Attributes, value: &Value) -> Result<Value, Diagnostics> {
    if let Value::Null | Value::Unknown = value {
        return Ok(value.clone());
    }
    let mut coercion = Coercion::default();
    let value = walk(
        &mut coercion,
        Path::root(),
        Part::Attributes(attributes),
        value,
    );
    match coercion.diagnostics.is_empty() {
        true => Ok(value),
        false => Err(coercion.diagnostics),
    }
}

#[derive(Default)]
struct Coercion {
    diagnostics: Diagnostics,
}

impl Coercion {
    fn wrong_type(&mut self, path: &Path, expected: &str, value: &Value) -> Value {
        let subject = match path.steps() {
            [] => "The value".to_owned(),
            _ => format!("`{path}`"),
        };
        let detail = format!("{subject} must be {expected}, but is {}.", name(value));
        self.diagnostics
            .push(Diagnostic::error("Wrong type", detail).at(path.clone()));
        Value::Null
    }
}

impl<'s> Visitor<'s, Value> for Coercion {
    type Output = Value;

    fn enter(&mut self, _: &Path, _: Role<'s>, value: &Value) -> Option<Value> {
        matches!(value, Value::Null | Value::Unknown).then(|| value.clone())
    }

    fn enter_object(&mut self, path: &Path, attributes: &'s Attributes, value: &Value) {
        let (Value::Object(items) | Value::Map(items)) = value else {
            return;
        };
        for name in items.keys().filter(|name| !attributes.contains_key(*name)) {
            let path = path.attribute(name);
            let supported: Vec<String> =
                attributes.keys().map(|name| format!("`{name}`")).collect();
            let detail = format!(
                "There is no attribute `{path}`. Supported attributes: {}.",
                supported.join(", ")
            );
            self.diagnostics
                .push(Diagnostic::error("Unsupported attribute", detail).at(path));
        }
    }

    fn scalar(&mut self, path: &Path, ty: &Type, value: &Value) -> Value {
        let converted = match (ty, value) {
            (Type::Bool, Value::Bool(_))
            | (Type::Number, Value::Number(_))
            | (Type::String, Value::String(_)) => Some(value.clone()),
            (Type::Bool, Value::String(text)) => boolean(text).map(Value::Bool),
            (Type::Number, Value::String(text)) => Number::parse(text).map(Value::Number),
            (Type::String, Value::Bool(value)) => Some(Value::string(value.to_string())),
            (Type::String, Value::Number(number)) => Some(Value::string(number.to_string())),
            (Type::Bool | Type::Number | Type::String, _) => None,
            // No schema has another type than `Dynamic` here.
            _ => Some(value.clone()),
        };
        let expected = match ty {
            Type::Bool => "a bool",
            Type::Number => "a number",
            _ => "a string",
        };
        converted.unwrap_or_else(|| self.wrong_type(path, expected, value))
    }

    fn mismatch(&mut self, path: &Path, expected: Expected, value: &Value) -> Value {
        let expected = match expected {
            Expected::Object => "an object",
            Expected::List => "a list",
            Expected::Map => "a map",
        };
        self.wrong_type(path, expected, value)
    }
}

/// Reads a bool as Terraform does.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Returns what a value is, for an error. The value itself can be a secret.
fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Unknown => "not known yet",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::schema::{Attribute, Kind, Nesting};

    fn schema() -> BTreeMap<String, Attribute> {
        let plain = |ty| Attribute::of_kind(Kind::Plain(ty));
        let inner = BTreeMap::from([("port".to_owned(), plain(Type::Number))]);
        BTreeMap::from([
            ("on".to_owned(), plain(Type::Bool)),
            ("name".to_owned(), plain(Type::String)),
            (
                "words".to_owned(),
                plain(Type::List(Box::new(Type::String))),
            ),
            (
                "labels".to_owned(),
                plain(Type::Map(Box::new(Type::String))),
            ),
            (
                "servers".to_owned(),
                Attribute::of_kind(Kind::nested(Nesting::List, inner)),
            ),
        ])
    }

    fn object_of<const N: usize>(items: [(&str, Value); N]) -> Value {
        Value::Object(items.map(|(name, value)| (name.to_owned(), value)).into())
    }

    #[test]
    fn converts_as_terraform_does() {
        let given = object_of([
            ("on", Value::string("true")),
            ("name", Value::integer(7)),
            (
                "words",
                Value::List(vec![Value::Bool(true), Value::string("b")]),
            ),
            ("labels", object_of([("a", Value::integer(1))])),
            (
                "servers",
                Value::List(vec![
                    object_of([("port", Value::string("80"))]),
                    object_of([("port", Value::string("0.5"))]),
                    object_of([]),
                ]),
            ),
        ]);
        let port = |value| object_of([("port", value)]);
        let labels = BTreeMap::from([("a".to_owned(), Value::string("1"))]);
        let wanted = object_of([
            ("on", Value::Bool(true)),
            ("name", Value::string("7")),
            (
                "words",
                Value::List(vec![Value::string("true"), Value::string("b")]),
            ),
            ("labels", Value::Map(labels)),
            (
                "servers",
                Value::List(vec![
                    port(Value::integer(80)),
                    port(Value::Number(Number::Float(0.5))),
                    port(Value::Null),
                ]),
            ),
        ]);
        assert_eq!(coerce(&schema(), &given), Ok(wanted));
    }

    #[test]
    fn converts_strings_as_terraform_does() {
        let converted = |given: Value, path: Path| {
            let value = coerce(&schema(), &given).ok()?;
            value.get(&path).cloned()
        };
        let on = |text: &str| converted(object_of([("on", Value::string(text))]), Path::of("on"));
        let port = |text: &str| {
            let server = object_of([("port", Value::string(text))]);
            let given = object_of([("servers", Value::List(vec![server]))]);
            converted(given, Path::of("servers").index(0).attribute("port"))
        };
        for (text, expected) in [
            ("true", Some(true)),
            ("1", Some(true)),
            ("false", Some(false)),
            ("0", Some(false)),
            ("True", None),
            ("", None),
        ] {
            assert_eq!(on(text), expected.map(Value::Bool), "{text}");
        }
        let exact = "0.1000000000000000055511151231257827";
        for (text, expected) in [
            ("1e3", Some(Number::Integer(1000))),
            (exact, Some(Number::Decimal(exact.to_owned()))),
            ("Inf", None),
        ] {
            assert_eq!(port(text), expected.map(Value::Number), "{text}");
        }
    }

    #[test]
    fn reports_every_mismatch_with_its_path() {
        let given = object_of([
            ("on", Value::string("yes")),
            ("name", Value::List(Vec::new())),
            ("labels", Value::string("a")),
            ("nmae", Value::string("a")),
            (
                "servers",
                Value::List(vec![object_of([
                    ("port", Value::string("NaN")),
                    ("host", Value::Null),
                ])]),
            ),
        ]);
        let messages: Vec<(String, String)> = coerce(&schema(), &given)
            .unwrap_err()
            .into_iter()
            .map(|diagnostic| {
                (
                    diagnostic.path.unwrap_or_default().to_string(),
                    diagnostic.detail,
                )
            })
            .collect();
        let expected = [
            (
                "nmae",
                "There is no attribute `nmae`. Supported attributes: `labels`, `name`, `on`, `servers`, `words`.",
            ),
            ("labels", "`labels` must be a map, but is a string."),
            ("name", "`name` must be a string, but is a list."),
            ("on", "`on` must be a bool, but is a string."),
            (
                "servers[0].host",
                "There is no attribute `servers[0].host`. Supported attributes: `port`.",
            ),
            (
                "servers[0].port",
                "`servers[0].port` must be a number, but is a string.",
            ),
        ];
        assert_eq!(
            messages,
            expected.map(|(path, text)| (path.to_owned(), text.to_owned()))
        );
        assert_eq!(
            coerce(&schema(), &Value::string("x")).unwrap_err()[0].detail,
            "The value must be an object, but is a string."
        );
    }
}
