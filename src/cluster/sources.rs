//! Reads the values of the user's Secrets and ConfigMaps, and waits for them: an operator can create them seconds after
//! the apply has begun.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::ByteString;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::error::{Error, Reason, Verb};
use super::request::Request;
use super::resource::Resource;
use crate::feast::names::SERVING_CERTIFICATE_ERROR_ANNOTATION;
use crate::feast::secrets::source::{Contents, Source};
use crate::kubernetes::kind::{Key, Kind};

const INTERVAL: Duration = Duration::from_secs(1);

impl Cluster {
    /// Returns the values of the user's Secrets and ConfigMaps. They can be secret: they are never logged, and no error
    /// quotes them.
    ///
    /// # Errors
    ///
    /// One error for each source that is missing or cannot be read.
    pub async fn contents(
        &self,
        namespace: &str,
        sources: &BTreeSet<Source>,
        cancel: &CancellationToken,
    ) -> Result<Contents, Vec<Error>> {
        complete(self.read_contents(namespace, sources, cancel).await)
    }

    /// Returns the values that can be read, and one error for each other object or source.
    async fn read_contents(
        &self,
        namespace: &str,
        sources: &BTreeSet<Source>,
        cancel: &CancellationToken,
    ) -> (Contents, Vec<Error>) {
        let objects: BTreeSet<Key> = sources.iter().map(Source::object).collect();
        let gets = objects.iter().map(|key| {
            let request = Request::get(Resource::from(key.kind), namespace, &key.name);
            self.send(request, cancel)
        });
        let answers = join_all(gets).await;
        self.values_of(namespace, sources, objects.iter().zip(answers))
    }

    /// Returns the values of [`Cluster::contents`] from the read cache.
    pub async fn contents_for_refresh(
        &self,
        namespace: &str,
        sources: &BTreeSet<Source>,
        cancel: &CancellationToken,
    ) -> Result<Contents, Vec<Error>> {
        let objects: BTreeSet<Key> = sources.iter().map(Source::object).collect();
        let answers = join_all(
            objects
                .iter()
                .map(|key| self.cached_object(namespace, key, cancel)),
        )
        .await;
        complete(self.values_of(namespace, sources, objects.iter().zip(answers)))
    }

    fn values_of<'a>(
        &self,
        namespace: &str,
        sources: &BTreeSet<Source>,
        answers: impl Iterator<Item = (&'a Key, Result<Json, Error>)>,
    ) -> (Contents, Vec<Error>) {
        let mut found = BTreeMap::new();
        let mut errors = Vec::new();
        for (key, answer) in answers {
            match answer {
                Ok(object) => {
                    found.insert(key, object);
                }
                Err(error) => errors.push(error),
            }
        }
        let mut contents = Contents::new();
        for source in sources {
            let key = source.object();
            let Some(object) = found.get(&key) else {
                continue;
            };
            match values(object, source) {
                Ok(values) => {
                    contents.insert(source.clone(), values);
                }
                Err(reason) => errors.push(self.error(
                    Verb::Get,
                    Resource::from(key.kind),
                    namespace,
                    Some(&key.name),
                    reason,
                )),
            }
        }
        (contents, errors)
    }

