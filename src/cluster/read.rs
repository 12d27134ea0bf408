//! What is there: the live objects of a store, and values out of the user's Secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use futures::future::{join_all, try_join_all};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::error::{Error, Reason, Verb};
use super::request::{List, Request};
use super::resource::{PODS, Resource};
use super::{Cluster, StoreName};
use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL, NAMESPACE_LABEL};
use crate::feast::secrets::source::{Contents, Source};
use crate::kubernetes::kind::{Access, Key, Kind, Scope};
use crate::kubernetes::managed_fields::ManagedFields;

impl Cluster {
    /// The store's objects of these keys, as they were a moment ago at most; for a refresh. A LIST by label for
    /// each kind is shared by all stores of the namespace that are read at the same time; what that does not
    /// show (somebody has taken the labels off) is asked for by name.
    pub async fn read_for_refresh(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let kinds: BTreeSet<Kind> = keys.iter().map(|key| key.kind).collect();
        let lists = kinds
            .into_iter()
            .filter(|kind| kind.scope() == Scope::Namespace)
            .map(|kind| self.cached_objects(&store.namespace, &store.name, kind, cancel));
        self.listed_or_named(lists, store, keys, cancel).await
    }

    /// The store's objects of the kinds of these keys, as they were a moment ago at most: what an apply has made and a
    /// state does not know. A kind that the account may not list has none.
    pub async fn read_leftovers(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let (near, far): (Vec<&Key>, Vec<&Key>) =
            (keys.iter()).partition(|key| key.kind.scope() == Scope::Namespace);
        let kinds: BTreeSet<Kind> = near.iter().map(|key| key.kind).collect();
        let lists = kinds.into_iter().map(|kind| async move {
            let list = self
                .cached_objects(&store.namespace, &store.name, kind, cancel)
                .await;
            unless_hidden(kind, &BTreeSet::new(), list)
        });
        let gets = far.into_iter().map(|key| async move {
            let found = self.get(&store.namespace, key, cancel).await;
            let found = found.map(|found| found.map(|found| (key.clone(), found)));
            unless_hidden(key.kind, &BTreeSet::new(), found.map(Vec::from_iter))
        });
        let (lists, gets) = futures::try_join!(try_join_all(lists), try_join_all(gets))?;
        let mut live: BTreeMap<Key, Json> = lists.into_iter().chain(gets).flatten().collect();
        live.retain(|_, live| self.is_ours(store, live, false));
        Ok(live)
    }

    /// The live objects that carry the store's labels, and those of the given keys that exist, labels
    /// or not ([`Cluster::is_ours`] tells them apart); for an apply, so nothing is older than the question.
    ///
    /// A LIST by label for each kind of the namespace, then a GET for each key that the lists did not
    /// show. What lives outside the namespace has names that follow from the store's, and is asked for by
    /// name alone: no right to list the whole cluster is needed.
    pub async fn read(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let lists = near_kinds().map(|kind| async move {
            unless_hidden(kind, keys, self.list(store, kind, cancel).await)
        });
        self.listed_or_named(lists, store, keys, cancel).await
    }

    /// What [`Cluster::read`] finds, for a deletion, which names each object by its UID: what was seen within a moment
    /// is shared by all stores of the namespace that are deleted at the same time, and without content. An object that
    /// has come into being since stays, as it would if it came a moment later.
    pub async fn read_before_delete(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let lists = near_kinds().map(|kind| async move {
            let marked = self.cached_metadata(&store.namespace, &store.name, kind, cancel);
            unless_hidden(kind, keys, marked.await)
        });
        self.listed_or_named(lists, store, keys, cancel).await
    }

    /// What [`Cluster::read`] finds, for an apply. Where a feature store is created there is mostly nothing, and then
    /// the names that are taken tell, which several creates share. An object of another that comes into being within
    /// that moment is still met by the apply itself, which creates only what does not exist.
    pub async fn read_before_apply(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        creates: bool,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let first = creates && self.begin_create(store);
        if first && self.is_vacant(store, keys, cancel).await? {
            return Ok(BTreeMap::new());
        }
        self.read(store, keys, cancel).await
    }

    /// Notes that the store is created by this process, and answers whether that is so for the first time: after
    /// that, what is there may be what it has written itself.
    fn begin_create(&self, store: &StoreName) -> bool {
        let created = self.inner.created.lock();
        (created.unwrap_or_else(PoisonError::into_inner)).insert(store.clone())
    }

