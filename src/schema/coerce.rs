//! A value that carries its own type, as a value of a schema.
//!
//! What Terraform does for an argument of a resource, and not for a function's parameter of any type:
//! tuples become lists, objects become maps, numbers, strings and booleans become each other where that
//! loses nothing, and an attribute that is not there is null.

use std::collections::BTreeMap;

use super::{Attribute, Diagnostic, Diagnostics, Kind, Nesting, Number, Path, Type, Value};

/// Reads `value` as an object with these attributes. Computed ones may be there too, so that a whole
/// resource can be given; they are read like the others.
///
/// # Errors
///
/// One diagnostic, with its path, for each attribute that the schema does not have and each value that
/// cannot become what the schema asks for.
pub fn coerce(
    attributes: &BTreeMap<String, Attribute>,
    value: &Value,
) -> Result<Value, Diagnostics> {
    let mut found = Vec::new();
    let conformed = object(attributes, &Path::root(), value, &mut found);
    if found.is_empty() {
        Ok(conformed)
    } else {
        Err(found)
    }
}

fn object(
    attributes: &BTreeMap<String, Attribute>,
    path: &Path,
    value: &Value,
    found: &mut Diagnostics,
) -> Value {
    let items = match value {
        Value::Null => return Value::Null,
        Value::Unknown => return Value::Unknown,
        Value::Object(items) | Value::Map(items) => items,
        other => return mismatch("an object", path, other, found),
    };
    for name in items.keys().filter(|name| !attributes.contains_key(*name)) {
        let path = path.attribute(name);
        let known: Vec<String> = attributes.keys().map(|name| format!("`{name}`")).collect();
        found.push(
            Diagnostic::error(
                "Unsupported attribute",
                format!(
                    "There is no attribute `{path}`. What can stand here: {}.",
                    known.join(", ")
                ),
            )
            .at(path),
        );
    }
    let inner = attributes.iter().map(|(name, attribute)| {
        let item = items.get(name).unwrap_or(&Value::Null);
        let item = of_kind(&attribute.kind, &path.attribute(name), item, found);
        (name.clone(), item)
    });
    Value::Object(inner.collect())
}

fn of_kind(kind: &Kind, path: &Path, value: &Value, found: &mut Diagnostics) -> Value {
    match kind {
        Kind::Plain(plain) => of_type(plain, path, value, found),
        Kind::Nested(Nesting::Single, inner) => object(inner, path, value, found),
        Kind::Nested(Nesting::List | Nesting::Set, inner) => {
            elements(path, value, found, &mut |path, item, found| {
                object(inner, path, item, found)
            })
        }
        Kind::Nested(Nesting::Map, inner) => {
            entries(path, value, found, &mut |path, item, found| {
                object(inner, path, item, found)
            })
        }
    }
}

fn of_type(plain: &Type, path: &Path, value: &Value, found: &mut Diagnostics) -> Value {
    match (plain, value) {
        (_, Value::Null | Value::Unknown) | (Type::Dynamic, _) => value.clone(),
        (Type::Bool, _) => match value {
            Value::Bool(_) => value.clone(),
            Value::String(text) if text == "true" => Value::Bool(true),
            Value::String(text) if text == "false" => Value::Bool(false),
            other => mismatch("a bool", path, other, found),
        },
        (Type::Number, _) => match value {
            Value::Number(_) => value.clone(),
            Value::String(text) => match number(text) {
                Some(number) => Value::Number(number),
                None => mismatch("a number", path, value, found),
            },
            other => mismatch("a number", path, other, found),
        },
        (Type::String, _) => match value {
            Value::String(_) => value.clone(),
            Value::Bool(value) => Value::string(value.to_string()),
            Value::Number(number) => Value::string(number.to_string()),
            other => mismatch("a string", path, other, found),
        },
        (Type::List(inner) | Type::Set(inner), _) => {
            elements(path, value, found, &mut |path, item, found| {
                of_type(inner, path, item, found)
            })
        }
        (Type::Map(inner), _) => entries(path, value, found, &mut |path, item, found| {
            of_type(inner, path, item, found)
        }),
        // No schema of ours has these as a plain type.
        (Type::Object(_) | Type::Tuple(_), _) => value.clone(),
    }
}

type Inner<'a> = &'a mut dyn FnMut(&Path, &Value, &mut Diagnostics) -> Value;

fn elements(path: &Path, value: &Value, found: &mut Diagnostics, inner: Inner) -> Value {
    match value {
        Value::Null | Value::Unknown => value.clone(),
        Value::List(items) => Value::List(
            (items.iter().enumerate())
                .map(|(index, item)| inner(&path.index(index), item, found))
                .collect(),
        ),
        other => mismatch("a list", path, other, found),
    }
}

fn entries(path: &Path, value: &Value, found: &mut Diagnostics, inner: Inner) -> Value {
    match value {
        Value::Null | Value::Unknown => value.clone(),
        Value::Object(items) | Value::Map(items) => Value::Map(
            (items.iter())
                .map(|(key, item)| (key.clone(), inner(&path.key(key), item, found)))
                .collect(),
        ),
        other => mismatch("a map", path, other, found),
    }
}

/// A decimal number, as Terraform reads it from a string.
fn number(text: &str) -> Option<Number> {
    if let Ok(integer) = text.parse() {
        return Some(Number::Integer(integer));
    }
    let decimal = text.bytes().all(|letter| {
        letter.is_ascii_digit() || matches!(letter, b'.' | b'e' | b'E' | b'+' | b'-')
    });
    let float: f64 = text.parse().ok().filter(|_| decimal)?;
    float.is_finite().then_some(Number::Float(float))
}

fn mismatch(wanted: &str, path: &Path, value: &Value, found: &mut Diagnostics) -> Value {
    let place = if path.steps().is_empty() {
        "The value".to_owned()
    } else {
        format!("`{path}`")
    };
    found.push(
        Diagnostic::error(
            "Wrong type",
            format!("{place} must be {wanted}, but is {}.", name(value)),
        )
        .at(path.clone()),
    );
    Value::Null
}

/// What a value is, in a sentence. The value itself may be a secret.
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
    use super::*;

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
                Attribute::of_kind(Kind::Nested(Nesting::List, inner)),
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
    fn tells_everything_that_does_not_fit_with_its_path() {
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
                "There is no attribute `nmae`. What can stand here: `labels`, `name`, `on`, `servers`, `words`.",
            ),
            ("labels", "`labels` must be a map, but is a string."),
            ("name", "`name` must be a string, but is a list."),
            ("on", "`on` must be a bool, but is a string."),
            (
                "servers[0].host",
                "There is no attribute `servers[0].host`. What can stand here: `port`.",
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
