//! A configured provider and the API server that it talks to, for tests of whole operations.

use super::api_server::ApiServer;
use super::core;
use super::resource;
use crate::provider::Feast;
use crate::provider::resources::feature_store::prior_state::PriorState;
use crate::provider::resources::feature_store::private_state::PrivateState;
use crate::schema::provider::{
    ApplyResourceChangeRequest, ApplyResourceChangeResponse, ConfigureProviderRequest,
    ImportResourceStateRequest, ImportResourceStateResponse, PlanResourceChangeRequest,
    PlanResourceChangeResponse, ReadResourceRequest, ReadResourceResponse,
};
use crate::schema::{Block, Diagnostic, Provider as _, Severity, Value, encode};
use serde_json::{Value as Json, json};

/// A provider that is configured for an API server, and a runtime for its requests. Every plan and apply must keep the
/// rules of Terraform core ([`core`]).
pub struct TestProvider {
    pub feast: Feast,
    pub server: ApiServer,
    /// The provider block.
    config: Value,
    runtime: tokio::runtime::Runtime,
}

impl TestProvider {
    /// With an API server that has a few namespaces.
    pub fn new() -> Self {
        let server = ApiServer::start(&["default", "ns", "b", "shop"]);
        Self::on(&server, json!({}))
    }

    /// With further attributes of the provider block.
    pub fn on(server: &ApiServer, mut provider: Json) -> Self {
        let feast = Feast::new();
        let attributes = &feast.schema().block.attributes;
        provider["host"] = json!(server.host);
        let config = encode(attributes, &provider);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let provider = Self {
            feast,
            server: server.clone(),
            config,
            runtime,
        };
        provider.configure();
        provider
    }

    /// Configures the provider, as each command of Terraform does. Nothing that was read before is used again.
    fn configure(&self) {
        let request = ConfigureProviderRequest {
            config: self.config.clone(),
            ..ConfigureProviderRequest::default()
        };
        assert_eq!(self.block_on(self.feast.configure(request)), []);
    }

    pub fn block_on<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    pub fn block(&self) -> &Block {
        super::block(&self.feast)
    }

    pub fn config(&self, json: &Json) -> Value {
        encode(&self.block().attributes, json)
    }

    pub fn plan(
        &self,
        prior: &Value,
        private: &[u8],
        config: &Value,
    ) -> PlanResourceChangeResponse {
        let request = PlanResourceChangeRequest {
            prior_state: prior.clone(),
            prior_private: private.to_vec(),
            proposed_new_state: config.clone(),
            config: config.clone(),
            ..PlanResourceChangeRequest::default()
        };
        self.runtime.block_on(core::plan(&self.feast, request))
    }

    /// Refreshes with a new process.
    pub fn read(&self, state: &Value, private: &[u8]) -> ReadResourceResponse {
        self.configure();
        let request = ReadResourceRequest {
            state: state.clone(),
            private: private.to_vec(),
            ..ReadResourceRequest::default()
        };
        self.runtime.block_on(resource(&self.feast).read(request))
    }

    pub fn apply(
        &self,
        prior: &Value,
        planned: &PlanResourceChangeResponse,
        config: &Value,
    ) -> ApplyResourceChangeResponse {
        let request = ApplyResourceChangeRequest {
            prior_state: prior.clone(),
            planned_state: planned.state.clone(),
            planned_private: planned.private.clone(),
            config: config.clone(),
            ..ApplyResourceChangeRequest::default()
        };
        self.runtime.block_on(core::apply(&self.feast, request))
    }

    /// Destroys the feature store of this state.
    pub fn destroy(&self, state: &Value, private: &[u8]) -> ApplyResourceChangeResponse {
        let request = ApplyResourceChangeRequest {
            prior_state: state.clone(),
            planned_private: private.to_vec(),
            ..ApplyResourceChangeRequest::default()
        };
        self.runtime.block_on(core::apply(&self.feast, request))
    }

    pub fn import(&self, id: &str) -> ImportResourceStateResponse {
        let request = ImportResourceStateRequest {
            id: id.to_owned(),
            ..ImportResourceStateRequest::default()
        };
        self.runtime
            .block_on(resource(&self.feast).import_state(request))
    }

    /// Decodes private data beside its state.
    pub fn private(&self, state: &Value, private: &[u8]) -> PrivateState {
        PriorState::decode(self.block(), state, private).private
    }

    /// Plans and applies a create without errors.
    #[track_caller]
    pub fn create(&self, config: &Value) -> (Value, Vec<u8>) {
        let planned = self.plan(&Value::Null, &[], config);
        assert_eq!(errors(&planned.diagnostics), Vec::<String>::new());
        let applied = self.apply(&Value::Null, &planned, config);
        assert_eq!(errors(&applied.diagnostics), Vec::<String>::new());
        (applied.state, applied.private)
    }
}

/// Each error as `path: summary: detail`.
pub fn errors(diagnostics: &[Diagnostic]) -> Vec<String> {
    let errors = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(text).collect()
}

/// Each diagnostic as `path: summary: detail`.
pub fn texts(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(text).collect()
}

/// The summaries of diagnostics.
pub fn summaries(diagnostics: &[Diagnostic]) -> Vec<&str> {
    let summaries = diagnostics.iter();
    summaries
        .map(|diagnostic| diagnostic.summary.as_str())
        .collect()
}

pub fn text(diagnostic: &Diagnostic) -> String {
    let path = diagnostic.path.as_ref().map(|path| format!("{path}: "));
    let Diagnostic {
        summary, detail, ..
    } = diagnostic;
    format!("{}{summary}: {detail}", path.unwrap_or_default())
}
