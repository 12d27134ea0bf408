//! Dry runs of the writes of an apply.

use std::collections::BTreeMap;

use kube::api::Patch;
use serde_json::{Value as Json, json};
use terraform_provider_feast::cluster::apply::{Checked, Writes};
use terraform_provider_feast::cluster::{CancellationToken, Cluster, Error};
use terraform_provider_feast::kubernetes::kind::{Key, Kind};

use super::lab::{Lab, Scaling, Wanted, deployment_key, object, wanted};
use super::reasons;

/// Checks the writes of a create or, with the manifests of the last apply, of an update.
async fn check(lab: &Lab, manifests: &Wanted, prior: &Wanted) -> (Checked, Wanted) {
    let (store, cancel) = (lab.store("x"), CancellationToken::new());
    let keys = manifests.keys().chain(prior.keys());
    let read = async |cluster: &Cluster| {
        let keys = keys.clone().cloned().collect();
        cluster
            .read(&store, &keys, &cancel)
            .await
            .expect("readable")
    };
    let live = read(&lab.cluster).await;
    let writes = Writes {
        store: &store,
        manifests,
        live: &live,
        prior,
    };
    let checked = lab.cluster.check_writes(&writes, &cancel).await;
    // Controllers write the status of the Deployment.
    let stable = |objects: &Wanted| {
        let mut objects = objects.clone();
        objects.retain(|key, _| key.kind != Kind::Deployment);
        objects
    };
    assert_eq!(
        stable(&read(&lab.cluster).await),
        stable(&live),
        "nothing is stored"
    );
    (checked, live)
}

fn targets(errors: &[Error]) -> Vec<String> {
    errors
        .iter()
        .map(|error| error.target.to_string())
        .collect()
}

fn cron_job(time_zone: &str) -> (Key, Json) {
    let pod = json!({"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"});
    let job = json!({"spec": {"template": {"spec": pod}}});
    let spec = json!({"schedule": "@daily", "timeZone": time_zone, "jobTemplate": job});
    object(Kind::CronJob, "feast-x", "x", json!({"spec": spec}))
}

pub async fn dry_run_reports_every_rejected_object(lab: Lab) {
    let none = BTreeMap::new();
    let mut target = wanted("x", Scaling::Static(2));
    let (checked, _) = check(&lab, &target, &none).await;
    assert_eq!(targets(&checked.refused), [""; 0], "a valid create");

    let (bad, job) = cron_job("Europe/Berlim");
    target.insert(bad.clone(), job);
    let (service, deployment) = (
        Key::new(Kind::Service, "feast-x-online"),
        deployment_key("x"),
    );
    target.get_mut(&service).expect("wanted")["spec"]["ports"][0]["port"] = json!(70000);
    target.get_mut(&deployment).expect("wanted")["spec"]["template"]["spec"]["hostname"] =
        json!("a b");
    let (checked, live) = check(&lab, &target, &none).await;
    let expected = [&service, &deployment, &bad].map(Key::to_string);
    assert_eq!(targets(&checked.refused), expected);
    assert_eq!(live, none);

    // An update: objects that do not change are not sent.
    let before = wanted("x", Scaling::Static(2));
    lab.apply("x", &before).await;
    let (checked, _) = check(&lab, &target, &before).await;
    assert_eq!(targets(&checked.refused), expected);
    let (checked, _) = check(&lab, &before, &before).await;
    assert_eq!(targets(&checked.refused), [""; 0]);
}

pub async fn dry_run_reports_conflicts_of_an_update(lab: Lab) {
    let before = wanted("x", Scaling::Static(2));
    lab.apply("x", &before).await;
    let mut target = before.clone();
    let image = |image: &str| json!({"containers": [{"name": "online", "image": image}]});
    let template = |pod: Json| json!({"spec": {"template": {"spec": pod}}});
    let deployment = target.get_mut(&deployment_key("x")).expect("wanted");
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("feast:2");

    // An edit that the plan has shown is undone by the update.
    lab.edit(
        "x",
        "kubectl-edit",
        &Patch::Strategic(template(image("feast:edited"))),
    )
    .await;
    let mut shown = before.clone();
    shown.get_mut(&deployment_key("x")).expect("wanted")["spec"]["template"]["spec"]["containers"]
        [0]["image"] = json!("feast:edited");
    let (checked, _) = check(&lab, &target, &shown).await;
    assert_eq!(reasons(&checked.refused), [""; 0]);
    // Another edit is not.
    let (checked, _) = check(&lab, &target, &before).await;
    let time = lab.written("x", "kubectl-edit").await;
    let field = ".spec.template.spec.containers[name=\"online\"].image";
    let conflict = format!(
        "these fields were changed after the plan was made:\n  {field}: set by \"kubectl-edit\" at {time} to \
         \"feast:edited\"; the configured value is \"feast:2\""
    );
    assert_eq!(reasons(&checked.refused), [conflict]);
}
