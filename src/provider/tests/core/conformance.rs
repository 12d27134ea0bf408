//! Conformance of a value to its type: an object has every attribute of the type, and no other.

use std::collections::BTreeMap;

use super::violation;
use crate::schema::{Path, Type, Value};

pub fn violations(ty: &Type, value: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    walk(ty, value, &Path::root(), &mut violations);
    violations
}

fn walk(ty: &Type, value: &Value, path: &Path, violations: &mut Vec<String>) {
    match (ty, value) {
        (_, Value::Null | Value::Unknown)
        | (Type::Dynamic, _)
        | (Type::Bool, Value::Bool(_))
        | (Type::Number, Value::Number(_))
        | (Type::String, Value::String(_)) => {}
        (Type::List(inner) | Type::Set(inner), Value::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                walk(inner, item, &path.index(index), violations);
            }
        }
        (Type::Tuple(types), Value::List(items)) if types.len() == items.len() => {
            for (index, (inner, item)) in types.iter().zip(items).enumerate() {
                walk(inner, item, &path.index(index), violations);
            }
        }
        (Type::Map(inner), Value::Map(items)) => {
            for (key, item) in items {
                walk(inner, item, &path.key(key), violations);
            }
        }
        (Type::Object(types), Value::Object(items)) => attributes(types, items, path, violations),
        _ => violations.push(violation(path, format!("{value:?} is not a {ty:?}"))),
    }
}

fn attributes(
    types: &BTreeMap<String, Type>,
    items: &BTreeMap<String, Value>,
    path: &Path,
    violations: &mut Vec<String>,
) {
    for (name, inner) in types {
        let path = path.attribute(name);
        match items.get(name) {
            Some(item) => walk(inner, item, &path, violations),
            None => violations.push(violation(&path, "missing")),
        }
    }
    let unsupported = items.keys().filter(|name| !types.contains_key(*name));
    violations
        .extend(unsupported.map(|name| violation(&path.attribute(name), "unsupported attribute")));
}

#[test]
fn reports_missing_unsupported_and_wrong_values() {
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
    let mut violations = violations(&ty, &wrong);
    violations.sort();
    assert_eq!(
        violations,
        [
            "extra: unsupported attribute",
            "many[0]: String(\"a\") is not a Object({\"default\": String, \"size\": Number})",
            "name: Bool(true) is not a String",
            "one.default: missing",
            "one.size: missing",
        ]
    );
}
