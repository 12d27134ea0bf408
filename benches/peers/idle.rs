//! "Terraform alone": a provider with the schemas of this provider that does nothing. It returns what Terraform sends,
//! and creates a resource by returning the recorded state of a real one, so that the states have the same size.
//!
//! The benchmark's own program is this provider if Terraform starts it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use terraform_provider_feast::provider::{FEATURE_STORE, Feast};
use terraform_provider_feast::schema::provider::*;
use terraform_provider_feast::schema::{Diagnostics, Provider, Schema, Type, Value};
use terraform_provider_feast::tfplugin::{self, Options, codec};

/// The variable with the path of the recorded state: a state file with feature stores of the same names.
pub const RECORDED_STATE: &str = "FEAST_BENCH_RECORDED_STATE";

const OPTIONS: Options = Options {
    address: "registry.terraform.io/feast-dev/feast",
    issues: "https://github.com/feast-dev/terraform-provider-feast/issues",
};

/// Returns whether Terraform has started this process.
pub fn is_started_by_terraform() -> bool {
    std::env::var_os("TF_PLUGIN_MAGIC_COOKIE").is_some()
}

/// Serves the provider until Terraform ends.
pub fn serve() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Err(error) = runtime.block_on(tfplugin::run(Idle::new, &OPTIONS)) {
        panic!("{}", tfplugin::explain(&error, &OPTIONS));
    }
}

struct Idle {
    feast: Feast,
    registry: Registry,
}

impl Idle {
    fn new() -> Self {
        let feast = Feast::new();
        let registry = feast.registry();
        let mut resources = registry.resources.clone();
        let resource = Arc::clone(&resources[FEATURE_STORE]);
        let recorded = std::env::var_os(RECORDED_STATE);
        let recorded = recorded.map(|path| recorded_instances(&path, &*resource));
        let idle = IdleResource {
            resource,
            recorded: recorded.unwrap_or_default(),
        };
        resources.insert(FEATURE_STORE.to_owned(), Arc::new(idle));
        let registry = Registry {
            resources,
            data_sources: registry.data_sources.clone(),
            functions: registry.functions.clone(),
            list_resources: registry.list_resources.clone(),
            actions: registry.actions.clone(),
        };
        Self { feast, registry }
    }
}

#[async_trait]
impl Provider for Idle {
    fn schema(&self) -> &Schema {
        self.feast.schema()
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn validate_config(&self, _: Value) -> Diagnostics {
        Vec::new()
    }

    async fn configure(&self, _: ConfigureProviderRequest) -> Diagnostics {
        Vec::new()
    }

    fn stop(&self) {}
}

/// What a state file has about one feature store.
#[derive(Clone)]
struct Recorded {
    state: Value,
    identity: Value,
    private: Private,
}

/// Reads the instances in a state file, by the name of the feature store.
fn recorded_instances(path: &OsStr, resource: &dyn Resource) -> BTreeMap<String, Recorded> {
    let text = std::fs::read_to_string(path).unwrap();
    let file: Json = serde_json::from_str(&text).unwrap();
    let attributes = resource.identity_schema().attributes.iter();
    let attributes = attributes.map(|it| (it.name.clone(), it.r#type.clone()));
    let identity = Type::Object(attributes.collect());
    let read =
        |json: &Json, ty: &Type| codec::from_stored_json(json.to_string().as_bytes(), ty).unwrap();
    let instances = file["resources"][0]["instances"].as_array().unwrap().iter();
    let recorded = instances.map(|instance| {
        let recorded = Recorded {
            state: read(
                &instance["attributes"],
                &resource.schema().block.value_type(),
            ),
            identity: read(&instance["identity"], &identity),
            private: STANDARD
                .decode(instance["private"].as_str().unwrap())
                .unwrap(),
        };
        (name(&recorded.state), recorded)
    });
    recorded.collect()
}

fn name(state: &Value) -> String {
    state.attribute("name").as_str().unwrap().to_owned()
}

struct IdleResource {
    /// The real resource, of which only the schemas are used.
    resource: Arc<dyn Resource>,
    /// The results of creates.
    recorded: BTreeMap<String, Recorded>,
}

#[async_trait]
impl Resource for IdleResource {
    fn type_name(&self) -> &str {
        FEATURE_STORE
    }

    fn schema(&self) -> &Schema {
        self.resource.schema()
    }

    fn identity_schema(&self) -> &IdentitySchema {
        self.resource.identity_schema()
    }

    fn validate_config(&self, _: ValidateResourceConfigRequest) -> Diagnostics {
        Vec::new()
    }

    fn upgrade_state(&self, request: UpgradeResourceStateRequest) -> UpgradeResourceStateResponse {
        UpgradeResourceStateResponse {
            state: request.state.unwrap(),
            diagnostics: Vec::new(),
        }
    }

    async fn read(&self, request: ReadResourceRequest) -> ReadResourceResponse {
        ReadResourceResponse {
            state: request.state,
            identity: request.identity,
            private: request.private,
            ..ReadResourceResponse::default()
        }
    }

    async fn plan(&self, request: PlanResourceChangeRequest) -> PlanResourceChangeResponse {
        let mut state = request.proposed_new_state;
        if request.prior_state.is_null() {
            let attributes = self.schema().block.attributes.iter();
            for (name, _) in attributes.filter(|(_, attribute)| attribute.computed) {
                state.set(name, Value::Unknown);
            }
        }
        PlanResourceChangeResponse {
            state,
            identity: request.prior_identity,
            private: request.prior_private,
            ..PlanResourceChangeResponse::default()
        }
    }

    async fn apply(&self, request: ApplyResourceChangeRequest) -> ApplyResourceChangeResponse {
        let recorded = match request.prior_state.is_null() {
            true => self.recorded[&name(&request.planned_state)].clone(),
            false => Recorded {
                state: request.planned_state,
                identity: request.planned_identity.unwrap_or_default(),
                private: request.planned_private,
            },
        };
        ApplyResourceChangeResponse {
            state: recorded.state,
            identity: Some(recorded.identity),
            private: recorded.private,
            diagnostics: Vec::new(),
        }
    }

    async fn import_state(&self, _: ImportResourceStateRequest) -> ImportResourceStateResponse {
        unreachable!("the benchmark imports nothing")
    }
}
