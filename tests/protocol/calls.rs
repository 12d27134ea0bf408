//! What each call answers.

use terraform_provider_feast::schema::{Number, Value};
use terraform_provider_feast::tfplugin::proto::tfplugin6::*;
use tonic::Code;

use super::Served;
use super::values::{ECHO, create, echo, identity, tags, told, value, wire, with};

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
async fn tells_what_it_has() {
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
async fn tells_its_schema() {
    let mut provider = Served::new().await.provider();
    let request = get_provider_schema::Request {};
    let answer = provider
        .get_provider_schema(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.diagnostics, []);

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
    assert_eq!(answer.provider, Some(expected));

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
        answer.resource_schemas,
        [(ECHO.to_owned(), expected)].into()
    );
    assert_eq!(answer.functions.len(), 1);
}

#[tokio::test]
async fn diagnostics_keep_their_paths() {
    let mut provider = Served::new().await.provider();
    let request = validate_resource_config::Request {
        type_name: ECHO.to_owned(),
        config: wire(&echo("bad")),
        ..Default::default()
    };
    let answer = provider
        .validate_resource_config(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        told(&answer.diagnostics),
        [
            "Error Bad value env [1] value",
            r#"Warning Odd tag tags ["a b"]"#,
            "Error Bad altogether",
        ]
    );
}

#[tokio::test]
async fn a_plan_and_its_apply_keep_every_value() {
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

#[tokio::test]
async fn a_crash_is_a_diagnostic_and_the_provider_lives_on() {
    let mut provider = Served::new().await.provider();
    let answer = provider
        .plan_resource_change(plan("panic"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told(&answer.diagnostics), ["Error The provider crashed"]);
    assert_eq!(
        answer.diagnostics[0].detail,
        "The provider crashed while planning feast_echo: asked to\n\nThis is a bug in the provider. \
         Please report it, with the output under TF_LOG=ERROR, at https://example.org/issues"
    );
    assert_eq!(answer.planned_private, b"prior");

    // What a crashed create may have left behind is tainted, not forgotten.
    let request = create("panic in apply");
    let answer = provider
        .apply_resource_change(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told(&answer.diagnostics), ["Error The provider crashed"]);
    assert_eq!(value(answer.new_state), echo("panic in apply"));
    assert_eq!(answer.new_identity, identity("panic in apply"));

    // A crashed update leaves the state as it was.
    let request = apply_resource_change::Request {
        prior_state: wire(&echo("before")),
        ..create("panic in apply")
    };
    let answer = provider
        .apply_resource_change(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(value(answer.new_state), echo("before"));
}

#[tokio::test]
async fn what_does_not_fit_the_schema_is_a_diagnostic() {
    let mut provider = Served::new().await.provider();
    let answer = provider
        .plan_resource_change(plan("mismatch"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        told(&answer.diagnostics),
        ["Error Provider produced an invalid value size"]
    );

    let request = apply_resource_change::Request {
        planned_state: Some(DynamicValue {
            msgpack: b"\x81\xa4name".to_vec(),
            json: Vec::new(),
        }),
        ..create("any")
    };
    let answer = provider
        .apply_resource_change(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        told(&answer.diagnostics),
        ["Error Value does not fit the provider's schema"]
    );
    assert_eq!(value(answer.new_state), Value::Null, "nothing was done");

    let request = read_resource::Request {
        type_name: "feast_other".to_owned(),
        current_state: wire(&echo("kept")),
        ..Default::default()
    };
    let answer = provider.read_resource(request).await.unwrap().into_inner();
    assert_eq!(told(&answer.diagnostics), ["Error Unknown resource type"]);
    assert_eq!(value(answer.new_state), echo("kept"));
}

#[tokio::test]
async fn five_mebibytes_pass() {
    let mut provider = Served::new().await.provider();
    let large = with(echo("large"), "any", Value::string("x".repeat(5 << 20)));
    let request = read_resource::Request {
        type_name: ECHO.to_owned(),
        current_state: wire(&large),
        ..Default::default()
    };
    let answer = provider.read_resource(request).await.unwrap().into_inner();
    assert!(value(answer.new_state) == large);
    assert_eq!(answer.new_identity, identity("large"));
}

#[tokio::test]
async fn a_stored_state_and_identity_are_read() {
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
    let answer = provider
        .upgrade_resource_state(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.diagnostics, []);
    let size = Value::Number(Number::Float(0.1));
    assert_eq!(
        value(answer.upgraded_state),
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
    let answer = provider
        .upgrade_resource_state(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        told(&answer.diagnostics),
        ["Error Stored state cannot be read"]
    );

    let request = upgrade_resource_identity::Request {
        type_name: ECHO.to_owned(),
        version: 0,
        raw_identity: raw(r#"{"name":"old"}"#),
    };
    let answer = provider
        .upgrade_resource_identity(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.diagnostics, []);
    assert_eq!(answer.upgraded_identity, identity("old"));
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
        let answer = provider
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
        assert_eq!(answer.imported_resources, [imported]);
    }
}

#[tokio::test]
async fn functions_answer_or_say_which_argument_is_wrong() {
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
        let answer = provider.call_function(request).await.unwrap().into_inner();
        match (answer.result, answer.error) {
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
async fn what_is_not_served_is_unimplemented() {
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
            .list_resource(list_resource::Request::default())
            .await
            .err(),
        provider
            .invoke_action(invoke_action::Request::default())
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
async fn the_provider_block_is_checked_and_taken() {
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
    let answer = provider
        .validate_provider_config(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told(&answer.diagnostics), ["Error Bad host host"]);
    let request = configure_provider::Request {
        terraform_version: "1.11.4".to_owned(),
        config,
        client_capabilities: None,
    };
    let answer = provider
        .configure_provider(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.diagnostics, []);
}
