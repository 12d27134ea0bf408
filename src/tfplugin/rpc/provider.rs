//! The provider as a whole: metadata, schemas, configuration and `StopProvider`.

use super::{Rpc, client_capabilities};
use crate::schema::Diagnostics;
use crate::schema::provider::{ConfigureProviderRequest, Registry};
use crate::tfplugin::diagnostics::{details, diagnostics};
use crate::tfplugin::proto::tfplugin6::{
    self as proto, configure_provider, get_metadata, get_provider_schema,
    get_resource_identity_schemas, stop_provider, validate_provider_config,
};
use crate::tfplugin::schemas;
use crate::tfplugin::session::Session;

/// Returns the optional features of the protocol that the provider supports.
fn server_capabilities(registry: &Registry) -> proto::ServerCapabilities {
    proto::ServerCapabilities {
        plan_destroy: true,
        // No call depends on an earlier GetProviderSchema, so a client can reuse the schema of another process.
        get_provider_schema_optional: true,
        move_resource_state: moves_state(registry),
        generate_resource_config: generates_config(registry),
    }
}

/// Returns whether a resource accepts states of other types.
pub(super) fn moves_state(registry: &Registry) -> bool {
    let mut resources = registry.resources.values();
    resources.any(|resource| resource.state_mover().is_some())
}

/// Returns whether all resources generate configuration. Terraform takes the answer for each of them.
pub(super) fn generates_config(registry: &Registry) -> bool {
    let mut resources = registry.resources.values();
    !registry.resources.is_empty()
        && resources.all(|resource| resource.config_generator().is_some())
}

impl Rpc for get_metadata::Request {
    type Response = get_metadata::Response;

    fn operation(&self) -> String {
        "listing its types".to_owned()
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let registry = session.provider.registry();
        let Registry {
            resources,
            data_sources,
            functions,
            list_resources,
            actions,
        } = registry;
        Ok(get_metadata::Response {
            server_capabilities: Some(server_capabilities(registry)),
            resources: metadata(resources.keys(), |type_name| {
                get_metadata::ResourceMetadata { type_name }
            }),
            data_sources: metadata(data_sources.keys(), |type_name| {
                get_metadata::DataSourceMetadata { type_name }
            }),
            functions: metadata(functions.keys(), |name| get_metadata::FunctionMetadata {
                name,
            }),
            list_resources: metadata(list_resources.keys(), |type_name| {
                get_metadata::ListResourceMetadata { type_name }
            }),
            actions: metadata(actions.keys(), |type_name| get_metadata::ActionMetadata {
                type_name,
            }),
            ..Default::default()
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        get_metadata::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

fn metadata<'a, T>(
    names: impl Iterator<Item = &'a String>,
    metadata: impl Fn(String) -> T,
) -> Vec<T> {
    names.cloned().map(metadata).collect()
}

impl Rpc for get_provider_schema::Request {
    type Response = get_provider_schema::Response;

    fn operation(&self) -> String {
        "describing its schema".to_owned()
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let registry = session.provider.registry();
        let Registry {
            resources,
            data_sources,
            functions,
            list_resources,
            actions,
        } = registry;
        Ok(get_provider_schema::Response {
            provider: Some(schemas::schema(session.provider.schema())),
            resource_schemas: schemas::each(resources, |resource| {
                schemas::schema(resource.schema())
            }),
            data_source_schemas: schemas::each(data_sources, |data_source| {
                schemas::schema(data_source.schema())
            }),
            functions: schemas::each(functions, |function| {
                schemas::function(function.definition())
            }),
            list_resource_schemas: schemas::each(list_resources, |list_resource| {
                schemas::schema(list_resource.schema())
            }),
            action_schemas: schemas::each(actions, |action| proto::ActionSchema {
                schema: Some(schemas::schema(action.schema())),
            }),
            server_capabilities: Some(server_capabilities(registry)),
            ..Default::default()
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        get_provider_schema::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

impl Rpc for get_resource_identity_schemas::Request {
    type Response = get_resource_identity_schemas::Response;

    fn operation(&self) -> String {
        "describing its identities".to_owned()
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let resources = &session.provider.registry().resources;
        Ok(get_resource_identity_schemas::Response {
            identity_schemas: schemas::each(resources, |resource| {
                schemas::identity(resource.identity_schema())
            }),
            diagnostics: Vec::new(),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        get_resource_identity_schemas::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

impl Rpc for validate_provider_config::Request {
    type Response = validate_provider_config::Response;

    fn operation(&self) -> String {
        "validating its configuration".to_owned()
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let config = session.read_provider_config(self.config.as_ref())?;
        Ok(self.diagnostics_response(session.provider.validate_config(config)))
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        validate_provider_config::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl Rpc for configure_provider::Request {
    type Response = configure_provider::Response;

    fn operation(&self) -> String {
        "reading its configuration".to_owned()
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let request = ConfigureProviderRequest {
            terraform_version: self.terraform_version.clone(),
            config: session.read_provider_config(self.config.as_ref())?,
            client: client_capabilities(self.client_capabilities),
        };
        Ok(self.diagnostics_response(session.provider.configure(request).await))
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        configure_provider::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl Rpc for stop_provider::Request {
    type Response = stop_provider::Response;

    fn operation(&self) -> String {
        "stopping the calls in progress".to_owned()
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        session.provider.stop();
        Ok(stop_provider::Response::default())
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        stop_provider::Response {
            error: details(problems),
        }
    }
}
