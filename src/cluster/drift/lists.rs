//! Lists: which live element is the one that the mask means.

use serde_json::Value as Json;

use super::value;

pub(super) fn project(path: &[&str], mask: &[Json], live: &[Json]) -> Vec<Json> {
    let field = path.last().copied().unwrap_or_default();
    if field == "metrics" {
        return by_meaning(path, mask, live);
    }
    match keys(field, mask) {
        Some(keys) => by_keys(path, keys, mask, live),
        None => by_position(path, mask, live),
    }
}

/// The fields that name an element, for lists that the API server merges element by element; `None`
/// for lists that are owned as a whole.
pub(super) fn keys(field: &str, mask: &[Json]) -> Option<&'static [&'static str]> {
    let keys: &[&str] = match field {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" | "secrets"
        | "claims" | "resourceClaims" => &["name"],
        "ports" if mask.iter().all(|port| port.get("containerPort").is_some()) => {
            &["containerPort", "protocol"]
        }
        "ports" => &["port", "protocol"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        _ => return None,
    };
    // What has no such field can only be told by its place.
    let named = mask
        .iter()
        .all(|element| keys.iter().all(|key| key_of(element, key).is_some()));
    named.then_some(keys)
}

fn key_of<'a>(element: &'a Json, key: &str) -> Option<std::borrow::Cow<'a, Json>> {
    use std::borrow::Cow;
    match element.get(key) {
        Some(value) => Some(Cow::Borrowed(value)),
        None if key == "protocol" => Some(Cow::Owned(Json::from("TCP"))),
        None => None,
    }
}

/// Whether both are the element with these keys.
pub(super) fn is_same(left: &Json, right: &Json, keys: &[&str]) -> bool {
    keys.iter()
        .all(|key| key_of(left, key).is_some_and(|k| Some(k) == key_of(right, key)))
}

/// In the order of the mask; elements of others do not show.
fn by_keys(path: &[&str], keys: &[&str], mask: &[Json], live: &[Json]) -> Vec<Json> {
    let mut left: Vec<&Json> = live.iter().collect();
    let mut seen = Vec::new();
    for wanted in mask {
        let found = left.iter().position(|found| is_same(found, wanted, keys));
        if let Some(found) = found {
            seen.push(value(path, wanted, left.remove(found)));
        }
    }
    seen
}

/// The whole list is ours: every live element shows.
fn by_position(path: &[&str], mask: &[Json], live: &[Json]) -> Vec<Json> {
    live.iter()
        .enumerate()
        .map(|(position, found)| match mask.get(position) {
            Some(wanted) => value(path, wanted, found),
            None => found.clone(),
        })
        .collect()
}

/// The whole list is ours, and its order means nothing (metrics of an autoscaler): elements that mean
/// the same come first, in the mask's order; then those about the same thing; then the rest.
fn by_meaning(path: &[&str], mask: &[Json], live: &[Json]) -> Vec<Json> {
    let mut left: Vec<&Json> = live.iter().collect();
    let mut seen: Vec<Option<Json>> = vec![None; mask.len()];
    for (slot, wanted) in seen.iter_mut().zip(mask) {
        let equal = left
            .iter()
            .position(|found| value(path, wanted, found) == *wanted);
        if let Some(equal) = equal {
            left.remove(equal);
            *slot = Some(wanted.clone());
        }
    }
    for (slot, wanted) in seen.iter_mut().zip(mask) {
        if slot.is_none()
            && let Some(alike) = left
                .iter()
                .position(|found| subject(found) == subject(wanted))
        {
            *slot = Some(value(path, wanted, left.remove(alike)));
        }
    }
    seen.into_iter()
        .flatten()
        .chain(left.into_iter().cloned())
        .collect()
}

/// Whether two lists that are owned as a whole are to be compared element by element: they are of objects, as
/// many, and about the same things.
pub(super) fn is_place_by_place(field: &str, mask: &[Json], seen: &[Json]) -> bool {
    mask.len() == seen.len()
        && mask.iter().zip(seen).all(|(wanted, seen)| {
            wanted.is_object()
                && seen.is_object()
                && (field != "metrics" || subject(wanted) == subject(seen))
        })
}

/// What a metric is about: its type and what it measures, without the target.
fn subject(metric: &Json) -> Json {
    let mut subject = metric.clone();
    if let Some(members) = subject.as_object_mut() {
        for source in members.values_mut().filter_map(Json::as_object_mut) {
            source.remove("target");
        }
    }
    subject
}
