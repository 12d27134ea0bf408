//! Reads that several feature stores ask for at once: each is sent once, and all are answered from it.
//!
//! Terraform refreshes ten resources at a time, as fast as it gets answers. What one of them asks for, the
//! others of its namespace want as well: so one LIST for each kind brings the objects of all stores, and is
//! kept for a moment as text, of which each store parses its own part. A read after a write of this process
//! is never answered from before it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use kube::api::ListParams;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{Error, Reason, Verb};
use super::request::{Answer, List, Request};
use super::resource::Resource;
use super::{Cluster, provider_selector, task};
use crate::feast::names::NAME_LABEL;
use crate::kubernetes::kind::{Key, Kind};

/// How old an answer may be that another read is given. A refresh begins within this time for every store of
/// a plan but the slowest ones, whose answers are as fresh as theirs.
const CACHE_TTL: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum CacheKey {
    /// The objects of a kind in a namespace that this provider made.
    Ours(Kind, String),
    /// Which names of a kind are taken in a namespace, and by whom.
    Taken(Kind, String),
    /// The objects of a kind in a namespace that this provider made, with no more than a deletion needs to know.
    Marked(Kind, String),
    /// One object of a namespace.
    One(Key, String),
}

impl CacheKey {
    fn is_of_a_custom_kind(&self) -> bool {
        match self {
            Self::Ours(kind, _) | Self::Marked(kind, _) | Self::Taken(kind, _) => kind.is_custom(),
            Self::One(..) => false,
        }
    }

    /// The resource and the namespace that it is about.
    fn place(&self) -> (Resource, &str) {
        match self {
            Self::Ours(kind, namespace)
            | Self::Marked(kind, namespace)
            | Self::Taken(kind, namespace) => (Resource::from(*kind), namespace),
            Self::One(key, namespace) => (Resource::from(key.kind), namespace),
        }
    }
}

/// The answers of the last moment, and those that are under way.
#[derive(Default)]
pub(super) struct ReadCache(Mutex<BTreeMap<CacheKey, Entry>>);

struct Entry {
    at: Instant,
    answer: Shared<BoxFuture<'static, Result<Arc<Cached>, Error>>>,
}

impl Entry {
    /// What is still under way is waited for, however slow the API server is: it must not be asked the same
    /// again for that. An error is had by those who have waited for it; the next one may be luckier.
    fn is_recent(&self) -> bool {
        match self.answer.peek() {
            None => true,
            Some(Ok(_)) => self.at.elapsed() < CACHE_TTL,
            Some(Err(_)) => false,
        }
    }
}

/// An answer, in the shape of its key.
enum Cached {
    Objects(Objects),
    Names(Vec<Name>),
    Marks(BTreeMap<String, Vec<Mark>>),
    Object(Json),
    /// The cluster does not know the kind, so there is nothing of it.
    Unknown,
}

/// The objects of a kind, by the name of their feature store.
type Objects = BTreeMap<String, Vec<(String, Box<RawValue>)>>;

/// An object, as far as it shows whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub name: String,
    /// The feature store that its label names.
    pub store: Option<String>,
}

/// An object without its content: whose it is, and which one of all that have had its name.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    name: String,
    namespace: Option<String>,
    uid: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    owner_references: Vec<Json>,
}

impl ReadCache {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<CacheKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was written: what was asked before is out of date. Names stay: that one more is taken or free is
    /// what a write can always find, and a deletion names the very object that was seen.
    pub fn forget(&self) {
        self.lock()
            .retain(|key, _| matches!(key, CacheKey::Taken(..) | CacheKey::Marked(..)));
    }

    fn forget_old(&self) {
        self.lock().retain(|_, asked| asked.is_recent());
    }
}

impl Cluster {
    /// The store's objects of a kind, as they were within the last [`CACHE_TTL`].
    pub(super) async fn ours(
        &self,
        namespace: &str,
        store: &str,
        kind: Kind,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Key, Json)>, Error> {
        let key = CacheKey::Ours(kind, namespace.to_owned());
        let cached = self.ask(key, cancel).await?;
        let Cached::Objects(objects) = &*cached else {
            return Ok(Vec::new());
        };
        let ours = objects.get(store).into_iter().flatten();
        Ok(ours
            .filter_map(|(name, text)| {
                let mut object: Json = serde_json::from_str(text.get()).ok()?;
                // The elements of a list come without them.
                object["apiVersion"] = Json::from(kind.api_version());
                object["kind"] = Json::from(kind.as_str());
                Some((Key::new(kind, name), object))
            })
            .collect())
    }

    /// The names of a kind that were taken within the last [`CACHE_TTL`].
    pub(super) async fn taken(
        &self,
        namespace: &str,
        kind: Kind,
        cancel: &CancellationToken,
    ) -> Result<Vec<Name>, Error> {
        let key = CacheKey::Taken(kind, namespace.to_owned());
        Ok(match &*self.ask(key, cancel).await? {
            Cached::Names(names) => names.clone(),
            _ => Vec::new(),
        })
    }

