//! The Role that the guide "Access to the cluster" documents, against a real API server: it is enough, and
//! whichever of its rights is missing, the error names it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, PostParams};
use serde_json::{Value as Json, json};
use terraform_provider_feast::cluster::apply::Plan;
use terraform_provider_feast::cluster::rollout::Wait;
use terraform_provider_feast::cluster::{
    CancellationToken, Claims, Cluster, Connection, Error, Options,
};
use terraform_provider_feast::feast::objects::Kind;
use terraform_provider_feast::feast::redaction::Redaction;

use crate::lifecycle::cluster::Lab;
use crate::lifecycle::cluster::lab::{Scaling, TIMEOUT, Wanted, deployment_key, object, wanted};

/// A verb and a resource with its group.
#[derive(Debug, Clone, PartialEq)]
struct Right {
    group: String,
    resource: String,
    verb: String,
}

/// The rules of the guide's Role, one right each.
fn documented() -> Vec<Right> {
    let guide = include_str!("../../docs/guides/cluster-access.md");
    let (_, after) = guide.split_once("## A minimal Role").expect("the chapter");
    let block = after.split("```yaml").nth(1).expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    let role: Json = serde_saphyr::from_str(block).expect("YAML");
    let texts = |value: &Json| -> Vec<String> {
        let items = value.as_array().expect("a list").iter();
        items
            .map(|item| item.as_str().expect("text").to_owned())
            .collect()
    };
    let mut rights = Vec::new();
    for rule in role["rules"].as_array().expect("rules") {
        for resource in texts(&rule["resources"]) {
            for verb in texts(&rule["verbs"]) {
                rights.push(Right {
                    group: texts(&rule["apiGroups"]).remove(0),
                    resource: resource.clone(),
                    verb,
                });
            }
        }
    }
    rights
}

/// Those that only an explanation needs.
fn only_explains(right: &Right) -> bool {
    ["events", "pods/log"].contains(&right.resource.as_str())
}

/// An account with these rights, as the cluster sees it.
async fn account(lab: &Lab, name: &str, rights: &[Right]) -> Cluster {
    let rules: Vec<Json> = (rights.iter())
        .map(|right| {
            json!({"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]})
        })
        .collect();
    let metadata = json!({"name": name});
    let role: Role =
        serde_json::from_value(json!({"metadata": metadata, "rules": rules})).expect("a Role");
    let binding: RoleBinding = serde_json::from_value(json!({"metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": lab.namespace}]}))
    .expect("a RoleBinding");
    let account: ServiceAccount =
        serde_json::from_value(json!({"metadata": metadata})).expect("an account");
    let params = PostParams::default();
    let namespace = &lab.namespace;
    let accounts: Api<ServiceAccount> = Api::namespaced(lab.client.clone(), namespace);
    let roles: Api<Role> = Api::namespaced(lab.client.clone(), namespace);
    let bindings: Api<RoleBinding> = Api::namespaced(lab.client.clone(), namespace);
    accounts.create(&params, &account).await.expect("created");
    roles.create(&params, &role).await.expect("created");
    bindings.create(&params, &binding).await.expect("created");
    let request: TokenRequest = serde_json::from_value(
        json!({"spec": {"audiences": ["https://kubernetes.default.svc.cluster.local"]}}),
    )
    .expect("valid");
    let token = accounts.create_token_request(name, &params, &request).await;
    let token = token.expect("a token").status.expect("a status").token;
    let token = serde_json::to_value(token).expect("json");
    let connection = Connection {
        host: Some(lab.cluster.server().to_owned()),
        insecure: Some(true),
        token: token.as_str().map(str::to_owned),
        ..Connection::default()
    };
    let cluster = Cluster::connect(&connection, Options::default()).await;
    cluster.expect("a connection")
}

/// One object of every kind that the Role is about.
fn whole_store(store: &str, scaling: Scaling) -> Wanted {
    let mut all = wanted(store, scaling);
    let name = format!("feast-{store}");
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "apply", "image": "feast:1"}]}});
    let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let cron_job =
        json!({"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": pod}}}});
    all.extend([
        object(Kind::ConfigMap, &name, store, json!({"data": {"a": "b"}})),
        object(Kind::PersistentVolumeClaim, &name, store, claim),
        object(Kind::CronJob, &name, store, cron_job),
        object(Kind::Job, &name, store, json!({"spec": {"template": pod}})),
    ]);
    all
}

