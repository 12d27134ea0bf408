//! The objects that pods need and that do not exist. Pods wait for them indefinitely.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::cluster::error::Error;
use crate::feast::secrets::issued::issued;
use crate::kubernetes::kind::Key;
use crate::kubernetes::pod_template::{self, Reference};

/// A reference of an object's pods to something that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The object that has the pods.
    pub by: Key,
    pub reference: Reference,
    /// True if the object exists, and its key does not.
    pub has_object: bool,
}

impl Cluster {
    /// Returns the references of the pods of these objects to what does not exist, and the errors that prevented a
    /// check. References to the objects themselves, and to what they ask another controller for, are not checked.
    pub async fn missing_references(
        &self,
        namespace: &str,
        manifests: &BTreeMap<Key, Json>,
        cancel: &CancellationToken,
    ) -> (Vec<Missing>, Vec<Error>) {
        let all = manifests.iter().flat_map(|(key, manifest)| {
            let references = pod_template::references(key.kind, manifest).into_iter();
            references.map(|reference| (key.clone(), reference))
        });
        let issued = issued(manifests);
        let all: Vec<(Key, Reference)> = all
            .filter(|(_, reference)| !manifests.contains_key(&reference.object))
            .filter(|(_, reference)| !issued.contains_key(&reference.object))
            .collect();
        let objects: BTreeSet<&Key> = all.iter().map(|(_, reference)| &reference.object).collect();
        let gets = objects.into_iter().map(|key| async move {
            let found = self.get(namespace, key, cancel).await;
            (key, found)
        });
        let (mut found, mut errors) = (BTreeMap::new(), Vec::new());
        for (key, answer) in join_all(gets).await {
            match answer {
                Ok(object) => {
                    found.insert(key, object);
                }
                Err(error) => errors.push(error),
            }
        }
        let missing = all.iter().filter_map(|(by, reference)| {
            let object = found.get(&reference.object)?.as_ref();
            (!exists(reference, object)).then(|| Missing {
                by: by.clone(),
                reference: reference.clone(),
                has_object: object.is_some(),
            })
        });
        (missing.collect(), errors)
    }
}

fn exists(reference: &Reference, object: Option<&Json>) -> bool {
    let has_key = |object: &Json| {
        let key = reference.key.as_ref();
        key.is_none_or(|key| {
            ["data", "binaryData"]
                .iter()
                .any(|data| object[*data].get(key).is_some())
        })
    };
    object.is_some_and(has_key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::kubernetes::kind::Kind;

    #[tokio::test]
    async fn missing_objects_and_keys_are_found_and_own_objects_are_not_asked_for() {
        let cluster = fake_api::cluster(|it| {
            let status = |code| Reply::Answer(code, json!({"kind": "Status", "message": "m"}));
            match it.line.rsplit('/').next().unwrap() {
                "there" => {
                    Reply::Answer(200, json!({"data": {"a": "MQ=="}, "binaryData": {"b": ""}}))
                }
                "gone" => status(404),
                "forbidden" => status(403),
                name => panic!("{name}"),
            }
        });
        let env = |name: &str, key: &str| json!({"name": format!("{name}-{key}"), "valueFrom": {"secretKeyRef": {"name": name, "key": key}}});
        let spec = json!({
            "containers": [{"name": "c", "env": [env("there", "a"), env("there", "b"), env("there", "c"),
                env("gone", "a"), env("forbidden", "a"), env("own", "a")]}],
            "volumes": [{"name": "v", "secret": {"secretName": "gone"}}],
        });
        let deployment = Key::new(Kind::Deployment, "feast-x");
        let manifests = BTreeMap::from([
            (
                deployment.clone(),
                json!({"spec": {"template": {"spec": spec}}}),
            ),
            (Key::new(Kind::Secret, "own"), json!({})),
        ]);
        let (cluster, cancel) = (cluster.await, CancellationToken::new());
        let (missing, errors) = cluster.missing_references("ns", &manifests, &cancel).await;
        let texts = missing.iter().map(|it| {
            assert_eq!(it.by, deployment);
            let Reference { object, key, .. } = &it.reference;
            format!("{object} {key:?} {}", it.has_object)
        });
        assert_eq!(
            texts.collect::<Vec<_>>(),
            [
                "Secret/there Some(\"c\") true",
                "Secret/gone Some(\"a\") false",
                "Secret/gone None false",
            ]
        );
        let errors = errors.iter().map(|error| error.target.to_string());
        assert_eq!(errors.collect::<Vec<_>>(), ["Secret/forbidden"]);
    }
}
