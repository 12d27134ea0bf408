//! The provider as a whole: what it has, its configuration, its end.

use super::client;
use crate::schema::Diagnostics;
use crate::schema::provider::{Configure, Provider};
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::proto::tfplugin6::{
    self as proto, configure_provider, get_metadata, get_provider_schema,
    get_resource_identity_schemas, stop_provider, validate_provider_config,
};
use crate::tfplugin::schemas;
use crate::tfplugin::session::{Rpc, Session};

/// `get_provider_schema_optional`: nothing here waits for GetProviderSchema, so that a client may keep
/// the schema of an earlier process.
const CAPABILITIES: proto::ServerCapabilities = proto::ServerCapabilities {
    plan_destroy: true,
    get_provider_schema_optional: true,
    move_resource_state: false,
    generate_resource_config: false,
};

impl<P: Provider> Rpc<P> for get_metadata::Request {
    type Response = get_metadata::Response;

    fn doing(&self) -> String {
        "listing what it has".to_owned()
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let schemas = session.provider.schemas();
        let resources = schemas.resources.keys().cloned();
        let data_sources = schemas.data_sources.keys().cloned();
        let functions = schemas.functions.keys().cloned();
        Ok(get_metadata::Response {
            server_capabilities: Some(CAPABILITIES),
            resources: resources
                .map(|type_name| get_metadata::ResourceMetadata { type_name })
                .collect(),
            data_sources: data_sources
                .map(|type_name| get_metadata::DataSourceMetadata { type_name })
                .collect(),
            functions: functions
                .map(|name| get_metadata::FunctionMetadata { name })
                .collect(),
            ..Default::default()
        })
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        get_metadata::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

impl<P: Provider> Rpc<P> for get_provider_schema::Request {
    type Response = get_provider_schema::Response;

    fn doing(&self) -> String {
        "describing its schema".to_owned()
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let all = session.provider.schemas();
        let resources = (all.resources.iter())
            .map(|(name, resource)| (name.clone(), schemas::schema(&resource.schema)));
        let data_sources =
            (all.data_sources.iter()).map(|(name, schema)| (name.clone(), schemas::schema(schema)));
        let functions = (all.functions.iter())
            .map(|(name, function)| (name.clone(), schemas::function(function)));
        Ok(get_provider_schema::Response {
            provider: Some(schemas::schema(&all.provider)),
            resource_schemas: resources.collect(),
            data_source_schemas: data_sources.collect(),
            functions: functions.collect(),
            server_capabilities: Some(CAPABILITIES),
            ..Default::default()
        })
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        get_provider_schema::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

impl<P: Provider> Rpc<P> for get_resource_identity_schemas::Request {
    type Response = get_resource_identity_schemas::Response;

    fn doing(&self) -> String {
        "describing its identities".to_owned()
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let resources = session.provider.schemas().resources.iter();
        Ok(get_resource_identity_schemas::Response {
            identity_schemas: resources
                .map(|(name, resource)| (name.clone(), schemas::identity(&resource.identity)))
                .collect(),
            diagnostics: Vec::new(),
        })
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        get_resource_identity_schemas::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

impl<P: Provider> Rpc<P> for validate_provider_config::Request {
    type Response = validate_provider_config::Response;

    fn doing(&self) -> String {
        "checking its configuration".to_owned()
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let config = session.read_provider_config(self.config.as_ref())?;
        let problems = session.provider.validate_provider(config);
        Ok(Rpc::<P>::failed(self, problems))
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        validate_provider_config::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl<P: Provider> Rpc<P> for configure_provider::Request {
    type Response = configure_provider::Response;

    fn doing(&self) -> String {
        "taking its configuration".to_owned()
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let request = Configure {
            terraform_version: self.terraform_version.clone(),
            config: session.read_provider_config(self.config.as_ref())?,
            client: client(self.client_capabilities),
        };
        let problems = session.provider.configure(request).await;
        Ok(Rpc::<P>::failed(self, problems))
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        configure_provider::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl<P: Provider> Rpc<P> for stop_provider::Request {
    type Response = stop_provider::Response;

    fn doing(&self) -> String {
        "ending the work in hand".to_owned()
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        session.provider.stop();
        Ok(stop_provider::Response::default())
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        let problems = problems.into_iter().map(|problem| problem.detail);
        stop_provider::Response {
            error: problems.collect::<Vec<_>>().join("\n"),
        }
    }
}
