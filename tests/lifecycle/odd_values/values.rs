//! The odd values of an attribute, by its type.

use std::collections::BTreeMap;

use terraform_provider_feast::schema::{Attribute, Check, Kind, Nesting, Number, Type, Value};

/// Strings that some field of Kubernetes rejects, and their valid neighbors.
const STRINGS: &[&str] = &[
    // Names, label values and keys of ConfigMaps.
    "",
    " ",
    "a",
    "A",
    "a b",
    "a_b",
    "a.b",
    "-a",
    "a-",
    "a..b",
    ".a",
    "a=b",
    "a,b",
    "é",
    "a\nb",
    "a\u{7}b",
    "{{a}}",
    "$(A)",
    // Paths.
    "/a",
    "a/b",
    "../a",
    "a/../b",
    "..",
    ".",
    "..a",
    "a:b",
    // Label keys and API groups.
    "example.com/a",
    "Example.com/a",
    "example.com/",
    "a/b/c",
    // Numbers, percentages and quantities.
    "0",
    "1",
    "-1",
    "+1",
    "1.5",
    "1e400",
    "2147483648",
    "50%",
    "101%",
    "1Ki",
    "1Kx",
    "100m",
    // Durations, schedules and time zones.
    "5m",
    "@daily",
    "60 * * * *",
    "TZ=UTC * * * * *",
    "Europe/Berlim",
    "Local",
    // Fields, resources and other words of Kubernetes.
    "metadata.labels",
    "metadata.labels['A B']",
    "status.podIP",
    "limits.memory",
    "cpu",
    "hugepages-2Mi",
    "https://a/b",
    "None",
    "Localhost",
    "RuntimeDefault",
    "Exists",
    "In",
    "tcp",
    "Unknown",
];

/// The lengths at which Kubernetes limits names.
const LENGTHS: [usize; 3] = [64, 254, 300];

const NUMBERS: &[i64] = &[
    -1,
    0,
    1,
    2,
    101,
    400,
    599,
    644,
    1801,
    3601,
    65_536,
    100_001,
    7_862_401,
    2_147_483_647,
    2_147_483_648,
    9_223_372_036_854_775_807,
    -2_147_483_648,
];

/// Keys of maps.
const KEYS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "a b",
    "a_b",
    "-a",
    "a..b",
    "é",
    "a\nb",
    "{{a}}",
    "a=b",
    "example.com/a",
    "Example.com/a",
    "example.com/",
    "/a",
    "a/b/c",
    "kubernetes.io/a",
    "cpu",
    "memory",
    "storage",
    "hugepages-2Mi",
    "hugepages-x",
    "requests.example.com/a",
    "feast.dev/a",
    "csi.storage.k8s.io/ephemeral",
    "container.apparmor.security.beta.kubernetes.io/online",
    "seccomp.security.alpha.kubernetes.io/pod",
    "scheduler.alpha.kubernetes.io/tolerations",
    "controller.kubernetes.io/pod-deletion-cost",
    "kubernetes.io/config.mirror",
];

fn strings(current: &Value) -> Vec<Value> {
    let mut all: Vec<String> = STRINGS.iter().map(|text| (*text).to_owned()).collect();
    all.extend(LENGTHS.map(|length| "a".repeat(length)));
    // Parts of a DNS subdomain have at most 63 characters, and the whole at most 253.
    all.push([&*"a".repeat(63); 4].join("."));
    all.push(format!("{}/a", "a".repeat(254)));
    all.push(format!("example.com/{}", "a".repeat(64)));
    if let Some(text) = current.as_str() {
        all.push(text.to_lowercase());
        all.push(text.to_uppercase());
        for (before, after) in [
            ("", " "),
            (" ", ""),
            ("", "/"),
            ("", "x"),
            ("-", ""),
            ("", "\n"),
            ("", "/.."),
        ] {
            all.push(format!("{before}{text}{after}"));
        }
        all.push(format!("{text},{text}"));
    }
    all.into_iter().map(Value::string).collect()
}

