//! Who may connect, and how it ends.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use terraform_provider_feast::schema::Value;
use terraform_provider_feast::tfplugin::proto::go_plugin::{
    grpc_broker_client::GrpcBrokerClient, grpc_stdio_client::GrpcStdioClient,
};
use terraform_provider_feast::tfplugin::proto::tfplugin6::{get_metadata, stop_provider};
use tokio::time::{sleep, timeout};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Served;
use super::plugin_client::{self, Identity, PATIENCE};
use super::values::{create, echo, identity, told, value, with};

/// Whether a call gets through; a refused client may learn of it only then (TLS 1.3).
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
async fn only_the_host_that_started_it_is_served() {
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
async fn nobody_else_reaches_the_socket() {
    let served = Served::new().await;
    let directory = served.handshake.socket.parent().unwrap();
    let mode = std::fs::metadata(directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn is_healthy_by_the_name_that_the_host_asks() {
    let served = Served::new().await;
    let mut health = HealthClient::new(served.channel.clone());
    let request = HealthCheckRequest {
        service: "plugin".to_owned(),
    };
    let answer = health.check(request).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
}

#[tokio::test]
async fn side_streams_stay_open_until_the_end_and_do_not_delay_it() {
    let served = Served::new().await;
    let mut stdio = GrpcStdioClient::new(served.channel.clone());
    let mut stdio = stdio.stream_stdio(()).await.unwrap().into_inner();
    let mut broker = GrpcBrokerClient::new(served.channel.clone());
    let asks = tokio_stream::pending();
    let mut broker = broker.start_stream(asks).await.unwrap().into_inner();

    let moment = Duration::from_millis(100);
    assert!(timeout(moment, stdio.message()).await.is_err());
    assert!(timeout(moment, broker.message()).await.is_err());

    plugin_client::shut_down(served.channel.clone()).await;
    assert_eq!(
        timeout(PATIENCE, stdio.message()).await.unwrap().unwrap(),
        None
    );
    assert_eq!(
        timeout(PATIENCE, broker.message()).await.unwrap().unwrap(),
        None
    );
    timeout(PATIENCE, served.end)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(!served.handshake.socket.parent().unwrap().exists());
}

#[tokio::test]
async fn a_stop_ends_the_work_in_hand_which_still_answers() {
    let served = Served::new().await;
    let mut provider = served.provider();
    let apply = tokio::spawn(async move {
        provider
            .apply_resource_change(create("wait for stop"))
            .await
    });
    sleep(Duration::from_millis(200)).await;
    assert!(!apply.is_finished());
    let stop = served
        .provider()
        .stop_provider(stop_provider::Request {})
        .await;
    assert_eq!(stop.unwrap().into_inner().error, "");

    let answer = timeout(PATIENCE, apply)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .into_inner();
    assert_eq!(told(&answer.diagnostics), ["Error Interrupted"]);
    let saved = with(
        echo("wait for stop"),
        "id",
        Value::string("echo/wait for stop"),
    );
    assert_eq!(value(answer.new_state), saved);
    assert_eq!(answer.private, b"planned");
    assert_eq!(answer.new_identity, identity("wait for stop"));
}

#[tokio::test]
async fn the_end_waits_for_the_work_in_hand() {
    let served = Served::new().await;
    let mut provider = served.provider();
    let apply = tokio::spawn(async move { provider.apply_resource_change(create("slow")).await });
    sleep(Duration::from_millis(200)).await;
    plugin_client::shut_down(served.channel.clone()).await;
    assert!(!served.end.is_finished());

    let answer = timeout(PATIENCE, apply)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .into_inner();
    assert_eq!(
        value(answer.new_state),
        with(echo("slow"), "id", Value::string("echo/slow"))
    );
    timeout(PATIENCE, served.end)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
