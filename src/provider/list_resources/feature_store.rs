//! The list resource `feast_feature_store`: the feature stores of this provider, and those of the Feast operator that
//! can be imported.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::search::Search;
use crate::cluster::{self, CancellationToken, Cluster, StoreName};
use crate::feast::config::{DNS_LABEL_PATTERN, NAMESPACE_LENGTH};
use crate::kubernetes::label_selector;
use crate::provider::provider_data::ProviderData;
use crate::provider::resources::feature_store::{TYPE_NAME, identity, import, read};
use crate::provider::settings::Settings;
use crate::provider::{decode_as, diagnostics, lowered};
use crate::schema::provider::{
    EventSink, ListResource, ListResourceEvent, ListResourceRequest, ReadResourceRequest,
    ReadResourceResponse, StreamClosed, ValidateListResourceConfigRequest,
};
use crate::schema::{Block, Diagnostic, Diagnostics, Number, Schema, Severity, Value, encode};

/// The largest number of feature stores that are read at the same time.
const CONCURRENT_READS: usize = 8;

/// Finds feature stores on Kubernetes, to import them: those that this provider created, and those of the Feast
/// operator, which are marked with `(Feast operator)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListConfig {
    /// Kubernetes namespace to search. Default: the `namespace` of the provider block, or else `default`.
    #[schemars(length(min = 1, max = NAMESPACE_LENGTH), regex(pattern = DNS_LABEL_PATTERN))]
    namespace: Option<String>,

    /// Whether to search all namespaces. Needs the permission to list in all namespaces. Default: false.
    all_namespaces: Option<bool>,

    /// Label selector, as in `kubectl get --selector`: `team=ml,tier in (gold, silver)`. It selects by `labels` of the
    /// feature store, or the labels of the custom resource.
    #[schemars(length(min = 1))]
    label_selector: Option<String>,

    /// Manager of the feature stores, as in the label `app.kubernetes.io/managed-by` of their objects: `feast` (this
    /// provider) or `feast-operator`. Default: both.
    managed_by: Option<Manager>,
}

/// The program that has created a feature store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Manager {
    #[serde(rename = "feast")]
    Provider,
    #[serde(rename = "feast-operator")]
    Operator,
}

impl Manager {
    const ALL: [Self; 2] = [Self::Provider, Self::Operator];

    fn display_name(self, store: &StoreName) -> String {
        match self {
            Self::Provider => store.to_string(),
            Self::Operator => format!("{store} (Feast operator)"),
        }
    }
}

/// The list resource.
pub struct FeatureStoreListResource {
    schema: Schema,
    /// The attributes of the resource.
    resource: Arc<Block>,
    data: Arc<ProviderData>,
}

impl FeatureStoreListResource {
    pub fn new(resource: &Arc<Block>, data: &Arc<ProviderData>) -> Self {
        Self {
            schema: Schema {
                version: 0,
                block: lowered::<ListConfig>(),
            },
            resource: Arc::clone(resource),
            data: Arc::clone(data),
        }
    }
}

#[async_trait]
impl ListResource for FeatureStoreListResource {
    fn type_name(&self) -> &str {
        TYPE_NAME
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate_config(&self, request: ValidateListResourceConfigRequest) -> Diagnostics {
        let decoded = decode_list_config(&self.schema.block, &request.config);
        let mut diagnostics = decoded.err().unwrap_or_default();
        if matches!(&request.limit, Value::Number(Number::Integer(limit)) if *limit < 1) {
            diagnostics.push(diagnostics::limit_too_small());
        }
        diagnostics
    }

    async fn list(
        &self,
        request: ListResourceRequest,
        events: &dyn EventSink<ListResourceEvent>,
    ) -> Result<(), StreamClosed> {
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        let (config, search, cluster) = match self.prepare(&settings, &request.config).await {
            Ok(prepared) => prepared,
            Err(diagnostics) => {
                let event = ListResourceEvent::diagnostics_only(diagnostics);
                return events.send(event).await;
            }
        };
        let call = ListCall {
            resource: &self.resource,
            settings: &settings,
            cluster: &cluster,
            stop: &stop,
            search: &search,
            request: &request,
        };
        for manager in Manager::ALL {
            if config.managed_by.is_none_or(|wanted| wanted == manager) {
                call.send_all(manager, events).await?;
            }
        }
        Ok(())
    }
}

impl FeatureStoreListResource {
    /// Returns the configuration with its search, and connects to the cluster.
    async fn prepare(
        &self,
        settings: &Settings,
        config: &Value,
    ) -> Result<(ListConfig, Search, Arc<Cluster>), Diagnostics> {
        let config = decode_list_config(&self.schema.block, config)?;
        let search = config.search(settings).map_err(|error| vec![error])?;
        let cluster = settings.cluster().await.map_err(|error| vec![error])?;
        Ok((config, search, cluster))
    }
}

impl ListConfig {
    /// Returns the search that the configuration describes.
    ///
    /// # Errors
    ///
    /// The namespace to search is unknown.
    fn search(&self, settings: &Settings) -> Result<Search, Diagnostic> {
        let namespace = self.namespace.as_deref().or_else(|| settings.namespace());
        let namespace = match (self.all_namespaces, namespace) {
            (Some(true), _) => None,
            (_, Some(namespace)) => Some(namespace.to_owned()),
            (_, None) => return Err(diagnostics::unknown_namespace_to_list()),
        };
        Ok(Search {
            namespace,
            selector: self.label_selector.clone(),
        })
    }
}

/// Decodes a `config` block, of which any part can be unknown.
///
/// # Errors
///
/// Every value that is not valid.
fn decode_list_config(block: &Block, config: &Value) -> Result<ListConfig, Diagnostics> {
    let mut errors = Diagnostics::new();
    let all_namespaces = *config.attribute("all_namespaces") == Value::Bool(true);
    if all_namespaces && config.attribute("namespace").as_str().is_some() {
        errors.push(diagnostics::namespace_and_all_namespaces());
    }
    let selector = config.attribute("label_selector").as_str();
    let problem = selector
        .filter(|selector| !selector.is_empty())
        .and_then(label_selector::problem);
    errors.extend(problem.map(|problem| diagnostics::invalid_label_selector(&problem)));
    match decode_as(block, config) {
        Ok((config, _)) if errors.is_empty() => Ok(config),
        Ok(_) => Err(errors),
        Err(mismatches) => Err([mismatches, errors].concat()),
    }
}

/// One call of the list.
struct ListCall<'a> {
    resource: &'a Block,
    settings: &'a Settings,
    cluster: &'a Cluster,
    stop: &'a CancellationToken,
    search: &'a Search,
    request: &'a ListResourceRequest,
}

