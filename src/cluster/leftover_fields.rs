//! Fields that this provider has applied and that the manifest does not have: an apply whose state was lost has added
//! them, or an apply could not remove them.

use serde_json::Value as Json;

use super::field_managers::{OwnManagers, not_in_manifest};
use crate::kubernetes::diff::FieldChange;
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::kind::Kind;
use crate::kubernetes::managed_fields::{Author, ManagedFields};

/// Returns the fields of the live object that the provider's own managers own and the manifest does not name.
///
/// The content of the feature store's Secret is left out, since a state does not have it, and so is a replica count
/// that the provider owns only until somebody else sets one.
pub fn leftover_fields(
    kind: Kind,
    manifest: &Json,
    live: &Json,
    manager: &str,
) -> Vec<FieldChange> {
    let managed = ManagedFields::of(live);
    let own = OwnManagers::of(kind, live, &managed, manager, Some(manifest));
    let replicas = FieldPath::of(&["spec", "replicas"]);
    let mut leftovers: Vec<FieldChange> = Vec::new();
    for entry in managed.iter().filter(|entry| own.contains(entry)) {
        for (field, fields) in not_in_manifest(kind, entry.fields(), manifest) {
            let is_released = own.is_of_replicas(entry) && field == replicas;
            let is_listed = leftovers.iter().any(|leftover| leftover.field == field);
            if let Some(value) = field.get(live)
                && !is_released
                && !is_listed
            {
                leftovers.push(FieldChange {
                    wanted: None,
                    live: Some(fields.extract(value)),
                    field,
                    author: Some(Author::from(entry)),
                });
            }
        }
    }
    leftovers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(kind: Kind, manifest: &Json, live: &Json) -> Vec<String> {
        let leftovers = leftover_fields(kind, manifest, live, "ours");
        let lines = leftovers.iter().map(|change| {
            let manager = &change.author.as_ref().unwrap().manager;
            format!(
                "{manager} {} {}",
                change.field,
                change.live.as_ref().unwrap()
            )
        });
        lines.collect()
    }

    fn entry(manager: &str, operation: &str, fields: Json) -> Json {
        json!({"manager": manager, "operation": operation, "fieldsV1": fields})
    }

    #[test]
    fn fields_of_own_managers_beyond_the_manifest_are_leftovers() {
        let manifest = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {
            "containers": [{"name": "online", "image": "i"}]}}}});
        let mut live = manifest.clone();
        live["metadata"]["annotations"] =
            json!({"feast.dev/applied": "f", "example.com/theirs": "x"});
        live["spec"]["replicas"] = json!(2);
        live["spec"]["template"]["spec"]["nodeSelector"] = json!({"nowhere": "true"});
        live["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "A", "value": "1", "default": "d"}, {"name": "B", "value": "2"}]);
        live["metadata"]["managedFields"] = json!([
            entry(
                "ours",
                "Apply",
                json!({
                    "f:metadata": {"f:annotations": {"f:feast.dev/applied": {}}, "f:labels": {"f:a": {}}},
                    "f:spec": {"f:template": {"f:spec": {
                        "f:nodeSelector": {},
                        "f:dnsPolicy": {},
                        "f:containers": {"k:{\"name\":\"online\"}": {".": {}, "f:name": {}, "f:image": {}, "f:env": {
                            "k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}}}}}},
                })
            ),
            entry(
                "ours-replicas",
                "Apply",
                json!({"f:spec": {"f:replicas": {}}})
            ),
            entry(
                "kubectl",
                "Apply",
                json!({"f:metadata": {"f:annotations": {"f:example.com/theirs": {}}}})
            ),
        ]);
        assert_eq!(
            lines(Kind::Deployment, &manifest, &live),
            [
                "ours .spec.template.spec.containers[name=\"online\"].env[name=\"A\"] {\"name\":\"A\",\"value\":\"1\"}",
                "ours .spec.template.spec.nodeSelector {\"nowhere\":\"true\"}",
            ]
        );
        // A replica count that the main manager owns is a leftover if the manifest leaves it to others.
        live["metadata"]["managedFields"][1]["manager"] = json!("ours");
        live["metadata"]["managedFields"]
            .as_array_mut()
            .unwrap()
            .remove(0);
        assert_eq!(
            lines(Kind::Deployment, &manifest, &live),
            ["ours .spec.replicas 2"]
        );
    }

    #[test]
    fn ignores_the_content_of_the_secret() {
        let manifest = json!({"stringData": {"feature_store.yaml": "# …"}});
        let live = json!({"data": {"feature_store.yaml": "eA==", "hash_key": "eA=="}, "metadata": {"managedFields": [
            entry("ours", "Apply", json!({"f:data": {"f:feature_store.yaml": {}, "f:hash_key": {}}}))]}});
        assert_eq!(lines(Kind::Secret, &manifest, &live), [""; 0]);
    }
}
