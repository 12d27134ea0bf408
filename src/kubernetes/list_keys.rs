//! Lists that the API server merges element by element (`x-kubernetes-list-type: map`), and the keys of their elements.
//!
//! `metadata.managedFields` names the keys of every keyed list that a manager has written. The table here serves
//! objects without such a record: manifests, and elements that an admission webhook has added.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::field_set::FieldSet;

/// The list key that has a default, and the default: the protocol of a port.
pub(super) const DEFAULT: (&str, &str) = ("protocol", "TCP");

/// Returns the keys of the elements of the list `field`; `None` for an atomic list, whose elements are identified by
/// position. `recorded` is what `metadata.managedFields` records for the list.
pub fn list_keys<'a>(
    recorded: Option<&'a FieldSet>,
    field: &str,
    elements: &[Json],
) -> Option<Vec<&'a str>> {
    let keys = recorded
        .and_then(FieldSet::list_keys)
        .or_else(|| Some(known_keys(field, elements)?.to_vec()))?;
    let has_key = |element: &Json| keys.iter().all(|key| key_value(element, key).is_some());
    elements.iter().all(has_key).then_some(keys)
}

/// The keyed lists in the objects of this provider.
fn known_keys(field: &str, elements: &[Json]) -> Option<&'static [&'static str]> {
    Some(match field {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" | "secrets"
        | "claims" | "resourceClaims" => &["name"],
        "ports" if (elements.iter()).all(|port| port.get("containerPort").is_some()) => {
            &["containerPort", DEFAULT.0]
        }
        "ports" => &["port", DEFAULT.0],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        _ => return None,
    })
}

/// Returns whether both elements have the same keys.
pub fn is_same_element(left: &Json, right: &Json, keys: &[&str]) -> bool {
    keys.iter().all(|key| {
        let value = key_value(left, key);
        value.is_some() && value == key_value(right, key)
    })
}

/// Returns whether the element has these keys.
pub fn has_keys(element: &Json, keys: &[(String, Json)]) -> bool {
    (keys.iter()).all(|(key, value)| key_value(element, key).as_deref() == Some(value))
}

fn key_value<'a>(element: &'a Json, key: &str) -> Option<Cow<'a, Json>> {
    match element.get(key) {
        Some(value) => Some(Cow::Borrowed(value)),
        None if key == DEFAULT.0 => Some(Cow::Owned(Json::from(DEFAULT.1))),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn recorded_keys_take_precedence_over_the_table() {
        let recorded = FieldSet::parse(&json!({"k:{\"key\":\"a\"}": {".": {}}}));
        let elements = [json!({"key": "a", "name": "b"})];
        for (recorded, field, expected) in [
            (Some(&recorded), "env", Some(vec!["key"])),
            (Some(&recorded), "rules", Some(vec!["key"])),
            (Some(&FieldSet::default()), "env", Some(vec!["name"])),
            (None, "env", Some(vec!["name"])),
            (None, "rules", None),
            (None, "hostAliases", None),
        ] {
            assert_eq!(list_keys(recorded, field, &elements), expected, "{field}");
        }
    }

    #[test]
    fn protocol_defaults_to_tcp() {
        let port = json!({"port": 53});
        let keys = |protocol: &str| {
            let protocol = ("protocol".to_owned(), json!(protocol));
            [("port".to_owned(), json!(53)), protocol]
        };
        assert!(has_keys(&port, &keys("TCP")));
        assert!(!has_keys(&port, &keys("UDP")));
        let tcp = json!({"port": 53, "protocol": "TCP"});
        assert!(is_same_element(&port, &tcp, &["port", "protocol"]));
        assert!(!is_same_element(&port, &tcp, &["port", "name"]));
    }
}