fn numbers() -> Vec<Value> {
    let mut all: Vec<Value> = NUMBERS.iter().copied().map(Value::integer).collect();
    all.push(Value::Number(Number::Float(0.5)));
    all.push(Value::Number(Number::Float(1e19)));
    all
}

fn scalars(ty: &Type, current: &Value) -> Vec<Value> {
    match ty {
        Type::Bool => vec![Value::Bool(false), Value::Bool(true)],
        Type::Number => numbers(),
        _ => strings(current),
    }
}

fn lists(ty: &Type, current: &Value) -> Vec<Value> {
    let elements = match current {
        Value::List(elements) => elements.as_slice(),
        _ => &[],
    };
    let first = elements.first().unwrap_or(&Value::Null);
    let mut all = vec![Value::List(Vec::new())];
    for scalar in scalars(ty, first) {
        all.push(Value::List(vec![scalar]));
    }
    for element in elements {
        all.push(Value::List(
            [elements, std::slice::from_ref(element)].concat(),
        ));
    }
    all
}

fn maps(ty: &Type, current: &Value) -> Vec<Value> {
    let entries = match current {
        Value::Map(entries) => entries.clone(),
        _ => BTreeMap::new(),
    };
    let first = entries.first_key_value();
    let (key, value) = match first {
        Some((key, value)) => (key.clone(), value.clone()),
        None => ("a".to_owned(), scalars(ty, &Value::Null)[2].clone()),
    };
    let with = |key: &str, value: &Value| {
        let mut entries = entries.clone();
        entries.insert(key.to_owned(), value.clone());
        Value::Map(entries)
    };
    let mut all = vec![Value::Map(BTreeMap::new())];
    let mut keys: Vec<String> = KEYS.iter().map(|key| (*key).to_owned()).collect();
    keys.extend(LENGTHS.map(|length| "a".repeat(length)));
    all.extend(keys.iter().map(|key| with(key, &value)));
    all.extend(scalars(ty, &value).iter().map(|value| with(&key, value)));
    all
}

/// Returns the words of an enumeration, in any letter case.
fn words(attribute: &Attribute) -> Vec<Value> {
    let words = attribute.checks.iter().find_map(|check| match check {
        Check::OneOf(words) => Some(words),
        _ => None,
    });
    let words = words.into_iter().flatten();
    words
        .flat_map(|word| [word.clone(), word.to_lowercase(), word.to_uppercase()])
        .map(Value::string)
        .collect()
}

/// Returns the odd values of an attribute whose value is `current`, without `current` itself, each once.
pub fn odd_values(attribute: &Attribute, current: &Value) -> Vec<Value> {
    let mut all = words(attribute);
    if !attribute.required {
        all.push(Value::Null);
    }
    match &attribute.kind {
        Kind::Plain(Type::List(ty) | Type::Set(ty)) => all.extend(lists(ty, current)),
        Kind::Plain(Type::Map(ty)) => all.extend(maps(ty, current)),
        // Its words and these three are enough for an enumeration: the schema rejects everything else.
        Kind::Plain(_) if all.len() > 1 => all.extend(["", "a", "A B"].map(Value::string)),
        Kind::Plain(ty) => all.extend(scalars(ty, current)),
        Kind::Nested(nesting, inner) => {
            let nulls = inner.keys().map(|name| (name.clone(), Value::Null));
            let nothing = Value::Object(nulls.collect());
            match (nesting, current) {
                (Nesting::Single, _) => all.push(nothing),
                (Nesting::Map, _) => all.push(Value::Map(BTreeMap::new())),
                (Nesting::List | Nesting::Set, Value::List(elements)) => {
                    all.push(Value::List(Vec::new()));
                    all.push(Value::List(vec![nothing]));
                    all.push(Value::List([elements.as_slice(), elements].concat()));
                }
                (Nesting::List | Nesting::Set, _) => all.push(Value::List(Vec::new())),
            }
        }
    }
    let mut distinct: Vec<Value> = Vec::new();
    for value in all {
        if value != *current && !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}
