//! Fields that an earlier manifest had and the new one leaves out.

use serde_json::{Map, Value as Json, json};

use super::{lists, project};
use crate::cluster::ownership::{FieldPath, FieldStep};

/// A field that was applied, that is no longer wanted, and that the live object still has.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropped {
    pub field: FieldPath,
    /// Whether it is an element of a list that the API server merges by keys: a container, a variable, a port.
    pub is_element: bool,
    /// Whether the live value means the same as the one in the earlier manifest.
    pub is_unchanged: bool,
    /// What `metadata.managedFields` records for a manager that has applied it.
    pub recorded: Json,
}

/// Compares the manifest of the last apply with the wanted one; `live` says what is still there. List elements are
/// one field each, maps and objects are compared leaf by leaf.
///
/// A list that the API server replaces as a whole is dropped only when the wanted manifest does not have it at all.
pub fn dropped(last: &Json, wanted: &Json, live: &Json) -> Vec<Dropped> {
    let mut found = Vec::new();
    collect(
        &FieldPath::default(),
        "",
        last,
        Some(wanted),
        live,
        &mut found,
    );
    found
}

fn collect(
    at: &FieldPath,
    name: &str,
    last: &Json,
    wanted: Option<&Json>,
    live: &Json,
    found: &mut Vec<Dropped>,
) {
    match (last, live) {
        (Json::Object(last), Json::Object(live_members)) if !last.is_empty() => {
            for (name, last) in last {
                if let Some(live) = live_members.get(name) {
                    let below = at.with(FieldStep::Name(name.clone()));
                    let wanted = wanted.and_then(|wanted| wanted.get(name));
                    collect(&below, name, last, wanted, live, found);
                }
            }
        }
        (Json::Array(last), Json::Array(live_elements)) => match lists::keys(name, last) {
            Some(keys) if !last.is_empty() => {
                for last in last {
                    let same = |element: &&Json| lists::is_same(element, last, keys);
                    let Some(live) = live_elements.iter().find(same) else {
                        continue;
                    };
                    let below = at.with(FieldStep::keyed(live, keys));
                    let elements = wanted.and_then(Json::as_array);
                    match elements.and_then(|elements| elements.iter().find(same)) {
                        Some(wanted) => collect(&below, "", last, Some(wanted), live, found),
                        None => found.push(Dropped {
                            field: below,
                            is_element: true,
                            is_unchanged: project(last, live) == *last,
                            recorded: recorded_element(last, live),
                        }),
                    }
                }
            }
            _ if wanted.is_none() => found.push(leaf(at, &json!(last), live)),
            _ => {}
        },
        _ if wanted.is_none() => found.push(leaf(at, last, live)),
        _ => {}
    }
}

fn leaf(at: &FieldPath, last: &Json, live: &Json) -> Dropped {
    Dropped {
        field: at.clone(),
        is_element: false,
        // The names of the fields above decide what is a quantity.
        is_unchanged: project(&nested(at, last), &nested(at, live)) == nested(at, last),
        recorded: json!({}),
    }
}

/// The value below objects that have the names of the path.
fn nested(at: &FieldPath, value: &Json) -> Json {
    let names = at.steps().iter().rev().filter_map(|step| match step {
        FieldStep::Name(name) => Some(name),
        _ => None,
    });
    names.fold(value.clone(), |value, name| json!({name: value}))
}

fn recorded_element(last: &Json, live: &Json) -> Json {
    let mut fields = recorded("", last, live);
    if let Some(fields) = fields.as_object_mut() {
        fields.insert(".".to_owned(), json!({}));
    }
    fields
}

/// The fields of a manifest as the API server records them, as far as the live object has them.
fn recorded(name: &str, last: &Json, live: &Json) -> Json {
    let mut fields = Map::new();
    match (last, live) {
        (Json::Object(last), Json::Object(live)) => {
            for (name, last) in last {
                if let Some(live) = live.get(name) {
                    fields.insert(format!("f:{name}"), recorded(name, last, live));
                }
            }
        }
        (Json::Array(last), Json::Array(live)) => {
            let keys = lists::keys(name, last).unwrap_or_default();
            for last in last.iter().filter(|_| !keys.is_empty()) {
                let found = live.iter().find(|live| lists::is_same(live, last, keys));
                if let Some(live) = found {
                    let step = FieldStep::keyed(live, keys);
                    fields.insert(step.to_recorded(), recorded_element(last, live));
                }
            }
        }
        _ => {}
    }
    Json::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(last: &Json, wanted: &Json, live: &Json) -> Vec<String> {
        let found = dropped(last, wanted, live);
        let told = found.iter().map(|it| {
            let changed = if it.is_unchanged { "" } else { " changed" };
            let element = if it.is_element { " element" } else { "" };
            format!("{}{element}{changed} {}", it.field, it.recorded)
        });
        told.collect()
    }

    #[test]
    fn elements_maps_and_leaves() {
        let last = json!({"metadata": {"labels": {"a": "1", "b": "1"}, "annotations": {"c": "1"}}, "spec": {
            "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "a"}],
            "containers": [
                {"name": "online", "args": ["a"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
                 "resources": {"limits": {"cpu": "1000m"}}},
                {"name": "ui", "ports": [{"containerPort": 1}]}]}});
        let wanted = json!({"metadata": {"labels": {"a": "1"}}, "spec": {
            "containers": [{"name": "online", "args": ["b"], "env": [{"name": "A", "value": "2"}]}]}});
        let mut live = last.clone();
        live["metadata"]["labels"]["b"] = json!("2");
        live["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!("1");
        live["spec"]["containers"][1]["ports"][0]["protocol"] = json!("TCP");
        assert_eq!(
            told(&last, &wanted, &live),
            [
                ".metadata.annotations.c {}",
                ".metadata.labels.b changed {}",
                ".spec.containers[name=\"online\"].env[name=\"B\"] element {\".\":{},\"f:name\":{},\"f:value\":{}}",
                ".spec.containers[name=\"online\"].resources.limits.cpu {}",
                ".spec.containers[name=\"ui\"] element {\".\":{},\"f:name\":{},\"f:ports\":\
                 {\"k:{\\\"containerPort\\\":1,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:containerPort\":{}}}}",
                ".spec.nodeSelector.disk {}",
                ".spec.tolerations {}",
            ]
        );
    }

    #[test]
    fn what_is_gone_or_still_wanted_is_not_dropped() {
        let last = json!({"spec": {"containers": [{"name": "a"}], "replicas": 1, "metrics": [{"type": "Resource"}]}});
        let live =
            json!({"spec": {"containers": [], "replicas": 1, "metrics": [{"type": "Resource"}]}});
        let wanted = json!({"spec": {"replicas": 2, "metrics": []}});
        assert_eq!(told(&last, &wanted, &live), [""; 0]);
    }
}
