//! Reads that feature stores share.
//!
//! Terraform refreshes ten resources at a time. The feature stores of a namespace need the same lists, so one list
//! request for each kind returns the objects of all of them. The response is kept for a few seconds as text; each
//! feature store parses its own part.
//!
//! # Guarantees
//!
//! - While a read is in flight, or younger than its [time to live](time_to_live), it is not sent again (single flight).
//! - A read after a write of this process is never answered from a response to a request that was sent before the
//!   write, except for names and metadata ([`ReadCache::invalidate`]).
//! - A request continues when the caller that has started it is dropped.
//!
//! # Assumptions
//!
//! Other processes write, too: an answer can be as old as its time to live. Callers that write have a precondition for
//! that.
//!
//! # Errors
//!
//! Errors are returned to callers that are already waiting and never cached; the next caller retries. A panic is an
//! error for all waiting callers.

use std::collections::{BTreeMap, BTreeSet};
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

use super::error::{Error, Verb};
use super::read::add_type;
use super::request::{ACCEPT_METADATA, List, MetadataItem, Request, ResponseBody};
use super::resource::Resource;
use super::{Cluster, provider_selector, task};
use crate::feast::names::NAME_LABEL;
use crate::kubernetes::kind::{Key, Kind};

/// The shortest time to live. A plan shows one point in time.
const MIN_CACHE_TTL: Duration = Duration::from_secs(2);
/// The longest time to live of a read that takes less.
const MAX_CACHE_TTL: Duration = Duration::from_secs(20);

/// Returns the largest age of an answer, counted from the start of its request, by the duration of the request.
///
/// The lists of a thousand feature stores take seconds, and their refresh takes minutes: with a fixed time to live, the
/// cost of all lists would grow with the square of their number.
fn time_to_live(took: Duration) -> Duration {
    let usual = (10 * took).clamp(MIN_CACHE_TTL, MAX_CACHE_TTL);
    usual.max(took + MIN_CACHE_TTL)
}

/// Identifies a read. The string is the namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum CacheKey {
    /// The objects of a kind with the label of this provider.
    Objects(Kind, String),
    /// The names of all objects of a kind, with the feature stores in their labels.
    Names(Kind, String),
    /// The objects of a kind with the label of this provider, reduced to the metadata that a deletion needs.
    Metadata(Kind, String),
    /// One object.
    Object(Key, String),
}

impl CacheKey {
    fn is_custom(&self) -> bool {
        match self {
            Self::Objects(kind, _) | Self::Metadata(kind, _) | Self::Names(kind, _) => {
                kind.is_custom()
            }
            Self::Object(..) => false,
        }
    }

    /// Returns the resource and the namespace of the read.
    fn target(&self) -> (Resource, &str) {
        match self {
            Self::Objects(kind, namespace)
            | Self::Metadata(kind, namespace)
            | Self::Names(kind, namespace) => (Resource::from(*kind), namespace),
            Self::Object(key, namespace) => (Resource::from(key.kind), namespace),
        }
    }
}

/// Recent answers, and reads in flight.
#[derive(Default)]
pub(super) struct ReadCache(Mutex<BTreeMap<CacheKey, Entry>>);

struct Entry {
    at: Instant,
    answer: Shared<BoxFuture<'static, Result<Arc<CompletedRead>, Error>>>,
}

struct CompletedRead {
    cached: Cached,
    time_to_live: Duration,
}

impl Entry {
    /// Returns whether a caller can be answered from this entry. A read in flight is always joined: a slow API server
    /// must not get more requests. Errors are not cached.
    fn is_fresh(&self) -> bool {
        match self.answer.peek() {
            None => true,
            Some(Ok(answered)) => self.at.elapsed() < answered.time_to_live,
            Some(Err(_)) => false,
        }
    }
}

/// The answer to the read of the same name in [`CacheKey`].
enum Cached {
    Objects(ObjectTexts),
    Names(Arc<Names>),
    Metadata(BTreeMap<String, Vec<ObjectMetadata>>),
    Object(Json),
    /// The cluster does not have the API of the kind, so there are no objects.
    NotInstalled,
}

