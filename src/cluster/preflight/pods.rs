//! Whether the namespace admits the pods of the objects: Pod Security, limits, policies, priority and runtime classes.
//!
//! The API server admits pods only when a controller creates them, after the objects were accepted. So each pod
//! template is sent as a pod, in a dry run.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::cluster::apply::Checked;
use crate::cluster::error::{Error, Reason, Verb};
use crate::cluster::request::Request;
use crate::cluster::resource::PODS;
use crate::cluster::{Cluster, StoreName};
use crate::kubernetes::diff::project;
use crate::kubernetes::kind::Key;
use crate::kubernetes::pod_template;

impl Cluster {
    /// Checks whether the namespace admits the pods of these objects. The errors are about the objects. Pods that do
    /// not differ from those of the `live` object are not checked.
    ///
    /// Returns `None` if the account lacks the permission to create pods, which the check needs and an apply does not.
    ///
    /// # Errors
    ///
    /// The API server does not answer.
    pub async fn check_pods(
        &self,
        store: &StoreName,
        manifests: &BTreeMap<Key, Json>,
        live: &BTreeMap<Key, Json>,
        cancel: &CancellationToken,
    ) -> Result<Option<Checked>, Error> {
        if !self.may_check_pods(&store.namespace, cancel).await? {
            return Ok(None);
        }
        let pods = manifests.iter().filter_map(|(key, manifest)| {
            let template = pod_template::of(key.kind, manifest)?;
            let live = live.get(key);
            let is_same = live.is_some_and(|live| {
                pod_template::of(key.kind, &project(manifest, live)) == Some(template)
            });
            (!is_same).then(|| (key, pod(key, template), live.is_some()))
        });
        let sent = pods.map(|(key, pod, is_live)| async move {
            let request = Request::check(PODS, &store.namespace, pod).dry_run();
            let reason = self.send(request, cancel).await.err()?.reason;
            // The pod of the dry run is counted together with the pods that it would replace.
            if is_live && reason.exceeds_quota() {
                return None;
            }
            Some(self.object_error(Verb::Check, store, key, reason))
        });
        let mut checked = Checked::default();
        for error in join_all(sent).await.into_iter().flatten() {
            match is_unchecked(&error.reason) {
                true => checked.unchecked.push(error),
                false => checked.refused.push(error),
            }
        }
        Ok(Some(checked))
    }
}

/// Returns a pod of the template. It has the namespace's default ServiceAccount, because its own may not exist yet.
fn pod(key: &Key, template: &Json) -> Json {
    let mut metadata = template["metadata"].clone();
    metadata["generateName"] = json!(format!("{}-preflight-", key.name));
    let mut spec = template["spec"].clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("serviceAccountName");
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// Returns whether the answer says nothing about the pod. A new namespace has no ServiceAccount yet. Objects that are
/// deleted before the apply can free a quota; [`Cluster::missing_quota`] compares what is needed.
fn is_unchecked(reason: &Reason) -> bool {
    match reason {
        Reason::Forbidden { message } => {
            message.contains("error looking up service account") || reason.exceeds_quota()
        }
        reason => reason.is_inconclusive(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::kubernetes::kind::Kind;

    fn objects() -> BTreeMap<Key, Json> {
        let template = json!({"metadata": {"labels": {"a": "b"}},
            "spec": {"serviceAccountName": "feast-x", "containers": [{"name": "online"}]}});
        BTreeMap::from([
            (
                Key::new(Kind::Deployment, "feast-x"),
                json!({"spec": {"template": template}}),
            ),
            (Key::new(Kind::Service, "feast-x-online"), json!({})),
        ])
    }

    /// `live` are the live objects.
    async fn check(
        live: &BTreeMap<Key, Json>,
        code: u16,
        message: &'static str,
        allowed: bool,
    ) -> Option<[Vec<String>; 2]> {
        let cluster = fake_api::cluster(move |it| {
            if it.line.ends_with("selfsubjectaccessreviews") {
                return Reply::Answer(201, json!({"status": {"allowed": allowed}}));
            }
            assert_eq!(it.line, "POST /api/v1/namespaces/ns/pods");
            let expected = json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"labels": {"a": "b"}, "generateName": "feast-x-preflight-"},
                "spec": {"containers": [{"name": "online"}]}});
            assert_eq!(it.body, expected);
            Reply::Answer(code, json!({"kind": "Status", "message": message}))
        });
        let (cluster, cancel) = (cluster.await, CancellationToken::new());
        let (store, objects) = (fake_api::store("x"), objects());
        let checked = cluster.check_pods(&store, &objects, live, &cancel).await;
        let Checked { refused, unchecked } = checked.unwrap()?;
        Some([refused, unchecked].map(|errors| {
            let texts = errors
                .iter()
                .map(|error| format!("{error}: {}", error.reason));
            texts
                .map(|text| text[..text.find("of the cluster").unwrap()].to_owned())
                .collect()
        }))
    }

    #[tokio::test]
    async fn a_refused_pod_is_an_error_about_its_object() {
        let error = || vec!["cannot check Deployment/feast-x in namespace \"ns\" ".to_owned()];
        let violation = "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"";
        let account = "pods \"x\" is forbidden: error looking up service account ns/default";
        let quota = "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1";
        let none = BTreeMap::new();
        for (code, message, allowed, expected) in [
            (201, "", true, Some([vec![], vec![]])),
            (403, violation, true, Some([error(), vec![]])),
            (403, account, true, Some([vec![], error()])),
            (403, quota, true, Some([vec![], error()])),
            (201, "", false, None),
        ] {
            let checked = check(&none, code, message, allowed).await;
            assert_eq!(checked, expected, "{message}");
        }
        let (mut live, key) = (objects(), Key::new(Kind::Deployment, "feast-x"));
        // The API server adds defaults, and other parts of the object can change.
        let deployment = live.get_mut(&key).unwrap();
        deployment["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
        deployment["spec"]["replicas"] = json!(3);
        let nothing = Some([vec![], vec![]]);
        assert_eq!(check(&live, 403, violation, true).await, nothing);
        let deployment = live.get_mut(&key).unwrap();
        deployment["spec"]["template"]["spec"]["containers"][0]["name"] = json!("offline");
        assert_eq!(check(&live, 403, quota, true).await, nothing);
        let refused = Some([error(), vec![]]);
        assert_eq!(check(&live, 403, violation, true).await, refused);
    }
}