    /// Repeats [`Cluster::contents`] while a Secret, a ConfigMap, a key or, according to `lacks`, a value is missing,
    /// until `deadline`. Another error ends the wait at once, because it fails the apply anyway.
    ///
    /// # Errors
    ///
    /// One error for each source that is missing at the deadline or cannot be read, or the cancellation.
    pub async fn wait_for_contents(
        &self,
        namespace: &str,
        sources: &BTreeSet<Source>,
        lacks: impl Fn(&Contents) -> bool,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Contents, Vec<Error>> {
        let mut attempts = Attempts::until(deadline);
        loop {
            let answer = self.contents(namespace, sources, cancel).await;
            let missing = match &answer {
                Ok(contents) if !lacks(contents) => return answer,
                Ok(_) => "some of their values are missing".to_owned(),
                Err(errors) if errors.iter().all(may_appear) => {
                    let missing = errors
                        .iter()
                        .map(|it| format!("{}: {}", it.target, it.reason));
                    missing.collect::<Vec<_>>().join("; ")
                }
                Err(_) => return answer,
            };
            if !attempts.again(namespace, missing, cancel).await {
                return answer;
            }
        }
    }

    /// Returns the values of the sources that exist already, and the others. `sources` are those that another
    /// controller will create or fill.
    ///
    /// # Errors
    ///
    /// The errors other than that a source is missing.
    pub async fn contents_so_far(
        &self,
        namespace: &str,
        sources: BTreeSet<Source>,
        cancel: &CancellationToken,
    ) -> Result<(Contents, BTreeSet<Source>), Vec<Error>> {
        let (found, mut errors) = self.read_contents(namespace, &sources, cancel).await;
        errors.retain(|error| !may_appear(error));
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut missing = sources;
        missing.retain(|source| !found.contains_key(source));
        Ok((found, missing))
    }

    /// Waits for the values of sources that other objects ask for: `requested_by` has the object for each Secret and
    /// ConfigMap.
    ///
    /// # Errors
    ///
    /// One error for each object that has not got what it asks for at the deadline, or the errors of the requests.
    pub async fn wait_for_certificates(
        &self,
        namespace: &str,
        sources: &BTreeSet<Source>,
        requested_by: &BTreeMap<Key, Key>,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Contents, Vec<Error>> {
        // A controller can create the Secret before it has the certificate.
        let lacks = |contents: &Contents| !without_value(contents).is_empty();
        let answer = self.wait_for_contents(namespace, sources, lacks, deadline, cancel);
        let missing = match answer.await {
            Ok(contents) => match without_value(&contents) {
                empty if empty.is_empty() => return Ok(contents),
                empty => empty,
            },
            Err(errors) if errors.iter().all(may_appear) => {
                let objects = sources.iter().map(Source::object);
                let is_missing = |key: &Key| errors.iter().any(|error| error.is_about(key));
                objects.filter(is_missing).collect()
            }
            Err(errors) => return Err(errors),
        };
        let mut not_issued = Vec::new();
        for key in missing {
            let Some(by) = requested_by.get(&key) else {
                continue;
            };
            let live = self.get(namespace, by, cancel).await.ok().flatten();
            let problem = live.and_then(|live| {
                let annotations = &live["metadata"]["annotations"];
                let problem = annotations[SERVING_CERTIFICATE_ERROR_ANNOTATION].as_str();
                problem.map(str::to_owned)
            });
            not_issued.push(self.not_issued(namespace, &key, by, problem));
        }
        Err(not_issued)
    }

    /// Returns the error about an object that has not got what `by` asks another controller for.
    pub fn not_issued(
        &self,
        namespace: &str,
        key: &Key,
        by: &Key,
        problem: Option<String>,
    ) -> Error {
        let by = by.clone();
        let reason = Reason::NotIssued { by, problem };
        self.error(
            Verb::Wait,
            Resource::from(key.kind),
            namespace,
            Some(&key.name),
            reason,
        )
    }
}

/// Attempts to read what is missing, until a deadline.
pub(super) struct Attempts {
    deadline: Instant,
    logged: String,
}

impl Attempts {
    pub fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            logged: String::new(),
        }
    }

    /// Waits for the next attempt, and logs what is missing if the last attempt missed something else. Returns false at
    /// the deadline. After a cancellation, the next attempt is due at once, and returns the cancellation.
    pub async fn again(
        &mut self,
        namespace: &str,
        missing: String,
        cancel: &CancellationToken,
    ) -> bool {
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        if missing != self.logged {
            tracing::info!(
                "waiting up to {} s for objects in namespace {namespace}: {missing}",
                (self.deadline - now).as_secs_f64().round()
            );
            self.logged = missing;
        }
        tokio::select! {
            () = tokio::time::sleep_until(self.deadline.min(now + INTERVAL)) => {}
            () = cancel.cancelled() => {}
        }
        true
    }
}

