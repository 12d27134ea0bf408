//! The owner of a feature store changes only over the Secret that was read: of concurrent creates, the first to write
//! wins.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value as Json, json};

use terraform_provider_feast::cluster::{CancellationToken, Reason};

use super::Lab;

/// `{"id": "1", "complete": false}` and so on, as a Secret holds it.
const FIRST: &str = "eyJpZCI6IjEiLCJjb21wbGV0ZSI6ZmFsc2V9";
const FIRST_COMPLETE: &str = "eyJpZCI6IjEiLCJjb21wbGV0ZSI6dHJ1ZX0=";
const SECOND: &str = "eyJpZCI6IjIiLCJjb21wbGV0ZSI6ZmFsc2V9";
const SECOND_COMPLETE: &str = "eyJpZCI6IjIiLCJjb21wbGV0ZSI6dHJ1ZX0=";

pub async fn concurrent_creates_first_writer_wins(lab: Lab) {
    let (store, cancel) = (lab.store("x"), CancellationToken::new());
    let secrets: Api<Secret> = Api::namespaced(lab.client.clone(), &lab.namespace);
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
    let first = Patch::Apply(secret(FIRST));
    let first = secrets.patch("feast-x", &manager, &first);
    let first = serde_json::to_value(first.await.expect("created")).expect("json");

    // Another version of the Secret with the same owner.
    let label = Patch::Merge(json!({"metadata": {"labels": {"team": "a"}}}));
    let other_client = PatchParams::default();
    let labelled = secrets.patch("feast-x", &other_client, &label);
    labelled.await.expect("labelled");
    assert_eq!(write(&first, SECOND).await, Some(json!(SECOND)));

    // The first create is too late. The second writes again, as after a response that was lost.
    assert_eq!(write(&first, FIRST_COMPLETE).await, None);
    assert_eq!(write(&first, SECOND).await, Some(json!(SECOND)));

    let live = secrets.get("feast-x").await.expect("exists");
    let live = serde_json::to_value(live).expect("json");
    assert_eq!(
        write(&live, SECOND_COMPLETE).await,
        Some(json!(SECOND_COMPLETE))
    );
    assert_eq!(write(&live, FIRST).await, None);

    let parameters = DeleteParams::default();
    let deleted = secrets.delete("feast-x", &parameters);
    deleted.await.expect("deleted");
    assert_eq!(write(&live, SECOND_COMPLETE).await, None);
}
