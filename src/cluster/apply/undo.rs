//! Undoes a create that the API server has refused.
//!
//! # Guarantees
//!
//! - Only objects that this create has made are deleted, each by its UID. An object that existed before stays, and so
//!   does one whose answer was lost.
//! - A PersistentVolumeClaim is deleted only if its volume, if any, was provisioned for it: another volume can have
//!   data.
//! - The Secret of the feature store is deleted last, and only if everything else is gone. Until then no other create
//!   can adopt the objects ([`Ownership`](crate::feast::ownership::Ownership)).

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, Reason, Verb};
use super::super::{Cluster, StoreName};
use super::Outcome;
use crate::kubernetes::kind::{Key, Kind};

/// The number of attempts to delete a PersistentVolumeClaim that changes.
const PVC_ATTEMPTS: usize = 5;

/// The annotations of a PersistentVolumeClaim whose volume is provisioned for it.
const PROVISIONER: [&str; 2] = [
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
];

/// The result of undoing a create.
#[derive(Debug, Default)]
pub struct Undone {
    /// The objects that the create has made and that could not be deleted.
    pub left: BTreeSet<Key>,
    pub errors: Vec<Error>,
}

impl Outcome {
    /// Returns whether the create can be undone: the API server has refused it before there was a Deployment, and
    /// nothing else went wrong. Otherwise the objects are needed to find the cause, or their number is not known.
    pub fn can_undo(&self) -> bool {
        let is_deployment = |key: &Key| key.kind == Kind::Deployment;
        !self.errors.is_empty()
            && self.errors.iter().all(Error::is_refusal)
            && !self.objects.keys().any(is_deployment)
    }
}

impl Cluster {
    /// Deletes the objects that a create has made, and removes them from its outcome.
    pub async fn undo_create(
        &self,
        store: &StoreName,
        outcome: &mut Outcome,
        cancel: &CancellationToken,
    ) -> Undone {
        let mut undone = Undone::default();
        let (secrets, others): (Vec<Key>, Vec<Key>) =
            (outcome.created.iter().cloned()).partition(|key| key.kind == Kind::Secret);
        for keys in [others, secrets] {
            if !undone.left.is_empty() {
                undone.left.extend(keys);
                continue;
            }
            let deletions = keys.iter().map(|key| {
                let live = outcome.objects.get(key).unwrap_or(&Json::Null);
                self.undo_object(store, key, live, cancel)
            });
            let results = join_all(deletions).await;
            for (key, result) in keys.into_iter().zip(results) {
                match result {
                    Ok(true) => {
                        outcome.objects.remove(&key);
                        outcome.created.remove(&key);
                    }
                    Ok(false) => drop(undone.left.insert(key)),
                    Err(error) => {
                        undone.errors.push(error);
                        undone.left.insert(key);
                    }
                }
            }
        }
        undone
    }

    /// Deletes the object with the UID of `live`. Returns whether it was deleted.
    async fn undo_object(
        &self,
        store: &StoreName,
        key: &Key,
        live: &Json,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        if key.kind != Kind::PersistentVolumeClaim {
            return self
                .delete_one(store, key, live, cancel)
                .await
                .map(|()| true);
        }
        for _ in 0..PVC_ATTEMPTS {
            let Some(now) = self.get(&store.namespace, key, cancel).await? else {
                return Ok(true);
            };
            if now["metadata"]["uid"] != live["metadata"]["uid"] {
                return Ok(true);
            }
            if !has_own_volume(&now) {
                return Ok(false);
            }
            match self.delete_version(store, key, &now, cancel).await {
                Err(error) if error.is_stale() => {}
                deleted => return deleted.map(|()| true),
            }
        }
        Err(self.object_error(Verb::Delete, store, key, Reason::changes_too_often()))
    }
}

