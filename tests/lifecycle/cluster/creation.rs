//! The Secret says which create has the store: of two that have seen the same one, the first to write has it.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value as Json, json};

use terraform_provider_feast::cluster::CancellationToken;

use super::Lab;

/// `{"id": "1", "complete": false}` and so on, as a Secret holds it.
const FIRST: &str = "eyJpZCI6IjEiLCJjb21wbGV0ZSI6ZmFsc2V9";
const FIRST_COMPLETE: &str = "eyJpZCI6IjEiLCJjb21wbGV0ZSI6dHJ1ZX0=";
const SECOND: &str = "eyJpZCI6IjIiLCJjb21wbGV0ZSI6ZmFsc2V9";
const SECOND_COMPLETE: &str = "eyJpZCI6IjIiLCJjb21wbGV0ZSI6dHJ1ZX0=";

pub async fn of_two_creates_the_first_to_write_has_the_secret(lab: Lab) {
    let (store, cancel) = (lab.store("x"), CancellationToken::new());
    let secrets: Api<Secret> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let signed = |creation: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "feast-x"},
            "data": {"creation.json": creation},
        })
    };
    let sign = async |live: &Json, creation: &str| {
        let signed = signed(creation);
        let written = lab.cluster.write_owner(&store, live, &signed, &cancel);
        let written = written.await.expect("no error");
        written.map(|written| written["data"]["creation.json"].clone())
    };
    let manager = PatchParams::apply(&lab.cluster.options().field_manager);
    let first = Patch::Apply(signed(FIRST));
    let seen = secrets.patch("feast-x", &manager, &first);
    let seen = serde_json::to_value(seen.await.expect("made")).expect("json");

    // A label of somebody else's is no other create.
    let label = Patch::Merge(json!({"metadata": {"labels": {"team": "a"}}}));
    let somebody = PatchParams::default();
    let labelled = secrets.patch("feast-x", &somebody, &label);
    labelled.await.expect("labelled");
    assert_eq!(sign(&seen, SECOND).await, Some(json!(SECOND)));

    // Who has seen it before comes too late, and the second again, whose answer may have been lost, does not.
    assert_eq!(sign(&seen, FIRST_COMPLETE).await, None);
    assert_eq!(sign(&seen, SECOND).await, Some(json!(SECOND)));

    let live = secrets.get("feast-x").await.expect("it is there");
    let live = serde_json::to_value(live).expect("json");
    assert_eq!(
        sign(&live, SECOND_COMPLETE).await,
        Some(json!(SECOND_COMPLETE))
    );
    assert_eq!(sign(&live, FIRST).await, None);

    let parameters = DeleteParams::default();
    let deleted = secrets.delete("feast-x", &parameters);
    deleted.await.expect("deleted");
    assert_eq!(sign(&live, SECOND_COMPLETE).await, None);
}
