//! Reads the live objects of a feature store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::keda::is_owned_by_scaled_object;
use super::request::{List, Request};
use super::resource::{PODS, Resource};
use super::{Cluster, StoreName};
use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL, NAMESPACE_LABEL};
use crate::feast::secrets::store_secret;
use crate::kubernetes::kind::{Access, Key, Kind, Scope};
use crate::kubernetes::managed_fields::ManagedFields;

impl Cluster {
    /// Returns the objects with these keys from the read cache, for a refresh. All feature stores of a namespace share
    /// one list request for each kind. An object without the labels is read by its name.
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

    /// Returns the objects of the kinds of these keys from the read cache, to find objects that an apply has created
    /// and the state does not contain. Kinds of `Access::IfUsed` without permission are left out.
    pub async fn read_leftover_objects(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let (namespaced, cluster_scoped): (Vec<&Key>, Vec<&Key>) =
            (keys.iter()).partition(|key| key.kind.scope() == Scope::Namespace);
        let kinds: BTreeSet<Kind> = namespaced.iter().map(|key| key.kind).collect();
        let lists = kinds.into_iter().map(|kind| async move {
            let list = self
                .cached_objects(&store.namespace, &store.name, kind, cancel)
                .await;
            unless_forbidden(kind, &BTreeSet::new(), list)
        });
        let gets = cluster_scoped.into_iter().map(|key| async move {
            let found = self.get(&store.namespace, key, cancel).await;
            let found = found.map(|found| found.map(|found| (key.clone(), found)));
            unless_forbidden(key.kind, &BTreeSet::new(), found.map(Vec::from_iter))
        });
        let (lists, gets) = futures::try_join!(try_join_all(lists), try_join_all(gets))?;
        let mut live: BTreeMap<Key, Json> = lists.into_iter().chain(gets).flatten().collect();
        live.retain(|_, live| self.is_ours(store, live, false));
        Ok(live)
    }

    /// Returns the live objects with the labels of the feature store, without those that KEDA has created, and those
    /// with the given keys, whoever owns them ([`Cluster::is_ours`]). Does not use the read cache.
    ///
    /// Sends a list request for each namespaced kind, then a get request for each key that the lists lack.
    /// Cluster-scoped objects are only read by name, so that no permission to list them is needed: those of the keys,
    /// and [those that the Secret lists](Self::recorded_cluster_scoped).
    pub async fn read(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let lists = namespaced_kinds().map(|kind| async move {
            unless_forbidden(kind, keys, self.list(store, kind, cancel).await)
        });
        let mut live = self.listed_or_named(lists, store, keys, cancel).await?;
        let secret = live.get(&store_secret::key(&store.name));
        let leftovers = self.recorded_cluster_scoped(store, secret, keys, cancel);
        live.extend(leftovers.await?);
        Ok(live)
    }

    /// Returns the cluster-scoped objects that the Secret of the feature store lists, without those of the given keys:
    /// an apply has created them, and the state does not have them.
    pub async fn recorded_cluster_scoped(
        &self,
        store: &StoreName,
        secret: Option<&Json>,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let mut recorded = secret.map(store_secret::objects).unwrap_or_default();
        recorded.retain(|key| key.kind.scope() == Scope::Cluster && !keys.contains(key));
        self.read_leftover_objects(store, &recorded, cancel).await
    }

    /// Returns the objects of [`Cluster::read`], reduced to metadata from the read cache, for a deletion. The deletion
    /// has the UID of each object as a precondition, so that an object that was created since then is not deleted.
    pub async fn read_before_delete(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let lists = namespaced_kinds().map(|kind| async move {
            let marked = self.cached_metadata(&store.namespace, &store.name, kind, cancel);
            unless_forbidden(kind, keys, marked.await)
        });
        self.listed_or_named(lists, store, keys, cancel).await
    }

    /// Returns the objects of [`Cluster::read`], for an apply. A create usually finds none, and then the cached names
    /// of existing objects are enough. An object that was created since then is detected by the apply, which creates
    /// only objects that do not exist.
    pub async fn read_before_apply(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        creates: bool,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let first = creates && !self.created().contains(store);
        if first && self.is_vacant(store, keys, cancel).await? {
            return Ok(BTreeMap::new());
        }
        self.read(store, keys, cancel).await
    }

    /// Returns the feature stores that this process has begun to create. Cached names can be older than the objects
    /// that it has written itself.
    pub(super) fn created(&self) -> MutexGuard<'_, BTreeSet<StoreName>> {
        let created = self.inner.created.lock();
        created.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether no object has one of these keys, and no other object of their kinds belongs to the feature
    /// store.
    async fn is_vacant(
        &self,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        let (namespaced, cluster_scoped): (Vec<&Key>, Vec<&Key>) =
            (keys.iter()).partition(|key| key.kind.scope() == Scope::Namespace);
        let kinds: BTreeSet<Kind> = namespaced.iter().map(|key| key.kind).collect();
        let taken = kinds.into_iter().map(|kind| {
            let namespaced = &namespaced;
            async move {
                let names = self.cached_names(&store.namespace, kind, cancel).await?;
                let mut keys = namespaced.iter().filter(|key| key.kind == kind);
                Ok(names.stores.contains(&store.name)
                    || keys.any(|key| names.objects.contains(&key.name)))
            }
        });
        let taken = try_join_all(taken);
        let found = try_join_all(cluster_scoped.iter().map(|key| async {
            let found = self.get(&store.namespace, key, cancel).await?;
            Ok::<_, Error>(found.is_some())
        }));
        let (taken, found) = futures::try_join!(taken, found)?;
        Ok(!taken.into_iter().chain(found).any(|it| it))
    }

