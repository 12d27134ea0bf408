//! A provider for tests of the protocol layer. Its objects return what they are given, and misbehave on request: the
//! `name` of the resource, the `behavior` of the list and the `text` of the action say how.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use terraform_provider_feast::schema::provider::*;
use terraform_provider_feast::schema::{
    Attribute, Block, Diagnostic, Diagnostics, Kind, Nesting, Number, Path, Provider, Schema, Type,
    Value,
};
use tokio::sync::watch;

pub struct EchoProvider {
    schema: Schema,
    registry: Registry,
    observed: Arc<Observed>,
}

/// The calls of a provider, as a test observes them.
pub struct Observed {
    stopped: watch::Sender<bool>,
    /// The number of events that the client had room for.
    pub events_sent: AtomicI64,
    /// True after an apply has started.
    pub apply_started: AtomicBool,
    /// True after the list has returned, or its future was dropped.
    pub list_ended: AtomicBool,
    /// True after the action has returned.
    pub action_returned: AtomicBool,
}

impl Observed {
    async fn stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        stopped.wait_for(|stopped| *stopped).await.ok();
    }
}

impl EchoProvider {
    /// Returns a provider whose resource has no optional methods.
    pub fn new() -> Self {
        Self::with(false)
    }

    /// Returns a provider whose resource has all optional methods.
    pub fn with_optional_methods() -> Self {
        Self::with(true)
    }

    fn with(optional_methods: bool) -> Self {
        let observed = Arc::new(Observed {
            stopped: watch::Sender::new(false),
            events_sent: AtomicI64::new(0),
            apply_started: AtomicBool::new(false),
            list_ended: AtomicBool::new(false),
            action_returned: AtomicBool::new(false),
        });
        let registry = Registry::default()
            .resource(Echo::new(optional_methods, &observed))
            .function(Shout::new())
            .list_resource(EchoList::new(&observed))
            .action(Say::new(&observed));
        Self {
            schema: provider_schema(),
            registry,
            observed,
        }
    }

    pub fn observed(&self) -> Arc<Observed> {
        Arc::clone(&self.observed)
    }
}

#[async_trait]
impl Provider for EchoProvider {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn validate_config(&self, config: Value) -> Diagnostics {
        match config.attribute("host").as_str() {
            Some("bad") => vec![Diagnostic::error("Bad host", "Use another.").at(Path::of("host"))],
            _ => Vec::new(),
        }
    }

    async fn configure(&self, request: ConfigureProviderRequest) -> Diagnostics {
        tracing::info!(terraform = request.terraform_version, "configured");
        Vec::new()
    }

    fn stop(&self) {
        self.observed.stopped.send_replace(true);
    }
}

fn attribute(kind: Kind) -> Attribute {
    Attribute {
        description: "Some **words**.".to_owned(),
        kind,
        required: false,
        optional: true,
        computed: false,
        sensitive: false,
        write_only: false,
        requires_replace: false,
        deprecated: None,
        checks: Vec::new(),
        key: String::new(),
    }
}

fn string() -> Attribute {
    attribute(Kind::Plain(Type::String))
}

fn number() -> Attribute {
    attribute(Kind::Plain(Type::Number))
}

fn required() -> Attribute {
    Attribute {
        required: true,
        optional: false,
        ..string()
    }
}

fn named<T, const N: usize>(items: [(&str, T); N]) -> BTreeMap<String, T> {
    items.map(|(name, item)| (name.to_owned(), item)).into()
}

fn schema<const N: usize>(description: &str, attributes: [(&str, Attribute); N]) -> Schema {
    Schema {
        version: 0,
        block: Block {
            description: description.to_owned(),
            attributes: named(attributes),
            blocks: BTreeMap::new(),
        },
    }
}

fn provider_schema() -> Schema {
    let exec = Block {
        attributes: named([("command", required())]),
        ..Block::default()
    };
    let mut schema = schema("Tests.", [("host", string())]);
    schema.block.blocks = named([("exec", exec)]);
    schema
}

fn name(value: &Value) -> String {
    let name = value.attribute("name").as_str();
    name.unwrap_or_default().to_owned()
}

/// Returns the identity of a state; `None` while the name is unknown.
fn identity(value: &Value) -> Option<Value> {
    let name = Value::string(value.attribute("name").as_str()?);
    Some(Value::Object(named([("name", name)])))
}