/// The names and texts of the objects of a kind, by feature store.
type ObjectTexts = BTreeMap<String, Vec<(String, Box<RawValue>)>>;

/// The names of all objects of a kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub objects: BTreeSet<String>,
    /// The feature stores in the labels of the objects.
    pub stores: BTreeSet<String>,
}

impl FromIterator<NameAndStore> for Names {
    fn from_iter<T: IntoIterator<Item = NameAndStore>>(heads: T) -> Self {
        let mut names = Self::default();
        for NameAndStore { name, labels } in heads {
            names.objects.insert(name);
            names.stores.extend(labels.0);
        }
        names
    }
}

/// The metadata that identifies an object and its owner.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectMetadata {
    name: String,
    namespace: Option<String>,
    uid: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    owner_references: Vec<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_timestamp: Option<String>,
}

impl ReadCache {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<CacheKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Invalidates the cache after a write. Names and metadata stay: a create detects an object that exists by now, and
    /// a deletion has the UID of the object as a precondition.
    pub fn invalidate(&self) {
        self.lock()
            .retain(|key, _| matches!(key, CacheKey::Names(..) | CacheKey::Metadata(..)));
    }

    fn evict(&self) {
        self.lock().retain(|_, entry| entry.is_fresh());
    }
}

impl Cluster {
    /// Returns the feature store's objects of a kind.
    pub(super) async fn cached_objects(
        &self,
        namespace: &str,
        store: &str,
        kind: Kind,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Key, Json)>, Error> {
        let key = CacheKey::Objects(kind, namespace.to_owned());
        let answered = self.read_cached(key, cancel).await?;
        let Cached::Objects(objects) = &answered.cached else {
            return Ok(Vec::new());
        };
        let ours = objects.get(store).into_iter().flatten();
        Ok(ours
            .filter_map(|(name, text)| {
                let mut object: Json = serde_json::from_str(text.get()).ok()?;
                add_type(kind, &mut object);
                Some((Key::new(kind, name), object))
            })
            .collect())
    }

    /// Returns the names of all objects of a kind.
    pub(super) async fn cached_names(
        &self,
        namespace: &str,
        kind: Kind,
        cancel: &CancellationToken,
    ) -> Result<Arc<Names>, Error> {
        let key = CacheKey::Names(kind, namespace.to_owned());
        Ok(match &self.read_cached(key, cancel).await?.cached {
            Cached::Names(names) => Arc::clone(names),
            _ => Arc::default(),
        })
    }

    /// Returns the feature store's objects of a kind, reduced to the metadata that a deletion needs.
    pub(super) async fn cached_metadata(
        &self,
        namespace: &str,
        store: &str,
        kind: Kind,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Key, Json)>, Error> {
        let key = CacheKey::Metadata(kind, namespace.to_owned());
        let answered = self.read_cached(key, cancel).await?;
        let Cached::Metadata(metadata) = &answered.cached else {
            return Ok(Vec::new());
        };
        let ours = metadata.get(store).into_iter().flatten();
        Ok(ours
            .map(|metadata| {
                (
                    Key::new(kind, &metadata.name),
                    json!({"metadata": metadata}),
                )
            })
            .collect())
    }

    /// Returns one object.
    pub(super) async fn cached_object(
        &self,
        namespace: &str,
        key: &Key,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let key = CacheKey::Object(key.clone(), namespace.to_owned());
        Ok(match &self.read_cached(key, cancel).await?.cached {
            Cached::Object(object) => object.clone(),
            _ => Json::Null,
        })
    }