    /// Whether nothing stands in the places of these keys, and nothing else of their kinds is the store's.
    async fn is_vacant(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        let (near, far): (Vec<&Key>, Vec<&Key>) =
            (keys.iter()).partition(|key| key.kind.scope() == Scope::Namespace);
        let kinds: BTreeSet<Kind> = near.iter().map(|key| key.kind).collect();
        let taken = kinds.into_iter().map(|kind| {
            let near = &near;
            async move {
                let names = self.cached_names(&store.namespace, kind, cancel).await?;
                Ok(names.iter().any(|taken| {
                    taken.store.as_ref() == Some(&store.name)
                        || (near.iter()).any(|key| key.kind == kind && key.name == taken.name)
                }))
            }
        });
        let taken = try_join_all(taken);
        let found = try_join_all(far.iter().map(|key| async {
            let found = self.get(&store.namespace, key, cancel).await?;
            Ok::<_, Error>(found.is_some())
        }));
        let (taken, found) = futures::try_join!(taken, found)?;
        Ok(!taken.into_iter().chain(found).any(|it| it))
    }

    /// What the lists show, and the objects of the keys that they do not.
    async fn listed_or_named(
        &self,
        lists: impl Iterator<Item = impl Future<Output = Result<Vec<(Key, Json)>, Error>>>,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let listed = try_join_all(lists).await?.into_iter().flatten();
        let mut live: BTreeMap<Key, Json> = listed.collect();
        let missing = keys.iter().filter(|key| !live.contains_key(*key));
        let gets = missing.map(|key| async {
            let found = self.get(&store.namespace, key, cancel).await?;
            Ok::<_, Error>(found.map(|found| (key.clone(), found)))
        });
        let found = try_join_all(gets).await?;
        live.extend(found.into_iter().flatten());
        Ok(live)
    }

    async fn list(
        &self,
        store: &StoreName,
        kind: Kind,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Key, Json)>, Error> {
        unless_unknown(kind, self.list_at_server(store, kind, cancel).await)
    }

    pub(super) async fn list_at_server(
        &self,
        store: &StoreName,
        kind: Kind,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Key, Json)>, Error> {
        let params = ListParams::default().labels(&store.selector());
        let request = Request::list(Resource::from(kind), &store.namespace, params);
        Ok(elements(kind, self.send(request, cancel).await?))
    }

