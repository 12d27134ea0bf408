//! Validity of a planned value for a configuration and a prior state (core's `AssertPlanValid`).
//!
//! A configured value is planned as configured, or stays as in the prior state. An attribute without a configured value
//! is null, unless it is computed. The same rules apply to the attributes of each nested object. The elements of a set
//! cannot be matched, so only their number is compared.

use std::collections::BTreeMap;

use super::violation;
use crate::schema::{Attribute, Block, Kind, Nesting, Number, Path, Type, Value};

type Attributes = BTreeMap<String, Attribute>;

pub fn violations(block: &Block, prior: &Value, config: &Value, planned: &Value) -> Vec<String> {
    assert!(block.blocks.is_empty(), "no resource has nested blocks");
    let mut violations = Vec::new();
    let root = Path::root();
    match (config.is_null(), planned.is_null()) {
        (false, true) => {
            violations.push("planned for absence but config wants existence".to_owned())
        }
        (true, false) => {
            violations.push("planned for existence but config wants absence".to_owned())
        }
        (true, true) => {}
        (false, false) => attributes(
            &block.attributes,
            prior,
            config,
            planned,
            &root,
            &mut violations,
        ),
    }
    violations
}

fn attributes(
    schema: &Attributes,
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &Path,
    violations: &mut Vec<String>,
) {
    for (name, attribute) in schema {
        let of = |value: &Value| value.attribute(name).clone();
        let path = path.attribute(name);
        check(
            attribute,
            &of(prior),
            &of(config),
            &of(planned),
            &path,
            violations,
        );
    }
}

fn check(
    attribute: &Attribute,
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &Path,
    violations: &mut Vec<String>,
) {
    let ty = attribute.value_type();
    let kept = || !prior.is_null() && !config.is_null() && equal(&ty, planned, prior);
    if equal(&ty, planned, config) || kept() {
        return;
    }
    if attribute.computed && (!attribute.optional || config.is_null()) {
        return;
    }
    if config.is_null() {
        let what = format!("planned value {planned:?} for a non-computed attribute");
        violations.push(violation(path, what));
        return;
    }
    if planned.is_null() && attribute.write_only {
        return;
    }
    match &attribute.kind {
        Kind::Nested(nesting, inner) => {
            nested(*nesting, inner, prior, config, planned, path, violations);
        }
        Kind::Plain(_) => violations.push(violation(
            path,
            format!(
                "planned value {planned:?} is neither the config value {config:?} nor the prior value {prior:?}"
            ),
        )),
    }
}

fn nested(
    nesting: Nesting,
    schema: &Attributes,
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &Path,
    violations: &mut Vec<String>,
) {
    if planned.is_null() {
        let what = "planned for absence but config wants existence";
        violations.push(violation(path, what));
        return;
    }
    if planned.is_unknown() {
        violations.push(violation(path, "planned unknown for configured value"));
        return;
    }
    match (nesting, config, planned) {
        (Nesting::Single, _, _) => attributes(schema, prior, config, planned, path, violations),
        (Nesting::List, Value::List(configs), Value::List(plans))
            if configs.len() == plans.len() =>
        {
            for (index, (config, planned)) in configs.iter().zip(plans).enumerate() {
                let path = path.index(index);
                let prior = prior.get(&Path::root().index(index));
                let prior = prior.unwrap_or(&Value::Null);
                attributes(schema, prior, config, planned, &path, violations);
            }
        }
        (Nesting::Map, Value::Map(configs), Value::Map(plans))
            if configs.keys().eq(plans.keys()) =>
        {
            for (key, planned) in plans {
                let path = path.key(key);
                let prior = prior.get(&Path::root().key(key)).unwrap_or(&Value::Null);
                attributes(schema, prior, &configs[key], planned, &path, violations);
            }
        }
        // Unknown elements can be equal to others.
        (Nesting::Set, Value::List(configs), Value::List(plans))
            if configs.len() == plans.len()
                || (configs.len() < plans.len() && !planned.is_wholly_known()) => {}
        _ => violations.push(violation(
            path,
            format!(
                "elements of the plan {planned:?} disagree with those of the config {config:?}"
            ),
        )),
    }
}

/// Returns whether both are the same value of a type: numbers by value, sets in any order.
pub fn equal(ty: &Type, one: &Value, other: &Value) -> bool {
    match (ty, one, other) {
        (_, Value::Number(one), Value::Number(other)) => same_number(one, other),
        (Type::Set(inner), Value::List(one), Value::List(other)) => {
            let within =
                |item: &Value, items: &[Value]| items.iter().any(|it| equal(inner, item, it));
            one.len() == other.len() && one.iter().all(|item| within(item, other))
        }
        (Type::List(inner), Value::List(one), Value::List(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| equal(inner, one, other))
        }
        (Type::Map(inner), Value::Map(one), Value::Map(other)) => {
            let mut pairs = one.values().zip(other.values());
            one.keys().eq(other.keys()) && pairs.all(|(one, other)| equal(inner, one, other))
        }
        (Type::Object(types), Value::Object(one), Value::Object(other)) => {
            one.keys().eq(other.keys())
                && one.iter().all(|(name, item)| {
                    let inner = types.get(name).unwrap_or(&Type::Dynamic);
                    equal(inner, item, &other[name])
                })
        }
        _ => one == other,
    }
}

