//! The place of a field in an object, in the notation of the API server:
//! `.spec.template.spec.containers[name="online"].ports[containerPort=53,protocol="UDP"].name`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value as Json};

use super::list_keys::{has_keys, list_keys};

/// One step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldStep {
    /// A field of an object, or an entry of a map.
    Name(String),
    /// The element of a keyed list that has these keys.
    Keys(Vec<(String, Json)>),
    /// The element of a set.
    Value(Json),
    /// The element of an atomic list, by its position.
    Index(usize),
}

/// The steps from an object to a field; empty for the object itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<FieldStep>);

impl FieldPath {
    /// Returns a path of names.
    pub fn of(names: &[&str]) -> Self {
        let names = names.iter().map(|name| FieldStep::Name((*name).to_owned()));
        Self(names.collect())
    }

    /// Parses the notation of the API server. A name can contain dots, as labels do, so `object` decides where each
    /// name ends. Returns `None` if the object has no such field.
    pub fn resolve(object: &Json, text: &str) -> Option<Self> {
        let mut path = Self::default();
        path.descend(object, text)?;
        Some(path)
    }

    fn descend(&mut self, object: &Json, text: &str) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        let (step, rest) = if let Some(rest) = text.strip_prefix('.') {
            let names = object.as_object()?.keys().filter(|name| {
                rest.strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            });
            let name = names.max_by_key(|name| name.len())?;
            (FieldStep::Name(name.clone()), &rest[name.len()..])
        } else {
            let (selector, rest) = split_brackets(text)?;
            (FieldStep::parse_selector(selector)?, rest)
        };
        let inner = step.get(object)?;
        self.0.push(step);
        self.descend(inner, rest)
    }

    /// Parses the notation of validation errors, `spec.template.spec.containers[0].resources.limits[cpu]`, as far as
    /// the object has the fields. The elements of keyed lists are identified by their keys.
    pub fn of_error(object: &Json, text: &str) -> Self {
        let mut path = Self::default();
        let (mut value, mut list) = (object, "");
        for part in text.split_inclusive(['.', '[', ']']) {
            let name = part.trim_end_matches(['.', '[', ']']);
            if name.is_empty() {
                continue;
            }
            let step = match value {
                Json::Array(elements) => {
                    let position = name.parse().ok();
                    let mut steps = FieldStep::elements(list, elements).map(|(step, _)| step);
                    position.and_then(|position| steps.nth(position))
                }
                _ => Some(FieldStep::Name(name.to_owned())),
            };
            let Some((step, inner)) = step.and_then(|step| {
                let inner = step.get(value)?;
                Some((step, inner))
            }) else {
                return path;
            };
            path.0.push(step);
            (value, list) = (inner, name);
        }
        path
    }

    /// Returns the path of the value that contains the field; `None` for the object itself.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// Returns the path of a field inside the value of this one.
    #[must_use]
    pub fn join(&self, inside: Self) -> Self {
        let mut path = self.clone();
        path.0.extend(inside.0);
        path
    }

    /// Returns this path, extended by one step.
    #[must_use]
    pub fn with(&self, step: FieldStep) -> Self {
        let mut path = self.clone();
        path.0.push(step);
        path
    }

    pub fn steps(&self) -> &[FieldStep] {
        &self.0
    }

    /// Returns the steps from `above` to this field; `None` if this field is not inside `above`.
    pub fn below(&self, above: &Self) -> Option<&[FieldStep]> {
        self.0.strip_prefix(above.0.as_slice())
    }

    /// Returns the value of the field.
    pub fn get<'a>(&self, object: &'a Json) -> Option<&'a Json> {
        self.0
            .iter()
            .try_fold(object, |inner, step| step.get(inner))
    }

    /// Returns the value of a field in the notation of the API server.
    pub fn find<'a>(object: &'a Json, text: &str) -> Option<&'a Json> {
        Self::resolve(object, text)?.get(object)
    }

    /// Sets the field to `value`, or removes it. Missing objects on the way to the field are created; missing lists are
    /// not.
    pub fn replace(&self, object: &mut Json, value: Option<&Json>) {
        replace(&self.0, object, value);
    }
}

impl From<Vec<FieldStep>> for FieldPath {
    fn from(steps: Vec<FieldStep>) -> Self {
        Self(steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            FieldStep::Name(name) => write!(f, ".{name}"),
            FieldStep::Value(value) => write!(f, "[={value}]"),
            FieldStep::Index(position) => write!(f, "[{position}]"),
            FieldStep::Keys(keys) => {
                let keys: Vec<String> = (keys.iter())
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                write!(f, "[{}]", keys.join(","))
            }
        })
    }
}

