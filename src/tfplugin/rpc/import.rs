//! Taking over what exists already.

use super::{client, deferred};
use crate::schema::Diagnostics;
use crate::schema::provider::{Import, ImportedResource, Provider};
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::proto::tfplugin6::import_resource_state;
use crate::tfplugin::session::{Rpc, Session};

impl<P: Provider> Rpc<P> for import_resource_state::Request {
    type Response = import_resource_state::Response;

    fn doing(&self) -> String {
        format!("importing {}", self.type_name)
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let types = session.resource(&self.type_name)?;
        let imported = session.provider.import(Import {
            type_name: self.type_name.clone(),
            id: self.id.clone(),
            identity: types.read_identity(self.identity.as_ref())?,
            client: client(self.client_capabilities),
        });
        let imported = imported.await;
        let mut problems = imported.diagnostics;
        let mut resources = Vec::new();
        for resource in &imported.resources {
            resources.push(write(session, resource, &mut problems)?);
        }
        Ok(import_resource_state::Response {
            imported_resources: resources,
            diagnostics: diagnostics(problems),
            deferred: imported.deferred.map(deferred),
        })
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        import_resource_state::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

fn write<P: Provider>(
    session: &Session<P>,
    resource: &ImportedResource,
    problems: &mut Diagnostics,
) -> Result<import_resource_state::ImportedResource, Diagnostics> {
    let types = session.resource(&resource.type_name)?;
    Ok(import_resource_state::ImportedResource {
        type_name: resource.type_name.clone(),
        state: types.write(&resource.state, problems),
        private: resource.private.clone(),
        identity: types.write_identity(resource.identity.as_ref(), problems),
    })
}
