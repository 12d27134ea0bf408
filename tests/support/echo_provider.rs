//! A provider for tests of the front door: it gives back what it is told, and misbehaves on request.
//! The resource's `name` says how: `panic` (crash in plan), `panic in apply`, `slow` (half a second to
//! apply), `wait for stop` (apply ends early with what it has when [`Provider::stop`] comes), `mismatch` (an answer that is not of the schema).

use std::collections::BTreeMap;
use std::time::Duration;

use terraform_provider_feast::schema::provider::*;
use terraform_provider_feast::schema::{
    Attribute, Block, Diagnostic, Diagnostics, Kind, Nesting, Path, Provider, Schema, Type, Value,
};
use tokio::sync::watch;

pub struct EchoProvider {
    schemas: Schemas,
    stopped: watch::Sender<bool>,
}

impl EchoProvider {
    pub fn new() -> Self {
        Self {
            schemas: schemas(),
            stopped: watch::Sender::new(false),
        }
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
        deprecated: false,
        checks: Vec::new(),
        key: String::new(),
    }
}

fn named<T, const N: usize>(items: [(&str, T); N]) -> BTreeMap<String, T> {
    items.map(|(name, item)| (name.to_owned(), item)).into()
}

fn schemas() -> Schemas {
    let string = || attribute(Kind::Plain(Type::String));
    let required = || Attribute {
        required: true,
        optional: false,
        ..string()
    };
    let computed = || Attribute {
        computed: true,
        optional: false,
        ..string()
    };
    let env = Kind::Nested(
        Nesting::List,
        named([("name", required()), ("value", string())]),
    );
    let echo = Block {
        description: "Echoes.".to_owned(),
        attributes: named([
            ("id", computed()),
            ("name", required()),
            ("size", attribute(Kind::Plain(Type::Number))),
            (
                "tags",
                attribute(Kind::Plain(Type::Map(Box::new(Type::String)))),
            ),
            ("any", attribute(Kind::Plain(Type::Dynamic))),
            ("env", attribute(env)),
        ]),
        blocks: BTreeMap::new(),
    };
    let identity = IdentityAttribute {
        name: "name".to_owned(),
        r#type: Type::String,
        description: "The name.".to_owned(),
        required_for_import: true,
    };
    let exec = Block {
        attributes: named([("command", required())]),
        ..Block::default()
    };
    Schemas {
        provider: Schema {
            version: 0,
            block: Block {
                description: "Tests.".to_owned(),
                attributes: named([("host", string())]),
                blocks: named([("exec", exec)]),
            },
        },
        resources: named([(
            "feast_echo",
            ResourceSchema {
                schema: Schema {
                    version: 1,
                    block: echo,
                },
                identity: IdentitySchema {
                    version: 0,
                    attributes: vec![identity],
                },
            },
        )]),
        data_sources: BTreeMap::new(),
        functions: named([(
            "shout",
            Function {
                summary: "Shouts.".to_owned(),
                description: "Gives the text in capitals.".to_owned(),
                parameters: vec![("text".to_owned(), Type::String, "What.".to_owned())],
                returns: Type::String,
            },
        )]),
    }
}

fn name(value: &Value) -> String {
    value
        .attribute("name")
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn identity(value: &Value) -> Option<Value> {
    let name = value.attribute("name").clone();
    (!name.is_null()).then(|| Value::Object(named([("name", name)])))
}

impl Provider for EchoProvider {
    fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    fn validate_provider(&self, config: Value) -> Diagnostics {
        match config.attribute("host").as_str() {
            Some("bad") => vec![Diagnostic::error("Bad host", "Use another.").at(Path::of("host"))],
            _ => Vec::new(),
        }
    }

    async fn configure(&self, request: Configure) -> Diagnostics {
        tracing::info!(terraform = request.terraform_version, "configured");
        Vec::new()
    }

    fn validate_resource(&self, request: ValidateResource) -> Diagnostics {
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

    fn upgrade(&self, request: Upgrade) -> Upgraded {
        Upgraded {
            state: request.state.unwrap_or_default(),
            diagnostics: Vec::new(),
        }
    }

    async fn read(&self, request: Read) -> ReadAnswer {
        ReadAnswer {
            identity: identity(&request.state),
            state: request.state,
            private: request.private,
            ..ReadAnswer::default()
        }
    }

    async fn plan(&self, request: Plan) -> Planned {
        let mut state = request.proposed_new_state;
        match name(&state).as_str() {
            "panic" => panic!("asked to"),
            "mismatch" => state.set("size", Value::string("large")),
            _ => {}
        }
        if request.prior_state.is_null() {
            state.set("id", Value::Unknown);
        }
        Planned {
            identity: identity(&state),
            state,
            requires_replace: vec![Path::of("name")],
            private: b"planned".to_vec(),
            ..Planned::default()
        }
    }

    async fn apply(&self, request: Apply) -> Applied {
        let mut state = request.planned_state;
        let mut diagnostics = Vec::new();
        match name(&state).as_str() {
            "panic in apply" => panic!("asked to"),
            "slow" => tokio::time::sleep(Duration::from_millis(500)).await,
            "wait for stop" => {
                let mut stopped = self.stopped.subscribe();
                stopped.wait_for(|stopped| *stopped).await.ok();
                diagnostics.push(Diagnostic::error("Interrupted", "What is there is saved."));
            }
            _ => {}
        }
        if state.attribute("id").is_unknown() {
            state.set("id", Value::string(format!("echo/{}", name(&state))));
        }
        Applied {
            identity: identity(&state),
            state,
            private: request.planned_private,
            diagnostics,
        }
    }

    async fn import(&self, request: Import) -> Imported {
        let by_identity = request.identity.as_ref().map(name);
        let name = by_identity.unwrap_or(request.id);
        let attributes = named([
            ("id", Value::string(format!("echo/{name}"))),
            ("name", Value::string(name)),
            ("size", Value::Null),
            ("tags", Value::Null),
            ("any", Value::Null),
            ("env", Value::Null),
        ]);
        let state = Value::Object(attributes);
        Imported {
            resources: vec![ImportedResource {
                type_name: request.type_name,
                identity: identity(&state),
                state,
                private: Vec::new(),
            }],
            ..Imported::default()
        }
    }

    fn validate_data_source(&self, _: DataSource) -> Diagnostics {
        Vec::new()
    }

    async fn read_data_source(&self, request: DataSource) -> DataSourceAnswer {
        DataSourceAnswer {
            state: request.config,
            ..DataSourceAnswer::default()
        }
    }

    fn call_function(&self, name: &str, arguments: Vec<Value>) -> FunctionResult {
        let text = arguments
            .first()
            .and_then(Value::as_str)
            .unwrap_or_default();
        match text {
            "panic" => panic!("requested in {name}"),
            "" => Err(FunctionError {
                text: "Nothing to shout.".to_owned(),
                argument: Some(0),
            }),
            text => Ok(Value::string(text.to_uppercase())),
        }
    }

    fn stop(&self) {
        self.stopped.send_replace(true);
    }
}
