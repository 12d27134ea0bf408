//! Compatibility of a value with the planned one (core's `AssertObjectCompatible`): known values stay the same, and
//! unknown ones become any value of their type.

use super::plan_valid::equal;
use super::violation;
use crate::schema::{Block, Path, Type, Value};

pub fn violations(block: &Block, planned: &Value, actual: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    let root = Path::root();
    match (planned.is_null(), actual.is_null()) {
        (true, false) => violations.push("root object was absent, but now present".to_owned()),
        (false, true) => violations.push("root object was present, but now absent".to_owned()),
        _ => check(&block.value_type(), planned, actual, &root, &mut violations),
    }
    violations
}

fn check(ty: &Type, planned: &Value, actual: &Value, path: &Path, violations: &mut Vec<String>) {
    let differ = || violation(path, format!("was {planned:?}, but now {actual:?}"));
    let elements =
        |what: &str| violation(path, format!("elements {what}: {planned:?}, {actual:?}"));
    match (ty, planned, actual) {
        (_, Value::Unknown, _) | (Type::Dynamic, _, _) | (_, Value::Null, Value::Null) => {}
        (_, Value::Null, _) | (_, _, Value::Null | Value::Unknown) => violations.push(differ()),
        (Type::List(inner), Value::List(plans), Value::List(results)) => {
            if plans.len() != results.len() {
                violations.push(elements("have vanished or appeared"));
            }
            for (index, (planned, actual)) in plans.iter().zip(results).enumerate() {
                check(inner, planned, actual, &path.index(index), violations);
            }
        }
        (Type::Map(inner), Value::Map(plans), Value::Map(results)) => {
            if !plans.keys().eq(results.keys()) {
                violations.push(elements("have vanished or appeared"));
            }
            for (key, planned) in plans {
                if let Some(actual) = results.get(key) {
                    check(inner, planned, actual, &path.key(key), violations);
                }
            }
        }
        (Type::Set(inner), Value::List(plans), Value::List(results)) => {
            let correlate = |planned: &Value, actual: &Value| {
                let mut differences = Vec::new();
                check(inner, planned, actual, path, &mut differences);
                differences.is_empty()
            };
            let planned_found = plans
                .iter()
                .all(|plan| results.iter().any(|it| correlate(plan, it)));
            let actual_found = results
                .iter()
                .all(|it| plans.iter().any(|plan| correlate(plan, it)));
            if !planned_found || !actual_found || plans.len() < results.len() {
                violations.push(elements("do not correlate"));
            }
        }
        (Type::Object(types), Value::Object(_), Value::Object(_)) => {
            for (name, inner) in types {
                let (planned, actual) = (planned.attribute(name), actual.attribute(name));
                check(inner, planned, actual, &path.attribute(name), violations);
            }
        }
        _ if equal(ty, planned, actual) => {}
        _ => violations.push(differ()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::schema::{block, inner, value};
    use super::*;

    fn one(size: Value, default: Value) -> Value {
        value(&[("one", inner(size, default))])
    }

    #[test]
    fn reports_changes_of_known_values() {
        let found = |planned: &Value, actual: &Value| violations(&block(), planned, actual);
        let number = Value::integer;
        let planned = one(number(1), Value::Unknown);
        let none = Vec::<String>::new();
        assert_eq!(found(&planned, &one(number(1), Value::Null)), none);
        assert_eq!(found(&planned, &one(number(1), Value::string("d"))), none);
        assert_eq!(
            found(&planned, &one(number(2), Value::Null)),
            ["one.size: was Number(Integer(1)), but now Number(Integer(2))"]
        );
        assert_eq!(
            found(&one(Value::Null, Value::Null), &one(number(2), Value::Null)),
            ["one.size: was Null, but now Number(Integer(2))"]
        );
        assert_eq!(
            found(&planned, &one(Value::Unknown, Value::Null)),
            ["one.size: was Number(Integer(1)), but now Unknown"]
        );
        assert_eq!(
            found(&value(&[]), &Value::Null),
            ["root object was present, but now absent"]
        );
        assert_eq!(
            found(&Value::Null, &value(&[])),
            ["root object was absent, but now present"]
        );
        assert_eq!(found(&Value::Null, &Value::Null), none);
    }

    #[test]
    fn reports_elements() {
        let item = |size: i64| inner(Value::integer(size), Value::Null);
        let list = |name, sizes: &[i64]| {
            let items = sizes.iter().map(|size| item(*size));
            value(&[(name, Value::List(items.collect()))])
        };
        let map = |key: &str| {
            let items = BTreeMap::from([(key.to_owned(), item(1))]);
            value(&[("each", Value::Map(items))])
        };
        let count = |planned: &Value, actual: &Value| violations(&block(), planned, actual).len();
        assert_eq!(count(&list("many", &[1, 2]), &list("many", &[1, 2])), 0);
        assert_eq!(count(&list("many", &[1, 2]), &list("many", &[2, 1])), 2);
        assert_eq!(count(&list("many", &[1, 2]), &list("many", &[1])), 1);
        assert_eq!(count(&list("some", &[1, 2]), &list("some", &[2, 1])), 0);
        assert_eq!(count(&list("some", &[1, 2]), &list("some", &[1, 3])), 1);
        assert_eq!(count(&map("a"), &map("a")), 0);
        assert_eq!(count(&map("a"), &map("b")), 1);
    }
}
