//! The objects that pods need and that do not exist. Pods wait for them indefinitely.
//!
//! A preflight reports them, and an apply waits for them before its first write: with the strategy `Recreate`, the old
//! pods would have ended before the new ones wait.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter, Result as FmtResult};

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::cluster::error::Error;
use crate::cluster::sources::Attempts;
use crate::feast::secrets::issued::issued;
use crate::feast::secrets::source::Source;
use crate::kubernetes::kind::{Key, Kind};
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

impl Display for Missing {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        let Reference { object, key, .. } = &self.reference;
        match (key, self.has_object) {
            (Some(key), true) => write!(f, "{object} has no key {key:?}"),
            _ => write!(f, "{object} does not exist"),
        }
    }
}

impl Cluster {
    /// Waits until everything exists without which the pods of these objects cannot start, and returns what is missing
    /// at `deadline`. The pods of a CronJob start later, so they are left out, and so are the `sources`, for which the
    /// apply waits itself. Objects that the account cannot read count as existing: the pods do not need its permission.
    ///
    /// # Errors
    ///
    /// The first error that prevented a check, or the cancellation.
    pub async fn wait_for_references(
        &self,
        namespace: &str,
        manifests: &BTreeMap<Key, Json>,
        sources: &BTreeSet<Source>,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Vec<Missing>, Error> {
        let mut awaited = references(manifests);
        awaited.retain(|(by, reference)| {
            reference.blocks_start
                && by.kind != Kind::CronJob
                && !sources.iter().any(|source| reads(source, reference))
        });
        let mut attempts = Attempts::until(deadline);
        loop {
            let (missing, errors) = self.missing_of(namespace, &awaited, cancel).await;
            if let Some(error) = errors.into_iter().find(|error| !error.is_forbidden()) {
                return Err(error);
            }
            let texts: BTreeSet<String> = missing.iter().map(Missing::to_string).collect();
            let texts = Vec::from_iter(texts).join("; ");
            if missing.is_empty() || !attempts.again(namespace, texts, cancel).await {
                return Ok(missing);
            }
            let missing = missing.into_iter();
            awaited = missing.map(|it| (it.by, it.reference)).collect();
        }
    }

    /// Returns the references of the pods of these objects to what does not exist, and the errors that prevented a
    /// check.
    pub async fn missing_references(
        &self,
        namespace: &str,
        manifests: &BTreeMap<Key, Json>,
        cancel: &CancellationToken,
    ) -> (Vec<Missing>, Vec<Error>) {
        let references = references(manifests);
        self.missing_of(namespace, &references, cancel).await
    }

    /// Returns which of these references, each with the object that has the pods, are to what does not exist.
    async fn missing_of(
        &self,
        namespace: &str,
        references: &[(Key, Reference)],
        cancel: &CancellationToken,
    ) -> (Vec<Missing>, Vec<Error>) {
        let objects = references.iter().map(|(_, reference)| &reference.object);
        let objects: BTreeSet<&Key> = objects.collect();
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
        let missing = references.iter().filter_map(|(by, reference)| {
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

/// Returns the references of the pods of these objects, each with the object that has the pods; without those to the
/// objects themselves, to what they ask another controller for, and to Secrets that can appear when the pods start.
fn references(manifests: &BTreeMap<Key, Json>) -> Vec<(Key, Reference)> {
    let issued = issued(manifests);
    let creates_secrets =
        (manifests.iter()).any(|(key, it)| pod_template::creates_secrets(key.kind, it));
    let is_checked = |object: &Key| {
        !manifests.contains_key(object)
            && !issued.contains_key(object)
            && (!creates_secrets || object.kind != Kind::Secret)
    };
    let all = manifests.iter().flat_map(|(by, manifest)| {
        let references = pod_template::references(by.kind, manifest).into_iter();
        references.map(|reference| (by.clone(), reference))
    });
    all.filter(|(_, reference)| is_checked(&reference.object))
        .collect()
}

/// Returns whether the source is what the pods refer to.
fn reads(source: &Source, reference: &Reference) -> bool {
    let key = reference.key.as_deref();
    source.object() == reference.object && key.is_none_or(|key| source.keys.contains(key))
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

    use std::time::Duration;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};

    fn env(name: &str, key: &str) -> Json {
        json!({"name": format!("{name}-{key}"), "valueFrom": {"secretKeyRef": {"name": name, "key": key}}})
    }

    fn deployment() -> Key {
        Key::new(Kind::Deployment, "feast-x")
    }

    fn manifests(spec: &Json) -> BTreeMap<Key, Json> {
        let template = json!({"spec": spec});
        BTreeMap::from([
            (deployment(), json!({"spec": {"template": template}})),
            (
                Key::new(Kind::CronJob, "feast-x"),
                json!({"spec": {"jobTemplate": {"spec": {"template": template}}}}),
            ),
            (Key::new(Kind::Secret, "own"), json!({})),
        ])
    }

    fn status(code: u16) -> Reply {
        Reply::Answer(code, json!({"kind": "Status", "message": "m"}))
    }

    /// Returns what is missing after a wait for what these pods need. `script` replies to the n-th request.
    async fn wait(
        spec: Json,
        timeout: Duration,
        script: impl Fn(&str, usize) -> Reply + Send + 'static,
    ) -> Result<Vec<String>, String> {
        let count = std::sync::Mutex::new(0);
        let cluster = fake_api::cluster(move |it| {
            let mut count = count.lock().unwrap();
            *count += 1;
            script(it.line.rsplit('/').next().unwrap(), *count)
        });
        let (cluster, cancel) = (cluster.await, CancellationToken::new());
        let (manifests, deadline) = (manifests(&spec), Instant::now() + timeout);
        let sources = BTreeSet::from([Source::secret("source", "k")]);
        let missing = cluster.wait_for_references("ns", &manifests, &sources, deadline, &cancel);
        match missing.await {
            Ok(missing) => Ok((missing.iter())
                .map(|it| format!("{}: {it}", it.by))
                .collect()),
            Err(error) => Err(format!("{}: {}", error.target, error.reason)),
        }
    }

    #[tokio::test]
    async fn waits_until_everything_exists() {
        let spec = json!({"containers": [{"name": "c", "env": [env("a", "k"), env("b", "k")]}]});
        let script = |name: &str, count| {
            // What has been found is not read again.
            assert!(name == "a" || count < 3, "{name} {count}");
            match count {
                _ if name == "b" => Reply::Answer(200, json!({"data": {"k": ""}})),
                1 => status(404),
                3 => Reply::Answer(200, json!({})),
                _ => Reply::Answer(200, json!({"data": {"k": ""}})),
            }
        };
        assert_eq!(
            wait(spec, Duration::from_secs(30), script).await,
            Ok(vec![])
        );
    }

    #[tokio::test]
    async fn a_wait_ends_with_what_the_pods_cannot_start_without() {
        let spec = json!({
            "containers": [{"name": "c", "env": [env("gone", "k"), env("forbidden", "k"), env("empty", "k"), env("source", "k")]}],
            "imagePullSecrets": [{"name": "pull"}],
        });
        let script = |name: &str, _| match name {
            "gone" => status(404),
            "forbidden" => status(403),
            "source" | "pull" => panic!("{name} is read"),
            _ => Reply::Answer(200, json!({})),
        };
        let expected = [
            "Deployment/feast-x: Secret/gone does not exist",
            "Deployment/feast-x: Secret/empty has no key \"k\"",
        ];
        let missing = wait(spec.clone(), Duration::ZERO, script).await;
        assert_eq!(missing, Ok(expected.map(str::to_owned).to_vec()));
        let broken = |_: &str, _| status(401);
        let missing = wait(spec, Duration::from_secs(30), broken).await;
        let error = missing.unwrap_err();
        assert!(error.starts_with("Secret/empty: "), "{error}");
    }

    #[tokio::test]
    async fn secrets_that_appear_with_the_pods_are_not_awaited() {
        let spec = json!({
            "containers": [{"name": "c", "env": [env("gone", "k")]}],
            "volumes": [{"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io"}},
                {"name": "ca", "configMap": {"name": "gone"}}],
        });
        let missing = wait(spec, Duration::ZERO, |_, _| status(404)).await;
        let expected = "Deployment/feast-x: ConfigMap/gone does not exist";
        assert_eq!(missing, Ok(vec![expected.to_owned()]));
    }

    #[tokio::test]
    async fn missing_objects_and_keys_are_found_and_own_objects_are_not_asked_for() {
        let cluster = fake_api::cluster(|it| match it.line.rsplit('/').next().unwrap() {
            "there" => Reply::Answer(200, json!({"data": {"a": "MQ=="}, "binaryData": {"b": ""}})),
            "gone" => status(404),
            "forbidden" => status(403),
            name => panic!("{name}"),
        });
        let spec = json!({
            "containers": [{"name": "c", "env": [env("there", "a"), env("there", "b"), env("there", "c"),
                env("gone", "a"), env("forbidden", "a"), env("own", "a")]}],
            "volumes": [{"name": "v", "secret": {"secretName": "gone"}}],
        });
        let mut manifests = manifests(&spec);
        manifests.retain(|key, _| key.kind != Kind::CronJob);
        let (cluster, cancel) = (cluster.await, CancellationToken::new());
        let (missing, errors) = cluster.missing_references("ns", &manifests, &cancel).await;
        let texts = missing.iter().map(|it| {
            assert_eq!(it.by, deployment());
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