fn replace(steps: &[FieldStep], object: &mut Json, value: Option<&Json>) {
    let Some((step, rest)) = steps.split_first() else {
        if let Some(value) = value {
            *object = value.clone();
        }
        return;
    };
    match (step, object) {
        (FieldStep::Name(name), Json::Object(members)) => match (value, rest.is_empty()) {
            (None, true) => drop(members.remove(name)),
            (None, false) => {
                if let Some(inner) = members.get_mut(name) {
                    replace(rest, inner, None);
                }
            }
            (Some(_), _) => {
                let inner = members.entry(name.clone());
                let inner = inner.or_insert_with(|| Json::Object(Map::new()));
                replace(rest, inner, value);
            }
        },
        (step, Json::Array(elements)) => match (step.position(elements), value, rest.is_empty()) {
            (Some(position), None, true) => drop(elements.remove(position)),
            (Some(position), value, _) => replace(rest, &mut elements[position], value),
            (None, Some(value), true) => elements.push(value.clone()),
            (None, ..) => {}
        },
        _ => {}
    }
}

impl FieldStep {
    /// Parses the text between brackets: `3`, `="value"` or `name="online",port=1`.
    fn parse_selector(selector: &str) -> Option<Self> {
        if let Some(value) = selector.strip_prefix('=') {
            return Some(Self::Value(serde_json::from_str(value).ok()?));
        }
        match selector.parse() {
            Ok(position) => Some(Self::Index(position)),
            Err(_) => Some(Self::Keys(parse_keys(selector)?)),
        }
    }

    /// Parses a key of `FieldsV1`: `f:name`, `k:{"name":"online"}`, `v:"value"` or `i:3`. Returns `None` for `.`, which
    /// stands for the object, list or map itself.
    pub fn parse(key: &str) -> Option<Self> {
        let (kind, text) = key.split_once(':')?;
        Some(match kind {
            "f" => Self::Name(text.to_owned()),
            "v" => Self::Value(serde_json::from_str(text).ok()?),
            "i" => Self::Index(text.parse().ok()?),
            "k" => {
                let keys: Map<_, _> = serde_json::from_str(text).ok()?;
                Self::Keys(keys.into_iter().collect())
            }
            _ => return None,
        })
    }

    /// Returns the key of `FieldsV1` for this step.
    pub fn to_key(&self) -> String {
        match self {
            Self::Name(name) => format!("f:{name}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(position) => format!("i:{position}"),
            Self::Keys(keys) => format!("k:{}", Json::Object(keys.iter().cloned().collect())),
        }
    }

    /// Returns the elements of the list `field`, each with the step to it.
    pub fn elements<'a>(
        field: &str,
        elements: &'a [Json],
    ) -> impl Iterator<Item = (Self, &'a Json)> {
        let keys = list_keys(None, field, elements);
        elements.iter().enumerate().map(move |(position, element)| {
            let step = match &keys {
                Some(keys) => Self::keyed(element, keys),
                None => Self::Index(position),
            };
            (step, element)
        })
    }

    /// Returns the step to the element of a keyed list. A key that the element leaves out is left out here, too.
    pub fn keyed(element: &Json, keys: &[&str]) -> Self {
        let keys = keys.iter();
        Self::Keys(
            keys.filter_map(|key| Some(((*key).to_owned(), element.get(key)?.clone())))
                .collect(),
        )
    }

    /// Returns the value that the step leads to.
    pub fn get<'a>(&self, object: &'a Json) -> Option<&'a Json> {
        match self {
            Self::Name(name) => object.get(name),
            _ => {
                let elements = object.as_array()?;
                Some(&elements[self.position(elements)?])
            }
        }
    }

    /// Returns the position of the element of a list that the step leads to.
    fn position(&self, elements: &[Json]) -> Option<usize> {
        match self {
            Self::Name(_) => None,
            Self::Index(position) => (*position < elements.len()).then_some(*position),
            Self::Value(value) => elements.iter().position(|element| element == value),
            Self::Keys(keys) => elements.iter().position(|element| has_keys(element, keys)),
        }
    }

    /// Returns whether the step leads to this element of a keyed list or a set.
    pub fn leads_to(&self, element: &Json) -> bool {
        match self {
            Self::Value(value) => element == value,
            Self::Keys(keys) => has_keys(element, keys),
            Self::Name(_) | Self::Index(_) => false,
        }
    }

    /// Returns whether both steps lead to the same value. A key of a list element that `other` leaves out has its
    /// default.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keys(keys), Self::Keys(other)) => {
                let element = Json::Object(other.iter().cloned().collect());
                has_keys(&element, keys)
            }
            _ => self == other,
        }
    }
}

/// Orders steps like the keys of `FieldsV1`.
impl Ord for FieldStep {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Name(name), Self::Name(other)) => name.cmp(other),
            (Self::Keys(keys), Self::Keys(other)) => {
                keys.iter().map(key_order).cmp(other.iter().map(key_order))
            }
            _ => self.to_key().cmp(&other.to_key()),
        }
    }
}

/// Returns what a key of a list element is ordered by: strings as they are, other values by their JSON.
fn key_order((name, value): &(String, Json)) -> (&str, bool, Cow<'_, str>) {
    match value {
        Json::String(text) => (name, true, Cow::Borrowed(text)),
        other => (name, false, Cow::Owned(other.to_string())),
    }
}