    /// The store's objects of a kind as far as a deletion needs them: their metadata without what others wrote there,
    /// as it was within the last [`CACHE_TTL`].
    pub(super) async fn marked(
        &self,
        namespace: &str,
        store: &str,
        kind: Kind,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Key, Json)>, Error> {
        let key = CacheKey::Marked(kind, namespace.to_owned());
        let cached = self.ask(key, cancel).await?;
        let Cached::Marks(marks) = &*cached else {
            return Ok(Vec::new());
        };
        let ours = marks.get(store).into_iter().flatten();
        Ok(ours
            .map(|mark| (Key::new(kind, &mark.name), json!({"metadata": mark})))
            .collect())
    }

    /// One object, as it was within the last [`CACHE_TTL`].
    pub(super) async fn one(
        &self,
        namespace: &str,
        key: &Key,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let key = CacheKey::One(key.clone(), namespace.to_owned());
        Ok(match &*self.ask(key, cancel).await? {
            Cached::Object(object) => object.clone(),
            _ => Json::Null,
        })
    }

    async fn ask(&self, key: CacheKey, cancel: &CancellationToken) -> Result<Arc<Cached>, Error> {
        let answer = {
            let mut answers = self.inner.read_cache.lock();
            let recent = answers
                .get(&key)
                .filter(|asked| asked.is_recent())
                .map(|asked| asked.answer.clone());
            recent.unwrap_or_else(|| {
                let (cluster, cancel, asks) = (self.clone(), cancel.clone(), key.clone());
                let answer = async move { cluster.answer_guarded(&asks, &cancel).await }
                    .boxed()
                    .shared();
                // It arrives whoever still waits: a read ends at the first of its questions that fails.
                tokio::spawn(answer.clone());
                let asked = Entry {
                    at: Instant::now(),
                    answer: answer.clone(),
                };
                answers.insert(key, asked);
                answer
            })
        };
        answer.await
    }

    /// A panic is the answer to all who wait for it.
    async fn answer_guarded(
        &self,
        key: &CacheKey,
        cancel: &CancellationToken,
    ) -> Result<Arc<Cached>, Error> {
        match task::guarded(self.answer(key, cancel)).await {
            Ok(answer) => answer,
            Err(error) => {
                let (resource, namespace) = key.place();
                Err(self.error(Verb::List, resource, namespace, None, error.into()))
            }
        }
    }

    async fn answer(
        &self,
        key: &CacheKey,
        cancel: &CancellationToken,
    ) -> Result<Arc<Cached>, Error> {
        let cached = match self.tell(key, cancel).await {
            Err(Error {
                reason: Reason::NotInstalled { .. },
                ..
            }) if key.is_of_a_custom_kind() => Cached::Unknown,
            cached => cached?,
        };
        self.forget_later();
        Ok(Arc::new(cached))
    }

    async fn tell(&self, key: &CacheKey, cancel: &CancellationToken) -> Result<Cached, Error> {
        Ok(match key {
            CacheKey::Ours(kind, namespace) => {
                let list: List<Box<RawValue>> = self.list_made(*kind, namespace, cancel).await?;
                Cached::Objects(by_store(list.items.unwrap_or_default()))
            }
            CacheKey::Taken(kind, namespace) => {
                let list: Metadatas<Head> =
                    self.send_for(listing(*kind, namespace), cancel).await?;
                Cached::Names(list.all().map(Name::from).collect())
            }
            CacheKey::Marked(kind, namespace) => {
                let list = self.list_made(*kind, namespace, cancel).await?;
                Cached::Marks(marks_by_store(list))
            }
            CacheKey::One(key, namespace) => {
                let request = Request::get(Resource::from(key.kind), namespace, &key.name);
                Cached::Object(self.send(request, cancel).await?)
            }
        })
    }

    /// A LIST of what this provider made of a kind.
    async fn list_made<A: Answer>(
        &self,
        kind: Kind,
        namespace: &str,
        cancel: &CancellationToken,
    ) -> Result<A, Error> {
        let params = ListParams::default().labels(&provider_selector());
        let request = Request::list(Resource::from(kind), namespace, params);
        self.send_for(request, cancel).await
    }

    /// Frees the memory when nobody is given the answer any more.
    fn forget_later(&self) {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            tokio::time::sleep(CACHE_TTL).await;
            if let Some(inner) = inner.upgrade() {
                inner.read_cache.forget_old();
            }
        });
    }
}

fn listing(kind: Kind, namespace: &str) -> Request<'_> {
    Request::list(Resource::from(kind), namespace, ListParams::default())
}

fn by_store(items: Vec<Box<RawValue>>) -> Objects {
    let mut objects = Objects::new();
    for text in items {
        let Ok(item) = serde_json::from_str::<Item<Head>>(text.get()) else {
            continue;
        };
        let Name { name, store } = Name::from(item.metadata);
        // Without the label it is asked for by its name, where anybody knows that.
        if let Some(store) = store {
            objects.entry(store).or_default().push((name, text));
        }
    }
    objects
}

fn marks_by_store(list: Metadatas<Mark>) -> BTreeMap<String, Vec<Mark>> {
    let mut marks: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
    for mark in list.all() {
        if let Some(store) = mark.labels.get(NAME_LABEL) {
            marks.entry(store.clone()).or_default().push(mark);
        }
    }
    marks
}