impl ListCall<'_> {
    /// Sends an event for each feature store of a manager. An error ends its list.
    async fn send_all(
        &self,
        manager: Manager,
        events: &dyn EventSink<ListResourceEvent>,
    ) -> Result<(), StreamClosed> {
        match manager {
            Manager::Provider => {
                let stores = self.cluster.provider_stores(self.search, self.stop);
                self.send(manager, stores, events).await
            }
            Manager::Operator => {
                let stores = self.cluster.operator_stores(self.search, self.stop);
                self.send(manager, stores, events).await
            }
        }
    }

    async fn send(
        &self,
        manager: Manager,
        stores: impl Stream<Item = Result<StoreName, cluster::Error>>,
        events: &dyn EventSink<ListResourceEvent>,
    ) -> Result<(), StreamClosed> {
        let found = stores.map(|store| self.event(manager, store));
        let mut found = std::pin::pin!(found.buffered(self.concurrent_reads()));
        while let Some(event) = found.next().await {
            events.send(event).await?;
        }
        Ok(())
    }

    /// Returns the number of feature stores to read ahead, at most as many as Terraform takes.
    fn concurrent_reads(&self) -> usize {
        match usize::try_from(self.request.limit) {
            Ok(limit @ 1..) => limit.min(CONCURRENT_READS),
            _ => CONCURRENT_READS,
        }
    }

    async fn event(
        &self,
        manager: Manager,
        store: Result<StoreName, cluster::Error>,
    ) -> ListResourceEvent {
        let store = match store {
            Ok(store) => store,
            Err(error) => {
                let diagnostic = diagnostics::not_listed(manager, self.search, &error);
                return ListResourceEvent::diagnostics_only(vec![diagnostic]);
            }
        };
        let mut event = ListResourceEvent {
            identity: identity::of(&name_of(self.resource, &store)),
            display_name: manager.display_name(&store),
            ..ListResourceEvent::default()
        };
        if self.request.include_resource_object {
            match self.state(&store).await {
                Ok(state) => event.resource_object = Some(state),
                Err(reason) => {
                    let diagnostic = diagnostics::not_importable(&event.display_name, reason);
                    return ListResourceEvent::diagnostics_only(vec![diagnostic]);
                }
            }
        }
        event
    }

    /// Returns the state of a feature store, as an import and a refresh return it. The warnings of both are left out:
    /// the plan that imports the feature store has them.
    ///
    /// # Errors
    ///
    /// The error of the import or the refresh.
    async fn state(&self, store: &StoreName) -> Result<Value, Diagnostic> {
        let Self {
            resource,
            settings,
            cluster,
            stop,
            ..
        } = self;
        let imported = import::first_state(resource, cluster, stop, store).await?;
        let request = ReadResourceRequest {
            state: imported.state,
            private: imported.private.encode(),
            ..ReadResourceRequest::default()
        };
        let ReadResourceResponse {
            state, diagnostics, ..
        } = read::read(resource, settings, stop, None, request).await;
        let mut diagnostics = diagnostics.into_iter();
        match diagnostics.find(|diagnostic| diagnostic.severity == Severity::Error) {
            Some(error) => Err(error),
            None if state.is_null() => Err(diagnostics::no_feature_store(store, cluster.server())),
            None => Ok(state),
        }
    }
}

/// Returns a state that has only the name and the namespace of a feature store.
fn name_of(block: &Block, StoreName { namespace, name }: &StoreName) -> Value {
    let json = serde_json::json!({"namespace": namespace, "name": name});
    encode(&block.attributes, &json)
}

#[cfg(test)]
mod tests;
