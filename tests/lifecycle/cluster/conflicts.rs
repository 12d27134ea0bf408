//! Fields and objects of other managers.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Patch;
use serde_json::json;
use terraform_provider_feast::cluster::apply::DesiredState;
use terraform_provider_feast::cluster::{
    CancellationToken, Cluster, Connection, Options, PvcPolicy,
};
use terraform_provider_feast::kubernetes::kind::{Key, Kind};

use super::lab::{Lab, Scaling, Wanted, deployment_key, objects, shown, wanted};
use super::reasons;

pub async fn conflicts_with_other_managers(lab: Lab) {
    let target = wanted("x", Scaling::Static(1));
    lab.apply("x", &target).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "online", "image": "feast:other"}]}}}});
    lab.edit("x", "kubectl-edit", &Patch::Strategic(image.clone()))
        .await;
    let outcome = lab.try_apply("x", &target, false).await.expect("begun");
    let field = "other field managers own these fields:\n  .spec.template.spec.containers[name=\"online\"].image";
    let time = lab.written("x", "kubectl-edit").await;
    let conflict = format!(
        "{field}: set by \"kubectl-edit\" at {time} to \"feast:other\"; the configured value is \"feast:1\""
    );
    assert_eq!(reasons(&outcome.errors), [conflict]);
    assert_eq!(
        outcome.errors[0].to_string(),
        format!(
            "cannot apply Deployment/feast-x in namespace \"{}\" of the cluster at {}",
            lab.namespace,
            lab.cluster.server()
        )
    );
    let outcome = lab.try_apply("x", &target, true).await.expect("begun");
    assert_eq!(reasons(&outcome.errors), [""; 0]);
    lab.apply("x", &target).await;

    let mut applied = image;
    applied["apiVersion"] = json!("apps/v1");
    applied["kind"] = json!("Deployment");
    lab.edit("x", "argocd", &Patch::Apply(applied)).await;
    // The dry runs of an update find it.
    let errors = lab
        .try_apply("x", &target, true)
        .await
        .expect_err("refused");
    let time = lab.written("x", "argocd").await;
    let conflict = format!(
        "{field}: applied by \"argocd\" at {time} to \"feast:other\"; the configured value is \"feast:1\""
    );
    assert_eq!(reasons(&errors), [conflict]);
    let forcing = Lab {
        cluster: Cluster::new(
            &Connection {
                config_path: Some(lab.kubeconfig.clone()),
                ..Connection::default()
            },
            Options {
                force_conflicts: true,
                ..Options::default()
            },
        )
        .expect("a connection"),
        ..lab
    };
    forcing.apply("x", &target).await;
    let live = forcing.live("x").await;
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"][0]["image"],
        "feast:1"
    );
}

pub async fn does_not_overwrite_foreign_objects(lab: Lab) {
    let mut foreign = wanted("x", Scaling::Static(1))[&deployment_key("x")].clone();
    foreign["metadata"]["labels"] =
        json!({"app.kubernetes.io/managed-by": "feast-operator", "feast.dev/name": "x"});
    lab.create::<Deployment>(&foreign).await;
    let errors = lab
        .try_apply("x", &wanted("x", Scaling::Static(1)), true)
        .await
        .expect_err("refused");
    assert_eq!(
        reasons(&errors),
        [
            "it exists already and does not belong to this feature store; it belongs to the feature store \"x\", managed by \"feast-operator\""
        ]
    );
    let service = Key::new(Kind::Service, "feast-x-online");
    let found = lab
        .cluster
        .get(&lab.namespace, &service, &CancellationToken::new())
        .await;
    assert_eq!(found.expect("readable"), None, "nothing is written");
}

