//! Searches for feature stores, in one namespace or in all of them.
//!
//! A feature store of this provider is found by its Secret, because an import reads that. One of the Feast operator is
//! found by its custom resource. Only metadata is requested, in pages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures::stream::{self, Stream, TryStreamExt};
use kube::api::ListParams;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::error::{Error, Reason};
use super::request::{ACCEPT_METADATA, MetadataItem, Request, ResponseBody};
use super::resource::{FEATURE_STORES, Resource};
use super::{Cluster, StoreName, provider_selector};
use crate::feast::names::{self, NAME_LABEL};
use crate::kubernetes::Kind;

/// The largest number of objects in one response.
const PAGE: u32 = 500;

/// 410 Gone: the continue token has expired.
const EXPIRED: u16 = 410;

/// A search for feature stores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// `None` for all namespaces.
    pub namespace: Option<String>,
    /// A label selector in its text form; `None` for all feature stores.
    pub selector: Option<String>,
}

impl Search {
    /// Returns the namespace of the requests; empty for all namespaces.
    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// Returns the selector of this search together with another one.
    fn selector_with(&self, other: &str) -> String {
        let selectors = [other, self.selector.as_deref().unwrap_or_default()];
        let given: Vec<&str> = (selectors.into_iter())
            .filter(|selector| !selector.is_empty())
            .collect();
        given.join(",")
    }
}

impl Cluster {
    /// Returns the feature stores that this provider has created, as the API server returns their Secrets.
    pub fn provider_stores<'a>(
        &'a self,
        search: &'a Search,
        cancel: &'a CancellationToken,
    ) -> impl Stream<Item = Result<StoreName, Error>> + 'a {
        let selector = search.selector_with(&provider_selector());
        let resources = [Resource::from(Kind::Secret)];
        let pages = self.pages(resources.into(), search.namespace(), selector, cancel);
        flatten_pages(pages.map_ok(|page| {
            page.into_iter()
                .filter_map(ListedMetadata::store_of_secret)
                .collect()
        }))
    }

    /// Returns the feature stores that the Feast operator has created and this provider has not taken over. There are
    /// none in a cluster without the custom resource definition. A custom resource that is being deleted is left out,
    /// because an import rejects it.
    pub fn operator_stores<'a>(
        &'a self,
        search: &'a Search,
        cancel: &'a CancellationToken,
    ) -> impl Stream<Item = Result<StoreName, Error>> + 'a {
        let selector = search.selector_with("");
        let pages = self.pages(FEATURE_STORES.into(), search.namespace(), selector, cancel);
        // All pages share one list of the Secrets, which is read for the first feature store.
        let taken_over = Arc::new(OnceCell::new());
        flatten_pages(pages.and_then(move |page| {
            let taken_over = Arc::clone(&taken_over);
            async move {
                let mut found: Vec<StoreName> = (page.into_iter())
                    .filter(|metadata| metadata.deletion_timestamp.is_none())
                    .map(ListedMetadata::store)
                    .collect();
                if !found.is_empty() {
                    let taken_over = taken_over.get_or_try_init(|| self.taken_over(search, cancel));
                    let taken_over = taken_over.await?;
                    found.retain(|store| !taken_over.contains(store));
                }
                Ok(found)
            }
        }))
    }

    /// Returns the feature stores of this provider with any labels. An import prefers their Secrets to the custom
    /// resources that can still exist. Returns none if the account cannot list Secrets.
    async fn taken_over(
        &self,
        search: &Search,
        cancel: &CancellationToken,
    ) -> Result<BTreeSet<StoreName>, Error> {
        let search = Search {
            selector: None,
            ..search.clone()
        };
        let stores = self.provider_stores(&search, cancel);
        match stores.try_collect().await {
            Err(error) if error.is_forbidden() => Ok(BTreeSet::new()),
            stores => stores,
        }
    }

    /// Returns the metadata of the selected objects, page by page, of the first of these resources that the cluster
    /// has. `namespace` is empty for all namespaces.
    fn pages<'a>(
        &'a self,
        resources: VecDeque<Resource>,
        namespace: &'a str,
        selector: String,
        cancel: &'a CancellationToken,
    ) -> impl Stream<Item = Result<Vec<ListedMetadata>, Error>> + 'a {
        let pages = Pages {
            cluster: self,
            resources,
            namespace,
            selector,
            cancel,
            token: None,
            returned: BTreeSet::new(),
        };
        stream::try_unfold(pages, Pages::next)
    }
}