/// Returns the state of the resource `name`.
fn state(name: &str) -> Value {
    Value::Object(named([
        ("id", Value::string(format!("echo/{name}"))),
        ("name", Value::string(name)),
        ("size", Value::Null),
        ("tags", Value::Null),
        ("any", Value::Null),
        ("env", Value::Null),
    ]))
}

/// The resource `feast_echo`. Names with a behavior: `panic` (in plan), `panic in apply`, `slow` (apply takes two
/// seconds), `wait for stop` (apply returns at [`Provider::stop`]), `mismatch` (a plan that does not fit the schema).
struct Echo {
    schema: Schema,
    identity_schema: IdentitySchema,
    optional_methods: bool,
    observed: Arc<Observed>,
}

impl Echo {
    fn new(optional_methods: bool, observed: &Arc<Observed>) -> Self {
        let computed = Attribute {
            computed: true,
            optional: false,
            ..string()
        };
        let env = named([("name", required()), ("value", string())]);
        let tags = Type::Map(Box::new(Type::String));
        let attributes = [
            ("id", computed),
            ("name", required()),
            ("size", number()),
            ("tags", attribute(Kind::Plain(tags))),
            ("any", attribute(Kind::Plain(Type::Dynamic))),
            ("env", attribute(Kind::nested(Nesting::List, env))),
        ];
        let identity = IdentityAttribute {
            name: "name".to_owned(),
            r#type: Type::String,
            description: "The name.".to_owned(),
            required_for_import: true,
        };
        Self {
            schema: Schema {
                version: 1,
                ..schema("Echoes.", attributes)
            },
            identity_schema: IdentitySchema {
                version: 0,
                attributes: vec![identity],
            },
            optional_methods,
            observed: Arc::clone(observed),
        }
    }
}

