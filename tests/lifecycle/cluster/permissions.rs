//! The guide's minimal Role, one permission at a time: all together are sufficient, and each missing permission is
//! named.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value as Json, json};
use terraform_provider_feast::cluster::apply::DesiredState;
use terraform_provider_feast::cluster::rollout::{Rollout, Wait};
use terraform_provider_feast::cluster::{
    CancellationToken, Cluster, Connection, Error, Options, PvcPolicy, Reason,
};
use terraform_provider_feast::feast::secrets::redaction::Redaction;
use terraform_provider_feast::kubernetes::kind::{Key, Kind, KindInfo};

use super::lab::{Lab, Scaling, TIMEOUT, Wanted, apply, object, objects, wanted};
use crate::lifecycle::account;

const FINALIZER: &str = "test.feast.dev/held";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Permission {
    verb: String,
    group: String,
    resource: String,
}

impl Permission {
    /// Returns the message of the API server for the missing permission.
    fn missing(&self, namespace: &str) -> String {
        format!(
            "cannot {} resource {:?} in API group {:?} in the namespace {namespace:?}",
            self.verb, self.resource, self.group
        )
    }

    fn rule(&self) -> Json {
        json!({"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]})
    }

    fn all() -> Vec<Self> {
        let words = |list: &Json| -> Vec<String> {
            let list = list.as_array().expect("a list").iter();
            list.map(|word| word.as_str().expect("a word").to_owned())
                .collect()
        };
        let mut permissions = Vec::new();
        for rule in account::minimal_rules().as_array().expect("rules") {
            for group in words(&rule["apiGroups"]) {
                for resource in words(&rule["resources"]) {
                    for verb in words(&rule["verbs"]) {
                        let (group, resource) = (group.clone(), resource.clone());
                        permissions.push(Self {
                            verb,
                            group,
                            resource,
                        });
                    }
                }
            }
        }
        permissions
    }
}

/// Returns a store with an object of every namespaced kind that grants no permissions.
fn everything(store: &str) -> Wanted {
    let name = format!("feast-{store}");
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "feast:1"}]}});
    let mut all = wanted(store, Scaling::Autoscaler);
    all.extend([
        object(Kind::ConfigMap, &name, store, json!({"data": {"a": "b"}})),
        object(
            Kind::PersistentVolumeClaim,
            &name,
            store,
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
        ),
        object(
            Kind::PodDisruptionBudget,
            &name,
            store,
            json!({"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"feast.dev/name": store}}}}),
        ),
        object(
            Kind::NetworkPolicy,
            &name,
            store,
            json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}),
        ),
        object(Kind::Job, &name, store, json!({"spec": {"template": pod}})),
        object(
            Kind::CronJob,
            &name,
            store,
            json!({"spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": pod}}}}),
        ),
    ]);
    all
}

/// Creates, changes, reads and deletes the store, and ends with the first step that fails.
async fn live(
    lab: &Lab,
    cluster: &Cluster,
    name: &str,
    mut target: Wanted,
) -> Result<(), Vec<Error>> {
    let store = lab.store(name);
    let cancel = CancellationToken::new();
    let secrets = Redaction::default();
    let wait = Wait::new(TIMEOUT, &secrets);
    let policy = PvcPolicy {
        deletable: [format!("feast-{name}")].into(),
        ..PvcPolicy::default()
    };
    let known: BTreeSet<Key> = target.keys().cloned().collect();
    for change in ["made", "changed"] {
        for manifest in target.values_mut() {
            manifest["metadata"]["annotations"] = json!({"test/change": change});
        }
        let desired = DesiredState {
            store: &store,
            objects: &objects(&target),
            prior: &BTreeMap::new(),
            pvc_policy: &policy,
            deadline: tokio::time::Instant::now(),
            wait_for_job: Some(wait),
        };
        let outcome = apply(cluster, &desired, &cancel).await?;
        if !outcome.errors.is_empty() {
            return Err(outcome.errors);
        }
        let deployment = format!("feast-{name}");
        let rollout = Rollout {
            deployment: &deployment,
            pods: name,
            minimum: Some(2),
        };
        cluster
            .wait_for_rollout(&store, &rollout, &wait, &cancel)
            .await
            .map_err(|error| vec![error])?;
    }
    // Objects that the lists do not contain are read by name.
    let gone = known.iter().map(|key: &Key| Key::new(key.kind, "gone"));
    let asked = gone.chain(known.iter().cloned()).collect();
    let read = cluster.read(&store, &asked, &cancel).await;
    let found: BTreeSet<Key> = read.map_err(|error| vec![error])?.into_keys().collect();
    assert_eq!(found, known);
    let deletion = cluster
        .delete(&store, &known, &policy, TIMEOUT, &cancel)
        .await
        .map_err(|error| vec![error])?;
    if !deletion.errors.is_empty() {
        return Err(deletion.errors);
    }
    Ok(())
}

