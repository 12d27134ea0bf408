//! Data sources: validate and read.

use super::{client, deferred};
use crate::schema::Diagnostics;
use crate::schema::provider::{DataSource, Provider};
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::proto::tfplugin6::{read_data_source, validate_data_resource_config};
use crate::tfplugin::session::{Rpc, Session};

impl<P: Provider> Rpc<P> for validate_data_resource_config::Request {
    type Response = validate_data_resource_config::Response;

    fn doing(&self) -> String {
        format!("validating the data source {}", self.type_name)
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let types = session.data_source(&self.type_name)?;
        let problems = session.provider.validate_data_source(DataSource {
            type_name: self.type_name.clone(),
            config: types.read(self.config.as_ref(), "the configuration")?,
            ..DataSource::default()
        });
        Ok(Rpc::<P>::failed(self, problems))
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        validate_data_resource_config::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl<P: Provider> Rpc<P> for read_data_source::Request {
    type Response = read_data_source::Response;

    fn doing(&self) -> String {
        format!("reading the data source {}", self.type_name)
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let types = session.data_source(&self.type_name)?;
        let answer = session.provider.read_data_source(DataSource {
            type_name: self.type_name.clone(),
            config: types.read(self.config.as_ref(), "the configuration")?,
            client: client(self.client_capabilities),
        });
        let mut answer = answer.await;
        Ok(read_data_source::Response {
            state: types.write(&answer.state, &mut answer.diagnostics),
            diagnostics: diagnostics(answer.diagnostics),
            deferred: answer.deferred.map(deferred),
        })
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        read_data_source::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}
