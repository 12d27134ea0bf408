//! Concurrent creates: the Secret records the owner, and of two creates that have read the same Secret, the first
//! writer wins.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value as Json, json};

use terraform_provider_feast::cluster::CancellationToken;

use super::Lab;

/// The Secret's value `{"id": "1", "complete": false}` and its successors, in base64.
const FIRST: &str = "eyJpZCI6IjEiLCJjb21wbGV0ZSI6ZmFsc2V9";
const FIRST_COMPLETE: &str = "eyJpZCI6IjEiLCJjb21wbGV0ZSI6dHJ1ZX0=";
const SECOND: &str = "eyJpZCI6IjIiLCJjb21wbGV0ZSI6ZmFsc2V9";
const SECOND_COMPLETE: &str = "eyJpZCI6IjIiLCJjb21wbGV0ZSI6dHJ1ZX0=";

pub async fn concurrent_creates_first_writer_wins(lab: Lab) {
    let (store, cancel) = (lab.store("x"), CancellationToken::new());
    let secrets: Api<Secret> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let manifest = |creation: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "feast-x"},
            "data": {"creation.json": creation},
        })
    };
    let write_owner = async |live: &Json, creation: &str| {
        let manifest = manifest(creation);
        let written = lab.cluster.write_owner(&store, live, &manifest, &cancel);
        let written = written.await.expect("no error");
        written.map(|written| written["data"]["creation.json"].clone())
    };
    let manager = PatchParams::apply(&lab.cluster.options().field_manager);
    let first = Patch::Apply(manifest(FIRST));
    let first_version = secrets.patch("feast-x", &manager, &first);
    let first_version = serde_json::to_value(first_version.await.expect("created")).expect("json");

    // A label of another manager is not another create.
    let label = Patch::Merge(json!({"metadata": {"labels": {"team": "a"}}}));
    let other_manager = PatchParams::default();
    let labeled = secrets.patch("feast-x", &other_manager, &label);
    labeled.await.expect("labeled");
    assert_eq!(
        write_owner(&first_version, SECOND).await,
        Some(json!(SECOND))
    );

    // A write with an outdated version fails. A repetition of the last write, whose response may be lost, succeeds.
    assert_eq!(write_owner(&first_version, FIRST_COMPLETE).await, None);
    assert_eq!(
        write_owner(&first_version, SECOND).await,
        Some(json!(SECOND))
    );

    let live = secrets.get("feast-x").await.expect("it is there");
    let live = serde_json::to_value(live).expect("json");
    assert_eq!(
        write_owner(&live, SECOND_COMPLETE).await,
        Some(json!(SECOND_COMPLETE))
    );
    assert_eq!(write_owner(&live, FIRST).await, None);

    let parameters = DeleteParams::default();
    let deleted = secrets.delete("feast-x", &parameters);
    deleted.await.expect("deleted");
    assert_eq!(write_owner(&live, SECOND_COMPLETE).await, None);
}
