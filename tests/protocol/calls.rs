//! The unary calls.

use std::collections::HashMap;

use terraform_provider_feast::schema::{Number, Value};
use terraform_provider_feast::tfplugin::proto::tfplugin6::*;
use tonic::Code;

use super::Served;
use super::echo_provider::EchoProvider;
use super::values::{ECHO, SAY, create, echo, identity, summaries, tags, value, wire, with};

fn plan(name: &str) -> plan_resource_change::Request {
    plan_resource_change::Request {
        type_name: ECHO.to_owned(),
        prior_state: wire(&Value::Null),
        proposed_new_state: wire(&echo(name)),
        config: wire(&echo(name)),
        prior_private: b"prior".to_vec(),
        ..Default::default()
    }
}

#[tokio::test]
async fn metadata_lists_all_objects() {
    let mut provider = Served::new().await.provider();
    let capabilities = Some(ServerCapabilities {
        plan_destroy: true,
        get_provider_schema_optional: true,
        ..Default::default()
    });
    let metadata = provider
        .get_metadata(get_metadata::Request {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        metadata,
        get_metadata::Response {
            server_capabilities: capabilities,
            resources: vec![get_metadata::ResourceMetadata {
                type_name: ECHO.to_owned()
            }],
            functions: vec![get_metadata::FunctionMetadata {
                name: "shout".to_owned()
            }],
            list_resources: vec![get_metadata::ListResourceMetadata {
                type_name: ECHO.to_owned()
            }],
            actions: vec![get_metadata::ActionMetadata {
                type_name: SAY.to_owned()
            }],
            ..Default::default()
        }
    );

    let request = get_resource_identity_schemas::Request {};
    let identities = provider
        .get_resource_identity_schemas(request)
        .await
        .unwrap()
        .into_inner();
    let name = resource_identity_schema::IdentityAttribute {
        name: "name".to_owned(),
        r#type: br#""string""#.to_vec(),
        required_for_import: true,
        optional_for_import: false,
        description: "The name.".to_owned(),
    };
    let expected = ResourceIdentitySchema {
        version: 0,
        identity_attributes: vec![name],
    };
    assert_eq!(
        identities.identity_schemas,
        [(ECHO.to_owned(), expected)].into()
    );
}

#[tokio::test]
async fn schema_describes_all_objects() {
    let mut provider = Served::new().await.provider();
    let request = get_provider_schema::Request {};
    let response = provider
        .get_provider_schema(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.diagnostics, []);

    let plain = |name: &str, ty: &str| schema::Attribute {
        name: name.to_owned(),
        r#type: ty.as_bytes().to_vec(),
        description: "Some **words**.".to_owned(),
        optional: true,
        description_kind: StringKind::Markdown.into(),
        ..Default::default()
    };
    let required = |name| schema::Attribute {
        required: true,
        optional: false,
        ..plain(name, r#""string""#)
    };
    let block = |attributes| schema::Block {
        attributes,
        description_kind: StringKind::Markdown.into(),
        ..Default::default()
    };
    let exec = schema::NestedBlock {
        type_name: "exec".to_owned(),
        block: Some(block(vec![required("command")])),
        nesting: schema::nested_block::NestingMode::List.into(),
        min_items: 0,
        max_items: 1,
    };
    let expected = Schema {
        version: 0,
        block: Some(schema::Block {
            description: "Tests.".to_owned(),
            block_types: vec![exec],
            ..block(vec![plain("host", r#""string""#)])
        }),
    };
    assert_eq!(response.provider, Some(expected));

    let env = schema::Attribute {
        nested_type: Some(schema::Object {
            attributes: vec![required("name"), plain("value", r#""string""#)],
            nesting: schema::object::NestingMode::List.into(),
            ..Default::default()
        }),
        ..plain("env", "")
    };
    let id = schema::Attribute {
        optional: false,
        computed: true,
        ..plain("id", r#""string""#)
    };
    let expected = Schema {
        version: 1,
        block: Some(schema::Block {
            version: 1,
            description: "Echoes.".to_owned(),
            ..block(vec![
                plain("any", r#""dynamic""#),
                env,
                id,
                required("name"),
                plain("size", r#""number""#),
                plain("tags", r#"["map","string"]"#),
            ])
        }),
    };
    assert_eq!(
        response.resource_schemas,
        [(ECHO.to_owned(), expected)].into()
    );
    let shout = Function {
        parameters: vec![function::Parameter {
            name: "text".to_owned(),
            r#type: br#""string""#.to_vec(),
            description: "The text.".to_owned(),
            description_kind: StringKind::Markdown.into(),
            ..Default::default()
        }],
        r#return: Some(function::Return {
            r#type: br#""string""#.to_vec(),
        }),
        summary: "Shouts.".to_owned(),
        description: "Returns the text in capitals.".to_owned(),
        description_kind: StringKind::Markdown.into(),
        ..Default::default()
    };
    let functions = HashMap::from([("shout".to_owned(), shout)]);
    assert_eq!(response.functions, functions);
    let request = get_functions::Request {};
    let response_of_functions = provider.get_functions(request).await.unwrap().into_inner();
    assert_eq!(
        response_of_functions,
        get_functions::Response {
            functions,
            diagnostics: Vec::new(),
        }
    );
    let described = |description: &str, attributes| Schema {
        version: 0,
        block: Some(schema::Block {
            description: description.to_owned(),
            ..block(attributes)
        }),
    };
    let list = vec![
        plain("behavior", r#""string""#),
        plain("count", r#""number""#),
    ];
    assert_eq!(
        response.list_resource_schemas,
        [(ECHO.to_owned(), described("Lists.", list))].into()
    );
    let action = ActionSchema {
        schema: Some(described("Says.", vec![required("text")])),
    };
    assert_eq!(response.action_schemas, [(SAY.to_owned(), action)].into());
}

#[tokio::test]
async fn diagnostics_have_attribute_paths() {
    let mut provider = Served::new().await.provider();
    let request = validate_resource_config::Request {
        type_name: ECHO.to_owned(),
        config: wire(&echo("bad")),
        ..Default::default()
    };
    let response = provider
        .validate_resource_config(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        summaries(&response.diagnostics),
        [
            "Error Bad value env [1] value",
            r#"Warning Odd tag tags ["a b"]"#,
            "Error Bad altogether",
        ]
    );
}

#[tokio::test]
async fn plan_and_apply_preserve_every_value() {
    let mut provider = Served::new().await.provider();
    let large = Value::Number(Number::Decimal(
        "123456789012345678901234567890.5".to_owned(),
    ));
    let full = with(echo("full"), "size", large);
    let full = with(full, "tags", tags([("a b", "c")]));
    let full = with(
        full,
        "any",
        Value::List(vec![Value::Bool(true), Value::Null]),
    );
    let request = plan_resource_change::Request {
        proposed_new_state: wire(&full),
        ..plan("full")
    };
    let planned = provider
        .plan_resource_change(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(planned.diagnostics, []);
    assert_eq!(planned.planned_private, b"planned");
    assert_eq!(planned.planned_identity, identity("full"));
    let path = &planned.requires_replace[0];
    assert_eq!(
        path.steps[0].selector,
        Some(attribute_path::step::Selector::AttributeName(
            "name".to_owned()
        ))
    );
    assert_eq!(
        value(planned.planned_state.clone()),
        with(full.clone(), "id", Value::Unknown)
    );

    let request = apply_resource_change::Request {
        planned_state: planned.planned_state,
        ..create("full")
    };
    let applied = provider
        .apply_resource_change(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(applied.diagnostics, []);
    assert_eq!(
        value(applied.new_state),
        with(full, "id", Value::string("echo/full"))
    );
}

/// The plan of a replacement whose new name is unknown.
#[tokio::test]
async fn an_unknown_identity_is_not_the_prior_one() {
    let mut provider = Served::new().await.provider();
    for (name, expected) in [
        (Value::string("new"), identity("new")),
        (Value::Unknown, None),
    ] {
        let proposed = with(echo("old"), "name", name);
        let request = plan_resource_change::Request {
            prior_state: wire(&echo("old")),
            prior_identity: identity("old"),
            proposed_new_state: wire(&proposed),
            config: wire(&proposed),
            ..plan("old")
        };
        let planned = provider.plan_resource_change(request).await;
        let planned = planned.unwrap().into_inner();
        assert_eq!(planned.diagnostics, []);
        assert_eq!(value(planned.planned_state), proposed);
        assert_eq!(planned.planned_identity, expected);
    }
}

#[tokio::test]
async fn panic_is_a_diagnostic_and_the_process_continues() {
    let mut provider = Served::new().await.provider();
    let response = provider
        .plan_resource_change(plan("panic"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        summaries(&response.diagnostics),
        ["Error The provider crashed"]
    );
    assert_eq!(
        response.diagnostics[0].detail,
        "The provider crashed while planning feast_echo: asked to\n\nThis is a bug in the provider. \
         Please report it, with the output under TF_LOG_PROVIDER=ERROR, at https://example.org/issues"
    );
    assert_eq!(response.planned_private, b"prior");

    // After a panic in a create, the planned state is kept and tainted.
    let request = create("panic in apply");
    let response = provider
        .apply_resource_change(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        summaries(&response.diagnostics),
        ["Error The provider crashed"]
    );
    assert_eq!(value(response.new_state), echo("panic in apply"));
    assert_eq!(response.new_identity, identity("panic in apply"));

    // After a panic in an update, the prior state is kept.
    let request = apply_resource_change::Request {
        prior_state: wire(&echo("before")),
        ..create("panic in apply")
    };
    let response = provider
        .apply_resource_change(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(value(response.new_state), echo("before"));
}

#[tokio::test]
async fn reports_values_that_do_not_fit_the_schema() {
    let mut provider = Served::new().await.provider();
    let response = provider
        .plan_resource_change(plan("mismatch"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        summaries(&response.diagnostics),
        ["Error Provider produced an invalid value size"]
    );

    let request = apply_resource_change::Request {
        planned_state: Some(DynamicValue {
            msgpack: b"\x81\xa4name".to_vec(),
            json: Vec::new(),
        }),
        ..create("any")
    };
    let response = provider
        .apply_resource_change(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        summaries(&response.diagnostics),
        ["Error Value does not fit the provider's schema"]
    );
    assert_eq!(value(response.new_state), Value::Null, "nothing was done");

    let request = read_resource::Request {
        type_name: "feast_other".to_owned(),
        current_state: wire(&echo("kept")),
        ..Default::default()
    };
    let response = provider.read_resource(request).await.unwrap().into_inner();
    assert_eq!(
        summaries(&response.diagnostics),
        ["Error Unknown resource type"]
    );
    assert_eq!(value(response.new_state), echo("kept"));
}

#[tokio::test]
async fn accepts_messages_of_five_mebibytes() {
    let mut provider = Served::new().await.provider();
    let large = with(echo("large"), "any", Value::string("x".repeat(5 << 20)));
    let request = read_resource::Request {
        type_name: ECHO.to_owned(),
        current_state: wire(&large),
        ..Default::default()
    };
    let response = provider.read_resource(request).await.unwrap().into_inner();
    assert!(value(response.new_state) == large);
    assert_eq!(response.new_identity, identity("large"));
}

#[tokio::test]
async fn reads_stored_states_and_identities() {
    let mut provider = Served::new().await.provider();
    let raw = |json: &str| {
        Some(RawState {
            json: json.as_bytes().to_vec(),
            flatmap: Default::default(),
        })
    };
    let request = upgrade_resource_state::Request {
        type_name: ECHO.to_owned(),
        version: 0,
        raw_state: raw(r#"{"name":"old","size":0.1,"gone":[1]}"#),
    };
    let response = provider
        .upgrade_resource_state(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.diagnostics, []);
    let size = Value::Number(Number::Float(0.1));
    assert_eq!(
        value(response.upgraded_state),
        with(echo("old"), "size", size)
    );

    let request = upgrade_resource_state::Request {
        type_name: ECHO.to_owned(),
        version: 0,
        raw_state: Some(RawState {
            json: Vec::new(),
            flatmap: [("name".to_owned(), "old".to_owned())].into(),
        }),
    };
    let response = provider
        .upgrade_resource_state(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        summaries(&response.diagnostics),
        ["Error The stored state cannot be read"]
    );

    let request = upgrade_resource_identity::Request {
        type_name: ECHO.to_owned(),
        version: 0,
        raw_identity: raw(r#"{"name":"old"}"#),
    };
    let response = provider
        .upgrade_resource_identity(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.diagnostics, []);
    assert_eq!(response.upgraded_identity, identity("old"));
}

#[tokio::test]
async fn imports_by_id_and_by_identity() {
    let mut provider = Served::new().await.provider();
    let by_id = import_resource_state::Request {
        type_name: ECHO.to_owned(),
        id: "there".to_owned(),
        ..Default::default()
    };
    let by_identity = import_resource_state::Request {
        id: String::new(),
        identity: identity("there"),
        ..by_id.clone()
    };
    for request in [by_id, by_identity] {
        let response = provider
            .import_resource_state(request)
            .await
            .unwrap()
            .into_inner();
        let imported = import_resource_state::ImportedResource {
            type_name: ECHO.to_owned(),
            state: wire(&with(echo("there"), "id", Value::string("echo/there"))),
            private: Vec::new(),
            identity: identity("there"),
        };
        assert_eq!(response.imported_resources, [imported]);
    }
}

#[tokio::test]
async fn functions_return_a_result_or_the_invalid_argument() {
    let mut provider = Served::new().await.provider();
    let mut call = async |name: &str, msgpack: &[&[u8]]| {
        let arguments = msgpack.iter().map(|bytes| DynamicValue {
            msgpack: bytes.to_vec(),
            json: Vec::new(),
        });
        let request = call_function::Request {
            name: name.to_owned(),
            arguments: arguments.collect(),
        };
        let response = provider.call_function(request).await.unwrap().into_inner();
        match (response.result, response.error) {
            (Some(result), None) => Ok(result.msgpack),
            (None, Some(error)) => Err((error.text, error.function_argument)),
            both => panic!("{both:?}"),
        }
    };
    assert_eq!(call("shout", &[b"\xa2hi"]).await, Ok(b"\xa2HI".to_vec()));
    let empty = call("shout", &[b"\xa0"]).await;
    assert_eq!(empty, Err(("Nothing to shout.".to_owned(), Some(0))));
    let not_a_string = call("shout", &[b"\xc3"]).await;
    assert_eq!(
        not_a_string,
        Err(("expected a string, found a bool".to_owned(), Some(0)))
    );
    assert!(call("shout", &[]).await.is_err());
    assert!(call("whisper", &[b"\xa2hi"]).await.is_err());
    let (text, argument) = call("shout", &[b"\xa5panic"]).await.unwrap_err();
    assert!(
        text.contains("calling the function shout: asked to in shout"),
        "{text}"
    );
    assert_eq!(argument, None);
}

#[tokio::test]
async fn moves_the_state_of_another_resource() {
    let served = Served::with(EchoProvider::with_optional_methods()).await;
    let mut provider = served.provider();
    let raw = |json: &str| {
        Some(RawState {
            json: json.as_bytes().to_vec(),
            flatmap: Default::default(),
        })
    };
    let request = move_resource_state::Request {
        source_provider_address: "example.org/a/b".to_owned(),
        source_type_name: "other_echo".to_owned(),
        source_schema_version: 3,
        source_state: raw(r#"{"name":"moved","other":1}"#),
        target_type_name: ECHO.to_owned(),
        source_private: b"private".to_vec(),
        source_identity: raw(r#"{"name":"there"}"#),
        source_identity_schema_version: 0,
    };
    let response = provider.move_resource_state(request.clone()).await.unwrap();
    let response = response.into_inner();
    assert_eq!(response.diagnostics, []);
    let moved = with(echo("moved"), "id", Value::string("echo/moved"));
    assert_eq!(
        value(response.target_state),
        with(
            moved,
            "tags",
            tags([("source", "example.org/a/b 3 \"there\"")])
        )
    );
    assert_eq!(response.target_private, b"private");
    assert_eq!(response.target_identity, identity("moved"));

    let request = move_resource_state::Request {
        source_type_name: "unrelated".to_owned(),
        source_identity: None,
        ..request
    };
    let response = provider.move_resource_state(request).await.unwrap();
    let problems = summaries(&response.into_inner().diagnostics);
    assert_eq!(problems[0], "Error Unknown source");
}

#[tokio::test]
async fn generates_the_configuration_of_a_state() {
    let served = Served::with(EchoProvider::with_optional_methods()).await;
    let mut provider = served.provider();
    let mut generate = async |name: &str| {
        let state = with(echo(name), "id", Value::string("echo"));
        let request = generate_resource_config::Request {
            type_name: ECHO.to_owned(),
            state: wire(&state),
        };
        let response = provider.generate_resource_config(request).await;
        let response = response.unwrap().into_inner();
        (value(response.config), summaries(&response.diagnostics))
    };
    assert_eq!(generate("a").await, (echo("a"), vec![]));
    let problems = vec!["Error No configuration".to_owned()];
    assert_eq!(generate("bad").await, (Value::Null, problems));
}

#[tokio::test]
async fn optional_methods_are_capabilities() {
    for (provider, expected) in [
        (EchoProvider::new(), false),
        (EchoProvider::with_optional_methods(), true),
    ] {
        let mut provider = Served::with(provider).await.provider();
        let metadata = provider.get_metadata(get_metadata::Request {}).await;
        let capabilities = ServerCapabilities {
            plan_destroy: true,
            get_provider_schema_optional: true,
            move_resource_state: expected,
            generate_resource_config: expected,
        };
        assert_eq!(
            metadata.unwrap().into_inner().server_capabilities,
            Some(capabilities)
        );
    }
}

#[tokio::test]
async fn unsupported_calls_are_unimplemented() {
    let mut provider = Served::new().await.provider();
    let codes = [
        provider
            .move_resource_state(move_resource_state::Request::default())
            .await
            .err(),
        provider
            .generate_resource_config(generate_resource_config::Request::default())
            .await
            .err(),
        provider
            .open_ephemeral_resource(open_ephemeral_resource::Request::default())
            .await
            .err(),
        provider
            .get_states(get_states::Request::default())
            .await
            .err(),
    ];
    for status in codes {
        assert_eq!(
            status.map(|status| status.code()),
            Some(Code::Unimplemented)
        );
    }
}

#[tokio::test]
async fn validates_and_configures_the_provider_block() {
    use terraform_provider_feast::schema::Type;
    use terraform_provider_feast::tfplugin::codec;
    let exec = Type::Object([("command".to_owned(), Type::String)].into());
    let ty = Type::Object(
        [
            ("host".to_owned(), Type::String),
            ("exec".to_owned(), Type::List(Box::new(exec))),
        ]
        .into(),
    );
    let config = super::values::object([
        ("host", Value::string("bad")),
        ("exec", Value::List(Vec::new())),
    ]);
    let config = Some(codec::write(&config, &ty).unwrap());
    let mut provider = Served::new().await.provider();
    let request = validate_provider_config::Request {
        config: config.clone(),
    };
    let response = provider
        .validate_provider_config(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(summaries(&response.diagnostics), ["Error Bad host host"]);
    let request = configure_provider::Request {
        terraform_version: "1.11.4".to_owned(),
        config,
        client_capabilities: None,
    };
    let response = provider
        .configure_provider(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.diagnostics, []);
}
