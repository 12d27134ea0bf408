//! Connections to the API server, and credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use terraform_provider_feast::cluster::connection::Exec;
use terraform_provider_feast::cluster::rollout::{Rollout, Wait};
use terraform_provider_feast::cluster::{
    CancellationToken, Cluster, Connection, Error, Options, Reason, StoreName,
};
use terraform_provider_feast::feast::secrets::redaction::Redaction;

use super::lab::{Lab, Scaling, TIMEOUT, deployment_key, wanted};
use super::relay::Relay;
use super::{chain, reasons};
use crate::lifecycle::account;

pub async fn supports_every_credential_type(lab: Lab) {
    lab.make_account(&account::manifests(&lab.namespace, "visitor", &json!([])))
        .await;
    let token = lab.token("visitor").await;
    sends_the_token(&lab, &token).await;
    reads_the_token_file(&lab, &token).await;
    runs_the_credential_plugin(&lab, &token).await;
}

/// Returns the error of a read that must fail: the account `visitor` has no permissions.
async fn read_error(connection: Connection) -> Error {
    let cluster = Cluster::new(&connection, Options::default()).expect("a connection");
    let store = StoreName {
        namespace: "default".into(),
        name: "x".into(),
    };
    cluster
        .read(&store, &BTreeSet::new(), &CancellationToken::new())
        .await
        .expect_err("refused")
}

fn without_credentials(lab: &Lab) -> Connection {
    Connection {
        host: Some(lab.cluster.server().to_owned()),
        insecure: Some(true),
        ..Connection::default()
    }
}

async fn sends_the_token(lab: &Lab, token: &str) {
    let error = read_error(Connection {
        token: Some(token.to_owned()),
        ..without_credentials(lab)
    })
    .await;
    let reason = error.reason.to_string();
    assert!(
        reason.contains("system:serviceaccount:") && reason.contains(":visitor"),
        "{reason}"
    );
    assert!(
        matches!(error.reason, Reason::Forbidden { .. }),
        "{error:?}"
    );

    // The token replaces the administrator's client certificate in the kubeconfig.
    let error = read_error(Connection {
        config_path: Some(lab.kubeconfig.clone()),
        token: Some(token.to_owned()),
        ..Connection::default()
    })
    .await;
    assert!(
        matches!(error.reason, Reason::Forbidden { .. }),
        "{error:?}"
    );

    let error = read_error(Connection {
        token: Some("wrong".into()),
        ..without_credentials(lab)
    })
    .await;
    assert!(
        matches!(error.reason, Reason::Unauthorized { .. }),
        "{error:?}"
    );
}