/// The pages of a list that have not been requested.
struct Pages<'a> {
    cluster: &'a Cluster,
    /// The resources to try, the next one first. Empty after the last page.
    resources: VecDeque<Resource>,
    namespace: &'a str,
    selector: String,
    cancel: &'a CancellationToken,
    /// `None` for the first page.
    token: Option<String>,
    /// The objects of earlier pages, by namespace and name. A list that begins again leaves them out.
    returned: BTreeSet<(String, String)>,
}

impl Pages<'_> {
    async fn next(mut self) -> Result<Option<(Vec<ListedMetadata>, Self)>, Error> {
        while let Some(&resource) = self.resources.front() {
            let mut params = ListParams::default().limit(PAGE);
            if !self.selector.is_empty() {
                params = params.labels(&self.selector);
            }
            if let Some(token) = &self.token {
                params = params.continue_token(token);
            }
            let request = Request::list(resource, self.namespace, params);
            let answer: Result<Page, Error> = self.cluster.send_for(request, self.cancel).await;
            match answer {
                Ok(page) => return Ok(Some(self.take(page))),
                Err(error) if error.is_not_installed() && resource.is_custom() => {
                    self.resources.pop_front();
                }
                Err(error) if self.token.is_some() && is_expired(&error) => self.token = None,
                // The API server checks permissions before it looks for the API.
                Err(error)
                    if error.is_forbidden()
                        && resource.is_custom()
                        && !self.cluster.may_serve(resource, self.cancel).await =>
                {
                    self.resources.pop_front();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn take(mut self, page: Page) -> (Vec<ListedMetadata>, Self) {
        let Page { metadata, items } = page;
        self.token = metadata.token.filter(|token| !token.is_empty());
        if self.token.is_none() {
            self.resources.clear();
        }
        let items = items.into_iter().flatten().map(|item| item.metadata);
        let new = items.filter(|item| self.returned.insert(item.key()));
        (new.collect(), self)
    }
}

fn is_expired(error: &Error) -> bool {
    matches!(error.reason, Reason::Rejected { code: EXPIRED, .. })
}

/// Returns the elements of pages one by one.
fn flatten_pages<'a>(
    pages: impl Stream<Item = Result<Vec<StoreName>, Error>> + 'a,
) -> impl Stream<Item = Result<StoreName, Error>> + 'a {
    pages
        .map_ok(|page| stream::iter(page.into_iter().map(Ok)))
        .try_flatten()
}

/// A page of a list (`PartialObjectMetadataList`).
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMetadata,
    /// Can be null for an empty list.
    items: Option<Vec<MetadataItem<ListedMetadata>>>,
}

impl ResponseBody for Page {
    const ACCEPT: &str = ACCEPT_METADATA;
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(rename = "continue")]
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedMetadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    deletion_timestamp: Option<String>,
}

impl ListedMetadata {
    fn key(&self) -> (String, String) {
        (self.namespace.clone(), self.name.clone())
    }

    /// Returns the feature store whose custom resource this is.
    fn store(self) -> StoreName {
        StoreName {
            namespace: self.namespace,
            name: self.name,
        }
    }

    /// Returns the feature store whose Secret this is.
    fn store_of_secret(mut self) -> Option<StoreName> {
        let name = self.labels.remove(NAME_LABEL)?;
        let is_live = self.deletion_timestamp.is_none();
        (is_live && self.name == names::main(&name)).then_some(StoreName {
            namespace: self.namespace,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use tokio::sync::mpsc;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};

    const SECRETS: &str = "GET /api/v1/secrets";
    const CUSTOM_RESOURCES: &str = "GET /apis/feast.dev/v1/featurestores";

    fn status(code: u16, reason: &str) -> Reply {
        Reply::Answer(
            code,
            json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason,
                "message": "User \"u\" cannot list resource \"featurestores\""}),
        )
    }

    fn secret(name: &str, store: &str) -> Json {
        json!({"metadata": {"name": name, "namespace": "ns", "labels": {"feast.dev/name": store}}})
    }

    fn custom_resource(name: &str) -> Json {
        json!({"metadata": {"name": name, "namespace": "ns"}})
    }

    fn page(items: &[Json], token: &str) -> Reply {
        Reply::Answer(
            200,
            json!({"metadata": {"continue": token}, "items": items}),
        )
    }

    enum Of {
        Provider,
        Operator,
    }

