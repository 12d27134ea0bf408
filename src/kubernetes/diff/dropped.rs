//! Fields that an earlier manifest had and a new one leaves out.

use serde_json::Value as Json;

use super::Walk;
use crate::kubernetes::field_path::{FieldPath, FieldStep};
use crate::kubernetes::field_set::FieldSet;
use crate::kubernetes::managed_fields::ManagedFields;

/// A field that was applied, that is no longer desired, and that the live object still has.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropped {
    pub field: FieldPath,
    /// The fields below it, as the API server records them for a manager that has applied it.
    pub fields: FieldSet,
    /// True for the element of a keyed list: a container, an environment variable, a port.
    pub is_element: bool,
    /// True if the live value means the same as the one in the earlier manifest.
    pub is_unchanged: bool,
}

/// Returns the fields of the `last` applied manifest that `desired` leaves out and the live object still has. List
/// elements are one field each; maps and objects are compared leaf by leaf.
///
/// An atomic list is dropped only if the desired manifest does not have it at all.
pub fn dropped(last: &Json, desired: &Json, live: &Json) -> Vec<Dropped> {
    let fields = FieldSet::of(last, live, &ManagedFields::of(live).all());
    let missing = fields
        .not_in_manifest(desired, FieldSet::is_object)
        .into_iter();
    let dropped = missing.map(|(field, fields)| Dropped {
        is_element: matches!(field.steps().last(), Some(FieldStep::Keys(_))),
        is_unchanged: is_unchanged(&field, last, live),
        fields: fields.clone(),
        field,
    });
    dropped.collect()
}

fn is_unchanged(field: &FieldPath, last: &Json, live: &Json) -> bool {
    let mut walk = Walk::new(live);
    walk.path = field.steps().to_vec();
    let (Some(last), Some(live)) = (field.get(last), field.get(live)) else {
        return false;
    };
    walk.value(last, live);
    walk.changes.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(last: &Json, wanted: &Json, live: &Json) -> Vec<String> {
        let dropped = dropped(last, wanted, live);
        let lines = dropped.iter().map(|it| {
            let changed = if it.is_unchanged { "" } else { " changed" };
            let element = if it.is_element { " element" } else { "" };
            format!("{}{element}{changed} {}", it.field, it.fields.to_json())
        });
        lines.collect()
    }

    #[test]
    fn names_elements_map_entries_and_leaves() {
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
            lines(&last, &wanted, &live),
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
    fn ignores_fields_that_are_gone_or_still_desired() {
        let last = json!({"spec": {"containers": [{"name": "a"}], "replicas": 1, "metrics": [{"type": "Resource"}]}});
        let live =
            json!({"spec": {"containers": [], "replicas": 1, "metrics": [{"type": "Resource"}]}});
        let wanted = json!({"spec": {"replicas": 2, "metrics": []}});
        assert_eq!(lines(&last, &wanted, &live), [""; 0]);
    }

    #[test]
    fn ignores_objects_that_have_lost_all_applied_fields() {
        let last =
            json!({"securityContext": {"runAsUser": 1}, "env": [{"name": "A"}], "resources": {}});
        let live = json!({"securityContext": {}, "env": [{"name": "B"}], "resources": {}});
        assert_eq!(lines(&last, &json!({}), &live), [".resources {}"]);
    }
}