/// A create, an update that takes something away, and a destroy; the errors of the first step that has any.
async fn life(lab: &Lab, cluster: &Cluster, store: &str) -> Vec<Error> {
    let secrets = Redaction::default();
    let wait = Wait::new(TIMEOUT, &secrets);
    let cancel = CancellationToken::new();
    let name = lab.store(store);
    let main = format!("feast-{store}");
    let mut updated = whole_store(store, Scaling::Static(1));
    updated.retain(|key, _| !matches!(key.kind, Kind::ConfigMap | Kind::CronJob));
    let deployment = updated.get_mut(&deployment_key(store)).expect("wanted");
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("feast:2");
    let mut known = BTreeSet::new();
    for wanted in [whole_store(store, Scaling::Autoscaler), updated] {
        let plan = Plan {
            store: &name,
            wanted: &wanted,
            known: &known,
            claims: &Claims::default(),
            repair_drift: true,
            wait_for_job: Some(wait),
        };
        match cluster.apply(&plan, &cancel).await {
            Err(errors) => return errors,
            Ok(outcome) if !outcome.errors.is_empty() => return outcome.errors,
            Ok(_) => {}
        }
        let waited = cluster.wait_for_rollout(&name, &main, None, &wait, &cancel);
        if let Err(error) = waited.await {
            return vec![error];
        }
        known = wanted.into_keys().collect();
    }
    let claims = Claims {
        delete: true,
        used: BTreeSet::new(),
    };
    match cluster
        .delete(&name, &known, &claims, TIMEOUT, &cancel)
        .await
    {
        Err(error) => vec![error],
        Ok(deletion) => deletion.errors,
    }
}

pub async fn the_documented_role_is_enough_and_each_missing_right_is_named(lab: Lab) {
    let all = documented();
    assert!(all.len() > 40, "{all:#?}");
    let mut accounts = Vec::new();
    accounts.push((None, account(&lab, "whole", &all).await));
    for (number, missing) in all.iter().enumerate() {
        let rest: Vec<Right> = all
            .iter()
            .filter(|right| *right != missing)
            .cloned()
            .collect();
        let cluster = account(&lab, &format!("without-{number}"), &rest).await;
        accounts.push((Some(missing.clone()), cluster));
    }
    // The API server learns of Roles in their order; the last one's rights are there when it can use one.
    let (_, last) = accounts.last().expect("one");
    let key = deployment_key("none");
    let cancel = CancellationToken::new();
    while last.get(&lab.namespace, &key, &cancel).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let lives = accounts
        .iter()
        .enumerate()
        .map(|(number, (missing, cluster))| {
            let lab = &lab;
            async move {
                let errors = life(lab, cluster, &format!("r{number}")).await;
                (missing.clone(), errors)
            }
        });
    let ended: Vec<_> = futures::stream::iter(lives)
        .buffer_unordered(6)
        .collect()
        .await;
    let mut wrong = BTreeMap::new();
    for (missing, errors) in ended {
        let said: Vec<String> = (errors.iter())
            .map(|error| format!("{error}: {}", error.reason))
            .collect();
        let expected = missing
            .as_ref()
            .filter(|right| !only_explains(right))
            .map(|right| {
                format!(
                    "cannot {} resource \"{}\" in API group \"{}\" in the namespace \"{}\"",
                    right.verb, right.resource, right.group, lab.namespace
                )
            });
        let right = match &expected {
            None => said.is_empty(),
            // Watching is for what does not go at once.
            Some(_) if said.is_empty() => {
                missing.as_ref().is_some_and(|right| right.verb == "watch")
            }
            Some(expected) => said.iter().all(|text| text.contains(expected)),
        };
        if !right {
            wrong.insert(format!("{missing:?}"), said);
        }
    }
    assert_eq!(wrong, BTreeMap::new());
}