    /// `None` when it does not exist.
    pub async fn get(
        &self,
        namespace: &str,
        key: &Key,
        cancel: &CancellationToken,
    ) -> Result<Option<Json>, Error> {
        let request = Request::get(Resource::from(key.kind), namespace, &key.name);
        match self.send(request, cancel).await {
            Ok(found) => Ok(Some(found)),
            Err(Error {
                reason: Reason::NotFound,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The store's pods that have one of these `names` on them.
    pub async fn pods(
        &self,
        store: &StoreName,
        names: &[String],
        cancel: &CancellationToken,
    ) -> Result<Vec<Pod>, Error> {
        let selector = format!("{NAME_LABEL} in ({})", names.join(","));
        let request = Request::list(
            PODS,
            &store.namespace,
            ListParams::default().labels(&selector),
        );
        let list: List<Pod> = self.send_for(request, cancel).await?;
        Ok(list.items.unwrap_or_default())
    }

    /// Returns whether the live object belongs to the feature store: it has the labels of the feature store, or it
    /// `was_applied` according to the state and to its managed fields, because somebody can have removed the labels.
    pub fn is_ours(&self, store: &StoreName, live: &Json, was_applied: bool) -> bool {
        let labels = &live["metadata"]["labels"];
        let here = match live["metadata"]["namespace"].as_str() {
            Some(_) => true,
            None => labels[NAMESPACE_LABEL] == store.namespace.as_str(),
        };
        if here
            && labels[MANAGED_BY_LABEL] == MANAGED_BY
            && labels[NAME_LABEL] == store.name.as_str()
        {
            return true;
        }
        was_applied
            && ManagedFields::of(live)
                .applied_by(&self.options().field_manager)
                .is_some()
    }

    /// The values of the user's Secrets and ConfigMaps. Everything that is missing is reported at once.
    /// They are secrets, or may be: they are never logged, and no error quotes them.
    pub async fn contents(
        &self,
        namespace: &str,
        wanted: &BTreeSet<Source>,
        cancel: &CancellationToken,
    ) -> Result<Contents, Vec<Error>> {
        let objects: BTreeSet<Key> = wanted.iter().map(Source::object).collect();
        let gets = objects.iter().map(|key| {
            let request = Request::get(Resource::from(key.kind), namespace, &key.name);
            self.send(request, cancel)
        });
        let answers = join_all(gets).await;
        self.values_of(namespace, wanted, objects.iter().zip(answers))
    }

    /// The values of the user's Secrets and ConfigMaps as they were a moment ago at most, each object read once for
    /// all feature stores. Everything that is missing is reported at once.
    pub async fn contents_for_refresh(
        &self,
        namespace: &str,
        wanted: &BTreeSet<Source>,
        cancel: &CancellationToken,
    ) -> Result<Contents, Vec<Error>> {
        let objects: BTreeSet<Key> = wanted.iter().map(Source::object).collect();
        let answers = join_all(
            objects
                .iter()
                .map(|key| self.cached_object(namespace, key, cancel)),
        )
        .await;
        self.values_of(namespace, wanted, objects.iter().zip(answers))
    }

    fn values_of<'a>(
        &self,
        namespace: &str,
        wanted: &BTreeSet<Source>,
        answers: impl Iterator<Item = (&'a Key, Result<Json, Error>)>,
    ) -> Result<Contents, Vec<Error>> {
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
        for source in wanted {
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
        if errors.is_empty() {
            Ok(contents)
        } else {
            Err(errors)
        }
    }
}

/// What lives in the feature store's namespace.
fn near_kinds() -> impl Iterator<Item = Kind> {
    let kinds = Kind::ALL.iter().copied();
    kinds.filter(|kind| kind.scope() == Scope::Namespace)
}

/// Who may not look at a kind has made nothing of it, unless a key says otherwise.
#[expect(clippy::result_large_err, reason = "the error is handed on as it came")]
fn unless_hidden<T>(
    kind: Kind,
    keys: &BTreeSet<Key>,
    list: Result<Vec<T>, Error>,
) -> Result<Vec<T>, Error> {
    match list {
        Err(Error {
            reason: Reason::Forbidden { .. },
            ..
        }) if kind.access() == Access::IfUsed && !keys.iter().any(|key| key.kind == kind) => {
            Ok(Vec::new())
        }
        other => other,
    }
}

/// Of a kind that the cluster does not know there is nothing.
#[expect(clippy::result_large_err, reason = "the error is handed on as it came")]
pub(super) fn unless_unknown<T>(kind: Kind, list: Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    match list {
        Err(Error {
            reason: Reason::NotInstalled { .. },
            ..
        }) if kind.is_custom() => Ok(Vec::new()),
        other => other,
    }
}

/// The objects in the answer to a LIST.
pub(super) fn elements(kind: Kind, answer: Json) -> Vec<(Key, Json)> {
    let Json::Object(mut answer) = answer else {
        return Vec::new();
    };
    let Some(Json::Array(items)) = answer.remove("items") else {
        return Vec::new();
    };
    let elements = items.into_iter().filter_map(|mut item| {
        let name = item["metadata"]["name"].as_str()?.to_owned();
        // They come without kind and version.
        item["apiVersion"] = Json::from(kind.api_version());
        item["kind"] = Json::from(kind.as_str());
        Some((Key::new(kind, name), item))
    });
    elements.collect()
}

/// Returns the values of the keys that are used, which must be text. Values of other keys are not decoded.
fn values(object: &Json, source: &Source) -> Result<BTreeMap<String, String>, Reason> {
    let is_text = source.kind == Kind::ConfigMap;
    let entries = |field: &str| object[field].as_object().into_iter().flatten();
    let values: BTreeMap<String, String> = (entries("data")
        .map(|(key, value)| (key, value, is_text)))
    // A ConfigMap's values that are not UTF-8, or that `kubectl create --from-file` took for such.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::feast::secrets::source::Keys;

    #[test]
    fn only_the_keys_that_are_used_must_be_text() {
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

    #[tokio::test]
    async fn pods_that_cannot_be_understood_are_not_none() {
        let answers = [json!({"items": null}), json!({"items": [{"spec": 1}]})];
        let mut answers = answers.into_iter();
        let cluster = fake_api::cluster(move |_| Reply::Answer(200, answers.next().unwrap())).await;
        let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
        let names = ["x".to_owned()];
        let none = cluster.pods(&store, &names, &cancel).await;
        assert_eq!(none.unwrap(), []);
        let error = cluster.pods(&store, &names, &cancel).await.unwrap_err();
        let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
        assert_eq!(error.to_string(), format!("cannot list pods {place}"));
        assert!(matches!(error.reason, Reason::Unreadable(_)), "{error:?}");
    }
}
