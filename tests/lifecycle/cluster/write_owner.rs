//! The owner of a feature store changes only over the Secret that was read: of concurrent creates, the first to write
//! wins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value as Json, json};

use terraform_provider_feast::cluster::{CancellationToken, Reason};

use super::Lab;

/// The value of `creation.json` in a Secret.
fn record(id: &str, is_complete: bool) -> String {
    let record = match is_complete {
        true => json!({"id": id, "complete": true}),
        false => json!({"id": id, "complete": false, "deadline": 2_000_000_000}),
    };
    BASE64.encode(record.to_string())
}

pub async fn concurrent_creates_first_writer_wins(lab: Lab) {
    let (store, cancel) = (lab.store("x"), CancellationToken::new());
    let secrets: Api<Secret> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let [first, second] = ["1", "2"].map(|id| record(id, false));
    let [first_complete, second_complete] = ["1", "2"].map(|id| record(id, true));
    let secret = |record: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "feast-x"},
            "data": {"creation.json": record},
        })
    };
    // The record that the Secret has then; `None` if the owner has changed.
    let write = async |live: &Json, record: &str| {
        let secret = secret(record);
        let written = lab.cluster.write_owner(&store, live, &secret, &cancel);
        match written.await {
            Ok(written) => Some(written["data"]["creation.json"].clone()),
            Err(error) => {
                assert!(matches!(error.reason, Reason::OwnerChanged), "{error:?}");
                None
            }
        }
    };
    let manager = PatchParams::apply(&lab.cluster.options().field_manager);
    let created = Patch::Apply(secret(&first));
    let created = secrets.patch("feast-x", &manager, &created);
    let created = serde_json::to_value(created.await.expect("created")).expect("json");

    // Another version of the Secret with the same owner.
    let label = Patch::Merge(json!({"metadata": {"labels": {"team": "a"}}}));
    let other_client = PatchParams::default();
    let labelled = secrets.patch("feast-x", &other_client, &label);
    labelled.await.expect("labelled");
    assert_eq!(write(&created, &second).await, Some(json!(second)));

    // The first create is too late. The second writes again, as after a response that was lost.
    assert_eq!(write(&created, &first_complete).await, None);
    assert_eq!(write(&created, &second).await, Some(json!(second)));

    let live = secrets.get("feast-x").await.expect("exists");
    let live = serde_json::to_value(live).expect("json");
    assert_eq!(
        write(&live, &second_complete).await,
        Some(json!(second_complete))
    );
    assert_eq!(write(&live, &first).await, None);

    let parameters = DeleteParams::default();
    let deleted = secrets.delete("feast-x", &parameters);
    deleted.await.expect("deleted");
    assert_eq!(write(&live, &second_complete).await, None);
}