#[async_trait]
impl Resource for Echo {
    fn type_name(&self) -> &str {
        "feast_echo"
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn identity_schema(&self) -> &IdentitySchema {
        &self.identity_schema
    }

    fn validate_config(&self, request: ValidateResourceConfigRequest) -> Diagnostics {
        if name(&request.config) != "bad" {
            return Vec::new();
        }
        let deep = Path::of("env").index(1).attribute("value");
        vec![
            Diagnostic::error("Bad value", "In a list.").at(deep),
            Diagnostic::warning("Odd tag", "In a map.").at(Path::of("tags").key("a b")),
            Diagnostic::error("Bad altogether", "Nowhere.").at(Path::root()),
        ]
    }

    fn upgrade_state(&self, request: UpgradeResourceStateRequest) -> UpgradeResourceStateResponse {
        UpgradeResourceStateResponse {
            state: request.state.unwrap_or_default(),
            diagnostics: Vec::new(),
        }
    }

    async fn read(&self, request: ReadResourceRequest) -> ReadResourceResponse {
        ReadResourceResponse {
            identity: identity(&request.state),
            state: request.state,
            private: request.private,
            ..ReadResourceResponse::default()
        }
    }

    async fn plan(&self, request: PlanResourceChangeRequest) -> PlanResourceChangeResponse {
        let mut state = request.proposed_new_state;
        match name(&state).as_str() {
            "panic" => panic!("asked to"),
            "mismatch" => state.set("size", Value::string("large")),
            _ => {}
        }
        if request.prior_state.is_null() {
            state.set("id", Value::Unknown);
        }
        PlanResourceChangeResponse {
            identity: identity(&state),
            state,
            requires_replace: vec![Path::of("name")],
            private: b"planned".to_vec(),
            ..PlanResourceChangeResponse::default()
        }
    }

    async fn apply(&self, request: ApplyResourceChangeRequest) -> ApplyResourceChangeResponse {
        self.observed.apply_started.store(true, Ordering::SeqCst);
        let mut state = request.planned_state;
        let mut diagnostics = Vec::new();
        match name(&state).as_str() {
            "panic in apply" => panic!("asked to"),
            "slow" => tokio::time::sleep(Duration::from_secs(2)).await,
            "wait for stop" => {
                self.observed.stopped().await;
                diagnostics.push(Diagnostic::error("Interrupted", "The state is saved."));
            }
            _ => {}
        }
        if state.attribute("id").is_unknown() {
            state.set("id", Value::string(format!("echo/{}", name(&state))));
        }
        ApplyResourceChangeResponse {
            identity: identity(&state),
            state,
            private: request.planned_private,
            diagnostics,
        }
    }

    async fn import_state(
        &self,
        request: ImportResourceStateRequest,
    ) -> ImportResourceStateResponse {
        let by_identity = request.identity.as_ref().map(name);
        let state = state(&by_identity.unwrap_or(request.id));
        ImportResourceStateResponse {
            resources: vec![ImportedResource {
                identity: identity(&state),
                state,
                private: Vec::new(),
            }],
            ..ImportResourceStateResponse::default()
        }
    }

    fn state_mover(&self) -> Option<&dyn MoveResourceState> {
        self.optional_methods.then_some(self)
    }

    fn config_generator(&self) -> Option<&dyn GenerateResourceConfig> {
        self.optional_methods.then_some(self)
    }
}

#[async_trait]
impl MoveResourceState for Echo {
    /// Takes the name from the state of `other_echo`, and the source's private data and identity as tags.
    async fn move_state(&self, request: MoveResourceStateRequest) -> MoveResourceStateResponse {
        if request.source_type_name != "other_echo" {
            let problem = Diagnostic::error("Unknown source", request.source_type_name);
            return MoveResourceStateResponse {
                diagnostics: vec![problem],
                ..MoveResourceStateResponse::default()
            };
        }
        let mut state = state(request.source_state["name"].as_str().unwrap_or_default());
        let source = format!(
            "{} {} {}",
            request.source_provider_address,
            request.source_schema_version,
            request.source_identity["name"],
        );
        state.set(
            "tags",
            Value::Map(named([("source", Value::string(source))])),
        );
        MoveResourceStateResponse {
            identity: identity(&state),
            state,
            private: request.source_private,
            diagnostics: Vec::new(),
        }
    }
}

impl GenerateResourceConfig for Echo {
    fn generate_config(&self, mut state: Value) -> Result<Value, Diagnostics> {
        if name(&state) == "bad" {
            return Err(vec![Diagnostic::error("No configuration", "Asked to.")]);
        }
        state.set("id", Value::Null);
        Ok(state)
    }
}

/// The function `shout`. Texts with a behavior: `panic`, and the empty text (an error).
struct Shout(FunctionDefinition);

impl Shout {
    fn new() -> Self {
        Self(FunctionDefinition {
            summary: "Shouts.".to_owned(),
            description: "Returns the text in capitals.".to_owned(),
            parameters: vec![FunctionParameter {
                name: "text".to_owned(),
                r#type: Type::String,
                description: "The text.".to_owned(),
            }],
            returns: Type::String,
        })
    }
}

impl Function for Shout {
    fn name(&self) -> &str {
        "shout"
    }

    fn definition(&self) -> &FunctionDefinition {
        &self.0
    }

