//! Lowering of Rust types, and decoding and encoding of values.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::json;

use super::*;

/// A store.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Store {
    /// Name.
    #[schemars(regex(pattern = "^[a-z]+$"), extend("x-terraform" = {"requires_replace": true}))]
    name: String,
    /// Colour.
    favourite_colour: Option<Colour>,
    /// Replicas.
    #[schemars(range(min = 1, max = 9), extend("default" = 1))]
    replica_count: Option<i32>,
    /// Part.
    part: Option<Part>,
    /// Parts.
    parts: Option<Vec<Part>>,
    /// Labels.
    labels: Option<BTreeMap<String, String>>,
    /// Size.
    size: Option<i32>,
    /// Count.
    count: Option<i64>,
    /// Codes.
    codes: Option<Vec<u16>>,
    /// Groups.
    groups: Option<BTreeMap<String, Part>>,
    /// Surge.
    surge: Option<k8s_openapi::apimachinery::pkg::util::intstr::IntOrString>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum Colour {
    Red,
    Green,
}

/// A part.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Part {
    /// Kind of it.
    part_kind: Colour,
    /// Weight in kg.
    weight: Option<f64>,
}

fn object<const N: usize>(items: [(&str, Value); N]) -> Value {
    Value::Object(items.map(|(name, value)| (name.to_owned(), value)).into())
}

fn store(overrides: &[(&str, Value)]) -> Value {
    let mut value = object([
        ("name", Value::string("abc")),
        ("favourite_colour", Value::Null),
        ("replica_count", Value::Null),
        ("part", Value::Null),
        ("parts", Value::Null),
        ("labels", Value::Null),
        ("size", Value::Null),
        ("count", Value::Null),
        ("codes", Value::Null),
        ("groups", Value::Null),
        ("surge", Value::Null),
    ]);
    for (name, inner) in overrides {
        value.set(name, inner.clone());
    }
    value
}

/// Decodes a store with these attributes, and compares the serde form, the unknown paths and the messages.
#[track_caller]
fn check(
    overrides: &[(&str, Value)],
    form: serde_json::Value,
    unknown: &[&str],
    messages: &[(&str, &str)],
) {
    let decoded = decode(&lower::<Store>().unwrap(), &store(overrides));
    let actual: Vec<(String, String)> = decoded
        .diagnostics
        .into_iter()
        .map(|diagnostic| (diagnostic.path.unwrap().to_string(), diagnostic.detail))
        .collect();
    let paths: Vec<String> = decoded.unknown.iter().map(Path::to_string).collect();
    let messages: Vec<(String, String)> = messages
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    assert_eq!(
        (decoded.json, paths, actual),
        (
            form,
            unknown.iter().map(|path| (*path).to_owned()).collect(),
            messages
        )
    );
}

#[test]
fn lowers_a_struct_to_attributes_in_snake_case() {
    let block = lower::<Store>().unwrap();
    let colour = Check::OneOf(vec!["red".into(), "green".into()]);
    assert_eq!(
        block.attributes["part"],
        Attribute {
            description: "Part.".into(),
            kind: Kind::nested(
                Nesting::Single,
                BTreeMap::from([
                    (
                        "part_kind".to_owned(),
                        Attribute {
                            description: "Kind of it. One of `red`, `green`.".into(),
                            kind: Kind::Plain(Type::String),
                            required: true,
                            optional: false,
                            computed: false,
                            sensitive: false,
                            write_only: false,
                            requires_replace: false,
                            deprecated: None,
                            checks: vec![colour],
                            key: "partKind".into(),
                        }
                    ),
                    (
                        "weight".to_owned(),
                        Attribute {
                            description: "Weight in kg.".into(),
                            kind: Kind::Plain(Type::Number),
                            required: false,
                            optional: true,
                            computed: false,
                            sensitive: false,
                            write_only: false,
                            requires_replace: false,
                            deprecated: None,
                            checks: vec![],
                            key: "weight".into(),
                        }
                    ),
                ])
            ),
            required: false,
            optional: true,
            computed: false,
            sensitive: false,
            write_only: false,
            requires_replace: false,
            deprecated: None,
            checks: vec![],
            key: "part".into(),
        }
    );
    let replicas = &block.attributes["replica_count"];
    assert_eq!(
        replicas.description,
        "Replicas. At least 1. At most 9. Default: `1`."
    );
    assert_eq!(
        replicas.checks,
        [Check::Whole, Check::AtLeast(1.0), Check::AtMost(9.0)]
    );
    assert_eq!(
        block.attributes["labels"].value_type(),
        Type::Map(Box::new(Type::String))
    );
    assert!(block.attributes["name"].requires_replace);
    assert_eq!(block.attributes["surge"].value_type(), Type::String);
}

