//! Fields that this provider applied and that the manifest does not have: what an apply whose state was lost has
//! added, or what an apply could not remove.

use serde_json::Value as Json;

use super::changes::{Author, Change};
use crate::cluster::ownership::{self, FieldPath, OwnManagers};
use crate::kubernetes::Kind;

/// Returns the fields of the live object that the provider's own managers hold and the manifest does not name.
///
/// The content of the feature store's Secret is left out, since a state does not have it, and so is a replica count
/// that the provider holds only until somebody else sets one.
pub fn leftovers(kind: Kind, mask: &Json, live: &Json, own: &OwnManagers) -> Vec<Change> {
    let mut found: Vec<Change> = Vec::new();
    for entry in ownership::entries(live).filter(|entry| own.holds(entry)) {
        for field in ownership::beyond(kind, entry.fields, mask) {
            let handed_over =
                own.holds_replicas(&entry) && field == FieldPath::of(&["spec", "replicas"]);
            let Some(value) = field.get(live) else {
                continue;
            };
            if handed_over || found.iter().any(|it| it.field == field) {
                continue;
            }
            found.push(Change {
                wanted: None,
                live: Some(ownership::recorded_part(entry.fields, &field, value)),
                field,
                author: Some(Author::from(&entry)),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(kind: Kind, mask: &Json, live: &Json) -> Vec<String> {
        let own = OwnManagers::of(kind, live, "ours", Some(mask));
        let found = leftovers(kind, mask, live, &own);
        let lines = found.iter().map(|change| {
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
    fn names_what_only_our_managers_hold() {
        let mask = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {
            "containers": [{"name": "online", "image": "i"}]}}}});
        let mut live = mask.clone();
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
            found(Kind::Deployment, &mask, &live),
            [
                "ours .spec.template.spec.containers[name=\"online\"].env[name=\"A\"] {\"name\":\"A\",\"value\":\"1\"}",
                "ours .spec.template.spec.nodeSelector {\"nowhere\":\"true\"}",
            ]
        );
        // A count that our main manager holds and the state leaves to others is one of them.
        live["metadata"]["managedFields"][1]["manager"] = json!("ours");
        live["metadata"]["managedFields"]
            .as_array_mut()
            .unwrap()
            .remove(0);
        assert_eq!(
            found(Kind::Deployment, &mask, &live),
            ["ours .spec.replicas 2"]
        );
    }

    #[test]
    fn the_content_of_the_secret_is_in_no_state() {
        let mask = json!({"stringData": {"feature_store.yaml": "# …"}});
        let live = json!({"data": {"feature_store.yaml": "eA==", "hash_key": "eA=="}, "metadata": {"managedFields": [
            entry("ours", "Apply", json!({"f:data": {"f:feature_store.yaml": {}, "f:hash_key": {}}}))]}});
        assert_eq!(found(Kind::Secret, &mask, &live), [""; 0]);
    }
}