    fn call(&self, arguments: &[Value]) -> FunctionResult {
        match arguments[0].as_str().unwrap_or_default() {
            "panic" => panic!("asked to in shout"),
            "" => Err(FunctionError {
                text: "Nothing to shout.".to_owned(),
                argument: Some(0),
            }),
            text => Ok(Value::string(text.to_uppercase())),
        }
    }
}

/// The list of `feast_echo`: `count` resources, `echo-0` and so on. Behaviors: `panic` and `wait for stop` (after the
/// last resource), `only warn` (after the last resource), `warn`, `no identity`, `no object`, `bad object` (at each
/// resource).
struct EchoList {
    schema: Schema,
    observed: Arc<Observed>,
}

impl EchoList {
    fn new(observed: &Arc<Observed>) -> Self {
        Self {
            schema: schema("Lists.", [("count", number()), ("behavior", string())]),
            observed: Arc::clone(observed),
        }
    }
}

#[async_trait]
impl ListResource for EchoList {
    fn type_name(&self) -> &str {
        "feast_echo"
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate_config(&self, request: ValidateListResourceConfigRequest) -> Diagnostics {
        match request {
            ValidateListResourceConfigRequest {
                include_resource_object: Value::Bool(true),
                limit: Value::Number(Number::Integer(7)),
                config,
            } if config.attribute("count").is_unknown() => {
                vec![Diagnostic::error("Bad limit", "Not 7.").at(Path::of("count"))]
            }
            _ => Vec::new(),
        }
    }

    async fn list(
        &self,
        request: ListResourceRequest,
        events: &dyn EventSink<ListResourceEvent>,
    ) -> Result<(), StreamClosed> {
        let count = match request.config.attribute("count") {
            Value::Number(number) => number.as_i64().unwrap_or_default(),
            _ => 0,
        };
        let behavior = request.config.attribute("behavior").as_str();
        let _ended = SetOnDrop(&self.observed.list_ended);
        self.send(count, behavior, &request, events).await
    }
}

/// Sets a flag when it is dropped.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl EchoList {
    async fn send(
        &self,
        count: i64,
        behavior: Option<&str>,
        request: &ListResourceRequest,
        events: &dyn EventSink<ListResourceEvent>,
    ) -> Result<(), StreamClosed> {
        for index in 0..count {
            let mut object = state(&format!("echo-{index}"));
            let identity = identity(&object);
            if behavior == Some("bad object") {
                object.set("size", Value::string("large"));
            }
            let diagnostics = match behavior {
                Some("warn") => vec![Diagnostic::warning("Odd", "Just so.").at(Path::of("name"))],
                _ => Vec::new(),
            };
            let event = ListResourceEvent {
                identity: identity.filter(|_| behavior != Some("no identity")),
                display_name: format!("Echo {index}"),
                resource_object: Some(object).filter(|_| behavior != Some("no object")),
                diagnostics,
            };
            assert!(
                request.limit == 0 || index < request.limit,
                "beyond the limit"
            );
            events.send(event).await?;
            self.observed.events_sent.fetch_add(1, Ordering::SeqCst);
        }
        match behavior {
            Some("panic") => panic!("asked to"),
            Some("only warn") => {
                let problem = Diagnostic::warning("Skipped", "A namespace may not be read.");
                events
                    .send(ListResourceEvent::diagnostics_only(vec![problem]))
                    .await
            }
            Some("wait for stop") => {
                self.observed.stopped().await;
                let problem = Diagnostic::error("Interrupted", "The list is not complete.");
                events
                    .send(ListResourceEvent::diagnostics_only(vec![problem]))
                    .await
            }
            _ => Ok(()),
        }
    }
}

/// The action `feast_say`: one line of progress for each word of `text`. Texts with a behavior: `fail`, `panic`, `wait
/// for stop`, `slow` (two seconds); `defer` in plan.
struct Say {
    schema: Schema,
    observed: Arc<Observed>,
}

impl Say {
    fn new(observed: &Arc<Observed>) -> Self {
        Self {
            schema: schema("Says.", [("text", required())]),
            observed: Arc::clone(observed),
        }
    }
}

fn text(config: &Value) -> &str {
    config.attribute("text").as_str().unwrap_or_default()
}

#[async_trait]
impl Action for Say {
    fn type_name(&self) -> &str {
        "feast_say"
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate_config(&self, config: Value) -> Diagnostics {
        match text(&config) {
            "bad" => vec![Diagnostic::error("Bad text", "Say another.").at(Path::of("text"))],
            _ => Vec::new(),
        }
    }

    async fn plan(&self, request: PlanActionRequest) -> PlanActionResponse {
        match text(&request.config) {
            "panic" => panic!("asked to"),
            "defer" if request.client.deferral_allowed => PlanActionResponse {
                deferred: Some(Deferred::AbsentPrerequisite),
                ..PlanActionResponse::default()
            },
            _ => PlanActionResponse {
                diagnostics: vec![Diagnostic::warning("Loud", "Everybody hears it.")],
                deferred: None,
            },
        }
    }

    async fn invoke(
        &self,
        request: InvokeActionRequest,
        progress: &dyn EventSink<String>,
    ) -> Diagnostics {
        let text = text(&request.config);
        for word in text.split(' ') {
            progress.send(word.to_owned()).await.ok();
        }
        let diagnostics = match text {
            "panic" => panic!("asked to"),
            "fail" => vec![Diagnostic::error("Hoarse", "Rest.").at(Path::of("text"))],
            "wait for stop" => {
                self.observed.stopped().await;
                vec![Diagnostic::error("Interrupted", "Not all was said.")]
            }
            "slow" => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                Vec::new()
            }
            _ => Vec::new(),
        };
        self.observed.action_returned.store(true, Ordering::SeqCst);
        diagnostics
    }
}
