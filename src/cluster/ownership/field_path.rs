//! Field paths as the API server writes them in conflicts:
//! `.spec.template.spec.containers[name="online"].ports[containerPort=53,protocol="UDP"].name`.

use serde_json::Value as Json;

/// What is at the path.
pub fn at<'a>(object: &'a Json, path: &str) -> Option<&'a Json> {
    if path.is_empty() {
        return Some(object);
    }
    if let Some(rest) = path.strip_prefix('.') {
        // Names may hold dots themselves (labels do): the longest that fits is meant.
        let (name, value) = object
            .as_object()?
            .iter()
            .filter(|(name, _)| {
                rest.strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
            .max_by_key(|(name, _)| name.len())?;
        return at(value, &rest[name.len()..]);
    }
    let (selector, rest) = bracket(path)?;
    let elements = object.as_array()?;
    let element = if let Some(value) = selector.strip_prefix('=') {
        let value: Json = serde_json::from_str(value).ok()?;
        elements.iter().find(|element| **element == value)
    } else if let Ok(position) = selector.parse::<usize>() {
        elements.get(position)
    } else {
        let keys = keys(selector)?;
        elements.iter().find(|element| {
            keys.iter().all(|(name, value)| match element.get(name) {
                Some(own) => own == value,
                None => name == "protocol" && value == "TCP",
            })
        })
    };
    at(element?, rest)
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
    use super::at;
    use serde_json::json;

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