pub async fn detects_objects_created_after_the_read(lab: Lab) {
    let cancel = CancellationToken::new();
    for (store, manager) in [("ours", "feast"), ("foreign", "feast-operator")] {
        let key = deployment_key(store);
        let mut made = wanted(store, Scaling::Static(2))[&key].clone();
        made["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!(manager);
        lab.create::<Deployment>(&made).await;
        // A change of the strategy, which releases the replica count, and the same memory in another notation.
        let target = wanted(store, Scaling::Static(1));
        let desired = DesiredState {
            store: &lab.store(store),
            objects: &objects(&target),
            prior: &shown(),
            pvc_policy: &PvcPolicy::default(),
            deadline: tokio::time::Instant::now(),
            wait_for_job: None,
        };
        let outcome = lab.cluster.apply(BTreeMap::new(), &desired, None, &cancel);
        let outcome = outcome.await.expect("begun");
        let strategy = &lab.live(store).await["spec"]["strategy"];
        if manager == "feast" {
            assert_eq!(reasons(&outcome.errors), [""; 0]);
            assert_eq!(outcome.changed, target.keys().cloned().collect());
            assert_eq!(strategy, &json!({"type": "Recreate"}));
        } else {
            assert_eq!(
                reasons(&outcome.errors),
                [
                    "it exists already and does not belong to this feature store; it belongs to the feature store \"foreign\", managed by \"feast-operator\""
                ]
            );
            let changed = target.keys().filter(|other| **other != key);
            assert_eq!(outcome.changed, changed.cloned().collect::<BTreeSet<_>>());
            assert_eq!(
                strategy,
                &json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
            );
        }
    }
}

/// Between the read and the write, the apply may wait minutes for a Job.
pub async fn does_not_overwrite_edits_after_the_read(lab: Lab) {
    let cancel = CancellationToken::new();
    let key = deployment_key("x");
    let with_image = |image: &str| {
        let mut wanted = wanted("x", Scaling::Static(1));
        let deployment = wanted.get_mut(&key).expect("wanted");
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        wanted
    };
    let edit = async |image: &str| {
        let edit = json!({"spec": {"template": {"spec": {"containers": [{"name": "online", "image": image}]}}}});
        lab.edit("x", "kubectl-edit", &Patch::Strategic(edit)).await;
    };
    let image = async || {
        let live = lab.live("x").await;
        live["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    lab.apply("x", &with_image("feast:1")).await;
    let (store, target) = (lab.store("x"), with_image("feast:2"));
    let keys = target.keys().cloned().collect();
    let read = async || {
        let read = lab.cluster.read(&store, &keys, &cancel).await;
        read.expect("readable")
    };
    let apply_from = async |read, planned: &Wanted| {
        let desired = DesiredState {
            store: &store,
            objects: &objects(&target),
            prior: planned,
            pvc_policy: &PvcPolicy::default(),
            deadline: tokio::time::Instant::now(),
            wait_for_job: None,
        };
        // The dry runs before the first write find a conflict.
        match lab.cluster.apply(read, &desired, None, &cancel).await {
            Ok(outcome) => outcome.errors,
            Err(refused) => refused,
        }
    };

    let before = read().await;
    edit("feast:unseen").await;
    let errors = apply_from(before, &with_image("feast:1")).await;
    let time = lab.written("x", "kubectl-edit").await;
    assert_eq!(
        reasons(&errors),
        [format!(
            "these fields were changed after the plan was made:\n  \
             .spec.template.spec.containers[name=\"online\"].image: set by \"kubectl-edit\" at {time} to \
             \"feast:unseen\"; the configured value is \"feast:2\""
        )]
    );
    assert_eq!(image().await, "feast:unseen");

    // A change that the plan has shown is reverted, whatever else was written meanwhile.
    let before = read().await;
    let foreign = json!({"metadata": {"annotations": {"foreign": "stays"}}});
    lab.edit("x", "kubectl-annotate", &Patch::Merge(foreign))
        .await;
    let errors = apply_from(before, &with_image("feast:unseen")).await;
    assert_eq!(reasons(&errors), [""; 0]);
    assert_eq!(image().await, "feast:2");
    assert_eq!(
        lab.live("x").await["metadata"]["annotations"]["foreign"],
        "stays"
    );
}