/// Returns the objects with an empty value.
fn without_value(contents: &Contents) -> BTreeSet<Key> {
    let contents = contents.iter();
    contents
        .filter(|(_, values)| values.values().any(String::is_empty))
        .map(|(source, _)| source.object())
        .collect()
}

/// Returns the values of the used keys, which must be text. Values of other keys are not decoded.
fn values(object: &Json, source: &Source) -> Result<BTreeMap<String, String>, Reason> {
    let is_text = source.kind == Kind::ConfigMap;
    let entries = |field: &str| object[field].as_object().into_iter().flatten();
    let values: BTreeMap<String, String> = (entries("data")
        .map(|(key, value)| (key, value, is_text)))
    // Values of a ConfigMap that `kubectl create --from-file` did not recognize as UTF-8.
    .chain(entries("binaryData").map(|(key, value)| (key, value, false)))
    .filter(|(key, ..)| source.keys.contains(key))
    .map(|(key, value, is_text)| Ok((key.clone(), decode(is_text, key, value)?)))
    .collect::<Result<_, Reason>>()?;
    match source.key() {
        Some(key) if values.is_empty() => Err(Reason::KeyMissing(key.to_owned())),
        _ => Ok(values),
    }
}

fn decode(is_text: bool, key: &str, value: &Json) -> Result<String, Reason> {
    let not_text = || Reason::NotText(key.to_owned());
    if is_text {
        return value.as_str().map(str::to_owned).ok_or_else(not_text);
    }
    let bytes: ByteString = serde_json::from_value(value.clone()).map_err(|_| not_text())?;
    String::from_utf8(bytes.0).map_err(|_| not_text())
}

/// Returns the values, if there is no error.
fn complete((contents, errors): (Contents, Vec<Error>)) -> Result<Contents, Vec<Error>> {
    match errors.is_empty() {
        true => Ok(contents),
        false => Err(errors),
    }
}