    /// Returns the listed objects, and the objects with the keys that the lists lack.
    async fn listed_or_named(
        &self,
        lists: impl Iterator<Item = impl Future<Output = Result<Vec<(Key, Json)>, Error>>>,
        store: &StoreName,
        keys: &BTreeSet<Key>,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<Key, Json>, Error> {
        let listed = try_join_all(lists).await?.into_iter().flatten();
        let listed = listed.filter(|(_, live)| !is_owned_by_scaled_object(live));
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
        unless_not_installed(kind, self.list_at_server(store, kind, cancel).await)
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

    /// Returns `None` if the object does not exist.
    pub async fn get(
        &self,
        namespace: &str,
        key: &Key,
        cancel: &CancellationToken,
    ) -> Result<Option<Json>, Error> {
        let request = Request::get(Resource::from(key.kind), namespace, &key.name);
        match self.send(request, cancel).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the pods whose label has one of these names of feature stores.
    pub async fn pods(
        &self,
        namespace: &str,
        names: &[String],
        cancel: &CancellationToken,
    ) -> Result<Vec<Pod>, Error> {
        let selector = format!("{NAME_LABEL} in ({})", names.join(","));
        let request = Request::list(PODS, namespace, ListParams::default().labels(&selector));
        let list: List<Pod> = self.send_for(request, cancel).await?;
        Ok(list.items.unwrap_or_default())
    }

    /// Returns whether the live object belongs to the feature store: it has the labels of the feature store, or it
    /// `was_applied` according to the state and to its managed fields, because somebody can have removed the labels.
    pub fn is_ours(&self, store: &StoreName, live: &Json, was_applied: bool) -> bool {
        if is_owned_by_scaled_object(live) {
            return false;
        }
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
}

/// Returns the namespaced kinds.
fn namespaced_kinds() -> impl Iterator<Item = Kind> {
    let kinds = Kind::ALL.iter().copied();
    kinds.filter(|kind| kind.scope() == Scope::Namespace)
}

/// Returns no objects instead of a permission error, unless a key is of the kind: without permission, the account
/// cannot have created objects of it.
#[expect(
    clippy::result_large_err,
    reason = "errors are passed through unchanged"
)]
fn unless_forbidden<T>(
    kind: Kind,
    keys: &BTreeSet<Key>,
    list: Result<Vec<T>, Error>,
) -> Result<Vec<T>, Error> {
    match list {
        Err(error)
            if error.is_forbidden()
                && kind.access() == Access::IfUsed
                && !keys.iter().any(|key| key.kind == kind) =>
        {
            Ok(Vec::new())
        }
        other => other,
    }
}

/// Returns no objects instead of an error about a missing API.
#[expect(
    clippy::result_large_err,
    reason = "errors are passed through unchanged"
)]
pub(super) fn unless_not_installed<T>(
    kind: Kind,
    list: Result<Vec<T>, Error>,
) -> Result<Vec<T>, Error> {
    match list {
        Err(error) if error.is_not_installed() && kind.is_custom() => Ok(Vec::new()),
        other => other,
    }
}

/// Returns the objects in the response to a list request.
pub(super) fn elements(kind: Kind, answer: Json) -> Vec<(Key, Json)> {
    let Json::Object(mut answer) = answer else {
        return Vec::new();
    };
    let Some(Json::Array(items)) = answer.remove("items") else {
        return Vec::new();
    };
    let elements = items.into_iter().filter_map(|mut item| {
        let name = item["metadata"]["name"].as_str()?.to_owned();
        add_type(kind, &mut item);
        Some((Key::new(kind, name), item))
    });
    elements.collect()
}

/// Adds the fields that the elements of a list do not have.
pub(super) fn add_type(kind: Kind, element: &mut Json) {
    element["apiVersion"] = Json::from(kind.api_version());
    element["kind"] = Json::from(kind.as_str());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::error::Reason;
    use crate::cluster::fake_api::{self, Reply};

    #[tokio::test]
    async fn cached_names_suffice_until_the_first_write() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |_| {
            sender.send(()).unwrap();
            Reply::Answer(200, json!({"items": []}))
        });
        let cluster = cluster.await;
        let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
        let keys = BTreeSet::from([Key::new(Kind::Secret, "feast-x")]);
        for _ in 0..2 {
            let live = cluster.read_before_apply(&store, &keys, true, &cancel);
            assert_eq!(live.await.unwrap(), BTreeMap::new());
        }
        receiver.try_recv().unwrap();
        assert!(receiver.try_recv().is_err());
        cluster.created().insert(store.clone());
        let live = cluster.read_before_apply(&store, &keys, true, &cancel);
        live.await.unwrap();
        assert!(receiver.len() >= namespaced_kinds().count());
    }

    #[tokio::test]
    async fn malformed_pods_are_an_error() {
        let answers = [json!({"items": null}), json!({"items": [{"spec": 1}]})];
        let mut answers = answers.into_iter();
        let cluster = fake_api::cluster(move |_| Reply::Answer(200, answers.next().unwrap())).await;
        let cancel = CancellationToken::new();
        let names = ["x".to_owned()];
        let none = cluster.pods("ns", &names, &cancel).await;
        assert_eq!(none.unwrap(), []);
        let error = cluster.pods("ns", &names, &cancel).await.unwrap_err();
        let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
        assert_eq!(error.to_string(), format!("cannot list pods {place}"));
        assert!(matches!(error.reason, Reason::Unreadable(_)), "{error:?}");
    }
}
