//! Others at work at the same time: each ends well, perhaps at the second try, or in one clear error, and
//! what exists is known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;
use terraform_provider_feast::cluster::{CancellationToken, Reason};
use terraform_provider_feast::feast::objects::{Key, Kind};

use crate::lifecycle::cluster::Lab;
use crate::lifecycle::cluster::lab::{Scaling, deployment_key, wanted};
use crate::lifecycle::store::{DATABASES, StoreUnderTest};

/// Both of the same configuration, as two pipelines would that were started twice.
pub async fn two_applies_at_once_make_one_store(lab: Lab) {
    let target = wanted("x", Scaling::Static(2));
    let (one, other) = tokio::join!(
        lab.try_apply("x", &target, false),
        lab.try_apply("x", &target, false)
    );
    for outcome in [one, other] {
        let outcome = outcome.expect("begun");
        assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
        let known: BTreeSet<&Key> = outcome.exists.keys().collect();
        assert_eq!(known, target.keys().collect());
    }
    lab.apply("x", &target).await;
}

/// Of different ones the later write wins, and an apply of either converges.
pub async fn two_different_applies_at_once_converge(lab: Lab) {
    lab.apply("x", &wanted("x", Scaling::Static(1))).await;
    let mut other = wanted("x", Scaling::Static(3));
    let deployment = other.get_mut(&deployment_key("x")).expect("wanted");
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("feast:2");
    let autoscaled = wanted("x", Scaling::Autoscaler);
    let (one, two) = tokio::join!(
        lab.try_apply("x", &autoscaled, true),
        lab.try_apply("x", &other, true)
    );
    for outcome in [one, two] {
        let outcome = outcome.expect("begun");
        assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    }
    lab.apply("x", &other).await;
    let live = lab.live("x").await;
    assert_eq!(live["spec"]["replicas"], 3);
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"][0]["image"],
        "feast:2"
    );
}

pub async fn a_terminating_namespace_is_one_clear_error(lab: Lab) {
    // Something that stays for a while, so that the namespace does.
    let services: Api<Service> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let holder = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "holder", "finalizers": ["testbed.feast.dev/hold"]},
        "spec": {"ports": [{"port": 80}]}});
    let manager = PatchParams::apply("test");
    services
        .patch("holder", &manager, &Patch::Apply(holder))
        .await
        .expect("made");
    let namespaces: Api<Namespace> = Api::all(lab.client.clone());
    namespaces
        .delete(&lab.namespace, &DeleteParams::default())
        .await
        .expect("begun");

    let outcome = lab
        .try_apply("x", &wanted("x", Scaling::Static(1)), false)
        .await;
    let outcome = outcome.expect("begun");
    assert_eq!(outcome.exists, BTreeMap::new(), "nothing is half made");
    assert!(!outcome.errors.is_empty());
    for error in &outcome.errors {
        assert_eq!(
            error.reason.to_string(),
            format!("the namespace \"{}\" is being deleted", lab.namespace)
        );
    }
    let release = json!({"metadata": {"finalizers": null}});
    services
        .patch("holder", &PatchParams::default(), &Patch::Merge(release))
        .await
        .expect("released");
}

/// A Service that somebody deleted, and that a finalizer keeps for a moment.
pub async fn an_object_still_being_deleted_is_waited_for(lab: Lab) {
    let target = wanted("x", Scaling::Static(1));
    lab.apply("x", &target).await;
    let services: Api<Service> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let hold = |finalizers| json!({"metadata": {"finalizers": finalizers}});
    let patch = |body| {
        let services = services.clone();
        async move {
            let params = PatchParams::default();
            services
                .patch("feast-x-online", &params, &Patch::Merge(body))
                .await
                .expect("patched");
        }
    };
    patch(hold(json!(["testbed.feast.dev/hold"]))).await;
    services
        .delete("feast-x-online", &DeleteParams::default())
        .await
        .expect("begun");
    let before = services.get("feast-x-online").await.expect("still there");
    let (outcome, ()) = tokio::join!(lab.try_apply("x", &target, false), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        patch(hold(json!(null))).await;
    });
    let outcome = outcome.expect("begun");
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    let now = services.get("feast-x-online").await.expect("made anew");
    assert_ne!(now.metadata.uid, before.metadata.uid);
    assert_eq!(now.metadata.deletion_timestamp, None);
    lab.apply("x", &target).await;
}

/// The store is deleted by one while another applies it: no error of ours is anything but clear.
pub async fn an_apply_while_it_is_being_deleted_converges(lab: Lab) {
    let target = wanted("x", Scaling::Static(1));
    lab.apply("x", &target).await;
    let cancel = CancellationToken::new();
    let store = lab.store("x");
    let (known, claims) = (BTreeSet::new(), Default::default());
    let (deleted, applied) = tokio::join!(
        lab.cluster
            .delete(&store, &known, &claims, Duration::from_secs(60), &cancel),
        lab.try_apply("x", &target, false)
    );
    let deletion = deleted.expect("begun");
    for error in deletion
        .errors
        .iter()
        .chain(&applied.expect("begun").errors)
    {
        assert!(
            matches!(
                error.reason,
                Reason::NotFound | Reason::Stale { .. } | Reason::Terminating
            ),
            "{error}: {}",
            error.reason
        );
    }
    lab.apply("x", &target).await;
    let exists = lab
        .cluster
        .read(&store, &target.keys().cloned().collect(), &cancel)
        .await;
    assert_eq!(exists.expect("readable").len(), target.len());
    assert!(target.contains_key(&Key::new(Kind::Deployment, "feast-x")));
}

/// Someone changes the Deployment between plan and apply.
pub fn a_stale_plan_is_carried_out_as_it_says() {
    let test = StoreUnderTest::new("stale-plan");
    let services = |image: &str| {
        let server = format!("server = {{ image = {image:?},");
        format!(
            "feast_apply = \"init_container\"\n{}",
            DATABASES.replace("server      = {", &server)
        )
    };
    test.configure(&services("feast:1"));
    test.apply();
    test.configure(&services("feast:2"));
    let plan = ["plan", "-no-color", "-out=plan"];
    test.terraform.run(&plan).unwrap().expect_success();
    let container = test.deployment()["spec"]["template"]["spec"]["containers"][0]["name"].clone();
    let edit = format!("{}=feast:hotfix", container.as_str().unwrap());
    test.namespace
        .kubectl(&["set", "image", "deployment/feast-demo", &edit])
        .unwrap();

    // The plan names an image for this field, and a plain update does not stand against it.
    let apply = test.terraform.run(&["apply", "-no-color", "plan"]).unwrap();
    apply.expect_success();
    assert_eq!(
        test.deployment()["spec"]["template"]["spec"]["containers"][0]["image"],
        "feast:2"
    );
    test.expect_empty_plan();
    test.destroy();
}