impl From<Head> for Name {
    fn from(Head { name, labels }: Head) -> Self {
        Self {
            name,
            store: labels.0,
        }
    }
}

/// A list of objects without their content.
#[derive(Deserialize)]
struct Metadatas<T>(List<Item<T>>);

impl<T> Metadatas<T> {
    fn all(self) -> impl Iterator<Item = T> {
        let items = self.0.items.into_iter().flatten();
        items.map(|item| item.metadata)
    }
}

impl<T: DeserializeOwned> Answer for Metadatas<T> {
    const ACCEPT: &str =
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
}

#[derive(Deserialize)]
struct Item<T> {
    metadata: T,
}

#[derive(Deserialize)]
struct Head {
    name: String,
    #[serde(default)]
    labels: StoreLabel,
}

/// Of all labels the one that names the feature store.
#[derive(Default, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
struct StoreLabel(Option<String>);

impl From<BTreeMap<String, String>> for StoreLabel {
    fn from(mut labels: BTreeMap<String, String>) -> Self {
        Self(labels.remove(NAME_LABEL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake_api::{self, Reply};

    fn secrets() -> CacheKey {
        CacheKey::Ours(Kind::Secret, "ns".to_owned())
    }

    #[tokio::test]
    async fn an_answer_arrives_though_nobody_waits_any_more() {
        let (asked, mut was_asked) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |_| {
            asked.send(()).unwrap();
            Reply::Answer(200, json!({"items": []}))
        });
        let cluster = cluster.await;
        let cancel = CancellationToken::new();
        tokio::select! {
            biased;
            asked = was_asked.recv() => asked.unwrap(),
            _ = cluster.ask(secrets(), &cancel) => {}
        }
        let arrived = async {
            while cluster.inner.read_cache.lock()[&secrets()]
                .answer
                .peek()
                .is_none()
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let arrived = tokio::time::timeout(Duration::from_secs(60), arrived);
        arrived.await.expect("it arrives at some time");
    }

    #[tokio::test]
    async fn a_failure_is_not_handed_on() {
        let refused = Reply::Answer(403, json!({"kind": "Status"}));
        let mut acts = [refused, Reply::Answer(200, json!({"items": []}))].into_iter();
        let cluster = fake_api::cluster(move |_| acts.next().unwrap()).await;
        let cancel = CancellationToken::new();
        assert!(cluster.ask(secrets(), &cancel).await.is_err());
        assert!(cluster.ask(secrets(), &cancel).await.is_ok());
    }

    #[test]
    fn a_list_is_divided_among_its_stores() {
        let list = r#"{"kind": "SecretList", "metadata": {"resourceVersion": "7"}, "items": [
            {"metadata": {"name": "one", "labels": {"feast.dev/name": "a", "x": "y"}}, "data": {"k": "dg=="}},
            {"metadata": {"name": "two", "labels": {"feast.dev/name": "b"}}},
            {"metadata": {"name": "three", "labels": {"feast.dev/name": "a"}}},
            {"metadata": {"name": "four"}}]}"#;
        let list: List<Box<RawValue>> = serde_json::from_str(list).expect("a list");
        let names = |store: &str| -> Vec<String> {
            let objects = by_store(list.items.clone().unwrap_or_default());
            let names = objects.get(store).into_iter().flatten();
            names.map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names("a"), ["one", "three"]);
        assert_eq!(names("b"), ["two"]);
        assert_eq!(names("c"), [""; 0]);
    }

    #[test]
    fn of_names_only_the_store_is_kept() {
        let list = r#"{"items": [{"metadata": {"name": "n", "labels": {"feast.dev/name": "a"}, "uid": "u"}},
            {"metadata": {"name": "m", "labels": {"app": "x"}}}]}"#;
        let names = |list: &str| -> Vec<Name> {
            let list: Metadatas<Head> = serde_json::from_str(list).expect("a list");
            list.all().map(Name::from).collect()
        };
        let name = |name: &str, store: Option<&str>| Name {
            name: name.to_owned(),
            store: store.map(str::to_owned),
        };
        assert_eq!(names(list), [name("n", Some("a")), name("m", None)]);
        assert_eq!(names(r#"{"items": null}"#), []);
    }

    #[test]
    fn of_marks_nothing_is_kept_that_a_deletion_does_not_need() {
        let list = r#"{"items": [{"metadata": {"name": "n", "namespace": "s", "labels": {"feast.dev/name": "a"},
            "uid": "u", "managedFields": [{"manager": "m"}], "ownerReferences": [{"kind": "FeatureStore"}]}},
            {"metadata": {"name": "m", "uid": "v"}}]}"#;
        let list: Metadatas<Mark> = serde_json::from_str(list).expect("a list");
        let marks = serde_json::to_value(marks_by_store(list)).expect("JSON");
        assert_eq!(
            marks,
            json!({"a": [{
                "name": "n", "namespace": "s", "labels": {"feast.dev/name": "a"}, "uid": "u",
                "ownerReferences": [{"kind": "FeatureStore"}],
            }]})
        );
    }
}
