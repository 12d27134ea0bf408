//! List resources.

use std::sync::atomic::Ordering;
use std::time::Duration;

use terraform_provider_feast::schema::{Type, Value};
use terraform_provider_feast::tfplugin::codec;
use terraform_provider_feast::tfplugin::proto::tfplugin6::{
    DynamicValue, list_resource, stop_provider, validate_list_resource_config,
};
use tokio::time::{sleep, timeout};
use tonic::Streaming;

use super::plugin_client::{self, TIMEOUT};
use super::values::{ECHO, echo, identity, object, object_type, summaries, value, wire, with};
use super::{Served, wait_for};

fn config(count: Value, behavior: Value) -> Option<DynamicValue> {
    let ty = object_type([("count", Type::Number), ("behavior", Type::String)]);
    let config = object([("count", count), ("behavior", behavior)]);
    Some(codec::write(&config, &ty).unwrap())
}

fn request(count: i64, behavior: &str) -> list_resource::Request {
    list_resource::Request {
        type_name: ECHO.to_owned(),
        config: config(Value::integer(count), Value::string(behavior)),
        ..Default::default()
    }
}

async fn start(
    served: &Served,
    request: list_resource::Request,
) -> Streaming<list_resource::Event> {
    let response = served.provider().list_resource(request).await;
    response.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<list_resource::Event>) -> Option<list_resource::Event> {
    timeout(TIMEOUT, stream.message()).await.unwrap().unwrap()
}

/// Reads a stream to its end.
async fn events(served: &Served, request: list_resource::Request) -> Vec<list_resource::Event> {
    let mut stream = start(served, request).await;
    let mut events = Vec::new();
    while let Some(event) = next(&mut stream).await {
        events.push(event);
    }
    events
}

/// Returns the display name of each event, and its diagnostics.
fn lines(events: &[list_resource::Event]) -> Vec<String> {
    let lines = events.iter().map(|event| {
        let diagnostics = summaries(&event.diagnostic);
        [&[event.display_name.clone()][..], &diagnostics].concat()
    });
    lines.map(|parts| parts.join(": ")).collect()
}

#[tokio::test]
async fn validates_the_list_block() {
    let mut provider = Served::new().await.provider();
    let mut validate = async |limit: i64| {
        let request = validate_list_resource_config::Request {
            type_name: ECHO.to_owned(),
            config: config(Value::Unknown, Value::Null),
            include_resource_object: Some(codec::write(&Value::Bool(true), &Type::Bool).unwrap()),
            limit: Some(codec::write(&Value::integer(limit), &Type::Number).unwrap()),
        };
        let response = provider.validate_list_resource_config(request).await;
        summaries(&response.unwrap().into_inner().diagnostics)
    };
    assert_eq!(validate(7).await, ["Error Bad limit count"]);
    assert_eq!(validate(8).await, [""; 0]);
}

#[tokio::test]
async fn streams_one_event_per_resource() {
    let served = Served::new().await;
    let event = |name: &str, display_name: &str| list_resource::Event {
        identity: identity(name),
        display_name: display_name.to_owned(),
        resource_object: None,
        diagnostic: Vec::new(),
    };
    let expected = [event("echo-0", "Echo 0"), event("echo-1", "Echo 1")];
    assert_eq!(events(&served, request(2, "")).await, expected);
    assert_eq!(events(&served, request(0, "")).await, []);
}

#[tokio::test]
async fn includes_the_resource_object_on_request() {
    let served = Served::new().await;
    let included = |behavior: &str| list_resource::Request {
        include_resource_object: true,
        ..request(1, behavior)
    };
    let events = async |behavior: &str| events(&served, included(behavior)).await;
    let object = events("").await.remove(0).resource_object;
    let state = with(echo("echo-0"), "id", Value::string("echo/echo-0"));
    assert_eq!(value(object), state);
    assert_eq!(
        lines(&events("no object").await),
        ["Echo 0: Warning Incomplete list result"]
    );
    assert_eq!(
        lines(&events("bad object").await),
        ["Echo 0: Error Provider produced an invalid value size"]
    );
}