#[test]
fn reports_the_property_that_cannot_be_lowered() {
    /// No descriptions.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Silent {
        part: Inner,
    }
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Inner {
        /// Said.
        name: String,
        unsaid: String,
    }
    let error = lower::<Silent>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot lower the JSON Schema at part: a property without a description"
    );
}

#[test]
fn decodes_known_values() {
    let part = object([
        ("part_kind", Value::string("red")),
        ("weight", Value::Number(Number::Float(0.5))),
    ]);
    check(
        &[
            ("replica_count", Value::integer(3)),
            ("parts", Value::List(vec![part])),
            (
                "labels",
                Value::Map([("a".to_owned(), Value::string("b"))].into()),
            ),
            ("surge", Value::string("2")),
        ],
        json!({"name": "abc", "replicaCount": 3, "parts": [{"partKind": "red", "weight": 0.5}], "labels": {"a": "b"}, "surge": "2"}),
        &[],
        &[],
    );
    check(
        &[("surge", Value::string("25%"))],
        json!({"name": "abc", "surge": "25%"}),
        &[],
        &[],
    );
}

#[test]
fn reports_unknown_values_and_not_as_missing() {
    check(
        &[
            ("name", Value::Unknown),
            ("replica_count", Value::Unknown),
            (
                "part",
                object([("part_kind", Value::Unknown), ("weight", Value::Null)]),
            ),
            ("parts", Value::List(vec![Value::Unknown])),
            (
                "codes",
                Value::List(vec![Value::integer(1), Value::Unknown, Value::integer(3)]),
            ),
        ],
        json!({
            "name": "", "part": {"partKind": "red"}, "parts": [{"partKind": "red"}],
            "codes": [1, 0, 3],
        }),
        &[
            "codes[1]",
            "name",
            "part.part_kind",
            "parts[0]",
            "replica_count",
        ],
        &[],
    );
}

fn map<const N: usize>(items: [(&str, Value); N]) -> Value {
    Value::Map(items.map(|(key, value)| (key.to_owned(), value)).into())
}

#[test]
fn null_entries_of_maps_count_as_absent() {
    let labels = [
        ("a", Value::string("b")),
        ("c", Value::Null),
        ("d", Value::Unknown),
    ];
    check(
        &[
            ("labels", map(labels)),
            ("groups", map([("all", Value::Null)])),
        ],
        json!({"name": "abc", "labels": {"a": "b"}, "groups": {}}),
        &["labels[\"d\"]"],
        &[],
    );
}

#[test]
fn rejects_null_elements_of_lists() {
    let text = |path: &str, name: &str| {
        format!(
            "`{path}` is null, and a list cannot have null elements. Give the element a value, or remove the null \
             elements: `{name} = [for v in … : v if v != null]`."
        )
    };
    let places = [("codes[1]", "codes"), ("parts[0]", "parts")];
    let messages = places.map(|(path, name)| text(path, name));
    let expected: Vec<_> = (places.iter().zip(&messages))
        .map(|((path, _), message)| (*path, message.as_str()))
        .collect();
    check(
        &[
            (
                "codes",
                Value::List(vec![Value::integer(1), Value::Null, Value::Unknown]),
            ),
            ("parts", Value::List(vec![Value::Null])),
        ],
        json!({"name": "abc", "codes": [1, 0], "parts": []}),
        &["codes[2]"],
        &expected,
    );
}