impl PartialOrd for FieldStep {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Splits `[…]rest` into the text between the brackets and the rest. Brackets inside quotes do not count.
fn split_brackets(path: &str) -> Option<(&str, &str)> {
    let inner = path.strip_prefix('[')?;
    let end = find_unquoted(inner, ']')?;
    Some((&inner[..end], &inner[end + 1..]))
}

/// Parses `name="online",port=1`.
fn parse_keys(mut selector: &str) -> Option<Vec<(String, Json)>> {
    let mut keys = Vec::new();
    while !selector.is_empty() {
        let (name, rest) = selector.split_once('=')?;
        let end = find_unquoted(rest, ',').unwrap_or(rest.len());
        keys.push((name.to_owned(), serde_json::from_str(&rest[..end]).ok()?));
        selector = rest.get(end + 1..).unwrap_or_default();
    }
    Some(keys)
}

fn find_unquoted(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (position, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            letter if letter == wanted && !quoted => return Some(position),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_of_errors_end_at_the_deepest_existing_field() {
        let object = json!({"spec": {"ports": [{"port": 1}], "args": ["a"], "containers": [
            {"name": "online", "resources": {"limits": {"cpu": "1"}}}]}});
        for (text, expected) in [
            (
                "spec.containers[0].resources.limits[cpu]",
                ".spec.containers[name=\"online\"].resources.limits.cpu",
            ),
            (
                "spec.containers[0].securityContext.capabilities",
                ".spec.containers[name=\"online\"]",
            ),
            ("spec.containers[7].name", ".spec.containers"),
            ("spec.args[0]", ".spec.args[0]"),
            ("metadata.name", ""),
            ("", ""),
        ] {
            assert_eq!(FieldPath::of_error(&object, text).to_string(), expected);
        }
    }

    #[test]
    fn replace_sets_and_removes_fields_and_elements() {
        let object = json!({"a": {"b": 1}, "list": [{"name": "x", "value": 1}]});
        let element = FieldStep::Keys(vec![("name".to_owned(), json!("x"))]);
        let list = FieldPath::of(&["list"]).with(element);
        let value = list.with(FieldStep::Name("value".to_owned()));
        let replaced = |path: &FieldPath, value: Option<Json>| {
            let mut object = object.clone();
            path.replace(&mut object, value.as_ref());
            object
        };
        for (path, value, expected) in [
            (
                FieldPath::of(&["a", "b"]),
                Some(json!(2)),
                json!({"a": {"b": 2}, "list": [{"name": "x", "value": 1}]}),
            ),
            (
                FieldPath::of(&["a", "b"]),
                None,
                json!({"a": {}, "list": [{"name": "x", "value": 1}]}),
            ),
            (
                FieldPath::of(&["c", "d"]),
                Some(json!(2)),
                json!({"a": {"b": 1}, "c": {"d": 2}, "list": [{"name": "x", "value": 1}]}),
            ),
            (
                value,
                Some(json!(2)),
                json!({"a": {"b": 1}, "list": [{"name": "x", "value": 2}]}),
            ),
            (list, None, json!({"a": {"b": 1}, "list": []})),
        ] {
            assert_eq!(replaced(&path, value), expected, "{path}");
        }
    }

    #[test]
    fn resolves_the_notation_of_the_api_server() {
        let object = json!({
            "metadata": {"labels": {"feast": "no", "feast.dev/name": "x"}, "finalizers": ["a]", "b"]},
            "containers": [{"name": "o", "ports": [
                {"containerPort": 53, "name": "tcp"}, {"containerPort": 53, "protocol": "UDP", "name": "udp"}]}],
            "args": ["one", "two"],
        });
        for (path, expected) in [
            (".metadata.labels.feast.dev/name", json!("x")),
            (".metadata.finalizers[=\"a]\"]", json!("a]")),
            (
                ".containers[name=\"o\"].ports[containerPort=53,protocol=\"UDP\"].name",
                json!("udp"),
            ),
            (
                ".containers[name=\"o\"].ports[containerPort=53,protocol=\"TCP\"].name",
                json!("tcp"),
            ),
            (".args[1]", json!("two")),
        ] {
            let resolved = FieldPath::resolve(&object, path).unwrap();
            assert_eq!(resolved.get(&object), Some(&expected), "{path}");
            assert_eq!(resolved.to_string(), path);
        }
        for path in [
            ".spec",
            ".containers[name=\"p\"]",
            ".args[2]",
            ".args[",
            "x",
        ] {
            assert_eq!(FieldPath::resolve(&object, path), None, "{path}");
        }
    }

    #[test]
    fn keys_of_fields_v1_round_trip() {
        for key in [
            "f:feast.dev/name",
            "k:{\"containerPort\":53,\"protocol\":\"TCP\"}",
            "v:\"finalizer\"",
            "i:3",
        ] {
            assert_eq!(FieldStep::parse(key).unwrap().to_key(), key);
        }
        for key in [".", "x:y", "k:[]", "i:first"] {
            assert_eq!(FieldStep::parse(key), None, "{key}");
        }
    }
}