#[tokio::test]
async fn closes_the_stream_at_the_limit() {
    let served = Served::new().await;
    let limited = list_resource::Request {
        limit: 2,
        ..request(100, "")
    };
    // The list panics if it continues after the limit.
    assert_eq!(lines(&events(&served, limited).await), ["Echo 0", "Echo 1"]);
    wait_for(&served.observed.list_ended).await;
}

#[tokio::test]
async fn events_have_their_own_diagnostics() {
    let served = Served::new().await;
    assert_eq!(
        lines(&events(&served, request(2, "warn")).await),
        ["Echo 0: Warning Odd name", "Echo 1: Warning Odd name"]
    );
    assert_eq!(
        lines(&events(&served, request(1, "only warn")).await),
        ["Echo 0", ": Warning Skipped"]
    );
    assert_eq!(
        lines(&events(&served, request(1, "no identity")).await),
        ["Echo 0: Error Incomplete list result"]
    );
}

#[tokio::test]
async fn panic_is_the_last_event() {
    let served = Served::new().await;
    let events = events(&served, request(1, "panic")).await;
    assert_eq!(lines(&events), ["Echo 0", ": Error The provider crashed"]);
    let detail = &events[1].diagnostic[0].detail;
    let expected = "The provider crashed while listing feast_echo: asked to\n";
    assert!(detail.starts_with(expected), "{detail}");
}

#[tokio::test]
async fn rejected_requests_are_one_event() {
    let served = Served::new().await;
    let unknown = list_resource::Request {
        type_name: "feast_other".to_owned(),
        ..request(1, "")
    };
    assert_eq!(
        lines(&events(&served, unknown).await),
        [": Error Unknown list resource"]
    );
    let malformed = list_resource::Request {
        config: wire(&echo("not a configuration of the list")),
        ..request(1, "")
    };
    assert_eq!(
        lines(&events(&served, malformed).await),
        [": Error Value does not fit the provider's schema"]
    );
}

#[tokio::test]
async fn produces_no_more_than_the_client_reads() {
    let served = Served::new().await;
    let mut stream = start(&served, request(100_000, "")).await;
    assert!(next(&mut stream).await.is_some());
    let sent = || served.observed.events_sent.load(Ordering::SeqCst);
    // The connection buffers some events; then the list has to wait.
    let mut before = -1;
    while sent() != before {
        before = sent();
        sleep(Duration::from_millis(300)).await;
    }
    assert!(before < 50_000, "{before} events without a reader");

    drop(stream);
    wait_for(&served.observed.list_ended).await;
    assert!(sent() < 50_000, "the list continued without a client");
}

#[tokio::test]
async fn stop_ends_a_list_with_a_diagnostic() {
    let served = Served::new().await;
    let mut stream = start(&served, request(1, "wait for stop")).await;
    assert_eq!(next(&mut stream).await.unwrap().display_name, "Echo 0");
    let request = stop_provider::Request {};
    served.provider().stop_provider(request).await.unwrap();
    let last = next(&mut stream).await.unwrap();
    assert_eq!(summaries(&last.diagnostic), ["Error Interrupted"]);
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn shutdown_ends_a_list_with_a_diagnostic() {
    let served = Served::new().await;
    let mut stream = start(&served, request(1, "wait for stop")).await;
    assert_eq!(next(&mut stream).await.unwrap().display_name, "Echo 0");
    plugin_client::shut_down(served.channel.clone()).await;
    let last = next(&mut stream).await.unwrap();
    assert_eq!(summaries(&last.diagnostic), ["Error List interrupted"]);
    assert_eq!(next(&mut stream).await, None);
    timeout(TIMEOUT, served.end)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
