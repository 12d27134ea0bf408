//! Concurrent deletions, which share their reads and their watches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use terraform_provider_feast::cluster::delete::Deletion;
use terraform_provider_feast::cluster::{CancellationToken, PvcPolicy};
use terraform_provider_feast::kubernetes::kind::{Key, Kind};

use super::lab::{Lab, Scaling, TIMEOUT, eventually, wanted};
use super::reasons;

async fn delete(
    lab: &Lab,
    store: &str,
    keys_of_held: &BTreeSet<Key>,
    timeout: Duration,
) -> Deletion {
    let (policy, cancel) = (PvcPolicy::default(), CancellationToken::new());
    let store = lab.store(store);
    let deleted = lab
        .cluster
        .delete(&store, keys_of_held, &policy, timeout, &cancel);
    deleted.await.expect("begun")
}

/// A finalizer blocks one store, on an object whose labels were removed. The other stores do not wait for it, and
/// objects without an owner are kept.
pub async fn blocked_deletion_does_not_delay_others(lab: Lab) {
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

    let keys_of_held = BTreeSet::from([service.clone()]);
    let mut keys_of_first: BTreeSet<Key> = wanted("first", Scaling::External).into_keys().collect();
    keys_of_first.insert(foreign.clone());
    let no_keys = BTreeSet::new();
    let (mut held, first, second) = tokio::join!(
        delete(&lab, "held", &keys_of_held, Duration::from_secs(3)),
        delete(&lab, "first", &keys_of_first, TIMEOUT),
        delete(&lab, "second", &no_keys, TIMEOUT),
    );
    for deletion in [first, second] {
        assert!(deletion.errors.is_empty(), "{:?}", deletion.errors);
        assert_eq!(deletion.remaining, BTreeMap::new());
    }
    // On a busy machine, the time may be over before the pods, of which there are none, were read.
    eventually("the pods are read", async || {
        let is_read = reasons(&held.errors) != ["the pods could not be read after 3 s"];
        if !is_read {
            held = delete(&lab, "held", &keys_of_held, Duration::from_secs(3)).await;
        }
        is_read
    })
    .await;
    assert_eq!(
        held.remaining.into_keys().collect::<BTreeSet<_>>(),
        keys_of_held
    );
    let [error] = &held.errors[..] else {
        panic!("{:?}", held.errors);
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

    // A second attempt waits for the deletion that the first one has started.
    let (again, ()) = tokio::join!(delete(&lab, "held", &keys_of_held, TIMEOUT), async {
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
