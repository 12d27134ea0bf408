//! The HorizontalPodAutoscalers that KEDA creates. KEDA copies the labels of a ScaledObject to the one that it creates
//! for it, which therefore has the labels of the feature store, too.

use serde_json::Value as Json;

use crate::kubernetes::Kind;

/// Returns whether KEDA has created the object for a ScaledObject. It is deleted together with the ScaledObject.
pub(super) fn is_owned_by_scaled_object(live: &Json) -> bool {
    let owners = live["metadata"]["ownerReferences"].as_array();
    let (kind, version) = (
        Kind::ScaledObject.as_str(),
        Kind::ScaledObject.api_version(),
    );
    let mut owners = owners.into_iter().flatten();
    owners.any(|owner| owner["kind"] == kind && owner["apiVersion"] == version.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use crate::cluster::fake_api::{self, Reply};
    use crate::kubernetes::{Key, Kind};

    #[tokio::test]
    async fn read_excludes_the_autoscaler_of_keda() {
        let labels = json!({"feast.dev/name": "x", "app.kubernetes.io/managed-by": "feast"});
        let object = |name: &str, owners| json!({"metadata": {"name": name, "namespace": "ns", "labels": labels, "ownerReferences": owners}});
        let owner = json!([{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "feast-x", "uid": "u"}]);
        let autoscalers =
            json!({"items": [object("feast-x", json!([])), object("keda-hpa-feast-x", owner)]});
        let cluster = fake_api::cluster(move |request| {
            match request.line.ends_with("/horizontalpodautoscalers") {
                true => Reply::Answer(200, autoscalers.clone()),
                false => Reply::Answer(200, json!({"items": []})),
            }
        });
        let (cluster, store) = (cluster.await, fake_api::store("x"));
        let cancel = CancellationToken::new();
        let live = cluster.read(&store, &BTreeSet::new(), &cancel).await;
        let keys: Vec<Key> = live.unwrap().into_keys().collect();
        assert_eq!(keys, [Key::new(Kind::HorizontalPodAutoscaler, "feast-x")]);
    }
}