/// Returns whether the missing object can still appear.
pub fn may_appear(error: &Error) -> bool {
    matches!(error.reason, Reason::NotFound | Reason::KeyMissing(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::feast::secrets::source::Keys;

    #[test]
    fn only_used_keys_must_be_text() {
        let secret =
            json!({"data": {"client_id": "aWQ=", "client.keystore.p12": "/w==", "bytes": "/w=="}});
        let source = |keys: Keys| Source {
            kind: Kind::Secret,
            name: "idp".to_owned(),
            keys,
        };
        let of = |values: [(&str, &str); 1]| {
            Ok(BTreeMap::from(
                values.map(|(key, text)| (key.to_owned(), text.to_owned())),
            ))
        };
        let read =
            |object: &Json, source: Source| values(object, &source).map_err(|it| it.to_string());
        let any = source(Keys::Any(&["client_id", "client_secret"]));
        assert_eq!(read(&secret, any), of([("client_id", "id")]));
        let one = source(Keys::One("client_id".to_owned()));
        assert_eq!(read(&secret, one), of([("client_id", "id")]));
        let not_text = Err("the value of its key \"bytes\" is not UTF-8 text".to_owned());
        for keys in [Keys::Any(&["bytes"]), Keys::One("bytes".to_owned())] {
            assert_eq!(read(&secret, source(keys)), not_text);
        }
        let config_map =
            json!({"data": {"a": "text"}, "binaryData": {"ca.crt": "cGVt", "bytes": "/w=="}});
        let read = |key: &str| read(&config_map, Source::config_map("c", key));
        assert_eq!(read("a"), of([("a", "text")]));
        assert_eq!(read("ca.crt"), of([("ca.crt", "pem")]));
        assert_eq!(read("bytes"), not_text);
        assert_eq!(read("gone"), Err("it has no key \"gone\"".to_owned()));
    }

    fn secret(data: Json) -> Reply {
        Reply::Answer(200, json!({"metadata": {"name": "s"}, "data": data}))
    }

    fn not_found() -> Reply {
        Reply::Answer(
            404,
            json!({"kind": "Status", "details": {"kind": "secrets"}}),
        )
    }

    /// Reads the key `k` of the Secrets `a` and `b`. `script` replies to the n-th request for a Secret. Returns the
    /// result and the number of requests for each Secret.
    async fn read(
        timeout: Duration,
        script: impl Fn(&str, usize) -> Reply + Send + 'static,
    ) -> (Result<Contents, Vec<String>>, [usize; 2]) {
        let counts = std::sync::Arc::new(std::sync::Mutex::new([0; 2]));
        let counted = counts.clone();
        let cluster = fake_api::cluster(move |it| {
            let name = it.line.rsplit('/').next().unwrap().to_owned();
            let mut counts = counted.lock().unwrap();
            let count = &mut counts[usize::from(name == "b")];
            *count += 1;
            script(&name, *count)
        });
        let cluster = cluster.await;
        let sources = BTreeSet::from([Source::secret("a", "k"), Source::secret("b", "k")]);
        let deadline = Instant::now() + timeout;
        let cancel = CancellationToken::new();
        let answer = cluster
            .wait_for_contents("ns", &sources, |_| false, deadline, &cancel)
            .await;
        let result = answer.map_err(|errors| {
            errors
                .iter()
                .map(|it| format!("{}: {}", it.target, it.reason))
                .collect()
        });
        let counts = *counts.lock().unwrap();
        (result, counts)
    }

    #[tokio::test]
    async fn waits_for_a_secret_and_for_a_key_together() {
        let (found, counts) = read(Duration::from_secs(30), |name, count| match (name, count) {
            ("a", 1 | 2) => not_found(),
            ("b", 1) => secret(json!({})),
            _ => secret(json!({"k": "dg=="})),
        })
        .await;
        assert_eq!(found.unwrap().len(), 2);
        assert_eq!(counts, [3, 3]);
    }

    #[tokio::test]
    async fn lists_everything_that_is_still_missing_at_the_deadline() {
        let (found, counts) = read(Duration::from_millis(1500), |name, _| match name {
            "a" => not_found(),
            _ => secret(json!({})),
        })
        .await;
        let expected = [
            "Secret/a: it does not exist",
            "Secret/b: it has no key \"k\"",
        ];
        assert_eq!(found.unwrap_err(), expected);
        assert!(counts[0] > 1 && counts[0] == counts[1], "{counts:?}");
    }

    #[tokio::test]
    async fn does_not_wait_after_another_error() {
        let forbidden = || Reply::Answer(403, json!({"kind": "Status", "message": "no"}));
        let binary = || secret(json!({"k": "/w=="}));
        for wrong in [forbidden, binary] {
            let (found, counts) = read(Duration::from_secs(30), move |name, _| match name {
                "a" => not_found(),
                _ => wrong(),
            })
            .await;
            assert_eq!(found.unwrap_err().len(), 2);
            assert_eq!(counts, [1, 1]);
        }
    }

    #[tokio::test]
    async fn a_cancellation_ends_the_wait() {
        let cluster = fake_api::cluster(|_| not_found()).await;
        let sources = BTreeSet::from([Source::secret("a", "k")]);
        let cancel = CancellationToken::new();
        let deadline = Instant::now() + Duration::from_secs(3600);
        let stop = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancel.cancel();
        };
        let read = cluster.wait_for_contents("ns", &sources, |_| false, deadline, &cancel);
        let (errors, ()) = tokio::join!(read, stop);
        let errors = errors.unwrap_err();
        assert!(
            matches!(
                errors[..],
                [Error {
                    reason: Reason::Cancelled,
                    ..
                }]
            ),
            "{errors:?}"
        );
    }

    /// Returns what an apply that waits for `service-tls` finds while the API server replies with these objects.
    async fn issued(secret: fn() -> Reply, service: Json) -> Result<Contents, Vec<String>> {
        let cluster = fake_api::cluster(move |it| match it.line.contains("/secrets/") {
            true => secret(),
            false => Reply::Answer(200, service.clone()),
        });
        let cluster = cluster.await;
        let sources = BTreeSet::from([
            Source::secret("service-tls", "tls.crt"),
            Source::secret("service-tls", "tls.key"),
        ]);
        let secret = Key::new(Kind::Secret, "service-tls");
        let requested_by = BTreeMap::from([(secret, Key::new(Kind::Service, "service"))]);
        let (deadline, cancel) = (Instant::now(), CancellationToken::new());
        let found = cluster.wait_for_certificates("ns", &sources, &requested_by, deadline, &cancel);
        found.await.map_err(|errors| {
            let errors = errors.iter();
            errors
                .map(|it| format!("{} {}: {}", it.verb, it.target, it.reason))
                .collect()
        })
    }

    #[tokio::test]
    async fn an_error_about_a_certificate_has_the_reason_of_the_service() {
        let not_issued = "wait for Secret/service-tls: the service CA of OpenShift has not issued the certificate that \
                          Service/service asks for";
        assert_eq!(
            issued(not_found, json!({})).await,
            Err(vec![not_issued.to_owned()])
        );
        // The Secret exists before the certificate.
        let empty = || secret(json!({"tls.crt": "", "tls.key": ""}));
        assert_eq!(
            issued(empty, json!({})).await,
            Err(vec![not_issued.to_owned()])
        );
        let annotation = json!({SERVING_CERTIFICATE_ERROR_ANNOTATION: "the UID differs"});
        let service = json!({"metadata": {"annotations": annotation}});
        assert_eq!(
            issued(not_found, service).await,
            Err(vec![format!("{not_issued}: the UID differs")])
        );
        let forbidden = || Reply::Answer(403, json!({"kind": "Status", "message": "no"}));
        let errors = issued(forbidden, json!({})).await.unwrap_err();
        assert_eq!(errors.len(), 1);
        assert!(
            errors[0].starts_with("get Secret/service-tls: "),
            "{errors:?}"
        );
    }

    #[tokio::test]
    async fn missing_sources_are_not_errors() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |it| {
            sender.send(()).unwrap();
            match it.line.ends_with("/a") {
                true => secret(json!({"k": "dg==", "l": "dg==", "bytes": "/w=="})),
                false => not_found(),
            }
        });
        let cluster = cluster.await;
        let [k, l, gone, bytes] = ["k", "l", "gone", "bytes"].map(|key| Source::secret("a", key));
        let other = Source::secret("b", "k");
        let sources = [&k, &l, &gone, &other].map(Source::clone);
        let cancel = CancellationToken::new();
        let read = cluster.contents_so_far("ns", sources.into(), &cancel).await;
        let (found, missing) = read.unwrap();
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [k, l]);
        assert_eq!(missing, [gone, other].into());
        // One for each Secret.
        assert_eq!(receiver.len(), 2);
        let read = cluster.contents_so_far("ns", [bytes].into(), &cancel).await;
        let texts = read
            .unwrap_err()
            .into_iter()
            .map(|it| it.reason.to_string());
        assert_eq!(
            Vec::from_iter(texts),
            ["the value of its key \"bytes\" is not UTF-8 text"]
        );
    }

    #[tokio::test]
    async fn waits_while_a_value_is_missing() {
        let cluster = fake_api::cluster(|_| secret(json!({"k": "dg=="}))).await;
        let sources = BTreeSet::from([Source::secret("a", "k")]);
        let calls = std::cell::Cell::new(0);
        let lacks = |_: &Contents| {
            calls.set(calls.get() + 1);
            calls.get() < 2
        };
        let cancel = CancellationToken::new();
        let deadline = Instant::now() + Duration::from_secs(30);
        let found = cluster
            .wait_for_contents("ns", &sources, lacks, deadline, &cancel)
            .await;
        assert_eq!((found.unwrap().len(), calls.get()), (1, 2));
    }
}
