//! ResourceQuotas, which let the API server reject objects of a feature store.

use serde_json::{Value as Json, json};

use crate::lifecycle::store::{StoreUnderTest, until};
use crate::support::testbed::Namespace;

/// The name of the quota of [`limit_pods`].
const PODS: &str = "no-pods";

/// Limits the number of pods in the namespace, until [`lift_limit`].
pub fn limit_pods(test: &StoreUnderTest, number: usize) {
    limit(&test.namespace, PODS, &json!({"pods": number.to_string()}));
}

/// Removes the limit of [`limit_pods`].
pub fn lift_limit(test: &StoreUnderTest) {
    remove(&test.namespace, PODS);
}

/// Creates or replaces a quota with these hard limits, and waits until it is enforced.
pub fn limit(namespace: &Namespace, name: &str, hard: &Json) {
    let quota = json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": namespace.name()},
        "spec": {"hard": hard},
    });
    namespace.cluster().apply(&quota.to_string()).unwrap();
    until("the quota to be counted", 120, || {
        let quota = namespace.json(&["get", "resourcequota", name]).unwrap();
        (quota["status"]["hard"] == quota["spec"]["hard"]).then_some(())
    });
}

/// Deletes a quota.
pub fn remove(namespace: &Namespace, name: &str) {
    let delete = ["delete", "resourcequota", name];
    namespace.kubectl(&delete).unwrap();
}