    /// Returns the names that a search finds, or the error, and the requests of the search.
    async fn search(
        of: Of,
        mut script: impl FnMut(&str) -> Reply + Send + 'static,
    ) -> (Result<Vec<String>, Error>, Vec<String>) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |request| {
            sender.send(request.line.clone()).unwrap();
            script(&request.line)
        });
        let cluster = cluster.await;
        let (search, cancel) = (Search::default(), CancellationToken::new());
        let found: Result<Vec<StoreName>, Error> = match of {
            Of::Provider => {
                cluster
                    .provider_stores(&search, &cancel)
                    .try_collect()
                    .await
            }
            Of::Operator => {
                cluster
                    .operator_stores(&search, &cancel)
                    .try_collect()
                    .await
            }
        };
        let names = found.map(|stores| stores.into_iter().map(|store| store.name).collect());
        let mut requests = Vec::new();
        while let Ok(request) = receiver.try_recv() {
            requests.push(request);
        }
        (names, requests)
    }

    #[tokio::test]
    async fn finds_the_secret_of_each_store() {
        let mut deleted = secret("feast-gone", "gone");
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let secrets = [secret("feast-a", "a"), secret("other", "a"), deleted];
        let (found, requests) = search(Of::Provider, move |_| page(&secrets, "")).await;
        assert_eq!(found.unwrap(), ["a"]);
        assert_eq!(requests, [SECRETS]);
    }

    #[tokio::test]
    async fn reads_every_page_and_begins_again_when_a_token_expires() {
        let mut replies = [
            page(&[secret("feast-a", "a"), secret("feast-b", "b")], "2"),
            status(410, "Expired"),
            page(&[secret("feast-a", "a"), secret("feast-c", "c")], "2"),
            page(&[secret("feast-d", "d")], ""),
        ]
        .into_iter();
        let (found, requests) = search(Of::Provider, move |_| replies.next().unwrap()).await;
        assert_eq!(found.unwrap(), ["a", "b", "c", "d"]);
        assert_eq!(requests, [SECRETS; 4]);
    }

    #[tokio::test]
    async fn leaves_out_custom_resources_of_taken_over_stores() {
        let (found, requests) = search(Of::Operator, |request| match request {
            CUSTOM_RESOURCES => page(&[custom_resource("a"), custom_resource("b")], ""),
            _ => page(&[secret("feast-a", "a")], ""),
        })
        .await;
        assert_eq!(found.unwrap(), ["b"]);
        assert_eq!(requests, [CUSTOM_RESOURCES, SECRETS]);
    }

    #[tokio::test]
    async fn only_a_missing_permission_hides_the_stores_that_were_taken_over() {
        for (code, is_error) in [(403, false), (400, true)] {
            let (found, _) = search(Of::Operator, move |request| match request {
                CUSTOM_RESOURCES => page(&[custom_resource("a")], ""),
                _ => status(code, "Refused"),
            })
            .await;
            assert_eq!(found.is_err(), is_error, "{code}");
            assert_eq!(found.unwrap_or_default().len(), usize::from(!is_error));
        }
    }

    #[tokio::test]
    async fn finds_nothing_without_the_custom_resource_definition() {
        let discovery = "GET /apis/feast.dev/v1";
        let alpha = "GET /apis/feast.dev/v1alpha1/featurestores";
        let (found, requests) = search(Of::Operator, |_| status(404, "NotFound")).await;
        assert_eq!(found.unwrap(), [""; 0]);
        assert_eq!(requests, [CUSTOM_RESOURCES, alpha]);

        let (found, requests) = search(Of::Operator, |request| match request {
            CUSTOM_RESOURCES => status(403, "Forbidden"),
            _ => status(404, "NotFound"),
        })
        .await;
        assert_eq!(found.unwrap(), [""; 0]);
        assert_eq!(requests, [CUSTOM_RESOURCES, discovery, alpha]);
    }

    #[tokio::test]
    async fn a_missing_permission_is_an_error() {
        let (found, _) = search(Of::Operator, |request| match request {
            CUSTOM_RESOURCES => status(403, "Forbidden"),
            _ => Reply::Answer(200, json!({"kind": "APIResourceList"})),
        })
        .await;
        let error = found.unwrap_err();
        assert!(error.is_forbidden());
        let place = format!("in all namespaces of the cluster at {}", error.server);
        assert_eq!(
            error.to_string(),
            format!("cannot list featurestores {place}")
        );
    }
}
