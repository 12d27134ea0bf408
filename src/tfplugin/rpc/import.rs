//! Import: `ImportResourceState`, and the configuration of imported resources by `GenerateResourceConfig`.

use super::provider::generates_config;
use super::{Rpc, client_capabilities, deferred};
use crate::schema::provider::{ImportResourceStateRequest, ImportedResource};
use crate::schema::{Diagnostic, Diagnostics};
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::object::ObjectTypes;
use crate::tfplugin::proto::tfplugin6::{generate_resource_config, import_resource_state};
use crate::tfplugin::session::Session;

impl Rpc for import_resource_state::Request {
    type Response = import_resource_state::Response;

    fn operation(&self) -> String {
        format!("importing {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (resource, types) = session.resource(&self.type_name)?;
        let request = ImportResourceStateRequest {
            id: self.id.clone(),
            identity: types.read_identity(self.identity.as_ref())?,
            client: client_capabilities(self.client_capabilities),
        };
        let response = resource.import_state(request).await;
        let mut problems = response.diagnostics;
        let imported_resources = (response.resources.into_iter())
            .map(|imported| encode(&self.type_name, types, imported, &mut problems))
            .collect();
        Ok(import_resource_state::Response {
            imported_resources,
            diagnostics: diagnostics(problems),
            deferred: response.deferred.map(deferred),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        import_resource_state::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

fn encode(
    type_name: &str,
    types: &ObjectTypes,
    imported: ImportedResource,
    problems: &mut Diagnostics,
) -> import_resource_state::ImportedResource {
    import_resource_state::ImportedResource {
        type_name: type_name.to_owned(),
        state: types.write(&imported.state, problems),
        identity: types.write_identity(imported.identity.as_ref(), problems),
        private: imported.private,
    }
}

impl Rpc for generate_resource_config::Request {
    type Response = generate_resource_config::Response;

    fn operation(&self) -> String {
        format!("generating the configuration of {}", self.type_name)
    }

    fn is_served(&self, session: &Session) -> bool {
        generates_config(session.provider.registry())
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (resource, types) = session.resource(&self.type_name)?;
        let state = types.read(self.state.as_ref(), "the state")?;
        let Some(generator) = resource.config_generator() else {
            return Err(vec![Diagnostic::error(
                "Configuration not generated",
                format!(
                    "The provider does not generate configuration for {}.",
                    self.type_name
                ),
            )]);
        };
        let config = generator.generate_config(state)?;
        let mut problems = Vec::new();
        Ok(generate_resource_config::Response {
            config: types.write(&config, &mut problems),
            diagnostics: diagnostics(problems),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        generate_resource_config::Response {
            config: None,
            diagnostics: diagnostics(problems),
        }
    }
}
