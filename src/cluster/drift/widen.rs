//! A mask that shows what else somebody owns.

use serde_json::{Value as Json, json};

use crate::cluster::ownership::is_element;

/// The mask, and beside what it names those list elements (containers, volumes, variables) that `fields` says
/// somebody else has written. Of each it names the keys alone: that it is there shows, and not its value, which
/// may be secret.
pub fn with_foreign_elements(mask: &Json, live: &Json, fields: &Json) -> Json {
    let mut wide = mask.clone();
    widen(&mut wide, live, fields);
    wide
}

fn widen(mask: &mut Json, live: &Json, fields: &Json) {
    let children = fields.as_object().into_iter().flatten();
    match (mask, live) {
        (Json::Object(mask), Json::Object(live)) => {
            for (key, child) in children {
                let Some(name) = key.strip_prefix("f:") else {
                    continue;
                };
                let Some(found) = live.get(name) else {
                    continue;
                };
                if !mask.contains_key(name) && has_elements(child) {
                    mask.insert(name.to_owned(), json!([]));
                }
                if let Some(inner) = mask.get_mut(name) {
                    widen(inner, found, child);
                }
            }
        }
        (Json::Array(mask), Json::Array(live)) => {
            for (key, child) in children {
                let Some(found) = live.iter().find(|found| is_element(key, found)) else {
                    continue;
                };
                if let Some(inner) = mask.iter_mut().find(|inner| is_element(key, inner)) {
                    widen(inner, found, child);
                } else if let Some(keys) = keys(key) {
                    mask.push(keys);
                }
            }
        }
        _ => {}
    }
}

fn has_elements(fields: &Json) -> bool {
    let mut keys = fields.as_object().into_iter().flat_map(|it| it.keys());
    keys.any(|key| keys_text(key).is_some())
}

fn keys(key: &str) -> Option<Json> {
    serde_json::from_str(keys_text(key)?).ok()
}

fn keys_text(key: &str) -> Option<&str> {
    key.strip_prefix("k:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::drift::project;

    #[test]
    fn shows_that_it_is_there_and_not_its_value() {
        let mask = json!({"containers": [{"name": "online", "image": "feast:1"}]});
        let live = json!({
            "containers": [
                {"name": "online", "image": "feast:1", "env": [
                    {"name": "YAML", "value": "secret"},
                    {"name": "OTHERS", "value": "other"},
                ]},
                {"name": "sidecar"},
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "dnsPolicy": "ClusterFirst",
        });
        let fields = json!({
            "f:containers": {"k:{\"name\":\"online\"}": {".": {}, "f:image": {}, "f:env": {
                ".": {}, "k:{\"name\":\"YAML\"}": {".": {}, "f:name": {}, "f:value": {}}}}},
            "f:volumes": {"k:{\"name\":\"data\"}": {".": {}, "f:emptyDir": {}}},
            "f:dnsPolicy": {},
        });
        let wide = with_foreign_elements(&mask, &live, &fields);
        assert_eq!(
            wide,
            json!({
                "containers": [{"name": "online", "image": "feast:1", "env": [{"name": "YAML"}]}],
                "volumes": [{"name": "data"}],
            })
        );
        assert_eq!(project(&wide, &live), wide);
    }
}
