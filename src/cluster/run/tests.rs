use serde_json::json;

use super::*;

#[test]
fn waits_only_for_feast_apply_of_the_same_store() {
    let store = StoreName {
        namespace: "ns".to_owned(),
        name: "x".to_owned(),
    };
    let job = |labels: Json, status: Json| {
        runs_apply(
            &store,
            &json!({"metadata": {"labels": labels}, "status": status}),
        )
    };
    let rollout = json!({NAME_LABEL: "x", SERVICE_TYPE_LABEL: APPLY_SERVICE_TYPE});
    let request = json!({JOB_LABEL: "x", COMMAND_LABEL: "apply"});
    let complete = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    let failed = json!({"conditions": [{"type": "Failed", "status": "True"}]});
    for labels in [&rollout, &request] {
        assert!(job(labels.clone(), json!({"active": 1})));
        assert!(!job(labels.clone(), complete.clone()));
        assert!(!job(labels.clone(), failed.clone()));
    }
    for labels in [
        json!({NAME_LABEL: "y", SERVICE_TYPE_LABEL: APPLY_SERVICE_TYPE}),
        json!({NAME_LABEL: "x", SERVICE_TYPE_LABEL: "cronjob"}),
        json!({JOB_LABEL: "x", COMMAND_LABEL: "materialize"}),
        json!({}),
    ] {
        assert!(!job(labels.clone(), json!({})), "{labels}");
    }
}