#[test]
fn keeps_the_prior_value_if_only_null_entries_differ() {
    let block = lower::<Store>().unwrap();
    let plan = |config: Value, prior: Value| {
        let mut planned = store(&[("labels", config)]);
        keep_prior(
            &block.attributes,
            &mut planned,
            &store(&[("labels", prior)]),
        );
        planned.attribute("labels").clone()
    };
    let one = || map([("a", Value::string("b"))]);
    let with_null = || map([("a", Value::string("b")), ("c", Value::Null)]);
    assert_eq!(plan(with_null(), one()), one());
    assert_eq!(plan(one(), with_null()), with_null());
    let other = || map([("a", Value::string("x")), ("c", Value::Null)]);
    assert_eq!(plan(other(), one()), other());
    // There is no prior value to keep.
    assert_eq!(plan(with_null(), Value::Null), with_null());
}

#[test]
fn reports_every_mismatch_at_its_attribute() {
    check(
        &[
            ("name", Value::string("A1")),
            ("favourite_colour", Value::string("blue")),
            ("replica_count", Value::Number(Number::Float(10.5))),
            (
                "part",
                object([("part_kind", Value::Null), ("weight", Value::Null)]),
            ),
        ],
        json!({"name": "A1", "favouriteColour": "blue", "replicaCount": 10.5, "part": {}}),
        &[],
        &[
            (
                "favourite_colour",
                "`favourite_colour` must be one of \"red\", \"green\", but is \"blue\".",
            ),
            ("name", "`name` must match `^[a-z]+$`, but is \"A1\"."),
            (
                "part.part_kind",
                "`part.part_kind` is required, but it is null or absent. Give it a value.",
            ),
            (
                "replica_count",
                "`replica_count` must be a whole number, but is 10.5.",
            ),
            (
                "replica_count",
                "`replica_count` must be at most 9, but is 10.5.",
            ),
        ],
    );
}

#[test]
fn checks_the_range_of_integer_types() {
    let messages = |name: &str, value: Value| -> Vec<String> {
        let decoded = decode(&lower::<Store>().unwrap(), &store(&[(name, value)]));
        let diagnostics = decoded.diagnostics.into_iter();
        diagnostics.map(|diagnostic| diagnostic.detail).collect()
    };
    let size = |number: Number| messages("size", Value::Number(number));
    assert_eq!(size(Number::Integer(-2_147_483_648)), [""; 0]);
    assert_eq!(
        size(Number::Integer(-2_147_483_649)),
        ["`size` must be at least -2147483648, but is -2147483649."]
    );
    assert_eq!(
        size(Number::Integer(3_000_000_000)),
        ["`size` must be at most 2147483647, but is 3000000000."]
    );
    let count = |number: Number| messages("count", Value::Number(number));
    assert_eq!(count(Number::Integer(i64::MAX)), [""; 0]);
    for (number, shown) in [
        (Number::Float(1e19), "10000000000000000000"),
        (
            Number::Decimal("9223372036854775808".to_owned()),
            "9223372036854775808",
        ),
    ] {
        let expected = format!("`count` must be a whole number of 64 bits, but is {shown}.");
        assert_eq!(count(number), [expected]);
    }
    let codes = [0, 65_535, 65_536, -1].map(Value::integer);
    assert_eq!(
        messages("codes", Value::List(codes.into())),
        [
            "`codes[2]` must be at most 65535, but is 65536.",
            "`codes[3]` must be at least 0, but is -1."
        ]
    );
}

#[test]
fn encode_reverses_decode() {
    let block = lower::<Store>().unwrap();
    let form = json!({"name": "abc", "parts": [{"partKind": "red", "weight": 0.5}], "surge": "2"});
    let value = encode(&block.attributes, &form);
    let part = object([
        ("part_kind", Value::string("red")),
        ("weight", Value::Number(Number::Float(0.5))),
    ]);
    assert_eq!(
        value,
        store(&[
            ("parts", Value::List(vec![part])),
            ("surge", Value::string("2"))
        ])
    );
    assert_eq!(decode(&block, &value).json, form);
}