/// Returns whether the PersistentVolumeClaim has no volume yet, or one that was provisioned for it.
fn has_own_volume(pvc: &Json) -> bool {
    let annotations = &pvc["metadata"]["annotations"];
    pvc["spec"]["volumeName"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
        || PROVISIONER
            .iter()
            .any(|name| annotations[*name].is_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};

    #[test]
    fn only_a_provisioned_volume_belongs_to_the_pvc() {
        let pvc = |volume: Json, annotations: Json| {
            has_own_volume(
                &json!({"metadata": {"annotations": annotations}, "spec": {"volumeName": volume}}),
            )
        };
        let [provisioned, beta] = PROVISIONER.map(|name| json!({name: "ebs.csi.aws.com"}));
        let bound = json!({"pv.kubernetes.io/bound-by-controller": "yes"});
        assert!(pvc(Json::Null, Json::Null));
        assert!(pvc(json!(""), json!({})));
        assert!(pvc(json!("v"), provisioned));
        assert!(pvc(json!("v"), beta));
        assert!(!pvc(json!("v"), Json::Null));
        assert!(!pvc(json!("v"), bound));
    }

    fn live(kind: Kind, name: &str) -> (Key, Json) {
        let metadata =
            json!({"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1"});
        (Key::new(kind, name), json!({"metadata": metadata}))
    }

    fn keys<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Vec<String> {
        keys.into_iter().map(Key::to_string).collect()
    }

    /// Undoes a create of a Secret, a Service and a PVC, which a ConfigMap preceded, with these replies to requests
    /// that contain the text.
    async fn undone(replies: &'static [(&str, u16, &str)]) -> (Undone, Outcome, Vec<String>) {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |it| {
            sender.send(it.line.clone()).unwrap();
            let reply = replies.iter().find(|(part, ..)| it.line.contains(part));
            match reply {
                Some((_, code, body)) => Reply::Answer(*code, serde_json::from_str(body).unwrap()),
                None => Reply::Answer(200, live(Kind::PersistentVolumeClaim, "pvc").1),
            }
        });
        let cluster = cluster.await;
        let created = [
            live(Kind::Secret, "secret"),
            live(Kind::Service, "service"),
            live(Kind::PersistentVolumeClaim, "pvc"),
        ];
        let mut outcome = Outcome {
            created: created.iter().map(|(key, _)| key.clone()).collect(),
            objects: created
                .into_iter()
                .chain([live(Kind::ConfigMap, "before")])
                .collect::<BTreeMap<_, _>>(),
            ..Outcome::default()
        };
        let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
        let undone = cluster.undo_create(&store, &mut outcome, &cancel).await;
        receiver.close();
        let mut lines = Vec::new();
        while let Some(line) = receiver.recv().await {
            let (method, path) = line.split_once(' ').unwrap();
            lines.push(format!("{method} {}", path.rsplit('/').next().unwrap()));
        }
        lines.sort();
        (undone, outcome, lines)
    }

    #[tokio::test]
    async fn deletes_what_the_create_has_made_and_nothing_else() {
        let (undone, outcome, lines) = undone(&[]).await;
        assert_eq!(keys(outcome.objects.keys()), ["ConfigMap/before"]);
        assert!(undone.left.is_empty() && undone.errors.is_empty());
        assert_eq!(
            lines,
            ["DELETE pvc", "DELETE secret", "DELETE service", "GET pvc"]
        );
    }

    #[tokio::test]
    async fn an_object_that_stays_keeps_the_secret() {
        let (left, outcome, _) =
            undone(&[("DELETE /api/v1/namespaces/ns/services", 403, FORBIDDEN)]).await;
        assert_eq!(keys(&left.left), ["Secret/secret", "Service/service"]);
        assert_eq!(left.errors.len(), 1);
        assert_eq!(
            keys(outcome.objects.keys()),
            ["Secret/secret", "ConfigMap/before", "Service/service"]
        );
        let (left, outcome, lines) = undone(&[("GET", 200, BOUND)]).await;
        assert_eq!(
            keys(&left.left),
            ["Secret/secret", "PersistentVolumeClaim/pvc"]
        );
        assert!(left.errors.is_empty());
        assert_eq!(
            keys(&outcome.created),
            ["Secret/secret", "PersistentVolumeClaim/pvc"]
        );
        assert_eq!(lines, ["DELETE service", "GET pvc"]);
    }

    const FORBIDDEN: &str = r#"{"kind": "Status", "message": "cannot", "reason": "Forbidden"}"#;
    const BOUND: &str = r#"{"metadata": {"uid": "pvc"}, "spec": {"volumeName": "v"}}"#;
}
