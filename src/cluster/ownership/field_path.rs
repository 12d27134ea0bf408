//! Where a field stands in an object, as the API server writes it in conflicts:
//! `.spec.template.spec.containers[name="online"].ports[containerPort=53,protocol="UDP"].name`.

use std::fmt;

use serde_json::{Map, Value as Json};

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldStep {
    Name(String),
    /// The element of a list that has these keys.
    Keys(Vec<(String, Json)>),
    /// The element of a set.
    Value(Json),
    /// The element of a list that is owned as a whole.
    Index(usize),
}

/// The way from the object down to the field; empty for the object as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<FieldStep>);

impl FieldPath {
    /// A path of plain names.
    pub fn of(names: &[&str]) -> Self {
        let names = names.iter();
        Self(
            names
                .map(|name| FieldStep::Name((*name).to_owned()))
                .collect(),
        )
    }

    /// Reads the API server's notation. Names may hold dots themselves (labels do), so the object says where
    /// one ends; `None` when the object has no such field.
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
            let (selector, rest) = bracket(text)?;
            (FieldStep::selected(selector)?, rest)
        };
        let inner = step.of(object)?;
        self.0.push(step);
        self.descend(inner, rest)
    }

    /// This path, and then the step.
    #[must_use]
    pub fn with(&self, step: FieldStep) -> Self {
        let mut path = self.clone();
        path.0.push(step);
        path
    }

    pub fn steps(&self) -> &[FieldStep] {
        &self.0
    }

    /// Puts another value there, or takes it away. An object on the way is made where there is none, a list is not.
    pub fn replace(&self, object: &mut Json, value: Option<&Json>) {
        let Some((step, rest)) = self.0.split_first() else {
            if let Some(value) = value {
                *object = value.clone();
            }
            return;
        };
        let rest = Self(rest.to_vec());
        match (step, &mut *object) {
            (FieldStep::Name(name), Json::Object(members)) => match (value, rest.0.is_empty()) {
                (None, true) => drop(members.remove(name)),
                (None, false) => {
                    if let Some(inner) = members.get_mut(name) {
                        rest.replace(inner, None);
                    }
                }
                (Some(_), _) => {
                    let inner = members.entry(name.clone());
                    rest.replace(inner.or_insert_with(|| Json::Object(Map::new())), value);
                }
            },
            (step, Json::Array(elements)) => {
                let found = elements.iter().position(|element| step.is_element(element));
                let found = match step {
                    FieldStep::Index(position) => (*position < elements.len()).then_some(*position),
                    _ => found,
                };
                match (found, value, rest.0.is_empty()) {
                    (Some(position), None, true) => drop(elements.remove(position)),
                    (Some(position), value, _) => rest.replace(&mut elements[position], value),
                    (None, Some(value), true) => elements.push(value.clone()),
                    (None, ..) => {}
                }
            }
            _ => {}
        }
    }

    /// Whether it is an environment variable of a container or a part of one. Values of variables are not shown.
    pub fn is_variable(&self) -> bool {
        let env = FieldStep::Name("env".to_owned());
        let above = self.0.iter().position(|step| *step == env);
        above.is_some_and(|position| position + 1 < self.0.len())
    }

    /// The rest of the way from `above`; `None` when this does not lie below it.
    pub fn below(&self, above: &Self) -> Option<&[FieldStep]> {
        self.0.strip_prefix(above.0.as_slice())
    }

    /// What is there.
    pub fn get<'a>(&self, object: &'a Json) -> Option<&'a Json> {
        self.0.iter().try_fold(object, |inner, step| step.of(inner))
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

impl FieldStep {
    /// What stands in the brackets: `3`, `="value"` or `name="online",port=1`.
    fn selected(selector: &str) -> Option<Self> {
        if let Some(value) = selector.strip_prefix('=') {
            return Some(Self::Value(serde_json::from_str(value).ok()?));
        }
        match selector.parse() {
            Ok(position) => Some(Self::Index(position)),
            Err(_) => Some(Self::Keys(keys(selector)?)),
        }
    }

