//! Server-side dry runs against the API server.

use kube::api::{Api, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::ApiResource;
use serde_json::Value as Json;
use terraform_provider_feast::kubernetes::kind::{Key, Scope};

#[derive(Clone)]
pub struct ApiServer {
    pub client: kube::Client,
    pub namespace: String,
}

impl ApiServer {
    /// Applies an object as the provider does, as a dry run.
    ///
    /// # Errors
    ///
    /// The message of the API server.
    pub async fn dry_run(&self, key: &Key, body: &Json) -> Result<(), String> {
        let info = key.kind.info();
        let resource = ApiResource {
            group: info.group.to_owned(),
            version: info.version.to_owned(),
            api_version: key.kind.api_version(),
            kind: info.name.to_owned(),
            plural: info.plural.to_owned(),
        };
        let client = self.client.clone();
        let api: Api<DynamicObject> = match info.scope {
            Scope::Namespace => Api::namespaced_with(client, &self.namespace, &resource),
            Scope::Cluster => Api::all_with(client, &resource),
        };
        let params = PatchParams {
            dry_run: true,
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply("scan").force()
        };
        let patched = api.patch(&key.name, &params, &Patch::Apply(body)).await;
        match patched {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => Err(error.to_string()),
        }
    }
}