/// The file ends with a line break, which is trimmed as kubectl does.
async fn reads_the_token_file(lab: &Lab, token: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    std::fs::write(&path, format!("{token}\n")).expect("a token file");
    let kubeconfig = folder.path().join("config");
    let config = json!({
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": lab.cluster.server(), "insecure-skip-tls-verify": true}}],
        "users": [{"name": "x", "user": {"tokenFile": path}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).expect("a kubeconfig");
    let error = read_error(Connection {
        config_path: Some(kubeconfig.display().to_string()),
        ..Connection::default()
    })
    .await;
    let reason = error.reason.to_string();
    assert!(reason.contains(":visitor"), "{error:?}");
}

/// One program prints the credentials, and one fails.
async fn runs_the_credential_plugin(lab: &Lab, token: &str) {
    let exec = |script: &str| Connection {
        exec: Some(Exec {
            api_version: "client.authentication.k8s.io/v1".into(),
            command: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::from([("THE_TOKEN".into(), token.to_owned())]),
        }),
        ..without_credentials(lab)
    };
    let script = r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$THE_TOKEN'"}}'"#;
    let error = read_error(exec(script)).await;
    assert!(
        matches!(error.reason, Reason::Forbidden { .. }),
        "{error:?}"
    );
    let script = "echo $THE_TOKEN; echo please log in >&2; exit 3";
    let error = read_error(exec(script)).await;
    let source = std::error::Error::source(&error.reason)
        .expect("a source")
        .to_string();
    assert_eq!(
        source,
        "the credential plugin `sh` failed (exit status: 3): please log in"
    );
    assert!(!format!("{error:?}").contains(token));
}

pub async fn reports_unreachable_servers(lab: Lab) {
    let nowhere = Connection {
        host: Some("https://127.0.0.1:9".into()),
        ..Connection::default()
    };
    let error = read_error(nowhere).await;
    assert!(matches!(error.reason, Reason::Unreachable(_)), "{error:?}");
    let text = chain(&error.reason);
    let expected = "the API server could not be reached: client error (Connect): tcp connect error: Connection refused";
    assert!(text.starts_with(expected), "{text}");
    // A certificate that cannot be verified is not retried.
    let relay = Relay::to(lab.cluster.server()).await;
    let unverified = Connection {
        host: Some(relay.url.clone()),
        token: Some("t".into()),
        ..Connection::default()
    };
    let cluster = Cluster::new(&unverified, Options::default()).expect("a connection");
    let key = deployment_key("x");
    let cancel = CancellationToken::new();
    let read = cluster.get("default", &key, &cancel).await;
    let error = read.expect_err("unverified");
    assert!(matches!(error.reason, Reason::Unreachable(_)), "{error:?}");
    assert_eq!(relay.connections(), 1);
}

/// Returns the cluster of the lab, connected through the relay.
async fn through(relay: &Relay, lab: &Lab) -> Cluster {
    let connection = Connection {
        config_path: Some(lab.kubeconfig.clone()),
        host: Some(relay.url.clone()),
        ..Connection::default()
    };
    Cluster::new(&connection, Options::default()).expect("a connection")
}

/// Simulates a firewall that has dropped the connection: there is no response, and the connection stays open.
pub async fn replaces_an_unresponsive_connection(lab: Lab) {
    let relay = Relay::to(lab.cluster.server()).await;
    let cluster = through(&relay, &lab).await;
    let key = deployment_key("x");
    let cancel = CancellationToken::new();
    for connections in [1, 2] {
        let read = cluster.get(&lab.namespace, &key, &cancel).await;
        assert_eq!(read.expect("readable"), None);
        assert_eq!(relay.connections(), connections);
        relay.fall_silent();
    }
}

/// Each wait has two watches. Together they exceed the limit of streams that an API server allows on one connection.
pub async fn waits_do_not_block_requests(lab: Lab) {
    let mut target = wanted("x", Scaling::Static(1));
    let deployment = target.get_mut(&deployment_key("x")).expect("wanted");
    deployment["spec"]["template"]["spec"]["nodeSelector"] = json!({"accelerator": "none-such"});
    let outcome = lab.try_apply("x", &target, false).await.expect("begun");
    assert_eq!(reasons(&outcome.errors), [""; 0]);

    let relay = Relay::to(lab.cluster.server()).await;
    let cluster = through(&relay, &lab).await;
    let (store, secrets) = (lab.store("x"), Redaction::default());
    let wait = Wait::new(TIMEOUT, &secrets);
    let rollout = Rollout {
        deployment: "feast-x",
        pods: "x",
        minimum: None,
    };
    let (key, cancel) = (deployment_key("x"), CancellationToken::new());
    let read = async || cluster.get(&lab.namespace, &key, &cancel).await;
    read().await.expect("readable");
    assert_eq!(relay.connections(), 1);
    let stop = CancellationToken::new();
    let waits = (0..60).map(|_| cluster.wait_for_rollout(&store, &rollout, &wait, &stop));
    let asked_meanwhile = async {
        let begun = async {
            while relay.connections() < 3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let begun = tokio::time::timeout(TIMEOUT, begun).await;
        let found = read().await;
        stop.cancel();
        begun.expect("connections for all of the watches");
        assert!(found.expect("readable").is_some());
    };
    tokio::join!(join_all(waits), asked_meanwhile);
}

/// The provider uses `proxy_url`, and the proxy counts its tunnels.
pub async fn sends_requests_through_a_proxy(lab: Lab) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let tunnels = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = tunnels.clone();
    let proxy = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(client.read_u8().await.expect("a request"));
                }
                let request = String::from_utf8(request).expect("text");
                let target = request.split(' ').nth(1).expect("a target");
                let mut server = tokio::net::TcpStream::connect(target)
                    .await
                    .expect("the server");
                client
                    .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
                    .await
                    .expect("an answer");
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                // Either side can close the connection.
                tokio::io::copy_bidirectional(&mut client, &mut server)
                    .await
                    .ok();
            });
        }
    });
    let connection = Connection {
        config_path: Some(lab.kubeconfig.clone()),
        proxy_url: Some(format!("http://{address}")),
        ..Connection::default()
    };
    let cluster = Cluster::new(&connection, Options::default()).expect("a connection");
    let read = cluster
        .read(&lab.store("x"), &BTreeSet::new(), &CancellationToken::new())
        .await;
    assert_eq!(read.expect("readable"), BTreeMap::new());
    assert!(tunnels.load(std::sync::atomic::Ordering::Relaxed) > 0);
    proxy.abort();
}
