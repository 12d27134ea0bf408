//! Details of field conflicts: the API server names the field and the manager, but neither values nor times.

use serde_json::Value as Json;

use super::super::error::{Error, FieldConflict, Reason, Values};
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::kind::{Key, Kind};
use crate::kubernetes::managed_fields::{ManagedFields, Operation};

/// Returns the error with the conflicts that `remains` selects, each with both values and the time of the other
/// manager's write, from the `live` object.
pub(super) fn explained(
    mut error: Error,
    key: &Key,
    body: &Json,
    live: &Json,
    remains: impl Fn(&FieldConflict) -> bool,
) -> Error {
    if let Reason::Conflict(conflicts) = &mut error.reason {
        conflicts.retain(|conflict| remains(conflict));
        for conflict in conflicts {
            explain(conflict, key.kind, body, live);
        }
    }
    error
}

fn explain(conflict: &mut FieldConflict, kind: Kind, body: &Json, live: &Json) {
    let resolve = |object| FieldPath::resolve(object, &conflict.field);
    let Some(path) = resolve(live).or_else(|| resolve(body)) else {
        return;
    };
    let operation = match conflict.by_update {
        true => Operation::Update,
        false => Operation::Apply,
    };
    let managed = ManagedFields::of(live);
    let owner = (managed.owners(&path))
        .find(|entry| entry.manager == conflict.manager && entry.operation == operation);
    conflict.time = owner.and_then(|entry| entry.time).map(str::to_owned);
    conflict.values = (kind != Kind::Secret && !path.is_env_var()).then(|| Values {
        wanted: path.get(body).cloned(),
        live: path.get(live).cloned(),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explained(kind: Kind, body: &Json, live: &Json) -> String {
        let mut conflict = FieldConflict {
            field: ".spec.ports[port=80,protocol=\"TCP\"].targetPort".to_owned(),
            manager: "argocd".to_owned(),
            by_update: false,
            time: None,
            values: None,
        };
        explain(&mut conflict, kind, body, live);
        conflict.to_string()
    }

    #[test]
    fn a_conflict_names_the_time_and_both_values() {
        let owned = |field: &str| json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {field: {}}}}});
        let live = json!({
            "metadata": {"managedFields": [
                {"manager": "argocd", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": owned("f:targetPort")},
                {"manager": "argocd", "operation": "Apply", "time": "2026-01-02T00:00:00Z", "fieldsV1": owned("f:targetPort")},
                {"manager": "other", "operation": "Apply", "time": "2026-01-03T00:00:00Z", "fieldsV1": owned("f:name")},
            ]},
            "spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 1}]},
        });
        let body = json!({"spec": {"ports": [{"port": 80, "targetPort": 6566}]}});
        let field = ".spec.ports[port=80,protocol=\"TCP\"].targetPort";
        assert_eq!(
            explained(Kind::Service, &body, &live),
            format!(
                "{field}: applied by \"argocd\" at 2026-01-02T00:00:00Z to 1; the configured value is 6566"
            )
        );
        assert_eq!(
            explained(Kind::Secret, &body, &live),
            format!("{field}: applied by \"argocd\" at 2026-01-02T00:00:00Z")
        );
        assert_eq!(
            explained(Kind::Service, &json!({}), &json!({})),
            format!("{field}: applied by \"argocd\"")
        );
    }
}
