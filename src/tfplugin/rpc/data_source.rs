//! Data sources: `ValidateDataResourceConfig` and `ReadDataSource`.

use super::{Rpc, client_capabilities, deferred};
use crate::schema::Diagnostics;
use crate::schema::provider::ReadDataSourceRequest;
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::proto::tfplugin6::{read_data_source, validate_data_resource_config};
use crate::tfplugin::session::Session;

impl Rpc for validate_data_resource_config::Request {
    type Response = validate_data_resource_config::Response;

    fn operation(&self) -> String {
        format!("validating the data source {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (data_source, types) = session.data_source(&self.type_name)?;
        let config = types.read(self.config.as_ref(), "the configuration")?;
        Ok(self.diagnostics_response(data_source.validate_config(config)))
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        validate_data_resource_config::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl Rpc for read_data_source::Request {
    type Response = read_data_source::Response;

    fn operation(&self) -> String {
        format!("reading the data source {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (data_source, types) = session.data_source(&self.type_name)?;
        let request = ReadDataSourceRequest {
            config: types.read(self.config.as_ref(), "the configuration")?,
            client: client_capabilities(self.client_capabilities),
        };
        let mut response = data_source.read(request).await;
        Ok(read_data_source::Response {
            state: types.write(&response.state, &mut response.diagnostics),
            diagnostics: diagnostics(response.diagnostics),
            deferred: response.deferred.map(deferred),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        read_data_source::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}