fn same_number(one: &Number, other: &Number) -> bool {
    one == other || one.to_string() == other.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::schema::{block, inner, value};
    use super::*;

    fn number(number: i64) -> Value {
        Value::integer(number)
    }

    #[track_caller]
    fn expect(prior: &Value, config: &Value, planned: &Value, expected: &[&str]) {
        assert_eq!(violations(&block(), prior, config, planned), expected);
    }

    #[test]
    fn reports_existence() {
        let empty = value(&[]);
        expect(&empty, &Value::Null, &Value::Null, &[]);
        expect(
            &Value::Null,
            &empty,
            &Value::Null,
            &["planned for absence but config wants existence"],
        );
        expect(
            &Value::Null,
            &Value::Null,
            &empty,
            &["planned for existence but config wants absence"],
        );
    }

    #[test]
    fn reports_configured_and_computed_attributes() {
        let name = |text: &str| ("name", Value::string(text));
        let config = value(&[name("a"), ("secret", Value::string("s"))]);
        let id = |id: Value| value(&[name("a"), ("id", id)]);
        expect(&Value::Null, &config, &id(Value::Unknown), &[]);
        expect(&Value::Null, &config, &id(Value::string("x")), &[]);
        // The provider can keep a prior value that means the same.
        expect(&value(&[name("A")]), &config, &value(&[name("A")]), &[]);
        expect(
            &value(&[name("A")]),
            &config,
            &value(&[name("b")]),
            &[
                "name: planned value String(\"b\") is neither the config value String(\"a\") nor the prior value String(\"A\")",
            ],
        );
        expect(
            &Value::Null,
            &config,
            &value(&[]),
            &[
                "name: planned value Null is neither the config value String(\"a\") nor the prior value Null",
            ],
        );
        // An attribute that is no longer configured does not keep its prior value.
        expect(
            &value(&[name("A")]),
            &value(&[]),
            &value(&[name("A")]),
            &["name: planned value String(\"A\") for a non-computed attribute"],
        );
        expect(
            &Value::Null,
            &value(&[("name", Value::Unknown)]),
            &value(&[name("a")]),
            &[
                "name: planned value String(\"a\") is neither the config value Unknown nor the prior value Null",
            ],
        );
    }

    #[test]
    fn reports_attributes_of_nested_objects() {
        let default = |text: &str| Value::string(text);
        let wraps: [fn(Value) -> Value; 3] = [
            |item| item,
            |item| Value::List(vec![item]),
            |item| Value::Map(BTreeMap::from([("k".to_owned(), item)])),
        ];
        let places = [("one", "one"), ("many", "many[0]"), ("each", "each[\"k\"]")];
        for ((name, path), wrap) in places.into_iter().zip(wraps) {
            let of = |size: Value, default: Value| value(&[(name, wrap(inner(size, default)))]);
            let config = of(number(1), Value::Null);
            expect(&Value::Null, &config, &of(number(1), default("d")), &[]);
            expect(&Value::Null, &config, &of(number(1), Value::Unknown), &[]);
            let prior = of(number(2), default("d"));
            expect(&prior, &config, &of(number(2), default("e")), &[]);
            let wrong = format!(
                "{path}.size: planned value Number(Integer(3)) is neither the config value Number(Integer(1)) nor the prior value Number(Integer(2))"
            );
            expect(&prior, &config, &of(number(3), default("d")), &[&wrong]);
            let absent = format!("{name}: planned for absence but config wants existence");
            expect(&prior, &config, &value(&[]), &[&absent]);
            let unknown = format!("{name}: planned unknown for configured value");
            expect(
                &prior,
                &config,
                &value(&[(name, Value::Unknown)]),
                &[&unknown],
            );
            let planned = of(number(1), Value::Null);
            let found = violations(&block(), &Value::Null, &value(&[]), &planned);
            let [found] = found.as_slice() else {
                panic!("{found:?}")
            };
            assert!(
                found.starts_with(&format!("{name}: planned value "))
                    && found.ends_with(" for a non-computed attribute")
            );
        }
    }

    #[test]
    fn reports_the_number_of_elements() {
        let item = |size: i64| inner(number(size), Value::Null);
        let of = |name, items: Vec<Value>| value(&[(name, Value::List(items))]);
        for name in ["many", "some"] {
            let config = of(name, vec![item(1), item(2)]);
            let short = of(name, vec![item(1)]);
            let found = violations(&block(), &Value::Null, &config, &short);
            let [found] = found.as_slice() else {
                panic!("{found:?}")
            };
            assert!(
                found.starts_with(&format!("{name}: elements of the plan")),
                "{found}"
            );
        }
        let keys = |keys: &[&str]| {
            let items = keys.iter().map(|key| ((*key).to_owned(), item(1)));
            value(&[("each", Value::Map(items.collect()))])
        };
        let found = violations(&block(), &Value::Null, &keys(&["a"]), &keys(&["b"]));
        assert_eq!(found.len(), 1, "{found:?}");
        // A set has no order.
        let words = |words: &[&str]| {
            let words = words.iter().map(|word| Value::string(*word));
            value(&[("words", Value::List(words.collect()))])
        };
        expect(&Value::Null, &words(&["a", "b"]), &words(&["b", "a"]), &[]);
        assert_eq!(
            violations(
                &block(),
                &Value::Null,
                &words(&["a", "b"]),
                &words(&["b", "c"])
            )
            .len(),
            1
        );
    }
}
