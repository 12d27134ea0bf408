//! Applies, and the plans and refreshes after them, against the rules of core.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::api_server::ApiServer;
use super::*;
use crate::feast::secrets::store_secret;
use crate::schema::provider::{
    ApplyResourceChangeResponse, ReadResourceRequest, ReadResourceResponse,
};

/// A provider that is configured for a server, and a runtime for its requests.
pub struct Run {
    pub feast: Feast,
    pub server: ApiServer,
    runtime: tokio::runtime::Runtime,
}

impl Run {
    /// With the namespaces `default` and `ns`.
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
        let request = ConfigureProviderRequest {
            config,
            ..ConfigureProviderRequest::default()
        };
        assert_eq!(runtime.block_on(feast.configure(request)), []);
        Self {
            feast,
            server: server.clone(),
            runtime,
        }
    }

    pub fn block_on<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    pub fn config(&self, json: &Json) -> Value {
        encode(&block(&self.feast).attributes, json)
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

    pub fn read(&self, state: &Value, private: &[u8]) -> ReadResourceResponse {
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
        .filter(|it| it.severity == Severity::Error);
    errors.map(text).collect()
}

pub fn text(diagnostic: &Diagnostic) -> String {
    let path = diagnostic.path.as_ref().map(|path| format!("{path}: "));
    let Diagnostic {
        summary, detail, ..
    } = diagnostic;
    format!("{}{summary}: {detail}", path.unwrap_or_default())
}

/// The configurations without errors, and without a rollout to wait for.
fn sound(run: &Run) -> Vec<Value> {
    let configs = configurations().into_iter().filter_map(|mut json| {
        json["waitForRollout"] = json!(false);
        let config = run.config(&json);
        errors(&validate(&run.feast, &config))
            .is_empty()
            .then_some(config)
    });
    configs.collect()
}

#[test]
fn create_and_update_answers_are_what_core_accepts() {
    let run = Run::new();
    let configs = sound(&run);
    assert!(configs.len() >= 7, "{}", configs.len());
    for config in configs {
        let name = config.attribute("name").as_str().unwrap();
        let (state, private) = run.create(&config);
        let refreshed = run.read(&state, &private);
        assert_eq!(
            errors(&refreshed.diagnostics),
            Vec::<String>::new(),
            "{name}"
        );
        assert!(refreshed.state.is_wholly_known());

        let labels = Value::Map([("team".to_owned(), Value::string("b"))].into());
        let mut changed = config.clone();
        changed.set("labels", labels);
        let prior = refreshed.state;
        let planned = run.plan(&prior, &refreshed.private, &changed);
        assert_eq!(errors(&planned.diagnostics), Vec::<String>::new(), "{name}");
        let applied = run.apply(&prior, &planned, &changed);
        assert_eq!(errors(&applied.diagnostics), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn records_a_failed_create_so_that_another_configuration_can_have_it() {
    let run = Run::new();
    let deployment = "/apis/apps/v1/namespaces/ns/deployments/feast-demo";
    let store = |project: &str| {
        run.config(&json!({"name": "demo", "namespace": "ns", "feastProject": project, "waitForRollout": false}))
    };
    run.server.reject(deployment, true);
    let first = store("p");
    let planned = run.plan(&Value::Null, &[], &first);
    let failed = run.apply(&Value::Null, &planned, &first);
    let found = errors(&failed.diagnostics);
    let [error] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(
        error.ends_with(
            "\n\nWhat exists is in the state. Terraform marks a resource whose create has failed as tainted: its next \
             apply destroys the feature store and creates it again. To keep it, correct the cause, remove the mark \
             (`terraform untaint <address>`) and apply again. Pulumi has no state of it: correct the cause and run \
             `pulumi up` again, which takes over what exists."
        ),
        "{error}"
    );
    let record = || {
        let secret = run
            .server
            .get("/api/v1/namespaces/ns/secrets/feast-demo")
            .unwrap();
        store_secret::ownership(&secret).unwrap()
    };
    let before = record();
    assert_eq!((before.complete, before.failed), (false, true));
    assert!(before.deadline.is_some());

    // An update goes on from there.
    let updated = run.plan(&failed.state, &failed.private, &first);
    let again = run.apply(&failed.state, &updated, &first);
    let found = errors(&again.diagnostics);
    assert!(
        found[0].ends_with(
            "\n\nWhat exists is in the state. The next plan is not empty, and applying it goes on from there."
        ),
        "{found:?}"
    );

    // Without a state, as Pulumi leaves it.
    let mut secret = run
        .server
        .get("/api/v1/namespaces/ns/secrets/feast-demo")
        .unwrap();
    let text = serde_json::to_vec(&before).unwrap();
    secret["data"]["creation.json"] = json!(BASE64.encode(text));
    run.server
        .put("/api/v1/namespaces/ns/secrets/feast-demo", secret);
    run.server.reject(deployment, false);
    run.create(&store("q"));
    let after = record();
    assert_ne!(after.id, before.id);
    assert_eq!((after.complete, after.failed), (true, false));
}
