//! Whether a value is one of its type: every attribute of an object, and no other.

use std::collections::BTreeMap;

use super::violation;
use crate::schema::{Path, Type, Value};

pub fn violations(ty: &Type, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(ty, value, &Path::root(), &mut found);
    found
}

fn walk(ty: &Type, value: &Value, path: &Path, found: &mut Vec<String>) {
    match (ty, value) {
        (_, Value::Null | Value::Unknown)
        | (Type::Dynamic, _)
        | (Type::Bool, Value::Bool(_))
        | (Type::Number, Value::Number(_))
        | (Type::String, Value::String(_)) => {}
        (Type::List(inner) | Type::Set(inner), Value::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                walk(inner, item, &path.index(index), found);
            }
        }
        (Type::Tuple(types), Value::List(items)) if types.len() == items.len() => {
            for (index, (inner, item)) in types.iter().zip(items).enumerate() {
                walk(inner, item, &path.index(index), found);
            }
        }
        (Type::Map(inner), Value::Map(items)) => {
            for (key, item) in items {
                walk(inner, item, &path.key(key), found);
            }
        }
        (Type::Object(types), Value::Object(items)) => attributes(types, items, path, found),
        _ => found.push(violation(path, format!("{value:?} is not a {ty:?}"))),
    }
}

fn attributes(
    types: &BTreeMap<String, Type>,
    items: &BTreeMap<String, Value>,
    path: &Path,
    found: &mut Vec<String>,
) {
    for (name, inner) in types {
        let path = path.attribute(name);
        match items.get(name) {
            Some(item) => walk(inner, item, &path, found),
            None => found.push(violation(&path, "missing")),
        }
    }
    let unsupported = items.keys().filter(|name| !types.contains_key(*name));
    found.extend(unsupported.map(|name| violation(&path.attribute(name), "unsupported attribute")));
}

#[test]
fn sees_missing_unsupported_and_wrong_values() {
    use super::schema::{block, value};

    let ty = block().value_type();
    assert_eq!(violations(&ty, &Value::Null), Vec::<String>::new());
    assert_eq!(violations(&ty, &value(&[])), Vec::<String>::new());
    let wrong = value(&[
        ("name", Value::Bool(true)),
        ("extra", Value::Null),
        ("one", Value::Object(BTreeMap::new())),
        ("many", Value::List(vec![Value::string("a")])),
    ]);
    let mut found = violations(&ty, &wrong);
    found.sort();
    assert_eq!(
        found,
        [
            "extra: unsupported attribute",
            "many[0]: String(\"a\") is not a Object({\"default\": String, \"size\": Number})",
            "name: Bool(true) is not a String",
            "one.default: missing",
            "one.size: missing",
        ]
    );
}