    async fn read_cached(
        &self,
        key: CacheKey,
        cancel: &CancellationToken,
    ) -> Result<Arc<CompletedRead>, Error> {
        let answer = {
            let mut entries = self.inner.read_cache.lock();
            let entry = entries.get(&key).filter(|entry| entry.is_fresh());
            let answer = entry.map(|entry| entry.answer.clone());
            answer.unwrap_or_else(|| {
                let (cluster, cancel, read) = (self.clone(), cancel.clone(), key.clone());
                let answer = async move { cluster.read_catching_panics(&read, &cancel).await }
                    .boxed()
                    .shared();
                // The caller can be dropped before the answer arrives: it stops at the first of its reads that fails.
                tokio::spawn(answer.clone());
                let entry = Entry {
                    at: Instant::now(),
                    answer: answer.clone(),
                };
                entries.insert(key, entry);
                answer
            })
        };
        answer.await
    }

    /// Returns a panic as an error.
    async fn read_catching_panics(
        &self,
        key: &CacheKey,
        cancel: &CancellationToken,
    ) -> Result<Arc<CompletedRead>, Error> {
        match task::catch_panic(self.read_key(key, cancel)).await {
            Ok(answer) => answer,
            Err(error) => {
                let (resource, namespace) = key.target();
                Err(self.error(Verb::List, resource, namespace, None, error.into()))
            }
        }
    }

    async fn read_key(
        &self,
        key: &CacheKey,
        cancel: &CancellationToken,
    ) -> Result<Arc<CompletedRead>, Error> {
        let started = Instant::now();
        let cached = match self.send_read(key, cancel).await {
            Err(error) if error.is_not_installed() && key.is_custom() => Cached::NotInstalled,
            cached => cached?,
        };
        let time_to_live = time_to_live(started.elapsed());
        self.evict_at(started + time_to_live);
        Ok(Arc::new(CompletedRead {
            cached,
            time_to_live,
        }))
    }

    async fn send_read(&self, key: &CacheKey, cancel: &CancellationToken) -> Result<Cached, Error> {
        Ok(match key {
            CacheKey::Objects(kind, namespace) => {
                let list: List<Box<RawValue>> = self.list_labeled(*kind, namespace, cancel).await?;
                Cached::Objects(by_store(list.items.unwrap_or_default()))
            }
            CacheKey::Names(kind, namespace) => {
                let request =
                    Request::list(Resource::from(*kind), namespace, ListParams::default());
                let list: MetadataList<NameAndStore> = self.send_for(request, cancel).await?;
                Cached::Names(Arc::new(list.all().collect()))
            }
            CacheKey::Metadata(kind, namespace) => {
                let list = self.list_labeled(*kind, namespace, cancel).await?;
                Cached::Metadata(metadata_by_store(list))
            }
            CacheKey::Object(key, namespace) => {
                let request = Request::get(Resource::from(key.kind), namespace, &key.name);
                Cached::Object(self.send(request, cancel).await?)
            }
        })
    }

    /// Lists the objects of a kind with the label of this provider.
    async fn list_labeled<A: ResponseBody>(
        &self,
        kind: Kind,
        namespace: &str,
        cancel: &CancellationToken,
    ) -> Result<A, Error> {
        let params = ListParams::default().labels(&provider_selector());
        let request = Request::list(Resource::from(kind), namespace, params);
        self.send_for(request, cancel).await
    }

    /// Frees the memory of answers that are out of date.
    fn evict_at(&self, time: Instant) {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            tokio::time::sleep_until(time).await;
            if let Some(inner) = inner.upgrade() {
                inner.read_cache.evict();
            }
        });
    }
}

fn by_store(items: Vec<Box<RawValue>>) -> ObjectTexts {
    let mut objects = ObjectTexts::new();
    for text in items {
        let Ok(item) = serde_json::from_str::<MetadataItem<NameAndStore>>(text.get()) else {
            continue;
        };
        let NameAndStore { name, labels } = item.metadata;
        // An object without the label is read by its name.
        if let Some(store) = labels.0 {
            objects.entry(store).or_default().push((name, text));
        }
    }
    objects
}

