//! Authentication of clients, and the shutdown.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use terraform_provider_feast::schema::Value;
use terraform_provider_feast::tfplugin::proto::go_plugin::{
    grpc_broker_client::GrpcBrokerClient, grpc_stdio_client::GrpcStdioClient,
};
use terraform_provider_feast::tfplugin::proto::tfplugin6::{get_metadata, stop_provider};
use tokio::time::timeout;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::plugin_client::{self, Identity, TIMEOUT};
use super::values::{create, echo, identity, summaries, value, with};
use super::{Served, wait_for};

/// Returns whether a call succeeds. With TLS 1.3, a rejected client can learn of it only by a call.
async fn is_served(served: &Served, identity: Option<&Identity>) -> bool {
    match plugin_client::connect(&served.handshake, identity).await {
        Ok(channel) => {
            let request = get_metadata::Request {};
            let call = plugin_client::provider(channel).get_metadata(request).await;
            call.is_ok()
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn serves_only_the_host_that_started_it() {
    let served = Served::new().await;
    assert!(!is_served(&served, None).await, "without a certificate");
    assert!(
        !is_served(&served, Some(&Identity::new())).await,
        "another certificate"
    );
    assert!(
        is_served(&served, Some(&served.identity)).await,
        "the host's certificate"
    );
}

#[tokio::test]
async fn socket_directory_is_private() {
    let served = Served::new().await;
    let directory = served.handshake.socket.parent().unwrap();
    let mode = std::fs::metadata(directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn reports_health_under_the_name_of_go_plugin() {
    let served = Served::new().await;
    let mut health = HealthClient::new(served.channel.clone());
    let request = HealthCheckRequest {
        service: "plugin".to_owned(),
    };
    let response = health.check(request).await.unwrap().into_inner();
    assert_eq!(response.status(), ServingStatus::Serving);
}

#[tokio::test]
async fn go_plugin_streams_stay_open_and_do_not_delay_shutdown() {
    let served = Served::new().await;
    let mut stdio = GrpcStdioClient::new(served.channel.clone());
    let mut stdio = stdio.stream_stdio(()).await.unwrap().into_inner();
    let mut broker = GrpcBrokerClient::new(served.channel.clone());
    let requests = tokio_stream::pending();
    let mut broker = broker.start_stream(requests).await.unwrap().into_inner();

    let short = Duration::from_millis(100);
    assert!(timeout(short, stdio.message()).await.is_err());
    assert!(timeout(short, broker.message()).await.is_err());

    plugin_client::shut_down(served.channel.clone()).await;
    assert_eq!(
        timeout(TIMEOUT, stdio.message()).await.unwrap().unwrap(),
        None
    );
    assert_eq!(
        timeout(TIMEOUT, broker.message()).await.unwrap().unwrap(),
        None
    );
    timeout(TIMEOUT, served.end)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(!served.handshake.socket.parent().unwrap().exists());
}

#[tokio::test]
async fn stop_cancels_in_flight_apply_and_returns_state() {
    let served = Served::new().await;
    let mut provider = served.provider();
    let apply = tokio::spawn(async move {
        provider
            .apply_resource_change(create("wait for stop"))
            .await
    });
    wait_for(&served.observed.apply_started).await;
    assert!(!apply.is_finished());
    let stop = served
        .provider()
        .stop_provider(stop_provider::Request {})
        .await;
    assert_eq!(stop.unwrap().into_inner().error, "");

    let response = timeout(TIMEOUT, apply)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .into_inner();
    assert_eq!(summaries(&response.diagnostics), ["Error Interrupted"]);
    let saved = with(
        echo("wait for stop"),
        "id",
        Value::string("echo/wait for stop"),
    );
    assert_eq!(value(response.new_state), saved);
    assert_eq!(response.private, b"planned");
    assert_eq!(response.new_identity, identity("wait for stop"));
}

#[tokio::test]
async fn shutdown_waits_for_in_flight_apply() {
    let served = Served::new().await;
    let mut provider = served.provider();
    let apply = tokio::spawn(async move { provider.apply_resource_change(create("slow")).await });
    wait_for(&served.observed.apply_started).await;
    plugin_client::shut_down(served.channel.clone()).await;
    assert!(!served.end.is_finished());

    let response = timeout(TIMEOUT, apply)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .into_inner();
    assert_eq!(
        value(response.new_state),
        with(echo("slow"), "id", Value::string("echo/slow"))
    );
    timeout(TIMEOUT, served.end)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