/// Creates an account with these permissions.
async fn account(lab: &Lab, name: &str, permissions: &[Permission]) -> Cluster {
    let rules = permissions.iter().map(Permission::rule).collect();
    lab.make_account(&account::manifests(&lab.namespace, name, &rules))
        .await;
    let connection = Connection {
        config_path: Some(lab.kubeconfig.clone()),
        token: Some(lab.token(name).await),
        ..Connection::default()
    };
    Cluster::new(&connection, Options::default()).expect("a connection")
}

/// Delays the deletion of the store, because a watch starts only for objects that are not deleted immediately.
async fn make_slow_to_go(lab: &Lab, resource: &str, store: &str, target: &mut Wanted) {
    if resource == "pods" {
        lab.create::<Pod>(&json!({
            "metadata": {
                "name": store,
                "labels": {"feast.dev/name": store, "app.kubernetes.io/managed-by": "feast"},
            },
            "spec": {"containers": [{"name": "c", "image": "feast:1"}]},
        }))
        .await;
    }
    for (key, manifest) in target {
        if key.kind.plural() == resource {
            manifest["metadata"]["finalizers"] = json!([FINALIZER]);
        }
    }
}

/// Removes the finalizers, so that the namespace can be deleted.
async fn release(lab: &Lab, target: &Wanted) {
    let held = target
        .iter()
        .filter(|(_, manifest)| !manifest["metadata"]["finalizers"].is_null());
    for (key, _) in held {
        let KindInfo { group, version, .. } = key.kind.info();
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(group, version, key.kind.as_str()),
            key.kind.plural(),
        );
        let objects: Api<DynamicObject> =
            Api::namespaced_with(lab.client.clone(), &lab.namespace, &resource);
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        objects
            .patch(&key.name, &PatchParams::default(), &patch)
            .await
            .expect("released");
    }
}

/// Returns the result for an account without this permission: a single word, or the complete error.
async fn without(
    lab: &Lab,
    number: usize,
    missing: &Permission,
    permissions: &[Permission],
) -> String {
    let name = format!("s{number}");
    let permissions: Vec<Permission> = permissions
        .iter()
        .filter(|permission| *permission != missing)
        .cloned()
        .collect();
    let cluster = account(lab, &name, &permissions).await;
    let mut target = everything(&name);
    if missing.verb == "watch" {
        make_slow_to_go(lab, &missing.resource, &name, &mut target).await;
    }
    let result = live(lab, &cluster, &name, target.clone()).await;
    release(lab, &target).await;
    let Err(errors) = result else {
        return "enough".to_owned();
    };
    let sentence = missing.missing(&lab.namespace);
    let place = format!(" in namespace {:?} of the cluster at ", lab.namespace);
    let named = errors.iter().all(|error| {
        matches!(&error.reason, Reason::Forbidden { message } if message.contains(&sentence))
            && error.to_string().contains(&place)
            && error.hint().is_some()
    });
    if named {
        return "named".to_owned();
    }
    let texts: Vec<String> = errors.iter().map(|error| super::chain(error)).collect();
    texts.join("\n")
}

pub async fn names_each_missing_permission(lab: Lab) {
    let permissions = Permission::all();
    let cluster = account(&lab, "everything", &permissions).await;
    live(&lab, &cluster, "everything", everything("everything"))
        .await
        .expect("enough");

    let numbered = futures::stream::iter(permissions.iter().enumerate());
    let outcomes: BTreeMap<&Permission, String> = numbered
        .map(|(number, missing)| {
            let (lab, permissions) = (&lab, &permissions);
            async move { (missing, without(lab, number, missing, permissions).await) }
        })
        .buffer_unordered(8)
        .collect()
        .await;
    let expected: BTreeMap<&Permission, String> = permissions
        .iter()
        .map(|permission| {
            // Events and logs only improve errors, and this cluster has no custom resources.
            let is_custom = ["keda.sh", "route.openshift.io", "monitoring.coreos.com"]
                .contains(&permission.group.as_str());
            let messages = match permission.resource.as_str() {
                "events" | "pods/log" => "enough",
                _ if is_custom => "enough",
                _ => "named",
            };
            (permission, messages.to_owned())
        })
        .collect();
    assert_eq!(outcomes, expected);
}