    /// Reads a key of `metadata.managedFields`: `f:name`, `k:{"name":"online"}`, `v:"value"` or `i:3`; `None` for
    /// the `.` that stands for the holder itself.
    pub fn recorded(key: &str) -> Option<Self> {
        let (kind, text) = key.split_once(':')?;
        Some(match kind {
            "f" => Self::Name(text.to_owned()),
            "v" => Self::Value(serde_json::from_str(text).ok()?),
            "i" => Self::Index(text.parse().ok()?),
            "k" => Self::Keys(
                serde_json::from_str::<Map<_, _>>(text)
                    .ok()?
                    .into_iter()
                    .collect(),
            ),
            _ => return None,
        })
    }

    /// The key of `metadata.managedFields` for this step.
    pub fn to_recorded(&self) -> String {
        match self {
            Self::Name(name) => format!("f:{name}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(position) => format!("i:{position}"),
            Self::Keys(keys) => format!("k:{}", Json::Object(keys.iter().cloned().collect())),
        }
    }

    /// The element of a list that is told by these keys.
    pub fn keyed(element: &Json, keys: &[&str]) -> Self {
        let keys = keys.iter();
        Self::Keys(
            keys.filter_map(|key| Some(((*key).to_owned(), element.get(key)?.clone())))
                .collect(),
        )
    }

    /// Whether the step leads to this element of a list.
    fn is_element(&self, element: &Json) -> bool {
        match self {
            Self::Value(value) => element == value,
            Self::Keys(keys) => has_keys(element, keys),
            Self::Name(_) | Self::Index(_) => false,
        }
    }

    /// What is one step down.
    pub fn of<'a>(&self, object: &'a Json) -> Option<&'a Json> {
        match self {
            Self::Name(name) => object.get(name),
            Self::Index(position) => object.as_array()?.get(*position),
            Self::Value(value) => object.as_array()?.iter().find(|element| *element == value),
            Self::Keys(keys) => {
                let mut elements = object.as_array()?.iter();
                elements.find(|element| has_keys(element, keys))
            }
        }
    }
}

/// Whether the element of a list has these keys.
pub(super) fn has_keys(element: &Json, keys: &[(String, Json)]) -> bool {
    keys.iter()
        .all(|(name, value)| match (element.get(name), name.as_str()) {
            (Some(own), _) => own == value,
            // The one list key that has a default.
            (None, "protocol") => value == "TCP",
            (None, _) => false,
        })
}

/// What is at the path.
pub fn at<'a>(object: &'a Json, path: &str) -> Option<&'a Json> {
    FieldPath::resolve(object, path)?.get(object)
}

/// Splits `[…]rest`; brackets in quotes do not count.
fn bracket(path: &str) -> Option<(&str, &str)> {
    let inner = path.strip_prefix('[')?;
    let end = outside_quotes(inner, ']')?;
    Some((&inner[..end], &inner[end + 1..]))
}

/// `name="online",port=1`
fn keys(mut selector: &str) -> Option<Vec<(String, Json)>> {
    let mut keys = Vec::new();
    while !selector.is_empty() {
        let (name, rest) = selector.split_once('=')?;
        let end = outside_quotes(rest, ',').unwrap_or(rest.len());
        keys.push((name.to_owned(), serde_json::from_str(&rest[..end]).ok()?));
        selector = rest.get(end + 1..).unwrap_or_default();
    }
    Some(keys)
}

fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
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
    fn replaces() {
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
    fn finds() {
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
            assert_eq!(at(&object, path), Some(&expected), "{path}");
            let resolved = FieldPath::resolve(&object, path).unwrap();
            assert_eq!(resolved.to_string(), path);
        }
        for path in [
            ".spec",
            ".containers[name=\"p\"]",
            ".args[2]",
            ".args[",
            "x",
        ] {
            assert_eq!(at(&object, path), None, "{path}");
        }
    }
}