fn metadata_by_store(list: MetadataList<ObjectMetadata>) -> BTreeMap<String, Vec<ObjectMetadata>> {
    let mut stores: BTreeMap<String, Vec<ObjectMetadata>> = BTreeMap::new();
    for metadata in list.all() {
        if let Some(store) = metadata.labels.get(NAME_LABEL) {
            stores.entry(store.clone()).or_default().push(metadata);
        }
    }
    stores
}

/// A list of the metadata of objects (`PartialObjectMetadataList`).
#[derive(Deserialize)]
struct MetadataList<T>(List<MetadataItem<T>>);

impl<T> MetadataList<T> {
    fn all(self) -> impl Iterator<Item = T> {
        let items = self.0.items.into_iter().flatten();
        items.map(|item| item.metadata)
    }
}

impl<T: DeserializeOwned> ResponseBody for MetadataList<T> {
    const ACCEPT: &str = ACCEPT_METADATA;
}

#[derive(Deserialize)]
struct NameAndStore {
    name: String,
    #[serde(default)]
    labels: StoreLabel,
}

/// The label that names the feature store.
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
        CacheKey::Objects(Kind::Secret, "ns".to_owned())
    }

    #[tokio::test]
    async fn a_read_continues_without_its_caller() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |_| {
            sender.send(()).unwrap();
            Reply::Answer(200, json!({"items": []}))
        });
        let cluster = cluster.await;
        let cancel = CancellationToken::new();
        tokio::select! {
            biased;
            received = receiver.recv() => received.unwrap(),
            _ = cluster.read_cached(secrets(), &cancel) => {}
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
        arrived.await.expect("the answer arrives");
    }

    #[tokio::test]
    async fn errors_are_not_cached() {
        let refused = Reply::Answer(403, json!({"kind": "Status"}));
        let mut replies = [refused, Reply::Answer(200, json!({"items": []}))].into_iter();
        let cluster = fake_api::cluster(move |_| replies.next().unwrap()).await;
        let cancel = CancellationToken::new();
        assert!(cluster.read_cached(secrets(), &cancel).await.is_err());
        assert!(cluster.read_cached(secrets(), &cancel).await.is_ok());
    }

    #[test]
    fn lists_are_divided_by_feature_store() {
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
    fn names_keep_the_feature_stores() {
        let list = r#"{"items": [{"metadata": {"name": "n", "labels": {"feast.dev/name": "a"}, "uid": "u"}},
            {"metadata": {"name": "m", "labels": {"app": "x"}}}]}"#;
        let names = |list: &str| -> Names {
            let list: MetadataList<NameAndStore> = serde_json::from_str(list).expect("a list");
            list.all().collect()
        };
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let expected = Names {
            objects: set(&["m", "n"]),
            stores: set(&["a"]),
        };
        assert_eq!(names(list), expected);
        assert_eq!(names(r#"{"items": null}"#), Names::default());
    }

    #[test]
    fn a_slow_read_lives_longer() {
        let seconds = |took: f64| time_to_live(Duration::from_secs_f64(took)).as_secs_f64();
        assert_eq!(
            [0.0, 0.2, 0.5, 3.0, 30.0].map(seconds),
            [2.0, 2.2, 5.0, 20.0, 32.0]
        );
    }

    #[test]
    fn metadata_is_reduced_to_what_a_deletion_needs() {
        let list = r#"{"items": [{"metadata": {"name": "n", "namespace": "s", "labels": {"feast.dev/name": "a"},
            "uid": "u", "managedFields": [{"manager": "m"}], "ownerReferences": [{"kind": "FeatureStore"}],
            "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            {"metadata": {"name": "m", "uid": "v"}}]}"#;
        let list: MetadataList<ObjectMetadata> = serde_json::from_str(list).expect("a list");
        let metadata = serde_json::to_value(metadata_by_store(list)).expect("JSON");
        assert_eq!(
            metadata,
            json!({"a": [{
                "name": "n", "namespace": "s", "labels": {"feast.dev/name": "a"}, "uid": "u",
                "ownerReferences": [{"kind": "FeatureStore"}], "deletionTimestamp": "2026-01-01T00:00:00Z",
            }]})
        );
    }
}
