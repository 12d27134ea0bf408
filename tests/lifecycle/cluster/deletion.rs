//! Stores that are deleted at the same time: they share what they read and what they wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use terraform_provider_feast::cluster::delete::Deletion;
use terraform_provider_feast::cluster::{CancellationToken, PvcPolicy};
use terraform_provider_feast::kubernetes::kind::{Key, Kind};

use super::lab::{Lab, Scaling, TIMEOUT, wanted};
use super::reasons;

async fn delete(lab: &Lab, store: &str, known: &BTreeSet<Key>, timeout: Duration) -> Deletion {
    let (claims, cancel) = (PvcPolicy::default(), CancellationToken::new());
    let store = lab.store(store);
    let deleted = lab.cluster.delete(&store, known, &claims, timeout, &cancel);
    deleted.await.expect("begun")
}

/// One is held up by a finalizer, on an object whose labels somebody has taken off; the others need not wait for it,
/// and what is nobody's stays.
pub async fn one_store_that_stays_holds_up_no_other(lab: Lab) {
    let service = Key::new(Kind::Service, "feast-held-online");
    let mut held = wanted("held", Scaling::External);
    held.retain(|key, _| *key == service);
    let outcome = lab.try_apply("held", &held, false).await.expect("applied");
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    for store in ["first", "second"] {
        lab.apply(store, &wanted(store, Scaling::External)).await;
    }
    let foreign = Key::new(Kind::Secret, "of-others");
    lab.create::<Secret>(&json!({"metadata": {"name": foreign.name}}))
        .await;
    let services: Api<Service> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let patch = async |metadata| {
        let (patch, params) = (
            Patch::Merge(json!({"metadata": metadata})),
            PatchParams::default(),
        );
        let patched = services.patch("feast-held-online", &params, &patch);
        patched.await.expect("patched");
    };
    patch(json!({"labels": null, "finalizers": ["test.feast.dev/held"]})).await;

    let known = BTreeSet::from([service.clone()]);
    let mut known_first: BTreeSet<Key> = wanted("first", Scaling::External).into_keys().collect();
    known_first.insert(foreign.clone());
    let nothing = BTreeSet::new();
    let (mut stays, first, second) = tokio::join!(
        delete(&lab, "held", &known, Duration::from_secs(3)),
        delete(&lab, "first", &known_first, TIMEOUT),
        delete(&lab, "second", &nothing, TIMEOUT),
    );
    for gone in [first, second] {
        assert!(gone.errors.is_empty(), "{:?}", gone.errors);
        assert_eq!(gone.remaining, BTreeMap::new());
    }
    // On a busy machine the time may be over before the pods, of which there are none, have been looked at.
    while reasons(&stays.errors) == ["the pods could not be read after 3 s"] {
        stays = delete(&lab, "held", &known, Duration::from_secs(3)).await;
    }
    assert_eq!(stays.remaining.into_keys().collect::<BTreeSet<_>>(), known);
    let [error] = &stays.errors[..] else {
        panic!("{:?}", stays.errors);
    };
    assert_eq!(error.target.to_string(), service.to_string());
    assert_eq!(
        error.reason.to_string(),
        format!(
            "the object is still being deleted after 3 s. It has these finalizers:\n  \
             test.feast.dev/held: the controller with this name removes it; check that it runs, and check its log\n\
             Only if that controller no longer exists, as a last resort, remove the finalizers by hand: \
             `kubectl patch service/feast-held-online --namespace {} --type merge --patch '{{\"metadata\":{{\"finalizers\":null}}}}'`",
            lab.namespace
        )
    );

    // A second try waits for what the first has begun, and sees it go.
    let (again, ()) = tokio::join!(delete(&lab, "held", &known, TIMEOUT), async {
        patch(json!({"finalizers": null})).await
    });
    assert!(again.errors.is_empty(), "{:?}", again.errors);
    assert_eq!(again.remaining, BTreeMap::new());
    let keys = BTreeSet::from([foreign.clone(), service]);
    let (store, cancel) = (lab.store("held"), CancellationToken::new());
    let left = lab.cluster.read(&store, &keys, &cancel).await;
    let left: Vec<Key> = left.expect("readable").into_keys().collect();
    assert_eq!(left, [foreign]);
}
