//! Server-side dry runs against the API server.

use std::sync::atomic::{AtomicUsize, Ordering};

use kube::api::{Api, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::ApiResource;
use serde_json::Value as Json;
use terraform_provider_feast::kubernetes::kind::{Key, Scope};

use super::outcome::Bodies;

pub struct ApiServer {
    client: kube::Client,
    namespace: String,
    count: AtomicUsize,
}

impl ApiServer {
    pub fn new(client: kube::Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            count: AtomicUsize::new(0),
        }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the number of dry runs.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Applies the objects that are not in `known` as dry runs.
    ///
    /// # Errors
    ///
    /// The message of the API server about the first object that it rejects.
    pub async fn dry_run(&self, bodies: &Bodies, known: &Bodies) -> Result<(), String> {
        for (key, body) in bodies {
            if known.get(key) != Some(body) {
                let result = self.apply(key, body).await;
                result.map_err(|message| format!("{key}: {message}"))?;
            }
        }
        Ok(())
    }

    /// Applies an object as the provider does, as a dry run.
    async fn apply(&self, key: &Key, body: &Json) -> Result<(), String> {
        self.count.fetch_add(1, Ordering::Relaxed);
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
