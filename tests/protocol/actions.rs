//! Actions.

use terraform_provider_feast::schema::{Type, Value};
use terraform_provider_feast::tfplugin::codec;
use terraform_provider_feast::tfplugin::proto::tfplugin6::{
    ClientCapabilities, DynamicValue, deferred, invoke_action, plan_action, stop_provider,
    validate_action_config,
};
use tokio::time::timeout;
use tonic::Streaming;

use super::plugin_client::{self, TIMEOUT};
use super::values::{SAY, object, object_type, summaries};
use super::{Served, wait_for};

fn config(text: &str) -> Option<DynamicValue> {
    let config = object([("text", Value::string(text))]);
    Some(codec::write(&config, &object_type([("text", Type::String)])).unwrap())
}

fn request(text: &str) -> invoke_action::Request {
    invoke_action::Request {
        action_type: SAY.to_owned(),
        config: config(text),
        ..Default::default()
    }
}

async fn start(
    served: &Served,
    request: invoke_action::Request,
) -> Streaming<invoke_action::Event> {
    let response = served.provider().invoke_action(request).await;
    response.unwrap().into_inner()
}

/// Returns the next event: the text of a progress event, or `completed` and the diagnostics.
async fn next(stream: &mut Streaming<invoke_action::Event>) -> Option<String> {
    use invoke_action::event::Type;
    let event = timeout(TIMEOUT, stream.message()).await.unwrap().unwrap()?;
    Some(match event.r#type.unwrap() {
        Type::Progress(progress) => progress.message,
        Type::Completed(completed) => {
            let diagnostics = summaries(&completed.diagnostics);
            [&["completed".to_owned()][..], &diagnostics]
                .concat()
                .join(": ")
        }
    })
}

/// Reads a stream to its end.
async fn events(served: &Served, request: invoke_action::Request) -> Vec<String> {
    let mut stream = start(served, request).await;
    let mut events = Vec::new();
    while let Some(event) = next(&mut stream).await {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn validates_the_configuration() {
    let mut provider = Served::new().await.provider();
    let mut validate = async |type_name: &str, text: &str| {
        let request = validate_action_config::Request {
            type_name: type_name.to_owned(),
            config: config(text),
        };
        let response = provider.validate_action_config(request).await;
        summaries(&response.unwrap().into_inner().diagnostics)
    };
    assert_eq!(validate(SAY, "bad").await, ["Error Bad text text"]);
    assert_eq!(validate(SAY, "good").await, [""; 0]);
    assert_eq!(
        validate("feast_other", "good").await,
        ["Error Unknown action"]
    );
}

#[tokio::test]
async fn plans_or_defers() {
    let mut provider = Served::new().await.provider();
    let mut plan = async |text: &str| {
        let request = plan_action::Request {
            action_type: SAY.to_owned(),
            config: config(text),
            client_capabilities: Some(ClientCapabilities {
                deferral_allowed: true,
                ..Default::default()
            }),
        };
        let response = provider.plan_action(request).await.unwrap().into_inner();
        let deferred = response.deferred.map(|deferred| deferred.reason());
        (summaries(&response.diagnostics), deferred)
    };
    let absent = Some(deferred::Reason::AbsentPrereq);
    assert_eq!(plan("hello").await, (vec!["Warning Loud".to_owned()], None));
    assert_eq!(plan("defer").await, (vec![], absent));
    let crash = vec!["Error The provider crashed".to_owned()];
    assert_eq!(plan("panic").await, (crash, None));
}

#[tokio::test]
async fn streams_progress_and_completes() {
    let served = Served::new().await;
    assert_eq!(
        events(&served, request("hello world")).await,
        ["hello", "world", "completed"]
    );
    assert_eq!(
        events(&served, request("fail")).await,
        ["fail", "completed: Error Hoarse text"]
    );
}

#[tokio::test]
async fn panic_completes_with_a_diagnostic() {
    let served = Served::new().await;
    assert_eq!(
        events(&served, request("panic")).await,
        ["panic", "completed: Error The provider crashed"]
    );
}

#[tokio::test]
async fn rejected_requests_complete_at_once() {
    let served = Served::new().await;
    let unknown = invoke_action::Request {
        action_type: "feast_other".to_owned(),
        ..request("hello")
    };
    assert_eq!(
        events(&served, unknown).await,
        ["completed: Error Unknown action"]
    );
}

#[tokio::test]
async fn stop_completes_with_a_diagnostic() {
    let served = Served::new().await;
    let mut stream = start(&served, request("wait for stop")).await;
    for word in ["wait", "for", "stop"] {
        assert_eq!(next(&mut stream).await.as_deref(), Some(word));
    }
    let request = stop_provider::Request {};
    served.provider().stop_provider(request).await.unwrap();
    let last = next(&mut stream).await;
    assert_eq!(last.as_deref(), Some("completed: Error Interrupted"));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn continues_when_the_client_leaves() {
    let served = Served::new().await;
    let mut stream = start(&served, request("slow")).await;
    assert_eq!(next(&mut stream).await.as_deref(), Some("slow"));
    drop(stream);
    wait_for(&served.observed.action_returned).await;
}

#[tokio::test]
async fn shutdown_waits_for_the_result() {
    let served = Served::new().await;
    let mut stream = start(&served, request("slow")).await;
    assert_eq!(next(&mut stream).await.as_deref(), Some("slow"));
    plugin_client::shut_down(served.channel.clone()).await;
    assert_eq!(next(&mut stream).await.as_deref(), Some("completed"));
    timeout(TIMEOUT, served.end)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
