//! Writes, removals and deletions.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Patch;
use serde_json::{Value as Json, json};
use terraform_provider_feast::cluster::{CancellationToken, PvcPolicy};
use terraform_provider_feast::kubernetes::kind::{Key, Kind};

use super::lab::{Lab, Scaling, TIMEOUT, deployment_key, object, wanted};

pub async fn removes_unwanted_fields_and_objects(lab: Lab) {
    let mut target = wanted("x", Scaling::Static(2));
    lab.apply("x", &target).await;
    let before = lab.live("x").await;
    lab.apply("x", &target).await;
    assert_eq!(
        lab.live("x").await["metadata"]["generation"],
        before["metadata"]["generation"]
    );
    let deployment = target.get_mut(&deployment_key("x")).expect("wanted");
    let pod = &mut deployment["spec"]["template"]["spec"];
    pod["containers"][0]["env"] = json!([{"name": "B", "value": "2"}]);
    pod["containers"][0]["ports"] =
        json!([{"name": "udp", "containerPort": 6566, "protocol": "UDP"}]);
    for field in ["affinity", "topologySpreadConstraints", "tolerations"] {
        pod.as_object_mut().expect("an object").remove(field);
    }
    pod["containers"][0]
        .as_object_mut()
        .expect("an object")
        .remove("resources");
    lab.apply("x", &target).await;
    let live = lab.live("x").await;
    let pod = &live["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(
        json!([
            container["env"],
            container["ports"],
            container["resources"],
            pod["affinity"],
            pod["topologySpreadConstraints"],
            pod["tolerations"]
        ]),
        json!([[{"name": "B", "value": "2"}], [{"name": "udp", "containerPort": 6566, "protocol": "UDP"}],
            {}, null, null, null])
    );
}

pub async fn changes_the_strategy_in_both_directions(lab: Lab) {
    let strategy = |store: &str, strategy: Json| {
        let mut wanted = wanted(store, Scaling::Static(2));
        let deployment = wanted.get_mut(&deployment_key(store)).expect("wanted");
        deployment["spec"]["strategy"] = strategy;
        wanted
    };
    let rolling = json!({"type": "RollingUpdate"});
    let recreate = json!({"type": "Recreate"});
    lab.apply("x", &strategy("x", rolling.clone())).await;
    for (next, expected) in [
        (&recreate, json!({"type": "Recreate"})),
        (
            &rolling,
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
        ),
        (&recreate, json!({"type": "Recreate"})),
        (
            &json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}),
        ),
        (&recreate, json!({"type": "Recreate"})),
    ] {
        let before = lab.live("x").await["metadata"]["generation"].as_i64();
        lab.apply("x", &strategy("x", next.clone())).await;
        let live = lab.live("x").await;
        assert_eq!(live["spec"]["strategy"], expected);
        // A single write.
        assert_eq!(
            live["metadata"]["generation"].as_i64(),
            before.map(|before| before + 1)
        );
    }

    // Numbers of another owner: the API server's defaults in an object that another manager created.
    let made = strategy("y", rolling.clone());
    lab.create::<Deployment>(&made[&deployment_key("y")]).await;
    lab.apply("y", &strategy("y", recreate.clone())).await;
    assert_eq!(lab.live("y").await["spec"]["strategy"], recreate);
    lab.apply("y", &strategy("y", rolling.clone())).await;

    // A number that another manager has edited.
    lab.edit(
        "y",
        "kubectl-edit",
        &Patch::Merge(json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 3}}}})),
    )
    .await;
    lab.apply("y", &strategy("y", recreate.clone())).await;
    assert_eq!(lab.live("y").await["spec"]["strategy"], recreate);
}

pub async fn prunes_and_deletes(lab: Lab) {
    let mut target = wanted("x", Scaling::Autoscaler);
    for name in ["feast-x-registry", "feast-x-online"] {
        let (key, pvc) = object(
            Kind::PersistentVolumeClaim,
            name,
            "x",
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}}),
        );
        target.insert(key, pvc);
    }
    lab.apply("x", &target).await;
    let pvcs: Vec<Key> = ["feast-x-online", "feast-x-registry"]
        .map(|name| Key::new(Kind::PersistentVolumeClaim, name))
        .into();
    let outcome = lab.apply("x", &wanted("x", Scaling::External)).await;
    assert_eq!(outcome.retained_pvcs, pvcs);
    let service = Key::new(Kind::Service, "feast-x-online");
    let mut fewer = wanted("x", Scaling::External);
    fewer.remove(&service);
    let outcome = lab.apply("x", &fewer).await;
    assert_eq!(outcome.changed, BTreeSet::from([service.clone()]));
    assert!(!outcome.objects.contains_key(&service));

    let delete = |deletable: &[&str]| {
        let lab = &lab;
        let deletable = deletable.iter().map(|name| (*name).to_owned()).collect();
        async move {
            let known = BTreeSet::new();
            let policy = PvcPolicy {
                deletable,
                used: BTreeSet::new(),
            };
            let cancel = CancellationToken::new();
            let deletion = lab
                .cluster
                .delete(&lab.store("x"), &known, &policy, TIMEOUT, &cancel)
                .await;
            let deletion = deletion.expect("begun");
            assert!(deletion.errors.is_empty(), "{:?}", deletion.errors);
            assert_eq!(deletion.remaining, BTreeMap::new());
            deletion.kept
        }
    };
    assert_eq!(delete(&[]).await, pvcs);
    assert_eq!(delete(&[]).await, pvcs, "gone already is fine");
    assert_eq!(delete(&["feast-x-online"]).await, pvcs[1..]);
    assert_eq!(delete(&["feast-x-online", "feast-x-registry"]).await, []);
    let keys = target.into_keys().collect();
    let left = lab
        .cluster
        .read(&lab.store("x"), &keys, &CancellationToken::new())
        .await;
    assert_eq!(left.expect("readable"), BTreeMap::new());
}
