//! Details of field conflicts: the API server names the field and the manager, but neither values nor times.

use serde_json::Value as Json;

use super::super::error::{Error, FieldConflict, Reason, Values};
use crate::feast::secrets::manifest_redaction::redact_field;
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
    conflict.values = match kind {
        Kind::Secret => None,
        _ => values(&path, body, live),
    };
}

/// Returns both values without credentials; `None` if a value is not shown at all.
fn values(path: &FieldPath, body: &Json, live: &Json) -> Option<Values> {
    let shown = |object: &Json| match path.get(object) {
        Some(value) => redact_field(path, value).map(Some),
        None => Some(None),
    };
    Some(Values {
        wanted: shown(body)?,
        live: shown(live)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explained(kind: Kind, body: &Json, live: &Json) -> String {
        let field = ".spec.ports[port=80,protocol=\"TCP\"].targetPort";
        explained_at(field, kind, body, live)
    }

    fn explained_at(field: &str, kind: Kind, body: &Json, live: &Json) -> String {
        let mut conflict = FieldConflict {
            field: field.to_owned(),
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

    #[test]
    fn a_conflict_does_not_name_credentials() {
        let pods = |secret: &str, tag: &str| {
            json!({"spec": {"template": {"spec": {"initContainers": [{
                "name": "feast-init", "args": [format!("git clone https://{secret}@h/x -b {tag}")],
                "env": [{"name": "A", "value": secret}],
            }]}}}})
        };
        let scaler = |secret: &str| {
            let trigger = json!({"type": "redis", "metadata": {"password": secret}});
            json!({"spec": {"triggers": [trigger]}})
        };
        let init = ".spec.template.spec.initContainers[name=\"feast-init\"]";
        let (args, env) = (
            format!("{init}.args"),
            format!("{init}.env[name=\"A\"].value"),
        );
        let (body, live) = (pods("hunter1", "v1"), pods("hunter2", "v2"));
        assert_eq!(
            explained_at(&args, Kind::Deployment, &body, &live),
            format!(
                "{args}: applied by \"argocd\" to [\"git clone https://(not shown)@h/x -b v2\"]; the configured value is \
                 [\"git clone https://(not shown)@h/x -b v1\"]"
            )
        );
        assert_eq!(
            explained_at(&env, Kind::Deployment, &body, &live),
            format!("{env}: applied by \"argocd\"")
        );
        let trigger = "[{\"metadata\":{\"password\":\"(not shown)\"},\"type\":\"redis\"}]";
        assert_eq!(
            explained_at(
                ".spec.triggers",
                Kind::ScaledObject,
                &scaler("hunter1"),
                &scaler("hunter2")
            ),
            format!(
                ".spec.triggers: applied by \"argocd\" to {trigger}; the configured value is {trigger}"
            )
        );
    }
}
